"""Circulant matrices: the linear maps that commute with every circular shift (lecture items L25 to L30).

A circulant is determined by its first column c, since C[i, j] = c[(i − j) mod n], and is diagonalised by the discrete
Fourier transform F: C = F⁻¹ diag(F c) F. So its eigenvalues are F c, its products are circular convolutions, and each
of its functions (inverse, power) is the same function of the eigenvalues. With d levels (a circulant of circulants,
BCCB for d = 2) the same holds with the d-dimensional transform.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import torch

from equiconv.arrays import (
    Array,
    DType,
    compute_dtype,
    device,
    dtype_name,
    is_complex,
    namespace,
    promote,
    require_floating,
    to_numpy,
    transform_bound,
)
from equiconv.convolution.filtering import filter_spectrum, from_spectrum, half_spectrum, is_fast
from equiconv.convolution.plain import host, is_plain
from equiconv.operators.base import Convention, Operator, broadcast, check_convention, integer, scale
from equiconv.operators.indexing import differences
from equiconv.operators.kept import Kept, kept_of
from equiconv.operators.mapping import unmapped
from equiconv.operators.projection import mean_diagonals, relative_distance
from equiconv.operators.spectra import between, conjugate_pairs, least_of_pairs, mirrored, negated, self_conjugate

__all__ = ["Circulant", "SingularCirculantError", "Slogdet"]

Spectral = Callable[[Array], Array]


class SingularCirculantError(np.linalg.LinAlgError):
    """A circulant has an eigenvalue that cannot be told from zero.

    `indices` holds the index of each such eigenvalue: the batch index, then the frequency on each level. Axes that
    `torch.func.vmap` maps come before those of the batch.
    """

    def __init__(self, message: str, indices: tuple[tuple[int, ...], ...]) -> None:
        super().__init__(message)
        self.indices = indices


class Slogdet(NamedTuple):
    """Sign (or phase) and logarithm of the modulus of a determinant: det = sign · exp(logabsdet)."""

    sign: Array
    logabsdet: Array


class Circulant(Operator["Circulant"]):
    """The circulant matrix of w, or with `ndim=d` the d-level one, never written out.

    Under `convention="convolution"` (the default, lecture (9) and L25's definition) C[i, j] = w[(i − j) mod n], so
    that C @ x = circular_convolve(x, w). Under `convention="correlation"` it is the transpose, C[i, j] = w[(j − i) mod
    n], which is the 5×5 example that the lecture prints. Results of operations are matrices of their own; their
    `convention` is that of the left operand and only says how their `kernel` is to be read.

    `w` has shape (*batch, n1, …, nd) and a real or complex floating dtype, in NumPy, CuPy or torch, and torch gradients
    flow through it. Under "convolution" it is not copied, and the matrix follows what is written to it later; a
    correlation's first column is a reversed copy, which does not. Raises `TypeError` for other dtypes, `ValueError` for too few or empty axes.

    >>> C = Circulant(np.asarray([1.0, 2.0, 3.0, 0.0, 0.0]), convention="correlation")
    >>> print(C.dense())
    [[1. 2. 3. 0. 0.]
     [0. 1. 2. 3. 0.]
     [0. 0. 1. 2. 3.]
     [3. 0. 0. 1. 2.]
     [2. 3. 0. 0. 1.]]
    >>> (C.T @ C).shape, C.T
    ((5, 5), Circulant(5, float64, convention='correlation'))
    """

    def __init__(self, w: Array, ndim: int = 1, convention: Convention = "convolution") -> None:
        levels = integer(ndim, "ndim", least=1)
        check_convention(convention)
        require_floating(w, "w")
        if w.ndim < levels:
            raise ValueError(f"w must have at least ndim = {levels} axes, got shape {tuple(w.shape)}")
        if 0 in w.shape[-levels:]:
            raise ValueError(
                f"w must have at least one entry on each of its {levels} levels, got shape {tuple(w.shape)}"
            )
        self._levels = levels
        self._convention: Convention = convention
        self._entries = w if convention == "convolution" else _reversed(w, levels)

    @classmethod
    def _of_column(cls, column: Array, levels: int, convention: Convention) -> Circulant:
        """The circulant with this first column; `convention` is only how its kernel is read."""
        result = object.__new__(Circulant)
        result._levels, result._convention, result._entries = levels, convention, column
        return result

    def _with_column(self, column: Array) -> Circulant:
        return Circulant._of_column(column, self.ndim, self._convention)

    @property
    def _column(self) -> Array:
        """The first column, (*batch, n1, …, nd)."""
        return self._entries

    def _column_like(self, x: Array) -> Array:  # noqa: ARG002 (a shift needs it)
        """The first column as an operand for `x`. A shift, which has no array, makes one of x's library here."""
        return self._column

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes (n1, …, nd) of the levels."""
        return tuple(int(n) for n in self._entries.shape[self._entries.ndim - self._levels :])

    @property
    def sizes_in(self) -> tuple[int, ...]:
        return self.sizes

    @property
    def sizes_out(self) -> tuple[int, ...]:
        return self.sizes

    @property
    def batch(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self._entries.shape[: self._entries.ndim - self._levels])

    @property
    def dtype(self) -> DType:
        """The dtype of the entries."""
        return self._column.dtype

    @property
    def convention(self) -> Convention:
        """How `kernel` is to be read: "convolution" or "correlation"."""
        return self._convention

    @property
    def kernel(self) -> Array:
        """The w with `Circulant(w, ndim, convention)` equal to this matrix."""
        return self._column if self._convention == "convolution" else _reversed(self._column, self.ndim)

    def __repr__(self) -> str:
        sizes = "×".join(map(str, self.sizes))
        batch = f", batch={self.batch}" if self.batch else ""
        dtype = str(self.dtype).rpartition(".")[2]
        return f"Circulant({sizes}, {dtype}{batch}, convention={self._convention!r})"

    # -- the map ----------------------------------------------------------------------------------------------------

    def _transform(self, x: Array, gap: int) -> Array:
        return self._filtered(x, gap, self._keep())

    def _filtered(
        self, x: Array, gap: int, kept: Kept | None, half: Array | None = None, *, inverse: bool = False
    ) -> Array:
        """The product with the last axes of x, or with the inverse.

        `kept` is what is kept of the column, `half` its half spectrum where it is known already.
        """
        column = self._column_like(x)
        if kept is not None and type(x) is type(column) is np.ndarray and x.dtype == kept.dtype:  # at once
            return (kept.inverse() if inverse else kept.product())(x, gap)
        levels = self.ndim
        (x, column), dtype = promote(x, column)
        if dtype_name(x.dtype) != dtype_name(compute_dtype(self.dtype)):  # another spectrum, then
            kept, half = self._keep(column), None
        if kept is not None and is_plain(x):
            result = (kept.inverse() if inverse else kept.product())(host(x), gap)
            y = torch.from_numpy(result) if isinstance(x, torch.Tensor) else result
        else:
            half = self._half(column, kept) if half is None else half
            spectrum = 1 / half if inverse else half
            if gap:
                split = spectrum.ndim - levels
                shape = (*spectrum.shape[:split], *(1,) * gap, *spectrum.shape[split:])
                spectrum = namespace(x).reshape(spectrum, shape)
            y = filter_spectrum(x, spectrum, levels)
        return y if y.dtype == dtype else namespace(y).astype(y, dtype, copy=False)

    def _computed(self) -> tuple[Array, DType]:
        """The column in the dtype that it is computed in, and its own dtype."""
        (column,), dtype = promote(self._column)
        return column, dtype

    def _keep(self, column: Array | None = None) -> Kept | None:
        """What is kept of the column (as it is computed), made anew where it changed; None where nothing is kept."""
        kept = kept_of(self._kept, (self._computed()[0] if column is None else column,), _itself, self.ndim)
        if kept is not None:
            self._kept = kept
        return kept

    def _half(self, column: Array, kept: Kept | None) -> Array:
        """`half_spectrum` of the column; it may be what is kept, and is not to be written to."""
        if kept is None:
            return half_spectrum(column, self.ndim)
        return torch.from_numpy(kept.spectrum) if isinstance(column, torch.Tensor) else kept.spectrum

    def _function(self, function: Spectral, half: Array | None = None) -> Circulant:
        """The circulant whose eigenvalues are `function` of this one's, `half` of them where they are known already.

        The function returns a new array, and must commute with conjugation: half the eigenvalues of a real matrix are
        then enough, and the result is real because it is transformed back as such.
        """
        column, dtype = self._computed()
        spectrum = function(self._half(column, self._keep(column)) if half is None else half)
        del half  # before memory is needed for the result
        result = from_spectrum(spectrum, self.sizes, is_real=not is_complex(column))
        return self._with_column(namespace(result).astype(result, dtype, copy=False))

    def dense(self) -> Array:
        """The matrix itself, (*batch, N, N): the only place where it is written out.

        >>> Circulant(np.asarray([1.0, 2.0, 3.0])).dense().tolist()
        [[1.0, 3.0, 2.0], [2.0, 1.0, 3.0], [3.0, 2.0, 1.0]]
        """
        column = self._column
        xp = namespace(column)
        flat = xp.reshape(column, (*self.batch, math.prod(self.sizes)))
        index = xp.asarray(differences(self.sizes).reshape(-1), device=device(column))
        return xp.reshape(xp.take(flat, index, axis=-1), self.shape)

    # -- algebra ----------------------------------------------------------------------------------------------------

    def _require_same_sizes(self, other: Circulant) -> None:
        if other.sizes != self.sizes:
            raise ValueError(
                f"circulants of levels {self.sizes} and {other.sizes} do not combine; the levels must be equal"
            )
        broadcast(self.batch, other.batch, "the other circulant")

    def _compose(self, other: Operator[Any]) -> Any:
        """C_w C_v = C_{w ⋆ v}, since both are diagonal in the same basis; it also commutes (lecture (14))."""
        if not isinstance(other, Circulant):
            return super()._compose(other)
        self._require_same_sizes(other)
        return self._with_column(other._transform(self._column_like(other._column), 0))

    def __add__(self, other: Any) -> Circulant:
        if not isinstance(other, Circulant):
            return NotImplemented
        self._require_same_sizes(other)
        return self._with_column(self._column_like(other._column) + other._column_like(self._column))

    def __sub__(self, other: Any) -> Circulant:
        return self + (-other) if isinstance(other, Circulant) else NotImplemented

    def _scaled(self, scalar: Any) -> Circulant:
        return self._with_column(scale(self._column, scalar))

    @property
    def T(self) -> Circulant:
        """The transpose: c[−k mod n]. A convolution's is the correlation with the same kernel."""
        return self._with_column(_reversed(self._column, self.ndim))

    @property
    def H(self) -> Circulant:
        """The adjoint: the conjugate of the transpose."""
        column = _reversed(self._column, self.ndim)
        return self._with_column(namespace(column).conj(column) if is_complex(column) else column)

    # -- the spectrum -----------------------------------------------------------------------------------------------

    def _spectrum(self) -> Array:
        """All eigenvalues on the grid of frequencies, (*batch, n1, …, nd), complex."""
        column, _ = self._computed()
        kept = self._keep(column)
        half = self._half(column, kept)
        if is_complex(column):  # then it is all of them, and the caller's
            return half if kept is None else namespace(half).astype(half, half.dtype, copy=True)
        return mirrored(conjugate_pairs(half, self.sizes), self.sizes)

    def _moduli(self) -> tuple[Array, Array, Array]:
        """The half spectrum, its moduli, and where these are zero to rounding."""
        column, _ = self._computed()
        half = self._half(column, self._keep(column))
        modulus = namespace(half).abs(half)
        return half, modulus, modulus <= self._zero_bound(column)

    def _zero_bound(self, column: Array) -> Array:
        """The bound below which an eigenvalue of this column cannot be told from zero, (*batch, 1, …, 1)."""
        xp, sizes = namespace(column), self.sizes
        magnitude = xp.sum(xp.abs(column), axis=tuple(range(-len(sizes), 0)), keepdims=True)
        return transform_bound(magnitude, sizes, column.dtype)

    def eigvals(self) -> Array:
        """The N eigenvalues, (*batch, N), complex: the discrete Fourier transform of the first column.

        Entry k belongs to the eigenvector exp(2πi·jk/n); with several levels they are in row-major order of the
        frequencies. Those of a real matrix are conjugate in pairs exactly, λ[−k] = conj λ[k]. float16 and bfloat16 give
        complex64.

        >>> Circulant(np.asarray([1.0, 1.0, 0.0, 0.0])).eigvals().real.tolist()
        [2.0, 1.0, 0.0, 1.0]
        """
        spectrum = self._spectrum()
        return namespace(spectrum).reshape(spectrum, (*self.batch, math.prod(self.sizes)))

    def cond(self) -> Array:
        """The 2-norm condition number max|λ| / min|λ|, (*batch,); infinite where `solve` would call C singular.

        >>> float(Circulant(np.asarray([2.0, 1.0, 0.0])).cond()) < 1.8
        True
        """
        # conjugates, which half a spectrum leaves out, are as large
        _, modulus, small = self._moduli()
        xp = namespace(modulus)
        axes = tuple(range(-self.ndim, 0))
        zero = xp.any(small, axis=axes)
        least = xp.min(modulus, axis=axes)
        ratio = xp.max(modulus, axis=axes) / xp.where(zero, xp.ones_like(least), least)
        return xp.where(zero, xp.full_like(ratio, math.inf), ratio)

    def slogdet(self) -> Slogdet:
        """Sign and logarithm of |det C|, (*batch,) each: `(0, −∞)` where `solve` would call C singular.

        For a real C the sign is that of the eigenvalues at frequencies 0 and n/2 alone: the others come in conjugate
        pairs, whose product is positive.

        >>> Circulant(np.asarray([0.0, 1.0, 0.0, 0.0])).slogdet().sign.item()
        -1.0
        """
        spectrum, modulus, zero = self._moduli()
        xp = namespace(spectrum)
        axes = tuple(range(-self.ndim, 0))
        safe = xp.where(zero, xp.ones_like(modulus), modulus)
        logarithms = xp.log(safe)
        if is_complex(self._column):
            sign = xp.prod(xp.where(zero, xp.ones_like(spectrum), spectrum) / safe, axis=axes)
            logarithm = xp.sum(logarithms, axis=axes)
        else:
            own = self_conjugate(self.sizes)
            single = xp.real(spectrum[(..., *own)])
            sign = xp.prod(xp.where(single < 0, -xp.ones_like(single), xp.ones_like(single)), axis=axes)
            # the planes that hold their own conjugates count once, what lies between them twice
            pairs = xp.sum(logarithms[..., between(self.sizes[-1])], axis=axes)
            logarithm = 2 * pairs + xp.sum(logarithms[(..., own[-1])], axis=axes)
        singular = xp.any(zero, axis=axes)
        return Slogdet(
            xp.where(singular, xp.zeros_like(sign), sign),
            xp.where(singular, xp.full_like(logarithm, -math.inf), logarithm),
        )

    def det(self) -> Array:
        """The determinant, (*batch,). It may overflow where `slogdet` does not."""
        sign, logarithm = self.slogdet()
        return sign * namespace(logarithm).exp(logarithm)

    def trace(self) -> Array:
        """The trace, (*batch,): N times the entry of the diagonal."""
        return math.prod(self.sizes) * self._column[(..., *(0,) * self.ndim)]

    # -- inverses and powers ----------------------------------------------------------------------------------------

    def _is_regular(self, column: Array, kept: Kept | None, half: Array) -> bool:
        """Whether no eigenvalue is within rounding of zero."""
        if kept is not None and kept.regular:
            return True
        xp = namespace(half)
        # the frequencies that a real spectrum leaves out are conjugates of those that it keeps
        if bool(xp.any(unmapped(xp.abs(half) <= self._zero_bound(column)))):
            return False
        if kept is not None:
            kept.regular = True
        return True

    def _require_regular(self, what: str) -> tuple[Array, Kept | None]:
        """The spectrum (`half_spectrum`) and what is kept of the column.

        Raises `SingularCirculantError` where an eigenvalue is within rounding of zero.
        """
        column, _ = self._computed()
        kept = self._keep(column)
        half = self._half(column, kept)
        if self._is_regular(column, kept, half):
            return half, kept
        bound = to_numpy(unmapped(self._zero_bound(column)))
        modulus = to_numpy(unmapped(namespace(half).abs(half)))
        if not is_complex(column):
            modulus = mirrored(least_of_pairs(modulus, self.sizes), self.sizes)
        indices = tuple(tuple(int(i) for i in index) for index in np.argwhere(modulus <= bound))
        first = indices[0]
        batch, frequency = first[: -self.ndim], first[-self.ndim :]  # axes that vmap maps are batch axes here
        index = frequency[0] if self.ndim == 1 else frequency
        limit = float(bound[(*batch, *(0,) * self.ndim)])
        raise SingularCirculantError(
            f"{what} needs a regular circulant, but eigenvalue {index}"
            + (f" of batch entry {batch}" if batch else "")
            + (f" (and {len(indices) - 1} more)" if len(indices) > 1 else "")
            + f" is zero to rounding: |λ| = {float(modulus[first]):.3g}, known only to within {limit:.3g}; "
            + "use pinv(), add a multiple of the identity, or compute in a wider dtype",
            indices,
        )

    def inv(self) -> Circulant:
        """The inverse, a circulant with the reciprocal eigenvalues.

        C counts as singular where an eigenvalue is below `equiconv.arrays.transform_bound` of the first column, that is
        where rounding alone could have made it differ from zero; then `SingularCirculantError` (a
        `numpy.linalg.LinAlgError`) names its index. A nearly singular C is inverted: the relative error is then up to
        about `cond()`·eps·log2 n.

        >>> C = Circulant(np.asarray([4.0, 1.0, 0.0, 1.0]))
        >>> bool(np.allclose((C @ C.inv()).dense(), np.eye(4)))
        True
        """
        return self._function(lambda spectrum: 1 / spectrum, self._require_regular("inv()")[0])

    def pinv(self) -> Circulant:
        """The Moore–Penrose inverse: reciprocal eigenvalues, and 0 for those that `solve` would call zero.

        >>> Circulant(np.ones(4)).pinv().kernel.tolist()
        [0.0625, 0.0625, 0.0625, 0.0625]
        """
        column, _ = self._computed()
        kept = self._keep(column)
        half = self._half(column, kept)
        # plain memory is looked at; of what is recorded or transformed no value is asked
        if is_fast(column) and self._is_regular(column, kept, half):
            return self._function(lambda spectrum: 1 / spectrum, half)
        bound = self._zero_bound(column)

        def reciprocal(spectrum: Array) -> Array:
            xp = namespace(spectrum)
            modulus = xp.abs(spectrum)
            # of a pair both or none: the inverse transform would make half a reciprocal of one that is left
            zero = (modulus if is_complex(column) else least_of_pairs(modulus, self.sizes)) <= bound
            # The where inside keeps the gradient of the discarded branch finite.
            safe = 1 / xp.where(zero, xp.ones_like(spectrum), spectrum)
            return xp.where(zero, xp.zeros_like(spectrum), safe)

        return self._function(reciprocal, half)

    def solve(self, b: Array) -> Array:
        """The x with C @ x = b, for a vector b (N,) or a stack of matrices (..., N, m), as in `C @ x`.

        Raises `SingularCirculantError` as `inv` does. The relative error grows with `cond()`.

        >>> Circulant(np.asarray([2.0, 1.0, 0.0])).solve(np.asarray([3.0, 3.0, 3.0])).tolist()
        [1.0, 1.0, 1.0]
        """
        half, kept = self._require_regular("solve()")
        return self._multiply(b, "b", lambda x, gap: self._filtered(x, gap, kept, half, inverse=True))

    def power(self, p: int) -> Circulant:
        """The p-th matrix power for an integer p: the identity for 0, powers of the inverse for negative p.

        Raises `TypeError` for other p, `SingularCirculantError` for negative p where C is singular. The relative error
        of an eigenvalue grows to about |p| times its own, so that of a p near 1/eps nothing is known; a `Shift` is exact.

        >>> Circulant(np.asarray([0.0, 1.0, 0.0])).power(2).kernel.round(12).tolist()
        [0.0, 0.0, 1.0]
        """
        exponent = integer(p, "p")
        half = self._require_regular(f"power({exponent})")[0] if exponent < 0 else None

        def raised(spectrum: Array) -> Array:
            # Repeated squaring: a complex power of zero has no gradient, a product has.
            if exponent == 0:
                return namespace(spectrum).ones_like(spectrum)
            base: Array = 1 / spectrum if exponent < 0 else spectrum
            result: Array = None
            remaining = abs(exponent)
            while remaining:
                if remaining % 2:
                    result = base if result is None else result * base
                remaining //= 2
                base = base * base if remaining else base
            return spectrum * 1 if result is spectrum else result  # a new array in any case

        return self._function(raised, half)

    # -- projection -------------------------------------------------------------------------------------------------

    @classmethod
    def nearest(
        cls, M: Array, sizes: int | Iterable[int] | None = None, convention: Convention = "convolution"
    ) -> Circulant:
        """The circulant nearest to the matrix M in the Frobenius norm: each wrapped diagonal's mean.

        `M` has shape (*batch, N, N); `sizes` (n1, …, nd) with product N makes it a d-level circulant (default: one
        level). It is the projection onto the matrices that commute with all shifts (lecture L30).

        >>> Circulant.nearest(np.asarray([[1.0, 2.0], [4.0, 3.0]])).kernel.tolist()
        [2.0, 3.0]
        """
        check_convention(convention)
        column = mean_diagonals(M, sizes)
        return cls._of_column(column, column.ndim - (M.ndim - 2), convention)

    @classmethod
    def distance(cls, M: Array, sizes: int | Iterable[int] | None = None) -> Array:
        """‖M − P(M)‖ / ‖M‖ in the Frobenius norm, (*batch,), P(M) the nearest circulant; 0 for M = 0.

        0 means that M commutes with every shift, 1 that its projection is 0.

        >>> float(Circulant.distance(np.diag([1.0, -1.0])))
        1.0
        """
        return relative_distance(M, sizes)


def _itself(column: Array) -> Array:
    return column


def _reversed(column: Array, levels: int) -> Array:
    """c[−k mod n] on each of the last `levels` axes."""
    return negated(column, tuple(range(column.ndim - levels, column.ndim)))
