"""How a verdict depends on the size of the input: certify at many sizes, and say what was seen.

Export fixes the sizes in a graph (an adaptive pool's windows, a reshape's numbers), and a graph with symbolic sizes holds only under guards, so each
size is captured anew: that is what a sweep costs, and why every row is as good as a certificate of its own.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from equiconv.certification.certificate import Certificate, Obstacle, strides_text, write_whole
from equiconv.certification.certify import certify, check_model, check_options
from equiconv.certification.size_patterns import AxisPattern, explain
from equiconv.certification.step import axis_names

_MOST_SIZES = 100_000
_SHOWN = 3


@dataclass(frozen=True)
class SizeRow:
    """The verdict at one size.

    size: of the group's axes. kind, strides, potential, potential_kind, exact: as in :class:`Certificate`; None where there is none. blame,
    potential_blame: for each axis, what leaves only 0 along it, or None. error: why the network could not be certified at this size, or None.
    """

    size: tuple[int, ...]
    kind: str | None = None
    strides: tuple[int, ...] | None = None
    potential: tuple[int, ...] | None = None
    potential_kind: str | None = None
    exact: bool | None = None
    blame: tuple[str | None, ...] = ()
    potential_blame: tuple[str | None, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class SizePattern:
    """What explains the strides of every row: a rule for each axis, in its own size alone."""

    axes: tuple[AxisPattern, ...]

    def strides(self, size: Sequence[int]) -> tuple[int | None, ...]:
        """The strides that the rules give at a size; None along an axis of which they say nothing."""
        return tuple(axis.stride(n) for axis, n in zip(self.axes, size, strict=True))

    def __str__(self) -> str:
        letters = _letters(len(self.axes))
        return "; ".join(axis.describe(letter) for axis, letter in zip(self.axes, letters, strict=True))


@dataclass(frozen=True)
class SizeSweep:
    """Certificates at many sizes, and the pattern in them. What is seen on a sweep holds for the sizes tried: it is no proof for others."""

    model: str
    axes: tuple[int, ...]
    rows: tuple[SizeRow, ...]
    padding: str = "as-is"
    weights: str = "these"

    @property
    def pattern(self) -> SizePattern | None:
        """The rules that explain the strides of every certified row; None where there are none."""
        return _pattern([(row.size, row.strides) for row in self.rows if row.strides and row.kind != "undecided"])

    @property
    def potential_pattern(self) -> SizePattern | None:
        """The same of the strides that would hold were every padding circular."""
        return _pattern([(r.size, r.potential) for r in self.rows if r.potential and r.potential_kind != "undecided"])

    def __str__(self) -> str:
        certified = [row for row in self.rows if row.error is None]
        square = " (squares only)" if len(self.axes) > 1 and all(len(set(r.size)) == 1 for r in self.rows) else ""
        head = f"{self.model}: {len(certified)} of {len(self.rows)} sizes certified{square}; what follows was seen on them and is no proof for others"
        lines = [head]
        if decided := [row for row in certified if row.kind != "undecided"]:
            title = "were every padding circular" if self.padding == "circular" else "as it stands"
            lines += [f"{title}:", *_section(self.pattern, decided, "strides", "kind", "blame")]
            if self.padding == "as-is":
                potential = [r for r in decided if r.potential_kind != "undecided"]
                lines += ["were every padding circular:"]
                lines += _section(self.potential_pattern, potential, "potential", "potential_kind", "potential_blame")
        if undecided := [row for row in certified if row.kind == "undecided"]:
            lines.append(f"undecided at {_some([_size(r.size) for r in undecided])}")
        errors: dict[str, list[SizeRow]] = {}
        for row in self.rows:
            if row.error is not None:  # what differs only in its numbers is one error
                errors.setdefault(re.sub(r"\d+", "#", row.error), []).append(row)
        lines += [
            f"no certificate at {_some([_size(r.size) for r in rows])}: {rows[0].error}" for rows in errors.values()
        ]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """The sweep as plain data."""
        patterns = {"pattern": self.pattern, "potential_pattern": self.potential_pattern}
        return {
            "model": self.model,
            "axes": list(self.axes),
            "padding": self.padding,
            "weights": self.weights,
            "rows": [asdict(row) for row in self.rows],
            **{k: None if p is None else [axis.as_dict() for axis in p.axes] for k, p in patterns.items()},
            "text": str(self),
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the sweep as JSON; the file appears whole or not at all. Returns its path."""
        return write_whole(path, json.dumps(self.as_dict(), indent=1) + "\n")


def certify_sizes(
    model: torch.nn.Module,
    sizes: str | Iterable[int | Sequence[int]],
    example: Tensor | Callable[[tuple[int, ...]], Any],
    axes: int | Sequence[int] = (-2, -1),
    padding: str = "as-is",
    weights: str = "these",
    refute: bool = False,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> SizeSweep:
    """Certify a network at many sizes of its input, and find the pattern in the verdicts.

    Parameters
    ----------
    model: a module in evaluation mode.
    sizes: numbers (of all axes at once: squares), tuples of one number an axis, or a text as :func:`parse_sizes` reads it, such as ``"32:96:4"``.
    example: a tensor, whose other dims and dtype are kept (the sizes of its own along ``axes`` do not matter), or a function from a size to an example.
    axes, padding, weights, refute, seed: as for :func:`certify`, at each size; larger subgroups are not refuted by default.
    progress: called with a line of text as the work goes on.

    Returns
    -------
    SizeSweep: ``rows``, one a size; a size at which the network cannot be exported or run is a row with its ``error``. ``pattern`` is what they show.

    Raises
    ------
    TypeError, ValueError: sizes, axes, options or a model that no size could be certified with.

    Examples
    --------
    >>> import torch, equiconv as eq
    >>> net = torch.nn.Conv2d(1, 1, 3, stride=2, padding=1, padding_mode="circular").eval()
    >>> sweep = eq.certify_sizes(net, [5, 6, 7, 8], torch.zeros(1, 1, 8, 8))
    >>> sweep.rows[1].strides, sweep.rows[2].strides
    ((2, 2), (7, 7))
    >>> sweep.pattern.axes[0].describe("H")
    'even H keeps 2Z (2 of 2 such sizes tried); every other H tried keeps nothing (2 of 2)'
    """
    say = progress or (lambda _text: None)
    chosen = check_options(axes, padding, weights, seed)
    check_model(model)
    if isinstance(example, Tensor):
        dims = [a + example.ndim if a < 0 else a for a in chosen]
        if any(not 0 <= d < example.ndim for d in dims) or len(set(dims)) != len(dims):
            raise ValueError(
                f"axes: got {chosen}, but the example has {example.ndim} dims {tuple(example.shape)}; name dims that it has, once each"
            )
    elif not callable(example):
        raise TypeError(
            f"example: got {type(example).__name__}; pass a tensor, or a function from a size to an example"
        )
    wanted = _sizes(sizes, len(chosen))
    rows = []
    for i, size in enumerate(wanted):
        say(f"size {_size(size)}, {i + 1} of {len(wanted)}")
        rows.append(_row(model, size, example, chosen, padding, weights, refute, seed))
    return SizeSweep(getattr(type(model), "__name__", "model"), chosen, tuple(rows), padding, weights)


def parse_sizes(text: str, rank: int = 2) -> list[tuple[int, ...]]:
    """Sizes from a text: items with commas between; an item is a number or a range ``first:last:step`` for squares, or one for each axis with x between.

    A range includes its last number where a step meets it.

    >>> parse_sizes("32:40:4, 7")
    [(32, 32), (36, 36), (40, 40), (7, 7)]
    >>> parse_sizes("8:10x5,4x4")
    [(8, 5), (9, 5), (10, 5), (4, 4)]
    >>> parse_sizes("16:32:8", rank=1)
    [(16,), (24,), (32,)]
    """
    found: list[tuple[int, ...]] = []
    for item in text.split(","):
        parts = re.split("[xX×]", item.strip())
        if len(parts) not in (1, rank):
            raise ValueError(
                f"sizes: {item.strip()!r} came; give one number or range, or {rank} with x between, as in 224x320 or 32:64:8x32"
            )
        ranges = [_range(part.strip(), item) for part in parts]
        found += [(n,) * rank for n in ranges[0]] if len(parts) == 1 else list(itertools.product(*ranges))
        if len(found) > _MOST_SIZES:
            raise ValueError(f"sizes: {text!r} is more than {_MOST_SIZES:,} sizes; give fewer")
    return list(dict.fromkeys(found))


def _range(part: str, item: str) -> range:
    match = re.fullmatch(r"([1-9]\d{0,8})(?::([1-9]\d{0,8})(?::([1-9]\d{0,8}))?)?", part)
    if match is None:
        raise ValueError(
            f"sizes: {item.strip()!r} came; give whole numbers from 1, or ranges first:last:step such as 32:96:4"
        )
    first = int(match[1])
    last = int(match[2] or first)
    if last < first:
        raise ValueError(f"sizes: the range {part!r} is empty, as its last number is below its first")
    if (last - first) // int(match[3] or 1) >= _MOST_SIZES:
        raise ValueError(f"sizes: {part!r} is more than {_MOST_SIZES:,} sizes; give fewer")
    return range(first, last + 1, int(match[3] or 1))


def _sizes(sizes: Any, rank: int) -> list[tuple[int, ...]]:
    if isinstance(sizes, str):
        return parse_sizes(sizes, rank)
    if isinstance(sizes, int) and not isinstance(sizes, bool):
        sizes = [sizes]
    try:
        items = list(itertools.islice(sizes, _MOST_SIZES + 1))
    except TypeError as error:
        raise TypeError(
            f"sizes: got {type(sizes).__name__}; pass numbers, tuples, or a text such as '32:96:4'"
        ) from error
    if not 0 < len(items) <= _MOST_SIZES:
        raise ValueError(
            f"sizes: got {'none' if not items else f'more than {_MOST_SIZES:,}'}; pass at least one size, and not more than that"
        )
    found = []
    for item in items:
        size = (item,) * rank if not isinstance(item, (tuple, list)) else tuple(item)
        if len(size) != rank or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in size):
            raise ValueError(
                f"sizes: {item!r} came; pass whole numbers from 1, or tuples of {rank} of them, one for each of the axes"
            )
        found.append(size)
    return list(dict.fromkeys(found))


def _row(
    model: Any,
    size: tuple[int, ...],
    example: Any,
    axes: tuple[int, ...],
    padding: str,
    weights: str,
    refute: bool,
    seed: int,
) -> SizeRow:
    try:
        x = _resized(example, axes, size, seed) if isinstance(example, Tensor) else example(size)
        certificate = certify(model, x, axes, padding, weights, refute, seed)
        if certificate.shape != size:
            raise ValueError(f"example: its axes {axes} have the sizes {certificate.shape}, not {size}")
    except Exception as error:  # noqa: BLE001  (whatever a model raises at a size it is not made for is what the row says)
        text = str(error).strip()
        return SizeRow(size, error=f"{type(error).__name__}: {text.splitlines()[0] if text else 'without a message'}")
    blame = _blame(certificate, certificate.obstacles, certificate.strides, by_claims=True)
    mended = _blame(
        certificate, [o for o in certificate.obstacles if not o.removable], certificate.potential, by_claims=False
    )
    return SizeRow(
        size,
        certificate.kind,
        certificate.strides,
        certificate.potential,
        certificate.potential_kind,
        certificate.exact,
        blame,
        mended,
    )


def _resized(example: Tensor, axes: tuple[int, ...], size: tuple[int, ...], seed: int) -> Tensor:
    """An input of another size: normal noise, or the example's own entries over again where they may be indices."""
    shape = list(example.shape)
    for axis, n in zip(axes, size, strict=True):
        shape[axis] = n
    if example.is_floating_point():
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        return noise.to(dtype=example.dtype).to(example.device)
    for axis, n in zip(axes, size, strict=True):
        index = torch.arange(n, device=example.device) % example.shape[axis]
        example = example.index_select(axis, index)
    return example


def _blame(
    certificate: Certificate, obstacles: Sequence[Obstacle], strides: Sequence[int], by_claims: bool
) -> tuple[str | None, ...]:
    """For each axis along which only 0 is left: the line that leaves it so."""
    found: list[str | None] = []
    for axis, n in enumerate(certificate.shape):
        to_blame = [o for o in obstacles if axis in o.axes and o.after[axis] == n]
        if strides[axis] < n or n == 1 or not to_blame:
            found.append(None)
            continue
        # The tensor that first knows no shift tells which of several obstacles, each enough by itself, met the network as it stands.
        first = next((c.node for c in certificate.claims if by_claims and c.state.strides[axis] == n), None)
        chosen = next((o for o in to_blame if o.node == first), to_blame[0])
        line = f", {chosen.source}" if chosen.source else ""
        found.append(f"{chosen.cause} at {chosen.module or 'the model'} ({chosen.operation}{line})")
    return tuple(found)


# Text -------------------------------------------------------------------------------------------------------------------


def _pattern(rows: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> SizePattern | None:
    found = []
    for axis in range(len(rows[0][0]) if rows else 0):
        strides: dict[int, int] = {}
        for size, kept in rows:
            if strides.setdefault(size[axis], kept[axis]) != kept[axis]:
                return None  # it depends on the other sizes as well
        pattern = explain(strides)
        if pattern is None:
            return None
        found.append(pattern)
    return SizePattern(tuple(found)) if found else None


def _section(pattern: SizePattern | None, rows: Sequence[SizeRow], strides: str, kind: str, blame: str) -> list[str]:
    """What the rows show: a rule for each axis, or, where there is none, the sizes grouped by verdict."""
    kinds = Counter(getattr(row, kind) for row in rows)
    lines = []
    if pattern is None:
        lines.append("  no rule in each size alone explains all of them; by verdict:")
        groups: dict[str, list[str]] = {}
        for row in rows:
            verdict = f"{strides_text(getattr(row, strides), row.size)} ({getattr(row, kind)})"
            groups.setdefault(verdict, []).append(_size(row.size))
        lines += [f"    {verdict}: {_count(len(sizes))}, {_some(sizes)}" for verdict, sizes in groups.items()]
    else:
        rank = len(pattern.axes)
        texts = [p.describe(letter) for p, letter in zip(pattern.axes, _letters(rank), strict=True)]
        for axis, text in enumerate(texts):
            lines.append(f"  {axis_names([axis], range(rank))}: {text}")
    axes_of: dict[str, list[int]] = {}
    for axis in range(len(rows[0].size) if rows else 0):
        causes = Counter(cause for row in rows if (cause := getattr(row, blame)[axis]))
        if causes:
            what = [f"{cause} (at {_count(count)})" for cause, count in causes.most_common(_SHOWN)]
            more = f" and {len(causes) - _SHOWN} more" if len(causes) > _SHOWN else ""
            axes_of.setdefault("; ".join(what) + more, []).append(axis)
    for text, axes in axes_of.items():
        lines.append(f"  nothing is kept of the {axis_names(axes, rows[0].size)} because of {text}")
    lines.append("  " + ", ".join(f"{k} at {_count(count)}" for k, count in kinds.items()))
    return lines


def _count(sizes: int) -> str:
    return f"{sizes} size" + ("s" if sizes != 1 else "")


def _letters(rank: int) -> tuple[str, ...]:
    return {1: ("N",), 2: ("H", "W")}.get(rank) or tuple(f"n{i}" for i in range(rank))


def _size(size: Sequence[int]) -> str:
    return " × ".join(map(str, size))


def _some(texts: Sequence[str], most: int = 6) -> str:
    return ", ".join(texts[:most]) + (f", … ({len(texts)} in all)" if len(texts) > most else "")


__all__ = ["SizePattern", "SizeRow", "SizeSweep", "certify_sizes", "parse_sizes"]
