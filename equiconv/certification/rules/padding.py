"""Pads that are operations of their own. What lies outside the image is a block beside it; circular padding is a longer window of it."""

from __future__ import annotations

from collections.abc import Sequence

from equiconv.certification.moves import join, narrow, pad_moving
from equiconv.certification.registry import rule
from equiconv.certification.spectra import give_up_spectra, has_spectrum
from equiconv.certification.states import Dim, Frequency, Signal, Sum, Uniform, Window, axes_of, size_of
from equiconv.certification.step import Step, still

THEOREM = "halo_and_crop"


@rule("aten.constant_pad_nd.default", family="padding", theorem="concatenation", spectral=True)
@rule("aten.pad.default", family="padding", theorem=THEOREM, spectral=True)
def pad(step: Step) -> Signal:
    """Constant, reflect, replicate or circular padding; the list runs from the last dim backwards. A spectrum is padded with zeros, or with itself."""
    if step.arguments.get("value"):
        give_up_spectra(step, "pads a spectrum with other values than 0")
    return _pad(step, [int(p) for p in step["pad"]], str(step.arguments.get("mode", "constant")))


for _rank in (1, 2, 3):

    @rule(
        f"aten.reflection_pad{_rank}d.default",
        f"aten.replication_pad{_rank}d.default",
        family="padding",
        theorem=THEOREM,
    )
    def edge_pad(step: Step) -> Signal:
        """Padding by the image's own border, mirrored or repeated: the border does not move with the image."""
        return _pad(step, [int(p) for p in step["padding"]], "reflect")


def _pad(step: Step, pads: Sequence[int], mode: str) -> Signal:
    x = step.signal("self")
    dims = list(x.dims)
    spectrum = has_spectrum(x)
    for i in range(len(pads) // 2):
        position, before, after = len(dims) - 1 - i, pads[2 * i], pads[2 * i + 1]
        dim = step.canonical(dims[position])
        if not before and not after:
            continue
        if not axes_of(dim) and not spectrum:
            dims[position] = still(size_of(dim) + before + after)
            continue
        if mode == "constant":
            dims[position] = _constant(step, dim, before, after, position, spectrum)
        else:
            wraps = mode == "circular"
            dims[position] = pad_moving(step, dim, before, after, wraps, f"{mode} pad", position, "seen_unevenly")
    return step.result(dims)


def _constant(step: Step, dim: Dim, before: int, after: int, position: int, zero: bool) -> Dim:
    """A constant block on either side; a negative pad crops. ``zero``: beside a spectrum, which a block of zeros fits."""

    def block(size: int) -> Dim:
        return (Frequency((None,) * size, step.shape),) if zero else (Uniform(size),)

    whole = len(dim) == 1 and isinstance(dim[0], Window) and dim[0].rolls
    if step.circular and whole and before >= 0 and after >= 0:
        return pad_moving(step, dim, before, after, False, "pad", position)
    size = size_of(dim)
    kept = narrow(step, dim, max(0, -before), size - max(0, -before) - max(0, -after))
    parts: list[Dim] = [block(before)] if before > 0 else []
    parts.append(kept)
    parts += [block(after)] if after > 0 else []
    joined = join(step, parts, step.node.name)
    # A pad of a pad: the outer one is what a window meets first, and either explains the loss.
    return tuple(Sum(f.parts, f.pad or step.node.name) if isinstance(f, Sum) else f for f in joined)
