"""The rounding floor: how much of a difference between two runs rounding explains.

It owes nothing to the comparison that it stands beside. A torch function is run again with every floating result inside
it multiplied by 1 ± eps at random, entry by entry, in that result's own dtype (stochastic arithmetic, the CESTAC method:
Vignes, *Mathematics and Computers in Simulation* 35, 1993). The change that arrives at the output is what one rounding an
operation does to it, so a hard-coded ``.float()`` inside a float64 function counts as what it is. An operation that adds
many terms up (a sum, a convolution, a Fourier transform) rounds the terms too, which is all that is left where they
cancel: numbers that no operation has rounded yet are perturbed on their way into one. Other array libraries
cannot be watched from outside: their input is perturbed by its unit roundoff instead, and a narrower dtype inside is seen
only where the output is of that dtype or holds its values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from equiconv.arrays import Array, asarray_like, dtype_name, eps, namespace, to_numpy
from equiconv.measurement.outputs import Part, largest_difference, largest_magnitude
from equiconv.measurement.subject import Subject

__all__ = [
    "BEYOND",
    "BEYOND_NARROW",
    "RandomRounding",
    "Shaker",
    "floats",
    "limit_for",
    "own_roundoff",
    "rounding_floors",
]

#: An error is beyond rounding when it exceeds this many rounding floors. The floor charges one roundoff an operation; a
#: convolution of K terms loses up to about √K of them, 68 for the widest layer of a ResNet-18.
BEYOND = 256.0
#: The same for torch's 16-bit dtypes. Its sums of these are accumulated in float32, so that K terms lose one roundoff of the
#: narrow dtype and not √K; and 256 of bfloat16's are twice the value itself, which no error would exceed. What is computed in
#: a wider dtype on the way still loses its √K: there a roundoff counts 256/8 times.
BEYOND_NARROW = 8.0
_POOL = 2**20 + 7
# Operations that move, copy, choose or negate entries, or return whole numbers: their result is exact.
_EXACT = {
    *("_unsafe_view", "_reshape_copy", "view_copy", "lift_fresh_copy", "slice_scatter", "select_scatter"),
    *("clone", "cat", "stack", "roll", "flip", "repeat", "index", "index_select", "gather", "constant_pad_nd"),
    *("where", "masked_fill", "neg", "abs", "relu", "relu_", "maximum", "minimum", "amax", "amin", "max", "min"),
    *("max_pool2d_with_indices", "max_pool3d_with_indices", "sort", "topk", "sign", "floor", "ceil", "round", "trunc"),
}
# Operations that are no sums: an exact operand stays as it is (a conversion to a wider dtype must not see the narrow one's roundoff).
_CONVERSIONS = {"_to_copy"}
# Operations that add in the dtype of their result, one term after another, also where that is a 16-bit one.
_SERIAL = {"index_add", "index_put", "index_reduce", "scatter_add", "scatter_reduce", "_index_put_impl"}


class Shaker:
    """Multiplies tensors in place by 1 ± eps of their dtype, the signs drawn at random for each entry.

    The signs come from a pool, entered at a random place for each tensor: fresh ones would cost more than the network.
    wide: how often a roundoff counts in dtypes of more than 16 bits.
    """

    def __init__(self, seed: int, wide: float = 1.0) -> None:
        self._wide = wide
        self._generator = torch.Generator().manual_seed(seed)
        self._signs = torch.randint(0, 2, (_POOL,), generator=self._generator, dtype=torch.int8) * 2 - 1
        self._factors: dict[tuple[torch.dtype, torch.device, bool], Tensor] = {}

    def shake(self, value: Tensor, serial: bool = False) -> None:
        """Perturb every entry of a floating tensor. serial: it was summed in its own dtype, so that its roundoff counts as one of a wide dtype."""
        key = value.dtype, value.device, serial
        if key not in self._factors:
            real = value.real.dtype if value.is_complex() else value.dtype
            times = self._wide if serial or real.itemsize > 2 else 1.0
            self._factors[key] = 1 + times * torch.finfo(value.dtype).eps * self._signs.to(value.device, real)
        start = int(torch.randint(0, _POOL, (), generator=self._generator))
        pieces, missing = [], value.numel()
        while missing:
            pieces.append(self._factors[key][start : start + missing])
            missing -= pieces[-1].numel()
            start = 0
        value.mul_(torch.cat(pieces).view(value.shape))


class RandomRounding(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While active, multiplies every floating result of an operation by 1 ± eps of its dtype, at random for each entry.

    Views, copies and choices round nothing and are left alone, as are the results of operations without a floating
    operand (constants), and the memory of `kept` tensors (weights and buffers), which must outlive the run unchanged.
    Where an operation is no entrywise one, copies of those of its operands that nothing has rounded yet, but for
    parameters, stand for them, multiplied likewise: its sums round what they add. wide: as of `Shaker`.
    """

    # A higher-order operation (a cond inside an exported program) runs as it is: what it computes is not shaken.
    supports_higher_order_operators = True

    def __init__(self, seed: int, kept: Sequence[Tensor] = (), wide: float = 1.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shaker = Shaker(seed, wide)
        self._kept = {t.untyped_storage().data_ptr() for t in kept if t.device.type != "meta"}
        self._rounded = WeakIdKeyDictionary()  # tensors that hold what was perturbed already

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        operands = [v for v in pytree.tree_leaves((args, kwargs)) if floats(v)]
        if not operands or not _rounding(func):
            result = func(*args, **kwargs)
            if any(v in self._rounded for v in operands):
                self._note(result)
            return result
        if _adds(func):
            args, kwargs = pytree.tree_map(self._as_term, (args, kwargs))
        result = func(*args, **kwargs)
        for value in pytree.tree_leaves(result):
            if floats(value) and value.untyped_storage().data_ptr() not in self._kept:
                self._shaker.shake(value, func.overloadpacket.__name__.rstrip("_") in _SERIAL)
        self._note(result)
        return result

    def _note(self, result: Any) -> None:
        for value in pytree.tree_leaves(result):
            if floats(value):
                self._rounded[value] = True

    def _as_term(self, value: Any) -> Any:
        """An operand of a sum: a perturbed copy, where it is exact so far."""
        if not floats(value) or value in self._rounded or isinstance(value, torch.nn.Parameter):
            return value
        copy = value.clone()
        self._shaker.shake(copy)
        return copy


def _adds(operation: Any) -> bool:
    """Whether an operation may add its operands' entries up, and leaves the operands alone."""
    if torch.Tag.pointwise in operation.tags or operation._schema.is_mutable:
        return False
    return operation.overloadpacket.__name__ not in _CONVERSIONS


def _rounding(operation: Any) -> bool:
    """Whether an operation can round: no view, no exact one, and no higher-order one."""
    if not isinstance(operation, torch._ops.OpOverload) or operation.is_view:
        return False
    return operation.namespace != "aten" or operation.overloadpacket.__name__ not in _EXACT


def floats(value: Any) -> bool:
    """Whether a value is a tensor whose entries round."""
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex()) and value.numel() > 0


def limit_for(subject: Subject) -> float:
    """How many rounding floors explain an error: `BEYOND_NARROW` where torch computes on a 16-bit input, else `BEYOND`."""
    narrow = subject.library == "torch" and dtype_name(subject.example.dtype) in ("float16", "bfloat16")
    return BEYOND_NARROW if narrow else BEYOND


def own_roundoff(part: Part, beyond: float = BEYOND) -> float:
    """The least that rounding does to an output: one roundoff of its largest entry; 0 for integers and booleans. beyond: as of `rounding_floors`."""
    if not _rounds(part.value):
        return 0.0
    times = 1.0 if dtype_name(part.value.dtype) in ("float16", "bfloat16") else BEYOND / beyond
    return times * eps(part.value.dtype) * largest_magnitude(part.value)


def rounding_floors(
    subject: Subject,
    leaves: Sequence[Any],
    base: Sequence[Part],
    samples: int = 3,
    seed: int = 0,
    run: Callable[..., list[Part]] | None = None,
    beyond: float = BEYOND,
) -> list[float]:
    """For each part of the output, the largest change that rounding makes in so many tries.

    It is at least one roundoff of the part's largest entry. base: the output on `leaves`. run: what calls the function,
    where the caller keeps count. beyond: how many of these floors the caller allows; a roundoff of a dtype wider than 16
    bits counts `BEYOND`/beyond times.
    """
    call = run or subject.run
    floors = [own_roundoff(part, beyond) for part in base]
    module = subject.call if isinstance(subject.call, torch.nn.Module) else torch.nn.Module()
    kept = [*module.parameters(), *module.buffers()]
    for sample in range(samples):
        if subject.library == "torch":
            shaken = call(leaves, RandomRounding(seed + sample, kept, BEYOND / beyond))
        else:
            shaken = call(_perturbed(subject, leaves, base, seed + sample))
        floors = [
            max(floor, largest_difference(a.value, b.value)) for floor, a, b in zip(floors, shaken, base, strict=True)
        ]
    return floors


def _perturbed(subject: Subject, leaves: Sequence[Any], base: Sequence[Part], seed: int) -> list[Any]:
    """The arguments with every entry of the moved ones changed by one roundoff of the narrowest dtype that shows."""
    generator = np.random.default_rng(seed)
    result = list(leaves)
    for index in subject.moved:
        value: Array = leaves[index]
        roundoff = max(eps(value.dtype), *(_visible_roundoff(part.value) for part in base))
        sign = generator.integers(0, 2, size=tuple(value.shape)) * 2 - 1
        result[index] = value * asarray_like(1 + roundoff * sign, value)
    return result


def _visible_roundoff(output: Array) -> float:
    """The roundoff that an output shows: of its dtype, or of float32 where a float64 output has float32 values only
    (more than a few, no integers)."""
    if not _rounds(output):
        return 0.0
    if dtype_name(output.dtype) in ("float64", "complex128"):
        host = to_numpy(output)
        flat = host.reshape(-1)  # a view as pairs of numbers needs a dim
        flat = flat.view(np.float64) if host.dtype == np.complex128 else flat
        fractions = flat[np.isfinite(flat) & (flat != np.round(flat))]
        if fractions.size >= 8 and np.array_equal(fractions, fractions.astype(np.float32).astype(np.float64)):
            return float(np.finfo(np.float32).eps)
    return eps(output.dtype)


def _rounds(value: Array) -> bool:
    xp = namespace(value)
    return bool(xp.isdtype(value.dtype, ("real floating", "complex floating")))
