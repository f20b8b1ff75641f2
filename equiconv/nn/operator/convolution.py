"""`ConvOperator`: a convolution layer on the torus as a linear map, with its singular values, inverse and products."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from equiconv.arrays import Array, compute_dtype, library, promote, require_floating, to_numpy
from equiconv.nn.operator import kernels
from equiconv.nn.operator.application import apply_kernel, solve_kernel
from equiconv.nn.operator.frequencies import (
    blocks,
    frequencies,
    grid,
    kernel_of_blocks,
    spectrum_bound,
    torus_kernel,
    unique_frequencies,
)
from equiconv.nn.operator.geometry import Geometry, Indices, each
from equiconv.nn.operator.layers import read_layer
from equiconv.nn.operator.products import after_transpose, components_sign, joined
from equiconv.nn.operator.values import decomposition_bound, largest_singular_values, singular_values
from equiconv.operators.base import Operator, broadcast, scale
from equiconv.operators.circulant import SingularCirculantError, Slogdet

__all__ = ["ConvOperator", "SingularConvolutionError"]


class SingularConvolutionError(SingularCirculantError):
    """A convolution operator has a singular value that cannot be told from zero.

    `indices` holds, for each block that has one, the batch index, the frequency on each axis, and the channel group.
    """


class ConvOperator(Operator["ConvOperator"]):
    """The linear map of a convolution layer on the torus, from (channels, *sizes) to (filters, *sizes / stride).

        y[o, i] = Σ_c Σ_t weight[o, c, t]·x[c, (i·stride + t·dilation − padding) mod n]

    It is never written out: it is applied as the layer is, and its singular values, inverses and determinant come from
    one small matrix at each frequency, of filters × (channels·∏stride) (Sedghi, Gupta & Long 2019; with a stride,
    between polyphase components). Groups are blocks of their own. All of it is differentiable in `weight`.

    As every operator of equiconv it acts on signals flattened in row-major order, `A @ x` with x of (channels·∏sizes,)
    or (…, channels·∏sizes, m), and on signals as layers take them, `A.apply(x)` with x of (…, channels, *sizes).

    Parameters
    ----------
    weight : (*batch, filters, channels // groups, *kernel_size), a real or complex floating torch tensor, as in a layer;
        the axes in front are a batch of operators. float16 and bfloat16 are computed in float32.
    sizes : the sizes of the torus, an integer or one for each of 1 to 3 axes.
    stride, dilation : an integer, or one for each axis. The stride must divide the sizes: the outputs are then a torus
        of their own. With any other the layer commutes with no shift, and has no blocks.
    padding : how far the window starts before its output, an integer or one for each axis; `"same"` is
        dilation·(k − 1) // 2, as in the layers. It moves the output and leaves the singular values as they are.
    groups : the number of groups of channels that do not mix.

    Raises
    ------
    TypeError : a weight that is no floating torch tensor; arguments that are not integers.
    ValueError : shapes, sizes, strides, dilations or groups that do not fit.

    Examples
    --------
    >>> A = ConvOperator(torch.tensor([[[1.0, 2.0, 1.0]]]), 4)
    >>> A
    ConvOperator(1 → 1 channels, kernel 3, torus 4, float32)
    >>> A.singular_values().round(decimals=4)
    tensor([4., 2., 2., 0.])
    >>> A.apply(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    tensor([[2., 1., 0., 1.]])
    """

    def __init__(
        self,
        weight: Tensor,
        sizes: int | Iterable[int],
        *,
        stride: int | Iterable[int] = 1,
        padding: int | Iterable[int] | Literal["same"] = "same",
        dilation: int | Iterable[int] = 1,
        groups: int = 1,
    ) -> None:
        if not isinstance(weight, Tensor):
            raise TypeError(
                f"weight must be a torch tensor, got {type(weight).__module__}.{type(weight).__name__}; convert it, "
                f"for instance with torch.as_tensor(weight)"
            )
        require_floating(weight, "weight")
        torus = each(sizes, 1, "sizes", 1) if not isinstance(sizes, Iterable) else tuple(sizes)
        count = len(torus)
        if count not in (1, 2, 3):
            raise ValueError(f"sizes must name 1 to 3 spatial axes, got {torus!r}")
        torus = each(torus, count, "sizes", 1)
        if weight.ndim < count + 2 or 0 in weight.shape:
            raise ValueError(
                f"weight must have shape (*batch, filters, channels // groups, *kernel_size) with {count} spatial axes, "
                f"as sizes = {torus} has, and no axis empty; got {tuple(weight.shape)}"
            )
        kernel_size = tuple(int(k) for k in weight.shape[-count:])
        strides, dilations = each(stride, count, "stride", 1), each(dilation, count, "dilation", 1)
        (groups,) = each(groups, 1, "groups", 1)
        if isinstance(padding, str):
            if padding != "same":
                raise ValueError(f"padding must be 'same', an integer or one for each axis, got {padding!r}")
            left = tuple(d * (k - 1) // 2 for d, k in zip(dilations, kernel_size, strict=True))
        else:
            left = each(padding, count, "padding")
        filters = int(weight.shape[-count - 2])
        if filters % groups:
            raise ValueError(f"groups = {groups} must divide the {filters} filters of weight {tuple(weight.shape)}")
        for a, (n, s) in enumerate(zip(torus, strides, strict=True)):
            if n % s:
                g = math.gcd(n, s)
                raise ValueError(
                    f"stride {s} does not divide the size {n} of the torus along axis {a}: the windows at 0, {s}, "
                    f"{2 * s}, … do not return to 0 after one turn, so that the outputs of a turn are no torus and follow no "
                    f"shift. Choose sizes that the stride divides. (All {n // g} outputs that are met before the first "
                    f"returns are, in another order, those of stride {g}.)"
                )
        self._set(weight, Geometry(torus, kernel_size, strides, dilations, left, groups), False)

    def _set(self, weight: Tensor, geometry: Geometry, transposed: bool) -> None:
        self._weight, self._geometry, self._transposed = weight, geometry, transposed

    @classmethod
    def _of(cls, weight: Tensor, geometry: Geometry, *, transposed: bool = False) -> ConvOperator:
        """The operator with this kernel, or its transpose. Without a stride the transpose is an operator as any other."""
        if transposed and geometry.phases == 1:
            weight, transposed = kernels.transposed(weight, geometry.axes, geometry.groups), False
            geometry = geometry.reversed()
        result = object.__new__(ConvOperator)
        result._set(weight, geometry, transposed)
        return result

    @classmethod
    def from_layer(
        cls, layer: nn.Module, sizes: int | Iterable[int], *, bias: Literal["refuse", "drop"] = "refuse"
    ) -> ConvOperator:
        """The linear map of a layer on a torus of these sizes; it shares the layer's weight, and gradients reach it.

        `layer` is an `equiconv.nn.CircularConv*d`, or a `torch.nn.Conv*d` that pads with `padding_mode="circular"` or
        needs no padding (a kernel of 1, a patch embedding). A layer with a parametrised weight counts with the weight
        that it computes. Its outputs must cover the torus, n/stride along each axis.

        A layer with a bias is affine, not linear, and refused; `bias="drop"` takes its linear part, which has the
        same Lipschitz constant and the same derivative.

        Raises `TypeError` for other modules and layers with hooks, `ValueError` for a bias and for paddings or
        sizes with which the outputs do not cover the torus; see also `ConvOperator`.

        >>> layer = nn.Conv2d(3, 8, 3, stride=2, padding=1, padding_mode="circular", bias=False)
        >>> ConvOperator.from_layer(layer, (16, 16))
        ConvOperator(3 → 8 channels, kernel 3×3, torus 16×16, stride 2×2, float32)
        """
        return cls(**read_layer(layer, sizes, bias))

    # -- what it is -------------------------------------------------------------------------------------------------

    @property
    def weight(self) -> Tensor:
        """The kernel, (*batch, filters, channels // groups, *kernel_size), that the operator was made with or has."""
        return self._weight

    @property
    def batch(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self._weight.shape[: self._weight.ndim - self._geometry.axes - 2])

    @property
    def sizes_in(self) -> tuple[int, ...]:
        return self._ends[0]

    @property
    def sizes_out(self) -> tuple[int, ...]:
        return self._ends[1]

    @property
    def _ends(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        g = self._geometry
        filters, channels = self._weight.shape[-g.axes - 2 :][:2]
        ends = (int(channels) * g.groups, *g.sizes), (int(filters), *g.periods)
        return (ends[1], ends[0]) if self._transposed else ends

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weight."""
        return self._weight.dtype

    @property
    def device(self) -> torch.device:
        """The device of the weight."""
        return self._weight.device

    def __repr__(self) -> str:
        g = self._geometry
        (channels, *_), (filters, *_) = self._ends
        parts = [
            f"{channels} → {filters} channels",
            f"kernel {_times(g.kernel_size)}",
            f"torus {_times(g.sizes)}",
        ]
        parts += [f"stride {_times(g.stride)}"] * (g.phases > 1)
        parts += [f"dilation {_times(g.dilation)}"] * (max(g.dilation) > 1)
        parts += [f"groups {g.groups}"] * (g.groups > 1)
        parts += ["transposed"] * self._transposed
        parts += [str(self.dtype).rpartition(".")[2]] + [f"batch={self.batch}"] * bool(self.batch)
        return f"ConvOperator({', '.join(parts)})"

    # -- the map ----------------------------------------------------------------------------------------------------

    def _check_signal(self, x: Array, name: str) -> None:
        require_floating(x, name)
        if library(x) != "torch":
            raise TypeError(
                f"{name} must be a torch tensor, as the operator's weight is; write torch.as_tensor({name})"
            )

    def _transform(self, x: Array, gap: int) -> Array:
        (x, weight), dtype = promote(x, self._weight)
        return apply_kernel(x, weight, self._geometry, gap, transposed=self._transposed).to(dtype)

    def dense(self) -> Tensor:
        """The matrix itself, (*batch, filters·∏(sizes/stride), channels·∏sizes): for comparison, and tests.

        It is read from the kernel without arithmetic but for taps that meet, where a kernel is longer than the torus.

        >>> ConvOperator(torch.tensor([[[1.0, 2.0, 3.0]]]), 4, stride=2, padding=0).dense()
        tensor([[1., 2., 3., 0.],
                [3., 0., 1., 2.]])
        """
        g, lead = self._geometry, len(self.batch)
        matrix = kernels.regrouped(torus_kernel(self._weight, g), g.axes, g.groups, 1)
        for a, (n, s, period) in enumerate(zip(g.sizes, g.stride, g.periods, strict=True)):
            # Output i reads position p with the tap at p − i·s; the axis becomes (output, input).
            index = (np.arange(n)[None, :] - s * np.arange(period)[:, None]) % n
            dim = lead + 2 + 2 * a
            flat = matrix.index_select(dim, torch.as_tensor(index.reshape(-1), device=self.device))
            matrix = kernels.split_axis(flat, dim, (period, n))
        ends = [[lead + end, *(lead + 2 + end + 2 * a for a in range(g.axes))] for end in (0, 1)]
        matrix = matrix.permute(*range(lead), *ends[0], *ends[1])
        matrix = matrix.flatten(lead, lead + g.axes).flatten(lead + 1)
        return matrix.mT if self._transposed else matrix

    # -- algebra ----------------------------------------------------------------------------------------------------

    @property
    def T(self) -> ConvOperator:
        """The transpose: what a layer's backward pass applies, and torch's transposed convolution where it fits."""
        return ConvOperator._of(self._weight, self._geometry, transposed=not self._transposed)

    @property
    def H(self) -> ConvOperator:
        """The adjoint: the conjugate of the transpose, ⟨A x, y⟩ = ⟨x, A.H y⟩."""
        weight = self._weight.conj().resolve_conj() if self._weight.is_complex() else self._weight
        return ConvOperator._of(weight, self._geometry, transposed=not self._transposed)

    def _scaled(self, scalar: Any) -> ConvOperator:
        return ConvOperator._of(scale(self._weight, scalar), self._geometry, transposed=self._transposed)

    def compose(self, other: ConvOperator) -> ConvOperator:
        """The operator that applies `other` first: `self @ other`, one kernel for two layers without activation.

        Strides multiply, and the kernel is as long as the two windows together reach; where that exceeds the torus,
        it is wrapped. An operator after the transpose of one with the same stride is an operator without stride, too.

        Raises `ValueError` where the sizes do not fit, and `TypeError` where the product is no such operator: the
        transpose of a strided operator after a strided one acts otherwise on each polyphase component.

        >>> a = ConvOperator(torch.tensor([[[1.0, 1.0]]]), 8, stride=2)
        >>> b = ConvOperator(torch.tensor([[[1.0, 1.0]]]), 4)
        >>> b.compose(a), b.compose(a).weight
        (ConvOperator(1 → 1 channels, kernel 4, torus 8, stride 2, float32), tensor([[[1., 1., 1., 1.]]]))
        """
        if not isinstance(other, ConvOperator):
            raise TypeError(f"compose() takes a ConvOperator, got {type(other).__name__}")
        return self._compose(other)

    def _compose(self, other: Operator[Any]) -> ConvOperator:
        if not isinstance(other, ConvOperator):
            self._refuse(other)
        if self.sizes_in != other.sizes_out:
            raise ValueError(
                f"the left operator maps from {self.sizes_in} (channels, *sizes), but the right one to "
                f"{other.sizes_out}; they must be equal"
            )
        if self.dtype != other.dtype:
            raise TypeError(
                f"the operators must have one dtype, got {self.dtype} and {other.dtype}; convert the weight of one"
            )
        if self.device != other.device:
            raise ValueError(
                f"the operators are on different devices ({self.device}, {other.device}); move the weight of one"
            )
        broadcast(self.batch, other.batch, "the right operator")
        first, second = self.T, other.T
        if not self._transposed and not other._transposed:
            product, transposed = joined(other._wide(), self._wide()), False
        elif not first._transposed and not second._transposed:
            # Both are transposed, or one is and the other has no stride, so that its transpose is one as well.
            product, transposed = joined(first._wide(), second._wide()), True
        elif other._transposed and self._geometry.stride == other._geometry.stride:
            product, transposed = after_transpose(self._wide(), other._wide()), False
        else:
            raise TypeError(
                f"{self!r} after {other!r} is no convolution of one kernel, since it acts otherwise on each sample "
                f"between two strides; apply one after the other"
            )
        return ConvOperator._of(product[0].to(self.dtype), product[1], transposed=transposed)

    def _wide(self) -> tuple[Tensor, Geometry]:
        """The kernel, whether or not transposed, in the dtype that it is computed in."""
        return self._weight.to(compute_dtype(self.dtype)), self._geometry

    def _refuse(self, other: Operator[Any]) -> NoReturn:
        raise TypeError(
            f"ConvOperator @ {type(other).__name__} has no structure that equiconv keeps; apply one after the other"
        )

    # -- blocks -----------------------------------------------------------------------------------------------------

    def _blocks(self, chosen: Indices) -> Tensor:
        """The blocks of the kernel, whether or not transposed, (R, *batch, groups, M, N)."""
        if self._weight.is_meta:
            raise ValueError("weight is on the meta device and has no values; move it to one that holds data first")
        if not bool(torch.isfinite(self._weight).all()):
            raise ValueError("weight has NaN or infinite entries, of which no singular value or inverse is known")
        return blocks(*self._wide(), chosen)

    def _grid(self) -> Indices:
        """The frequencies that a real, or a complex, transform of the outputs keeps."""
        return frequencies(self._geometry.periods, real=not self._weight.is_complex())

    def _from_blocks(self, matrices: Tensor, geometry: Geometry, *, transposed: bool = False) -> ConvOperator:
        """The operator of this dtype with these blocks on `_grid()`."""
        weight, placed = kernel_of_blocks(matrices, geometry, real=not self._weight.is_complex())
        return ConvOperator._of(weight.to(self.dtype), placed, transposed=transposed)

    def _unique(self) -> tuple[Indices, Indices | None, Indices]:
        """The frequencies whose singular values are computed, which of them each has, and how many have each."""
        periods = self._geometry.periods
        if self._weight.is_complex():
            every = grid(periods)
            return every, None, np.ones(len(every), dtype=np.int64)
        return unique_frequencies(periods)

    def _values(self) -> Tensor:
        """The singular values on the unique frequencies, (R, *batch, groups, min(M, N))."""
        return singular_values(self._blocks(self._unique()[0]))

    def _bound(self, largest: Tensor) -> Tensor:
        """How far singular values of each group may be from the truth, given the largest: the shape of `largest`."""
        g, axes = self._geometry, self._geometry.axes
        weight = self._weight.detach().to(compute_dtype(self.dtype))
        (filters, channels), dtype = weight.shape[-axes - 2 :][:2], weight.dtype
        # The 2-norm of the error of a block is at most its Frobenius norm. Each entry errs by a multiple of the 1-norm
        # of its taps; those of the components of one channel are at most that of the channel, in the 2-norm as well.
        magnitude = kernels.split_axis(weight.abs().sum(dim=tuple(range(-axes, 0))), -2, (g.groups, -1))
        frobenius = torch.linalg.vector_norm(magnitude, dim=(-2, -1))
        return spectrum_bound(frobenius, g, dtype) + (
            decomposition_bound(filters // g.groups, channels * g.phases, dtype) * largest.detach()
        )

    # -- singular values --------------------------------------------------------------------------------------------

    def singular_values(self, *, per_frequency: bool = False) -> Tensor:
        """All min(M, N) singular values of the M × N matrix, with multiplicity: (*batch, min(M, N)), descending.

        `per_frequency=True` gives (*batch, *sizes / stride, q) instead, the q = min(filters, channels·∏stride) (group by
        group, where there are groups) at each frequency, descending; frequency f belongs to the signals
        exp(2πi·Σ_a f_a·i_a/L_a) on the torus of L = sizes / stride samples.

        They are those of `dense()`, at the cost of decomposing a filters × (channels·∏stride) matrix for each pair of
        frequencies f and −f (for each frequency, where the weight is complex); depthwise layers need no
        decomposition. Memory: filters·channels/groups·∏sizes complex numbers, half of that for real weights. Each
        value is within `rounding_bound()` of the exact one.

        Gradients reach the weight. Where singular values of one frequency coincide, or one is 0, they are not
        differentiable one by one; what comes back is then one of the possible derivatives (an element of the
        generalised gradient of the largest one, and of sums). The order within equal values of different frequencies
        is arbitrary.

        Raises `ValueError` for weights with NaN or infinite entries.

        >>> A = ConvOperator(torch.tensor([[[1.0, -1.0]]]), (4,))
        >>> A.singular_values(per_frequency=True)[:, 0].round(decimals=4)
        tensor([0.0000, 1.4142, 2.0000, 1.4142])
        """
        lead = len(self.batch)
        _, inverse, counts = self._unique()
        values = self._values().movedim(0, lead)  # (*batch, R, groups, r)
        if not per_frequency:
            return self._sorted(values.flatten(lead), counts)
        if inverse is not None:
            values = values.index_select(lead, torch.as_tensor(inverse, device=self.device))
        values = kernels.split_axis(values.flatten(lead + 1), lead, self._geometry.periods)
        if self._geometry.groups > 1:
            values = values.sort(dim=-1, descending=True).values
        if self._transposed and self._weight.is_complex():
            # The transpose has at f what the operator has at −f.
            dims = tuple(range(lead, lead + self._geometry.axes))
            values = torch.roll(torch.flip(values, dims), (1,) * len(dims), dims)
        return values

    def _sorted(self, values: Tensor, counts: Indices) -> Tensor:
        """(*batch, R·r) in descending order, those of each frequency as often as it counts."""
        found, order = values.sort(dim=-1, descending=True)
        if (counts == 1).all():
            return found
        each_count = torch.as_tensor(counts, device=self.device).repeat_interleave(values.shape[-1] // len(counts))
        repeated: Tensor = found.flatten().repeat_interleave(each_count[order].flatten())
        return repeated.reshape(*values.shape[:-1], -1)

    def rounding_bound(self) -> Tensor:
        """How far a computed singular value may be from the exact one, (*batch,), not differentiable.

        By Weyl's inequality a singular value moves by no more than the 2-norm of the error of its block: of its
        transform, a multiple of eps times the Frobenius norm of the 1-norms of the taps, and of its decomposition,
        (max(M, N) + 8)·eps times the largest singular value. Below it a singular value cannot be told from zero; half
        precision weights are taken as they are, and computed in float32.

        >>> bool(ConvOperator(torch.ones(1, 1, 3, dtype=torch.float64), 8).rounding_bound() < 1e-13)
        True
        """
        return self._bound(self._values().amax((0, -1))).amax(-1)

    def lipschitz(self) -> Tensor:
        """The largest singular value, (*batch,): the layer's exact Lipschitz constant in the 2-norm.

        It is that of `singular_values()`, usually sooner: a block that cannot hold the largest one, by its Frobenius
        norm or by a Cholesky decomposition, has no other decomposition. The gradient is that of the largest singular
        value, where only the pair of frequencies f and −f attains it, and once; where several do, it is one element of
        the generalised gradient.

        Raises as `singular_values()` does.

        >>> float(ConvOperator(torch.tensor([[[1.0, 2.0, 1.0]]]), 6).lipschitz())
        4.0
        """
        return largest_singular_values(self._blocks(self._unique()[0])).amax(-1)

    def norm(self, ord: Literal["fro", "nuc", 2] = "fro") -> Tensor:
        """The Frobenius norm (the default), the nuclear norm or the 2-norm, (*batch,).

        The Frobenius norm is read from the kernel; the others from the singular values.

        >>> float(ConvOperator(torch.tensor([[[3.0, 4.0]]]), 4).norm())
        10.0
        """
        if ord == 2:
            return self.lipschitz()
        lead, g = len(self.batch), self._geometry
        if ord == "nuc":
            counts = torch.as_tensor(self._unique()[2], device=self.device)
            values = self._values().movedim(0, -1).sum((-2, -3))
            return (values * counts.to(values.dtype)).sum(-1)
        if ord != "fro":
            raise ValueError(f"ord must be 'fro', 'nuc' or 2, got {ord!r}")
        kernel = torus_kernel(self._weight.to(compute_dtype(self.dtype)), g)
        norm: Tensor = torch.linalg.vector_norm(kernel, dim=tuple(range(lead, kernel.ndim)))
        return norm * math.sqrt(math.prod(g.periods))

    def cond(self) -> Tensor:
        """The 2-norm condition number σ_max / σ_min over all min(M, N) of them, (*batch,).

        Infinite where σ_min is within `rounding_bound()` of 0, as `solve` would call the operator singular.

        >>> float(ConvOperator(torch.tensor([[[2.0, 1.0, 0.0]]]), 4).cond().round(decimals=4))
        3.0
        """
        values = self._values()
        largest = values.amax((0, -1))  # of each group
        zero = (values.amin((0, -1)) <= self._bound(largest)).any(-1)
        least = values.amin((0, -1)).amin(-1)
        ratio = largest.amax(-1) / torch.where(zero, 1, least)
        return torch.where(zero, torch.inf, ratio)

    # -- inverses ---------------------------------------------------------------------------------------------------

    def _require_square(self, what: str) -> None:
        filters, channels = self._weight.shape[-self._geometry.axes - 2 :][:2]
        if filters != channels * self._geometry.groups * self._geometry.phases:
            raise ValueError(
                f"{what} needs as many filters as channels·∏stride, but {self!r} is a {self.shape[-2]}×{self.shape[-1]} "
                f"matrix; use pinv()"
            )

    def _singular_blocks(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Which blocks have a singular value that cannot be told from zero, (R, *batch, groups), and the bound."""
        bound = self._bound(values.amax((0, -1)))
        return values[..., -1] <= bound, bound

    def _require_regular(self, what: str) -> None:
        self._require_square(what)
        with torch.no_grad():
            values = self._values()
            zero, bound = self._singular_blocks(values)
        if not bool(zero.any()):
            return
        chosen, _, _ = self._unique()
        found = [tuple(int(i) for i in index) for index in np.argwhere(to_numpy(zero))]
        indices = tuple((*index[1:-1], *(int(f) for f in chosen[index[0]]), index[-1]) for index in found)
        first = found[0]
        frequency = tuple(int(f) for f in chosen[first[0]])
        raise SingularConvolutionError(
            f"{what} needs a regular operator, but at frequency {frequency[0] if len(frequency) == 1 else frequency}"
            + (f" of batch entry {first[1:-1]}" if self.batch else "")
            + (f" in channel group {first[-1]}" if self._geometry.groups > 1 else "")
            + (f" (and in {len(found) - 1} more blocks)" if len(found) > 1 else "")
            + f" a singular value is zero to rounding: σ = {float(values[..., -1][first]):.3g}, known only to within "
            + f"{float(bound[first[1:]]):.3g}; use pinv(), add a multiple of the identity to the kernel, or compute in a "
            + "wider dtype",
            indices,
        )

    def inv(self) -> ConvOperator:
        """The inverse: an operator whose kernel has as many taps as the torus has samples.

        There must be as many filters as channels·∏stride. The inverse of a strided operator is a transposed one.

        The operator counts as singular where a singular value is below `rounding_bound()` (of its group): then
        `SingularConvolutionError` (a `numpy.linalg.LinAlgError`) names the frequency. A nearly singular one is
        inverted, with a relative error of up to about `cond()`·eps·max(M, N) of a block.

        Raises `ValueError` where the matrix is not square.

        >>> A = ConvOperator(torch.tensor([[[1.0, 4.0, 1.0]]]), 4)
        >>> torch.allclose((A.inv() @ A).dense(), torch.eye(4), atol=1e-6)
        True
        """
        self._require_regular("inv()")
        # The blocks of the transpose are of the kind that kernels have: filters × channels·phases.
        inverse = torch.linalg.inv(self._blocks(self._grid()))
        return self._from_adjoint_blocks(inverse.mH)

    def pinv(self) -> ConvOperator:
        """The Moore–Penrose inverse: singular values inverted, but for those that `solve` would call zero.

        For a strided operator it is a transposed one: the least-squares way back from the outputs.

        >>> A = ConvOperator(torch.ones(1, 1, 4), 4)
        >>> A.pinv().weight
        tensor([[[0.0625, 0.0625, 0.0625, 0.0625]]])
        """
        matrices = self._blocks(self._grid())
        with torch.no_grad():
            bound = self._bound(singular_values(matrices).amax((0, -1)))
        inverse = torch.linalg.pinv(matrices, atol=bound.expand(matrices.shape[:-2]), rtol=torch.zeros_like(bound))
        return self._from_adjoint_blocks(inverse.mH)

    def _from_adjoint_blocks(self, matrices: Tensor) -> ConvOperator:
        """The adjoint of the operator with these blocks, (R, *batch, groups, M, N), or that of its transpose."""
        adjoint = self._from_blocks(matrices, self._geometry)
        return adjoint.H if not self._transposed else adjoint.H.T

    def solve(self, b: Array) -> Array:
        """The x with A @ x = b, for a vector b (M,) or a stack of matrices (…, M, m), as in `A @ x`.

        At each frequency a system is solved; no inverse is formed. Raises as `inv` does.

        >>> A = ConvOperator(torch.tensor([[[0.0, 2.0, 1.0]]]), 3)
        >>> A.solve(torch.tensor([3.0, 3.0, 3.0])).round(decimals=4)
        tensor([1., 1., 1.])
        """
        self._require_regular("solve()")
        swapped = self.T  # whose signals are those of b
        return swapped._multiply(b, "b", self._solve)

    def _solve(self, b: Tensor, gap: int) -> Tensor:
        (b, weight), dtype = promote(b, self._weight)
        x: Tensor = solve_kernel(b, weight, self._geometry, gap, transposed=self._transposed).to(dtype)
        return x

    def slogdet(self) -> Slogdet:
        """Sign (or phase) and logarithm of |det A|, (*batch,) each; `(0, −∞)` where `solve` would call A singular.

        For real weights the sign is that of the frequencies which are their own negatives: the others come in
        conjugate pairs. With a stride, the sign of the permutation to polyphase components counts as well.

        Raises `ValueError` where the matrix is not square.

        >>> A = ConvOperator(torch.tensor([[[0.0, 0.0, 1.0]]]), 4)
        >>> A.slogdet().sign.item(), round(A.slogdet().logabsdet.item(), 4)
        (-1.0, 0.0)
        """
        self._require_square("slogdet()")
        chosen, _, counts = self._unique()
        matrices = self._blocks(chosen)
        with torch.no_grad():
            zero = self._singular_blocks(singular_values(matrices))[0]
        # The where keeps the gradient of what is discarded finite.
        eye = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
        sign, logarithm = torch.linalg.slogdet(torch.where(zero[..., None, None], eye, matrices))
        multiplicity = torch.as_tensor(counts, device=self.device).reshape(-1, *(1,) * (sign.ndim - 1))
        if not self._weight.is_complex():
            negative = (multiplicity == 1) & (sign.real < 0)
            sign = torch.where(negative, -torch.ones_like(logarithm), torch.ones_like(logarithm))
        sign = sign.prod(0).prod(-1) * components_sign(self._geometry, self._ends[self._transposed][0])
        logarithm = (logarithm * multiplicity).sum((0, -1))
        singular = zero.any(0).any(-1)
        return Slogdet(torch.where(singular, 0, sign), torch.where(singular, -torch.inf, logarithm))

    # -- projection -------------------------------------------------------------------------------------------------

    def clip(self, largest: float) -> ConvOperator:
        """The nearest operator (in the Frobenius norm) on this torus whose singular values are at most `largest`.

        Each singular value above is set to it (Sedghi et al. 2019). The kernel of the result has as many taps as the
        torus has samples: reading it at the original taps alone gives a nearby layer of the original size, whose
        norm may exceed the limit again. Gradients are those of a singular value decomposition, which are not finite
        where two singular values of one frequency coincide.

        Raises `ValueError` for a limit that is not positive and finite.

        >>> float(ConvOperator(torch.tensor([[[1.0, 2.0, 1.0]]]), 6).clip(1.5).lipschitz().round(decimals=4))
        1.5
        """
        limit = float(largest)
        if not 0 < limit < math.inf:
            raise ValueError(f"largest must be a positive finite number, got {largest!r}")
        u, s, v = torch.linalg.svd(self._blocks(self._grid()), full_matrices=False)
        clipped = (u * s.clamp(max=limit).unsqueeze(-2)) @ v
        return self._from_blocks(clipped, self._geometry, transposed=self._transposed)


# ---------------------------------------------------------------------------------------------------------------------
# Pieces
# ---------------------------------------------------------------------------------------------------------------------


def _times(values: Iterable[int]) -> str:
    return "×".join(map(str, values))
