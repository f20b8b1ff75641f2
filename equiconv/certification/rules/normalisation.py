"""Normalisations: a reduction, then a pointwise map with constants."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from equiconv.certification.alignment import align
from equiconv.certification.moves import reduce, reduce_dims, regroup
from equiconv.certification.registry import rule
from equiconv.certification.rules.sliding import unmoved
from equiconv.certification.states import Constant, Signal, size_of
from equiconv.certification.step import Step, UnknownOperation

THEOREM = "normalisation"


def affine(step: Step, x: Signal, names: Sequence[str], shape: Sequence[int]) -> Signal:
    """Combine pointwise with the named constants, laid out as ``shape``."""
    operands: list[Signal | Constant] = [x]
    for name in names:
        constant = step.arguments.get(name)
        if isinstance(constant, Signal):
            raise UnknownOperation(f"its {name} depends on the input")
        if isinstance(constant, Constant):
            operands.append(Constant(constant.value.reshape(list(shape)), constant.generic, constant.label))
    return align(step, operands, x.shape)


def _results(step: Step, x: Signal) -> Signal | tuple[Signal, ...]:
    """The normalised tensor; statistics that come with it are empty in evaluation and are claimed nothing of."""
    value = step.node.value
    if isinstance(value, Tensor):
        return step.result(x.dims)
    first = step.result(x.dims, [int(d) for d in value[0].shape])
    return (first, *(unmoved(step, v.shape) for v in value[1:]))


@rule(
    "aten._native_batch_norm_legit_no_training.default",
    "aten.batch_norm.default",
    "aten.native_batch_norm.default",
    "aten.cudnn_batch_norm.default",
    "aten._batch_norm_no_update.default",
    family="normalisation",
    theorem=THEOREM,
    digits=True,
)
def batch_norm(step: Step) -> Signal | tuple[Signal, ...]:
    """With stored statistics, an affine map of each channel; without any, those of the batch and of all positions."""
    if step.arguments.get("training"):
        if step.arguments.get("running_mean") is not None:
            raise UnknownOperation("it uses the statistics of the batch and updates buffers (training mode)")
        return _of_the_batch(step)
    x = step.signal("input" if "input" in step.arguments else "self")
    names = ("weight", "bias", "running_mean", "running_var")
    return _results(step, affine(step, x, names, [1, -1] + [1] * (len(x.dims) - 2)))


@rule("aten._native_batch_norm_legit.no_stats", family="normalisation", theorem=THEOREM)
def batch_statistics(step: Step) -> Signal | tuple[Signal, ...]:
    """Statistics of each channel over the batch and all positions (track_running_stats=False), then an affine map of it."""
    return _of_the_batch(step)


def _of_the_batch(step: Step) -> Signal | tuple[Signal, ...]:
    x = step.signal("input")
    gone = [d for d in range(len(x.dims)) if d != 1]
    x = Signal(x.strides, tuple(reduce_dims(step, x.dims, gone, "batch norm")))
    return _results(step, affine(step, x, ("weight", "bias"), [1, -1] + [1] * (len(x.dims) - 2)))


@rule(
    "aten.layer_norm.default",
    "aten.native_layer_norm.default",
    "aten.rms_norm.default",
    "aten._fused_rms_norm.default",
    family="normalisation",
    theorem=THEOREM,
    digits=True,
)
def layer_norm(step: Step) -> Signal | tuple[Signal, ...]:
    """Statistics over the last dims, then an affine map with one constant an entry of them."""
    x = step.signal("input")
    shape = [int(s) for s in step["normalized_shape"]]
    rank = len(x.dims)
    x = Signal(x.strides, tuple(reduce_dims(step, x.dims, range(rank - len(shape), rank), "layer norm")))
    return _results(step, affine(step, x, ("weight", "bias"), shape))


@rule("aten.group_norm.default", "aten.native_group_norm.default", family="normalisation", theorem=THEOREM, digits=True)
def group_norm(step: Step) -> Signal | tuple[Signal, ...]:
    """Statistics over groups of channels and all positions, then an affine map of each channel."""
    x = step.pay_for("input", [1])
    groups = int(step["num_groups" if "num_groups" in step.arguments else "group"])
    outer, inner = regroup(step, [x.dims[1]], (groups, size_of(x.dims[1]) // groups))
    laid = (x.dims[0], outer, inner, *x.dims[2:])
    reduce_dims(step, laid, range(2, len(laid)), "group norm")
    return _results(step, affine(step, x, ("weight", "bias"), [1, -1] + [1] * (len(x.dims) - 2)))


@rule("aten.instance_norm.default", family="normalisation", theorem=THEOREM)
def instance_norm(step: Step) -> Signal | tuple[Signal, ...]:
    """Statistics over the positions of each channel (or stored ones), then an affine map of each channel."""
    x = step.signal("input")
    if step["use_input_stats"]:
        for dim in x.dims[2:]:
            reduce(step, dim, "instance norm")
    names = ("weight", "bias") if step["use_input_stats"] else ("weight", "bias", "running_mean", "running_var")
    return _results(step, affine(step, x, names, [1, -1] + [1] * (len(x.dims) - 2)))
