"""Entry by entry on spectra: what is linear keeps a phase, a product adds the frequencies, a modulus forgets them.

On a tensor without phases each of these is the pointwise operation that it is.
"""

from __future__ import annotations

import torch
from torch import fx

from equiconv.certification.phases import Operand, combine, is_zero
from equiconv.certification.registry import rule
from equiconv.certification.rules.pointwise import pointwise
from equiconv.certification.rules.reduction import aggregate
from equiconv.certification.spectra import give_up_by_cast, give_up_spectra, has_spectrum, plain
from equiconv.certification.states import Constant, Dim, Frequency, Signal, Sum, axes_of
from equiconv.certification.step import Step, UnknownOperation, signals_in, still

THEOREM = "pointwise"
_POWERS = 4


def _spectra(step: Step) -> bool:
    return any(map(has_spectrum, signals_in(step.arguments)))


def _pointwise(step: Step, message: str = "") -> Signal:
    """Without phases (``message`` says why): what any operation that acts entry by entry does."""
    give_up_spectra(step, message)
    found = pointwise(step)
    assert isinstance(found, Signal)
    return found


def _operand(step: Step, name: str) -> Operand:
    value = step[name]
    if isinstance(value, (Signal, Constant, int, float, complex)):
        return value
    raise UnknownOperation(f"its argument {name} is no number and no tensor")


# Linear -----------------------------------------------------------------------------------------------------------------------


@rule(
    *(
        f"aten.{name}.default"
        for name in (
            "alias",
            "alpha_dropout",
            "clone",
            "contiguous",
            "detach",
            "detach_copy",
            "dropout",
            "feature_dropout",
            "lift_fresh",
            "lift_fresh_copy",
            "_neg_view",
            "neg",
            "resolve_conj",
            "resolve_neg",
            "sgn",
        )
    ),
    family="pointwise",
    theorem=THEOREM,
    digits=True,
    spectral=True,
)
def same(step: Step) -> Signal:
    """The value, its negative, or its direction z/|z|: each turns as z does."""
    (x,) = signals_in(step.arguments)
    return step.result(step.settle(x).dims)


@rule(
    "aten._to_copy.default",
    "aten.to.dtype",
    "aten.to.device",
    "aten.to.dtype_layout",
    "aten.to.prim_Device",
    "aten.type_as.default",
    "aten.to.other",
    family="pointwise",
    theorem=THEOREM,
    digits=True,
    spectral=True,
)
def cast(step: Step) -> Signal | Constant:
    """A cast is linear, but from complex to real it takes the real part, and to whole numbers it rounds. A tensor whose dtype is taken does not matter."""
    operand, like = step["self"], step.node.value
    if isinstance(operand, Constant):
        return Constant(operand.value.to(like.device, like.dtype), operand.generic, operand.label)
    give_up_by_cast(step, like.dtype)
    return step.result(step.signal("self").dims)


@rule("aten.copy.default", family="pointwise", theorem=THEOREM, digits=True, spectral=True)
def copy(step: Step) -> Signal | Constant:
    """Overwrites the destination with the source, broadcast to it."""
    source, like = step["src"], step.node.value
    if isinstance(source, Constant):
        return Constant(source.value.to(like.dtype).expand(step.out_shape), source.generic, source.label)
    give_up_by_cast(step, like.dtype)
    return step.result(combine(step, [step.signal("src")], step.out_shape).dims)


@rule(
    "aten.add.Tensor",
    "aten.add.Scalar",
    "aten.sub.Tensor",
    "aten.sub.Scalar",
    family="pointwise",
    theorem=THEOREM,
    digits=True,
    spectral=True,
)
def add(step: Step) -> Signal:
    """A sum: the phases of its terms must be the same."""
    if not _spectra(step):
        return _pointwise(step)
    return step.result(combine(step, [_operand(step, "self"), _operand(step, "other")], step.out_shape).dims)


@rule("aten.where.self", "aten.where.ScalarOther", family="pointwise", theorem=THEOREM, digits=True, spectral=True)
def where(step: Step) -> Signal:
    """A choice between two entries of one phase, by a condition without a phase."""
    if not _spectra(step):
        return _pointwise(step)
    chosen = combine(step, [_operand(step, "self"), _operand(step, "other")], step.out_shape)
    return step.result(combine(step, [chosen, _operand(step, "condition")], step.out_shape, product=True).dims)


@rule("aten.masked_fill.Scalar", family="pointwise", theorem=THEOREM, digits=True, spectral=True)
def masked_fill(step: Step) -> Signal:
    """Zeros where the mask says so."""
    if not _spectra(step) or not is_zero(_operand(step, "value")):
        return _pointwise(step)
    return step.result(
        combine(step, [_operand(step, "self"), _operand(step, "mask")], step.out_shape, product=True).dims
    )


@rule("aten.real.default", "aten.imag.default", family="pointwise", theorem=THEOREM, digits=True, spectral=True)
def part(step: Step) -> Signal:
    """Real or imaginary part: linear over the real numbers, so it keeps a sign and no other phase."""
    give_up_spectra(step, "takes the real or the imaginary part of a spectrum", power=2)
    return step.result(step.signal("self").dims)


@rule("aten.view_as_real.default", family="pointwise", theorem=THEOREM, digits=True, spectral=True)
def parts(step: Step) -> Signal:
    """Real and imaginary part, side by side in a new last dim."""
    give_up_spectra(step, "takes the real and the imaginary part of a spectrum", power=2)
    return step.result([*step.signal("self").dims, still(2)])


@rule("aten.view_as_complex.default", family="pointwise", theorem=THEOREM)
def whole(step: Step) -> Signal:
    """The last dim holds the real and the imaginary part, which must not move."""
    x = step.signal("self")
    if moving := axes_of(x.dims[-1]):
        step.give_up(
            moving,
            "index",
            "reads a dim that moves as real and imaginary parts",
            "keep the image axis in a dim of its own",
            theorem="positions_renumbered",
        )
    return step.result(step.settle(x).dims[:-1])


@rule(
    "aten.sum.default",
    "aten.sum.dim_IntList",
    "aten.mean.default",
    "aten.mean.dim",
    family="reduction",
    theorem="reduction",
    digits=True,
    spectral=True,
)
def total(step: Step) -> Signal:
    """A sum over dims without phases is linear in the others; the dtype that is asked for is a cast before it."""
    give_up_by_cast(step, step.node.value.dtype)
    found: Signal = aggregate(step)
    return found


# Conjugate, product, modulus ----------------------------------------------------------------------------------------------------


@rule(
    "aten.conj.default",
    "aten._conj.default",
    "aten.conj_physical.default",
    family="pointwise",
    theorem=THEOREM,
    digits=True,
    spectral=True,
)
def conjugate(step: Step) -> Signal:
    """The phases turn the other way."""
    return step.result([conjugated(dim) for dim in step.signal("self").dims])


def conjugated(dim: Dim) -> Dim:
    """The dim of the complex conjugate."""

    def one(factor: Frequency) -> Frequency:
        found = tuple(None if f is None else tuple(-a for a in f) for f in factor.characters)
        return Frequency(found, factor.group)

    return tuple(
        one(f)
        if isinstance(f, Frequency)
        else Sum(tuple(conjugated(p) for p in f.parts), f.pad)
        if isinstance(f, Sum)
        else f
        for f in dim
    )


@rule("aten.mul.Tensor", "aten.mul.Scalar", family="pointwise", theorem=THEOREM, digits=True, spectral=True)
def multiply(step: Step) -> Signal:
    """Frequencies add; a constant is free along a spectrum, whatever its values."""
    if not _spectra(step):
        return _pointwise(step)
    operands = [_operand(step, "self"), _operand(step, "other")]
    return step.result(combine(step, operands, step.out_shape, product=True).dims)


@rule("aten.div.Tensor", "aten.div.Scalar", family="pointwise", theorem=THEOREM, digits=True, spectral=True)
def divide(step: Step) -> Signal:
    """As a product, where the divisor is nowhere 0: what is infinite has no phase."""
    if not _spectra(step):
        return _pointwise(step)
    top, bottom = _operand(step, "self"), _operand(step, "other")
    if isinstance(bottom, Signal) and not _nonzero(step):
        return _pointwise(step, "divides a spectrum by what may be 0")
    return step.result(combine(step, [top, bottom], step.out_shape, product=True, divisor=1).dims)


def _nonzero(step: Step) -> bool:
    """True where the graph shows that the divisor is positive, or that it is the modulus of the dividend (0/0 is NaN under every shift)."""
    top, bottom = step.node.args[0], step.node.args[1]
    return _positive(bottom) or (_called(bottom, "aten.abs.default") and bottom.args[0] is top)


def _called(node: object, *names: str) -> bool:
    return isinstance(node, fx.Node) and str(node.target) in names


def _positive(node: object) -> bool:
    """A modulus or a square plus a positive number, or clamped from below by one. A factor (alpha) or an upper end may undo that."""
    if not isinstance(node, fx.Node) or len(node.args) != 2 or node.kwargs:
        return False
    number = node.args[1]
    positive = isinstance(number, (int, float)) and number > 0
    if _called(node, "aten.clamp.default", "aten.clamp_min.default"):
        return positive
    return _called(node, "aten.add.Tensor", "aten.add.Scalar") and positive and _nonnegative(node.args[0])


def _nonnegative(node: object) -> bool:
    if not isinstance(node, fx.Node) or not node.args:
        return False
    even = _called(node, "aten.pow.Tensor_Scalar") and node.args[1] in (2, 4) and _is_real(node.args[0])
    return even or _called(node, "aten.abs.default", "aten.relu.default")


def _is_real(node: object) -> bool:
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    return isinstance(value, torch.Tensor) and not value.is_complex()


@rule("aten.square.default", "aten.pow.Tensor_Scalar", family="pointwise", theorem=THEOREM, digits=True, spectral=True)
def power(step: Step) -> Signal:
    """A whole power is a product of equal factors."""
    exponent = step.arguments.get("exponent", 2)
    if not _spectra(step) or exponent not in range(1, _POWERS + 1):
        return _pointwise(step)
    return step.result(combine(step, [step.signal("self")] * int(exponent), step.out_shape, product=True).dims)


@rule("aten.abs.default", family="pointwise", theorem=THEOREM, digits=True, spectral=True)
def modulus(step: Step) -> Signal:
    """A phase has modulus 1."""
    return step.result([plain(dim) for dim in step.signal("self").dims])


@rule("aten.linalg_vector_norm.default", family="reduction", theorem="reduction", digits=True, spectral=True)
def norm(step: Step) -> Signal:
    """A function of the moduli."""
    x = step.signal("self")
    step.arguments = {**step.arguments, "self": Signal(x.strides, tuple(plain(dim) for dim in x.dims))}
    found: Signal = aggregate(step)
    return found
