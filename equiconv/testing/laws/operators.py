"""The laws of equiconv's own matrices: `Circulant`, `Shift` and `Toeplitz` (lecture L10, L11, L24 to L30), in one array library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from equiconv.arrays import gamma, transform_bound
from equiconv.convolution import circular_convolve
from equiconv.operators import Circulant, Shift, Toeplitz
from equiconv.testing.laws.case import Case
from equiconv.testing.laws.draws import draw_grid, draw_integers, draw_shift
from equiconv.testing.laws.record import Check, Comparison, Draw, Law
from equiconv.testing.laws.subject import Convolution, host

__all__ = ["OPERATOR", "Matrices"]


@dataclass(eq=False)
class Matrices:
    """equiconv's operators on the arrays of one library."""

    library: str
    name: str = ""
    cap: int | None = None
    case: Case | None = None
    refusals: list[str] = field(default_factory=list)
    _maker: Convolution = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.name or f"Circulant, Shift, Toeplitz ({self.library})"
        self._maker = Convolution(circular_convolve, self.name, self.library)

    def draw(self, draw: Draw, names: Sequence[str], dims: int | None = None) -> Case:
        """A case with arrays of integers on one grid, ``d`` its number of axes."""
        from hypothesis import strategies as st

        count = dims or draw(st.integers(1, 2))
        grid = draw_grid(draw, count, 1, self.cap or (None if count == 1 else 5))
        if len(grid) == 1 and grid[0] > 16:
            grid = (16,)
        case = self._maker.blank()
        case.names |= {"Circulant": Circulant, "Shift": Shift, "Toeplitz": Toeplitz}
        # What the expressions say over and over.
        case.setting("from equiconv import Circulant, Shift, Toeplitz")
        case.run("C = lambda a: Circulant(a, ndim=d)")
        case.run("flat = lambda a: a.reshape(-1)")
        self.case = case
        case.bind("d", count, repr(count))
        case.bind("n", grid, repr(grid))
        for name in names:
            case.bind(name, self._maker.array(draw_integers(draw, grid), "float64"))
        return case

    def shift(self, draw: Draw, case: Case, name: str) -> None:
        """A shift of the grid, by name."""
        k = draw_shift(draw, case.names["n"])
        case.bind(name, k, repr(k))

    def bound(self, case: Case, *names: str) -> float:
        """For a product of these arrays as circulants: sums and transforms of the whole grid in float64."""
        total, size = 1.0, int(np.prod(case.names["n"]))
        for name in names:
            total *= float(np.abs(host(case.names[name])).sum())
        return max(
            total * gamma(size + 1, np.float64),
            4 * len(names) * float(transform_bound(total, case.names["n"], np.float64)),
        )


def _matrix(
    got: str, expected: str, names: str, shifts: str = "", exact: bool = False, dims: int | None = None
) -> Check:
    """Compare two expressions over drawn arrays and shifts."""

    def check(s: Matrices, draw: Draw) -> Sequence[Comparison]:
        case = s.draw(draw, names.split(), dims)
        for name in shifts.split():
            s.shift(draw, case, name)
        return [case.compare(got, expected, 0.0 if exact else s.bound(case, *names.split()))]

    return check


def _entries(s: Matrices, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, ["w"], 1)
    index = "(np.arange(n[0])[:, None] - np.arange(n[0])) % n[0]"
    other = "(np.arange(n[0]) - np.arange(n[0])[:, None]) % n[0]"
    return [
        case.compare("host(Circulant(w).dense())", f"host(w)[{index}]"),
        case.compare("host(Circulant(w, convention='correlation').dense())", f"host(w)[{other}]"),
    ]


def _toeplitz(s: Matrices, draw: Draw) -> Sequence[Comparison]:
    """A kernel that stays inside the signal (5): row i holds it from column i on."""
    case = s.draw(draw, ["w", "x"], 1)
    n = case.names["n"][0]
    from hypothesis import strategies as st

    size = draw(st.integers(1, n))
    case.bind("m", size, repr(size))
    case.run("column = xp.zeros_like(x[:n[0] - m + 1]); column[0] = w[0]")
    case.run("row = xp.zeros_like(x); row[:m] = w[:m]")
    bound = s.bound(case, "x", "w")
    expected = "np.correlate(host(x), host(w)[:m], 'valid')"
    return [case.compare("host(Toeplitz(column, row) @ x)", expected, bound)]


def _nearest(s: Matrices, draw: Draw) -> Sequence[Comparison]:
    """P M, the nearest circulant, is M where M commutes with the shift, and commutes with it for any M."""
    case = s.draw(draw, ["w"], 1)
    n = case.names["n"][0]
    case.bind("M", s._maker.array(draw_integers(draw, (n, n)), "float64"))
    bound = s.bound(case, "w") + float(np.abs(host(case.names["M"])).sum()) * gamma(n + 1, np.float64)
    case.run("S = Shift(1, n[0]).dense()")
    return [
        case.compare("host(Circulant.nearest(Circulant(w).dense()).dense())", "host(Circulant(w).dense())", bound),
        case.compare("S @ host(Circulant.nearest(M).dense())", "host(Circulant.nearest(M).dense()) @ S", bound),
    ]


def _inverse(s: Matrices, draw: Draw) -> Sequence[Comparison]:
    """Of a diagonally dominant circulant, whose eigenvalues are at least 1 in modulus."""
    case = s.draw(draw, ["w", "x"], 1)
    case.run("c = copy(w); c[0] = xp.sum(xp.abs(w)) + 1")
    size = float(np.abs(host(case.names["c"])).sum())
    # Every eigenvalue lies between 1 and Σ|c|: an error of the spectrum grows by at most that quotient.
    bound = size * s.bound(case, "c", "x") + s.bound(case, "x")
    return [case.compare("host(Circulant(c).solve(Circulant(c) @ x))", "host(x)", bound)]


def _law(name: str, items: Sequence[str], statement: str, check: Check, theorem: str | None = None) -> Law:
    return Law(name, tuple(items), statement, "operator", check, theorem)


OPERATOR: tuple[Law, ...] = (
    _law(
        "circulant",
        ["L25"],
        "C_w[i, j] = w[i − j mod n]; w[j − i mod n] for the correlation",
        _entries,
        "circulant_product",
    ),
    _law(
        "product",
        ["L27"],
        "C_w x = x ⋆ w",
        _matrix("host(C(w) @ flat(x)).reshape(n)", "circular(host(x), host(w), (0,) * d)", "w x"),
        "circulant_product",
    ),
    _law(
        "dense_product",
        ["L25", "L27"],
        "C_w x is the dense matrix times x",
        _matrix("host(C(w) @ flat(x))", "host(C(w).dense()) @ host(flat(x))", "w x"),
    ),
    _law(
        "commute",
        ["L28"],
        "C_w C_v = C_v C_w",
        _matrix("host((C(w) @ C(v)).dense())", "host((C(v) @ C(w)).dense())", "w v"),
        "circulants_commute",
    ),
    _law(
        "composition",
        ["L11"],
        "C_w (C_v x) = (C_w C_v) x",
        _matrix("host(C(w) @ (C(v) @ flat(x)))", "host((C(w) @ C(v)) @ flat(x))", "w v x"),
        "composition",
    ),
    _law(
        "sum",
        ["L25"],
        "C_w + C_v = C_{w + v}",
        _matrix("host((C(w) + C(v)).dense())", "host(C(w + v).dense())", "w v", exact=True),
        "circulant_algebra",
    ),
    _law(
        "adjoint",
        ["L25"],
        "⟨C_w x, y⟩ = ⟨x, C_w^H y⟩",
        _matrix(
            "np.vdot(host(flat(y)), host(C(w) @ flat(x)))", "np.vdot(host(C(w).H @ flat(y)), host(flat(x)))", "w x y"
        ),
    ),
    _law(
        "eigenvalues",
        ["L24", "L25"],
        "the eigenvalues of C_w are F w",
        _matrix("host(C(w).eigvals()).reshape(n)", "np.fft.fftn(host(w))", "w"),
        "dft_diagonalises",
    ),
    _law(
        "equivariance",
        ["L29"],
        "C_w S_k x = S_k C_w x",
        _matrix("host(C(w) @ (Shift(k, n) @ flat(x)))", "host(Shift(k, n) @ (C(w) @ flat(x)))", "w x", "k"),
        "equivariance",
    ),
    _law(
        "shift",
        ["L26"],
        "S_k x = roll(x, k)",
        _matrix("host(Shift(k, n) @ flat(x)).reshape(n)", "np.roll(host(x), k, tuple(range(d)))", "x", "k", exact=True),
        "shift_action",
    ),
    _law(
        "shift_group",
        ["L26"],
        "S_k^T S_l S_k = S_l, S_k^T S_k = S_0 = I",
        _matrix(
            "host(Shift(k, n).T @ (Shift(l, n) @ (Shift(k, n) @ flat(x))))",
            "host(Shift(l, n) @ flat(x))",
            "x",
            "k l",
            exact=True,
        ),
        "shift_group",
    ),
    _law(
        "unit_circulant",
        ["L26"],
        "S_k = C_{e_k}",
        _matrix(
            "host(Shift(k, n).dense())",
            "host(C(np.roll(np.eye(1, int(np.prod(n))).reshape(n), k, tuple(range(d)))).dense())",
            "x",
            "k",
            exact=True,
        ),
        "shift_action",
    ),
    _law(
        "most_general",
        ["L30"],
        "what commutes with the shift is circulant: P M = M for a circulant M, and S P M = P M S for any M",
        _nearest,
        "most_general",
    ),
    _law("inverse", ["L24"], "C⁻¹ C x = x for a circulant without a zero eigenvalue", _inverse, "circulant_inverse"),
    _law("toeplitz", ["L10"], "a convolution that does not wrap is a Toeplitz matrix", _toeplitz, "toeplitz"),
)
