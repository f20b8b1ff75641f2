"""The laws of circular convolution, f(x, w) = x ⋆ w, and of correlation (lecture L21 to L30), and those of good conduct.

Each holds for a kernel with its centre at any `origin` o: f(x, w) = S₋ₒ(x ⋆ w) for a convolution, Sₒ(x ⋆ w⁻) for a correlation, w⁻ the kernel reversed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from equiconv.arrays import dtype_name
from equiconv.testing.laws.case import Case
from equiconv.testing.laws.draws import LONG, SIZES, draw_integers, draw_shift
from equiconv.testing.laws.record import Check, Comparison, Crashed, Draw, Law, Refused, attempts
from equiconv.testing.laws.subject import DTYPES, Convolution, host

__all__ = ["CONVOLUTION", "in_dtype", "takes", "takes_a_batch"]


def _truth(s: Convolution, x: str = "x", w: str = "w") -> str:
    return f"circular(host({x}), host({w}), origin, {s.correlate})"


def _bound(s: Convolution, case: Case, x: str = "x", w: str = "w") -> float:
    return s.bound(host(case.value(x)), host(case.value(w)))


def _norm(case: Case, name: str) -> float:
    """Σ|v|: how much a convolution with v enlarges an error, at most."""
    return float(np.abs(host(case.value(name))).sum())


# The definition ------------------------------------------------------------------------------------------------------


def _definition(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw)
    return [case.compare("f(x, w)", _truth(s), _bound(s, case))]


def _wraps(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, "longer")
    return [case.compare("f(x, w)", _truth(s), _bound(s, case))]


def _sizes(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    """Every size of the list, so that none is left to chance; the values are a seed's."""
    from hypothesis import strategies as st

    seed = draw(st.integers(0, 2**16))
    grids = [grid for dims in s.dims for grid in SIZES[dims]]

    def compare(grid: tuple[int, ...], sizes: tuple[int, ...]) -> Comparison:
        drawn = np.random.default_rng(seed)
        case = s.blank()
        case.bind("x", s.array(drawn.integers(-3, 4, grid), s.base))
        case.bind("w", s.array(drawn.integers(-3, 4, sizes), s.base))
        s.place_kernel(case, sizes)
        return case.compare("f(x, w)", _truth(s), _bound(s, case))

    pairs = [(grid, grid) for grid in grids]
    if s.kernel != "equal":
        pairs += [(grid, tuple(min(3, n) for n in grid)) for grid in grids if max(grid) > 3]
    pairs.sort(key=lambda pair: (len(pair[0]), np.prod(pair[0])))
    return attempts(s, (partial(compare, *pair) for pair in pairs))


def _long(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    """Grids too long to be drawn: where an algorithm changes over, a block ends, an index no longer fits a byte."""
    del draw  # one example says it all

    def compare(grid: tuple[int, ...], sizes: tuple[int, ...]) -> Comparison:
        case = s.blank()
        for seed, (name, shape) in enumerate((("x", grid), ("w", sizes))):
            drawn = np.random.default_rng(seed).integers(-3, 4, shape)
            place = "" if s.device is None else f", device={str(s.device)!r}"
            text = f"xp.asarray(np.random.default_rng({seed}).integers(-3, 4, {shape}), dtype=xp.{s.base}{place})"
            case.bind(name, s.array(drawn, s.base), text, f"seeded integers of shape {shape}")
        s.place_kernel(case, sizes)
        return case.compare("f(x, w)", _truth(s), _bound(s, case))

    grids = [grid for dims in s.dims for grid in LONG[dims]]
    pairs = [(grid, grid) for grid in grids if s.kernel == "equal" or grid == (521,)]
    if s.kernel != "equal":
        pairs += [(grid, tuple(min(3, n) for n in grid)) for grid in grids]
    return attempts(s, (partial(compare, *pair) for pair in pairs))


def _precise(dtype: str) -> Check:
    def check(s: Convolution, draw: Draw) -> Sequence[Comparison]:
        case = s.draw(draw, dtype=dtype, values="floats")
        x, w = host(case.value("x")), host(case.value("w"))
        got = case.value("f(x, w)")
        sides = "f(x, w)", _truth(s)
        if dtype_name(got.dtype) != dtype:
            fault = f"is {dtype_name(got.dtype)}, and both arguments are {dtype}"
            return [case.comparison(0, 0, 0.0, ("f(x, w).dtype", "x.dtype"), fault)]
        return [case.comparison(host(got), case.value(sides[1]), s.bound(x, w, dtype), sides)]

    return check


# Algebra -------------------------------------------------------------------------------------------------------------


def _linear_in_x(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, more=["y"])
    a = _scalar(case, draw)
    bound = _bound(s, case, "a * x + y") + abs(a) * _bound(s, case) + _bound(s, case, "y")
    return [case.compare("f(a * x + y, w)", "a * f(x, w) + f(y, w)", bound)]


def _linear_in_w(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, kernels=["v"])
    a = _scalar(case, draw)
    bound = _bound(s, case, w="a * w + v") + abs(a) * _bound(s, case) + _bound(s, case, w="v")
    return [case.compare("f(x, a * w + v)", "a * f(x, w) + f(x, v)", bound)]


def _scalar(case: Case, draw: Draw) -> float:
    a = int(draw_integers(draw, (1,))[0])
    case.bind("a", a, repr(a))
    return a


def _commutes(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, "equal")
    if not s.correlate:
        return [case.compare("f(w, x)", "f(x, w)", 2 * _bound(s, case))]
    # Σ_t x[t]·w[i + t − o] is f(x, w) at 2o − i: flip takes i to n − 1 − i, the roll by 2o + 1 takes that to 2o − i.
    case.bind("k", tuple(2 * o + 1 for o in case.names["origin"]), "tuple(2 * o + 1 for o in origin)")
    return [case.compare("f(w, x)", "roll(xp.flip(f(x, w), AXES), k)", 2 * _bound(s, case))]


def _associative(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, "equal", kernels=["v"])
    bound = _bound(s, case) * _norm(case, "v") + _bound(s, case, "w", "v") * _norm(case, "x")
    bound += _bound(s, case, "f(x, w)", "v") + _bound(s, case, "x", "f(w, v)")
    return [case.compare("f(f(x, w), v)", "f(x, f(w, v))", bound)]


def _kernels_commute(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, kernels=["v"])
    bound = _bound(s, case) * _norm(case, "v") + _bound(s, case, "x", "v") * _norm(case, "w")
    bound += _bound(s, case, "f(x, w)", "v") + _bound(s, case, "f(x, v)", "w")
    return [case.compare("f(f(x, w), v)", "f(f(x, v), w)", bound)]


def _impulse(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw)
    sizes = tuple(int(n) for n in case.value("w").shape)
    at = draw_shift(draw, sizes)
    _unit(s, case, sizes, at)
    moved = "tuple(o - t for t, o in zip(at, origin))" if s.correlate else "tuple(t - o for t, o in zip(at, origin))"
    case.bind("k", case.value(moved), moved)
    return [case.compare("f(x, w)", "roll(x, k)", 2 * _bound(s, case))]


def _identity(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw)
    sizes = tuple(int(n) for n in case.value("w").shape)
    at = case.names["origin"]
    if not all(0 <= o < m for o, m in zip(at, sizes, strict=True)):
        grid = case.value("x").shape
        sizes = tuple(max(m, o % n + 1) for m, o, n in zip(sizes, at, grid, strict=True))
        if callable(s.origin):
            raise Refused("the origin is not an index of the kernel")
        at = tuple(o % n for o, n in zip(at, grid, strict=True))
        if s.kernel == "equal":
            sizes = tuple(int(n) for n in grid)
    _unit(s, case, sizes, at)
    return [case.compare("f(x, w)", "x", 2 * _bound(s, case))]


def _unit(s: Convolution, case: Case, sizes: tuple[int, ...], at: tuple[int, ...]) -> None:
    """Make the kernel a 1 at `at`."""
    unit = np.zeros(sizes)
    unit[at] = 1
    case.hide("w")
    case.bind("w", s.array(unit, s.base))
    case.bind("at", at, repr(tuple(int(t) for t in at)))


def _shift_x(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw)
    _draw_k(case, draw)
    return [case.compare("f(roll(x, k), w)", "roll(f(x, w), k)", 2 * _bound(s, case))]


def _shift_w(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, "equal")
    _draw_k(case, draw)
    back = "tuple(-j for j in k)" if s.correlate else "k"
    return [case.compare("f(x, roll(w, k))", f"roll(f(x, w), {back})", 2 * _bound(s, case))]


def _draw_k(case: Case, draw: Draw) -> None:
    k = draw_shift(draw, tuple(int(n) for n in case.value("x").shape))
    case.bind("k", k, repr(k))


# The transform, the matrix, the adjoint ------------------------------------------------------------------------------


def _embedded(s: Convolution, case: Case) -> None:
    """Bind ``c``, the kernel on the grid of x: what it makes of a unit impulse, by the definition."""
    case.run("e = np.zeros(x.shape); e.flat[0] = 1")
    case.run(f"c = circular(e, host(w), origin, {s.correlate})")


def _theorem(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw)
    _embedded(s, case)
    x = host(case.value("x"))
    # An entry of the transform of an error e is at most Σ|e|; the three transforms on the host err by as much again.
    bound = 3 * x.size * s.bound(x, host(case.value("w")))
    return [case.compare("np.fft.fftn(host(f(x, w)))", "np.fft.fftn(host(x)) * np.fft.fftn(c)", bound)]


def _matrix(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw)
    _embedded(s, case)
    case.run("from equiconv import Circulant")
    expected = "(Circulant(c, ndim=x.ndim).dense() @ host(x).reshape(-1)).reshape(x.shape)"
    return [case.compare("f(x, w)", expected, 2 * _bound(s, case))]


def _adjoint(dtype: str) -> Check:
    def check(s: Convolution, draw: Draw) -> Sequence[Comparison]:
        case = s.draw(draw, "equal", dtype=dtype, more=["y"])
        sign = -2 if s.correlate else 2
        case.bind("k", tuple(sign * o for o in case.names["origin"]), f"tuple({sign} * o for o in origin)")
        case.run("u = xp.conj(roll(xp.flip(w, AXES), 1 if len(AXES) == 1 else (1,) * len(AXES)))")
        if s.library == "torch":
            case.run("u = u.resolve_conj()")
        bound = _bound(s, case) * _norm(case, "y") + _bound(s, case, "y", "u") * _norm(case, "x")
        bound += _bound(s, case) * 2
        return [case.compare("np.vdot(host(y), host(f(x, w)))", "np.vdot(host(roll(f(y, u), k)), host(x))", bound)]

    return check


def _total(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw)
    bound = host(case.value("x")).size * _bound(s, case)
    return [case.compare("host(f(x, w)).sum()", "host(x).sum() * host(w).sum()", bound)]


# Conduct -------------------------------------------------------------------------------------------------------------


def _batch(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    from hypothesis import strategies as st

    case = s.draw(draw)
    first = case.value("x")
    leads = [(2,), (3,), (2, 2)] + ([(5,)] if host(first).size <= _ROW else [])
    lead = draw(st.sampled_from(leads))
    if len(lead) > 1 and not takes(s, case, len(lead)):
        lead = lead[:1]
    # Where f also takes a grid of one axis more, a leading axis may be one of the grid's to it.
    if s.keyword is None and any(d + 1 in s.dims for d in s.dims) and not takes(s, case, len(lead)):
        raise Refused("x with a leading axis of one row is not to it what the row is: there is no batch")
    rows = [host(first), *(draw_integers(draw, tuple(first.shape)) for _ in range(int(np.prod(lead)) - 1))]
    stack = np.stack(rows).reshape(*lead, *first.shape)
    case.hide("x")
    case.bind("x", s.array(stack, s.base))
    return [case.compare("f(x, w)", _truth(s), _bound(s, case))]


#: Entries of a row of which five can still be written out.
_ROW = 80


def takes(s: Convolution, case: Case, count: int) -> bool:
    """Whether so many leading axes of size 1 are a batch to f."""
    try:
        got, expected = case.value(f"f(x[{(None,) * count}], w)"), case.value(f"{_truth(s)}[{(None,) * count}]")
    except (Refused, Crashed):
        return False
    got = host(got)
    return bool(got.shape == expected.shape and np.abs(got - expected).max() <= _bound(s, case))


def takes_a_batch(s: Convolution) -> str | None:
    return None if s.batch else "batch=False: it is made for one signal"


def _homogeneous(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    from hypothesis import strategies as st

    case = s.draw(draw, values="floats")
    # Thresholds lie at any size: 1e-12, 1e-30. Where the dtype reaches so far, so do the factors.
    far = st.sampled_from([-60, 60, -250, 250])
    power = draw(st.one_of(st.integers(-20, 20), far) if _wide_range(s) is None else st.integers(-20, 20))
    case.bind("a", -(2.0**power), f"-2.0**{power}")
    return [case.compare("f(a * x, w)", "a * f(x, w)", 0.0)]


def _unwritten(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    """In complex numbers too: a conjugate is easily taken in place."""
    dtypes = dict.fromkeys([s.base, *(["complex128"] if "complex128" in s.dtypes else [])])
    cases = [s.draw(draw, dtype=dtype, values="floats", copied=False) for dtype in dtypes]

    def compare(case: Case, name: str) -> Comparison:
        s.case = case
        case.run("x0, w0 = copy(x), copy(w)")
        case.run("y = f(x, w)")
        return case.compare(name, f"{name}0")

    return attempts(s, (partial(compare, case, name) for case in cases for name in ("x", "w")))


def _owned(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    """What a call returned changes neither in the next nor with the arguments, of which a kernel that is 1 may have returned one."""
    case = s.draw(draw, more=["y"], kernels=["v"])
    case.run("first = f(x, w)")
    case.run("kept = copy(first)")
    case.run("second = f(y, v)")
    found = [case.compare("first", "kept", 0.0)]
    if found[0].broken:
        return found
    case = s.draw(draw, copied=False)
    sizes = tuple(int(n) for n in case.value("w").shape)
    _unit(s, case, sizes, (0,) * len(sizes))
    case.run("first = f(x, w)")
    case.run("kept = copy(first)")
    case.run("x += 1")
    case.run("w += 1")
    return [*found, case.compare("first", "kept", 0.0)]


def _stateless(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, more=["y"], kernels=["v"])
    case.run("f(x, w)")
    found = [case.compare("f(y, v)", _truth(s, "y", "v"), _bound(s, case, "y", "v"))]
    found.append(case.compare("f(x, v)", _truth(s, "x", "v"), _bound(s, case, "x", "v")))
    found.append(case.compare("f(x, w)", _truth(s), _bound(s, case)))
    return found


def _deterministic(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, values="floats")
    return [case.compare("f(x, w)", "f(x, w)", 0.0)]


def _strided(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    """x and w laid out in memory as slices leave them: every layout, of either."""
    case = s.draw(draw, values="floats", copied=False)
    layouts = [
        "xp.concatenate([{0}[..., None], {0}[..., None] + 1], -1)[..., 0]",  # every other entry in memory
        "xp.moveaxis(copy(xp.moveaxis({0}[None], -1, 0)), 0, -1)[0]",  # the last axis slowest in memory
        "xp.concatenate([{0} + 1, {0}, {0} + 1], -1)[..., {0}.shape[-1]:2 * {0}.shape[-1]]",  # a window of a larger array
    ]
    if s.library != "torch":  # torch has no negative strides
        layouts.append("xp.flip(copy(xp.flip({0}, AXES)), AXES)")
    elif s.base in ("float64", "float32"):  # but signs that are taken only when the numbers are read
        layouts.append("xp.complex(xp.zeros_like({0}), -{0}).conj().imag")
    bound = 2 * _bound(s, case)
    ways = [(f"f({layout.format('x')}, w)", "f(copy(x), copy(w))") for layout in layouts]
    ways += [(f"f(x, {layout.format('w')})", "f(copy(x), copy(w))") for layout in layouts]
    # One number in memory for all of an axis.
    case.run("b, c = xp.broadcast_to(x[..., :1], x.shape), xp.broadcast_to(w[..., :1], w.shape)")
    constant = 2 * max(_bound(s, case, "b"), _bound(s, case, w="c"))
    found = [partial(case.compare, *way, bound) for way in ways]
    found += [partial(case.compare, "f(b, w)", "f(copy(b), copy(w))", constant)]
    found += [partial(case.compare, "f(x, c)", "f(copy(x), copy(c))", constant)]
    if s.library == "torch" and "complex128" in s.dtypes:  # a conjugate is taken only when the numbers are read, too
        other = s.draw(draw, dtype="complex128", copied=False)
        late = "{0}.conj().resolve_conj().conj()"
        for way in (f"f({late.format('x')}, w)", f"f(x, {late.format('w')})"):
            found.append(partial(other.compare, way, "f(copy(x), copy(w))", 2 * _bound(s, other)))
    return attempts(s, found)


def _signed_zero(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw)
    # −0 · 1 = −0, and −0 + 0 = 0: every zero of x and w becomes a negative one.
    case.run("x_, w_ = copy(x), copy(w)")
    case.run("x_[x == 0], w_[w == 0] = -0.0, -0.0")
    return [case.compare("f(x_, w_)", "f(x, w)", 2 * _bound(s, case))]


def _extreme(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    """No intermediate may overflow or vanish where the result does neither; the squares of these do."""
    case = s.draw(draw, values="floats")

    def compare(power: int) -> Comparison:
        case.bind("a", 2.0**power, f"2.0**{power}")
        return case.compare("f(a * x, w / a)", "f(x, w)", 2 * _bound(s, case))

    found = []
    for power in (511, -511):
        case.hide("a")
        found.append(compare(power))
        if found[-1].broken:
            break
    return found


def _uneven(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    """A tap of a billionth of the largest still counts."""
    case = s.draw(draw, values="floats")
    for name, power in (("x", "p"), ("w", "q")):
        shape = tuple(int(n) for n in case.value(name).shape)
        case.bind(power, s.array(-np.abs(draw_integers(draw, shape, largest=40)), s.base))
    x, w = "x * 2.0 ** p", "w * 2.0 ** q"
    return [case.compare(f"f({x}, {w})", _truth(s, x, w), _bound(s, case, x, w))]


def _nan(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    """Outputs that a NaN reaches by a tap that is not 0 are NaN, so that what went wrong before f is seen after it."""
    case = s.draw(draw)
    at = draw_shift(draw, tuple(int(n) for n in case.value("x").shape))
    case.run("x_, w_ = copy(x), copy(w)")
    case.run(f"x_[{at}], w_[w == 0] = np.nan, 1")
    case.shown += [("x_", f"x, but NaN at {at}"), ("w_", "w, but 1 where it is 0")]
    case.run(f"reached = np.isnan({_truth(s, 'x_', 'w_')})")
    return [case.compare("np.isnan(host(f(x_, w_)))[reached].sum()", "reached.sum()")]


def _law(
    name: str, items: Sequence[str], statement: str, check: Check, theorem: str | None = None, **options: Any
) -> Law:
    return Law(name, tuple(items), statement, "convolution", check, theorem, **options)


def _only_convolution(s: Convolution) -> str | None:
    return "a correlation is not associative" if s.correlate else None


def _may_be_longer(s: Convolution) -> str | None:
    return None if s.kernel == "any" else f"kernel={s.kernel!r}: it is made for kernels no longer than the signal"


def _wide_range(s: Convolution) -> str | None:
    return None if s.base in ("float64", "complex128") else f"{s.base} does not reach so far"


def in_dtype(dtype: str) -> Any:
    def applies(s: Convolution) -> str | None:
        if dtype in s.dtypes:
            return None
        if dtype not in DTYPES[s.library]:
            return f"{s.library} has no {dtype}"
        return f"dtypes= leaves {dtype} out"

    return applies


CONVOLUTION: tuple[Law, ...] = (
    _law("definition", ["L22", "L23"], "f(x, w)[i] = Σ_t w[t]·x[i − t], indices mod n", _definition),
    _law(
        "sizes",
        ["L22", "L23"],
        "the definition on every kind of grid: 1, prime, odd, even, not square",
        _sizes,
        share=0.07,
    ),
    _law(
        "long",
        ["L22", "L23"],
        "the definition on grids of hundreds of points, and more than a thousand",
        _long,
        share=0.0,
    ),
    _law(
        "wraps",
        ["L22", "L23"],
        "a kernel longer than the signal wraps: f(x, w)[i] = Σ_t w[t]·x[i − t]",
        _wraps,
        "periodic_signal",
        applies=_may_be_longer,
    ),
    _law("linear_in_x", ["L10"], "f(a·x + y, w) = a·f(x, w) + f(y, w)", _linear_in_x),
    _law("linear_in_w", ["L10"], "f(x, a·w + v) = a·f(x, w) + f(x, v)", _linear_in_w, "circulant_algebra"),
    _law(
        "commutative",
        ["L21", "L23"],
        "f(w, x) = f(x, w), read backwards for a correlation",
        _commutes,
        "circulant_product",
    ),
    _law(
        "associative", ["L11"], "f(f(x, w), v) = f(x, f(w, v))", _associative, "composition", applies=_only_convolution
    ),
    _law("kernels_commute", ["L28"], "f(f(x, w), v) = f(f(x, v), w)", _kernels_commute, "circulants_commute"),
    _law("identity", ["L26"], "f(x, e_0) = x", _identity, "shift_group"),
    _law("impulse", ["L26"], "f(x, e_k) = S_k x", _impulse, "shift_action"),
    _law("shift_x", ["L29"], "f(S x, w) = S f(x, w)", _shift_x, "equivariance"),
    _law("shift_w", ["L29"], "f(x, S w) = S f(x, w)", _shift_w, "equivariance"),
    _law("convolution_theorem", ["L24"], "F f(x, w) = F x ⊙ F w", _theorem, "convolution_theorem"),
    _law("matrix", ["L25", "L27"], "f(x, w) = C_w x", _matrix, "circulant_product"),
    _law(
        "adjoint",
        ["L25"],
        "⟨f(x, w), y⟩ = ⟨x, f(y, w*)⟩, w*[t] = w[−t]",
        _adjoint("float64"),
        applies=in_dtype("float64"),
    ),
    _law(
        "adjoint_complex",
        ["L25"],
        "⟨f(x, w), y⟩ = ⟨x, f(y, w*)⟩, w*[t] = conj(w[−t])",
        _adjoint("complex128"),
        applies=in_dtype("complex128"),
    ),
    _law("total", ["L24"], "Σ f(x, w) = Σ x · Σ w", _total),
    *(
        _law(
            dtype,
            ["L23"],
            f"{dtype} in is {dtype} out, within that dtype's rounding bound",
            _precise(dtype),
            applies=in_dtype(dtype),
        )
        for dtype in ("float64", "float32", "complex128", "complex64", "float16", "bfloat16")
    ),
    _law("batch", [], "f of a stack of signals is the stack of their f", _batch, applies=takes_a_batch),
    _law("homogeneous", [], "f(−2^k·x, w) = −2^k·f(x, w), bit by bit", _homogeneous),
    _law("extreme", [], "f(2^±511·x, 2^∓511·w) = f(x, w)", _extreme, applies=_wide_range),
    _law(
        "uneven",
        [],
        "small entries count beside large ones: the definition for factors from 1 to 2⁻⁴⁰",
        _uneven,
        applies=_wide_range,
    ),
    _law("nan", [], "a NaN in x is not lost", _nan),
    _law("signed_zero", [], "−0 counts as 0", _signed_zero),
    _law("strided", [], "slices, flips and transposes of arrays are as good as their copies", _strided),
    _law("unwritten", [], "f does not write to x or w", _unwritten),
    _law("owned", [], "what f returned changes neither in the next call nor with x and w", _owned),
    _law("stateless", [], "the second call of a shape is as good as the first, whatever came before", _stateless),
    _law("deterministic", [], "f(x, w) twice is the same, bit by bit", _deterministic),
)
