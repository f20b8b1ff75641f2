"""What a certificate means, in words made from its data: which shifts are safe, what breaks the others, what to
change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from equiconv.certification import Certificate, Obstacle
from equiconv.certification.certificate import strides_text

_LETTERS = 110  # of module paths that a sentence takes
_NAMED = 6  # modules that a sentence names before it counts the rest


@dataclass(frozen=True)
class ObstacleGroup:
    """Obstacles with one cause on one source line (a block's line runs once for every block), in the order of the
    graph."""

    obstacles: tuple[Obstacle, ...]

    @property
    def first(self) -> Obstacle:
        return self.obstacles[0]

    @property
    def uniform(self) -> bool:
        """All cost the same: one before and one after describe the group."""
        return len({(o.before, o.after) for o in self.obstacles}) == 1


def group_obstacles(obstacles: Iterable[Obstacle]) -> list[ObstacleGroup]:
    """Obstacles that share cause, source line, remedy and theorem, together; groups in the order of their first
    members."""
    groups: dict[tuple[object, ...], list[Obstacle]] = {}
    for o in obstacles:
        place = (o.source.file, o.source.line) if o.source else o.module
        groups.setdefault((o.cause, place, o.remedy, o.theorem), []).append(o)
    return [ObstacleGroup(tuple(found)) for found in groups.values()]


def order_of(strides: Sequence[int], shape: Sequence[int]) -> int:
    """How many circular shifts the product subgroup holds, 0 among them.

    >>> order_of((32, 32), (224, 224))
    49
    """
    return math.prod(n // s for s, n in zip(strides, shape, strict=True))


def share(strides: Sequence[int], shape: Sequence[int]) -> str:
    """``"49 of 50,176"``: the subgroup's shifts among all of them."""
    return f"{order_of(strides, shape):,} of {math.prod(shape):,}"


def strides_words(strides: Sequence[int], shape: Sequence[int]) -> str:
    """The subgroup in plain words.

    >>> strides_words((32, 1), (224, 224)), strides_words((4, 4), (8, 8))
    ('multiples of 32 in height and any number in width', 'multiples of 4 in height and width')
    """
    groups: dict[str, list[str]] = {}
    for s, n, name in zip(strides, shape, axis_labels(len(shape)), strict=True):
        groups.setdefault("0" if s == n and n > 1 else "any number" if s == 1 else f"multiples of {s}", []).append(name)
    return " and ".join(f"{amount} in {_list(names)}" for amount, names in groups.items())


def axis_labels(rank: int) -> list[str]:
    """Names of the group's axes: height and width where there are two."""
    return ["height", "width"] if rank == 2 else ["length"] if rank == 1 else [f"axis {a}" for a in range(rank)]


def headline(certificate: Certificate, name: str) -> str:
    """The verdict in one sentence, for a reader who knows no group theory."""
    c, shape = certificate, certificate.shape
    if c.kind == "undecided":
        if not c.unknown:
            return (
                f"Undecided: nothing can be claimed about {name} "
                f"({'; '.join(c.notes) or 'its output is no function of its input'})."
            )
        names = list(dict.fromkeys(u.operation for u in c.unknown))
        if all("random" in u.reason for u in c.unknown):
            return (
                f"Undecided: {name} draws random numbers ({_list(names)}), so its output is no function of its input."
            )
        return f"Undecided: {name} uses {_list(names)}, for which there is no rule yet, so nothing is claimed about it."
    total = math.prod(shape)
    if c.kind == "none":
        if c.exact:
            return (
                f"{name} respects no circular shift of its input: for each of the {total - 1:,} there are, "
                "some input breaks the symmetry."
            )
        open_ = measured(c, " (", ")") or ": larger subgroups were not tried"
        return f"No circular shift of its input but that by 0 is proved safe for {name}{open_}."
    verb = {"invariant": "does not change", "equivariant": "moves along"}[c.kind]
    shifts = _under(c.strides, shape)
    tail = "; under no larger subgroup" if c.exact and order_of(c.strides, shape) < total else ""
    lower = "" if c.exact else measured(c, " (derived; ", ")") or " (derived; larger subgroups were not tried)"
    return f"The output of {name} {verb} under {shifts}{tail}{lower}."


def _under(strides: Sequence[int], shape: Sequence[int]) -> str:
    total, held = math.prod(shape), order_of(strides, shape)
    if held == total:
        return f"every one of the {total:,} circular shifts of its input"
    return (
        f"{held:,} of the {total:,} circular shifts of its input: {strides_words(strides, shape)}, "
        f"{strides_text(strides, shape)}"
    )


def mendable(certificate: Certificate) -> bool:
    """True where circular padding would give a strictly larger subgroup."""
    c = certificate
    return (
        c.kind != "undecided"
        and c.potential_kind != "undecided"
        and c.strides != c.potential
        and all(s % p == 0 for s, p in zip(c.strides, c.potential, strict=True))
    )


def interiors(certificate: Certificate) -> list[str]:
    """For each output, what holds on an image that does not wrap."""
    return [f"{o.name}: {o.interior}." for o in certificate.outputs[:_NAMED] if o.interior is not None]


def safe(certificate: Certificate) -> str:
    """Which shifts are safe."""
    c, shape = certificate, certificate.shape
    if c.kind == "undecided":
        return "Unknown. Only the shift by 0 is claimed, which holds for every network."
    if c.kind == "none":
        base = "Only the shift by 0."
    else:
        acts = (
            "stays as it is"
            if c.kind == "invariant"
            else "moves along"
            if len(c.outputs) == 1
            else "stays or moves along, output by output"
        )
        base = (
            f"{strides_words(c.strides, shape).capitalize()}: {share(c.strides, shape)} circular shifts, under which "
            f"the output {acts}."
        )
        base += (
            ""
            if len(c.outputs) < 2
            else " " + " ".join(f"{o.name}: {o.kind}, {strides_text(o.strides, shape)}." for o in c.outputs[:_NAMED])
        )
    if c.refutations is None:
        return base + " Larger subgroups were not tried."
    if c.exact:
        every = order_of(c.strides, shape) == math.prod(shape)
        return base + ("" if every else " This is exact: every larger subgroup was refuted by running the network.")
    return base + measured(c, f" Derived: {strides_text(c.strides, shape)}; ", ".")


def measured(certificate: Certificate, before: str = "", after: str = "") -> str:
    """What running the network did not refute, which is measured and not derived; empty where nothing larger was tried or all of it was refuted."""
    c = certificate
    if c.measured is not None:
        larger = c.measured.describe(c.shape)
    else:
        left = [str(r.shift) for r in c.refutations or () if not r.refuted]
        if not left:
            return ""
        larger = _list(left)
    return f"{before}measured: running the network did not refute {larger} (not proved){after}"


def breaks(certificate: Certificate) -> list[str]:
    """What breaks the other shifts: one sentence for the paddings, one for each other cause."""
    c, shape = certificate, certificate.shape
    if c.kind == "undecided":
        return [f"{u.operation} at {u.module or 'the model itself'}: {u.reason}." for u in c.unknown] + [
            n + "." for n in c.notes
        ]
    if not c.obstacles:
        return ["Nothing: no operation of the network costs a shift."]
    sentences = []
    pads = [o for o in c.obstacles if o.removable]
    if pads:
        kinds = _count_kinds(pads)
        least = strides_text(pads[0].after, shape)
        what = (
            "bring in values that do not move with the image"
            if len(pads) > 1
            else "brings in values that do not move with the image"
        )
        each = (
            " Each alone"
            if len(pads) > 1 and len({o.after for o in pads}) == 1
            else " The first alone"
            if len(pads) > 1
            else " Alone, it"
        )
        sentences.append(
            f"{_count(len(pads), 'padding')} ({kinds}) {what}: {_modules(pads)}.{each} would leave {least}."
        )
    for cause in dict.fromkeys(o.cause for o in c.obstacles if not o.removable):
        found = [o for o in c.obstacles if o.cause == cause and not o.removable]
        left: dict[str, list[Obstacle]] = {}
        for o in found:
            left.setdefault(strides_text(o.after, shape), []).append(o)
        costs = [f"{_modules(some)} (leaves {after})" for after, some in left.items()]
        noun, one, many = _CAUSES.get(
            cause, (f"obstacle of the kind “{cause.replace('_', ' ')}”", "costs shifts", "cost shifts")
        )
        sentences.append(f"{_count(len(found), noun)} {one if len(found) == 1 else many}: {_list(costs)}.")
    return sentences


#: How a sentence names a cause, and what one of them, or several, do.
_CAUSES = {
    "stride": ("stride", "lets only coarser shifts through", "let only coarser shifts through"),
    "ceil_mode": ("overhanging window", "sees less at the edge than elsewhere", "see less at the edge than elsewhere"),
    "constant": ("constant", "does not move with the image", "do not move with the image"),
    "crop": ("crop", "leaves out a part of the image", "leave out a part of the image"),
}


def changes(certificate: Certificate) -> list[str]:
    """What to change, in the order of what it buys; empty where nothing is known to help or nothing is broken."""
    c, shape = certificate, certificate.shape
    if c.kind == "undecided" or not c.obstacles:
        return []
    sentences = []
    pads = [o for o in c.obstacles if o.removable]
    if pads and mendable(c):
        which = f"all {len(pads)} paddings" if len(pads) > 2 else "both paddings" if len(pads) == 2 else "the padding"
        kind = {"invariant": "the output would then not change", "equivariant": "the output would then move along"}.get(
            c.potential_kind, ""
        )
        sentences.append(
            f"Make {which} circular: {strides_text(c.potential, shape)} would hold, {share(c.potential, shape)} shifts"
            + (f"; {kind}" if kind else "")
            + (
                ". equiconv.symmetrize(model, x) does it and keeps the weights, which were made for the old padding: "
                "check the accuracy."
            )
        )
    elif pads:
        sentences.append(
            f"Circular padding alone would give {strides_text(c.potential, shape)}, which is no gain: the other "
            "obstacles must go first."
        )
    remedies: dict[str, list[Obstacle]] = {}
    for o in c.obstacles:
        if not o.removable and o.remedy:
            remedies.setdefault(o.remedy, []).append(o)
    for remedy, found in remedies.items():
        sentences.append(f"{remedy[0].upper()}{remedy[1:]}: {_modules(found)}.")
    return sentences


def _count_kinds(obstacles: Sequence[Obstacle]) -> str:
    kinds: dict[str, int] = {}
    for o in obstacles:
        name = operation_word(o.operation)
        kinds[name] = kinds.get(name, 0) + 1
    return ", ".join(_count(n, name) for name, n in kinds.items())


def operation_word(operation: str) -> str:
    """An ATen operation as people say it.

    >>> operation_word("aten.conv2d.default"), operation_word("aten.max_pool2d_with_indices.default")
    ('convolution', 'max pool')
    """
    parts = operation.split(".")
    name = parts[1] if len(parts) > 1 else operation
    for mark, word in (("conv", "convolution"), ("max_pool", "max pool"), ("avg_pool", "average pool"), ("pad", "pad")):
        if mark in name:
            return word
    return name


def _modules(obstacles: Sequence[Obstacle]) -> str:
    """Their modules; as many as fit a few lines, and the number of the others."""
    names = list(dict.fromkeys(o.module or "the model itself" for o in obstacles))
    fitting = sum(length <= _LETTERS for length in accumulate(map(len, names)))
    return _list(names, max(fitting, 1))


def _list(items: Sequence[str], most: int = _NAMED) -> str:
    """``a``, ``a and b``, ``a, b and 3 more``."""
    most = min(most, _NAMED)
    if len(items) > most:
        kept = max(most - 1, 1)
        return ", ".join(items[:kept]) + f" and {len(items) - kept} more"
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
