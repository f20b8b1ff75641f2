"""The laws of a torch convolution's derivatives: the gradient is the adjoint, and the gradient of the gradient the map again (lecture L3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from equiconv.testing.laws.case import Case
from equiconv.testing.laws.convolution import in_dtype, takes, takes_a_batch
from equiconv.testing.laws.draws import draw_floats, draw_integers
from equiconv.testing.laws.record import Check, Comparison, Draw, Law, Refused, attempts, first_line
from equiconv.testing.laws.subject import Convolution, host

__all__ = ["GRADIENTS"]


def _differentiable(s: Convolution, case: Case) -> None:
    """Refuse a result that carries no gradient: nothing is claimed of it then."""
    x, w = (case.value(name).detach().clone().requires_grad_() for name in ("x", "w"))
    if not s.call(x, w).requires_grad:
        raise Refused("the result carries no gradient (it was detached, or computed outside torch)")


def _derive(case: Case, statement: str) -> None:
    """Run a statement that differentiates; what torch cannot differentiate (once, or twice) is refused."""
    try:
        case.run(statement)
    except (RuntimeError, NotImplementedError) as error:
        raise Refused(f"no derivative: {first_line(error)}") from error


def _bounds(s: Convolution, case: Case, x: str = "x", w: str = "w", g: str = "g") -> tuple[float, float]:
    """For the gradients with respect to x and to w: each is a correlation of the output's gradient."""
    signal, kernel, outer = (host(case.value(name)) for name in (x, w, g))
    # Σ|w| bounds the kernel in the first; in the second the signal takes the kernel's part, on the whole grid.
    return 2 * s.bound(outer, kernel), 2 * s.bound(signal, outer)


def _gradients(dtype: str) -> Check:
    def check(s: Convolution, draw: Draw) -> Sequence[Comparison]:
        from hypothesis import strategies as st

        length = draw(st.sampled_from(["fit", "longer"])) if s.kernel == "any" else "fit"
        case = s.draw(draw, length, dtype=dtype, more=["g"], values="floats")
        _differentiable(s, case)
        truth = f"circular(host(x), host(w), origin, {s.correlate})"
        bound = s.bound(host(case.value("x")), host(case.value("w")))
        if length == "longer" and case.compare("f(x, w)", truth, bound).broken:
            raise Refused("its value is not right for a kernel longer than the signal, let alone its gradient")
        in_x, in_w = _bounds(s, case)
        _derive(case, "in_x, in_w = gradients(f, g, x, w)")
        # Frozen, an argument leaves the other's gradient as it is. What a sum hands back is one number in memory.
        _derive(case, "(x_alone,) = gradients(lambda a: f(a, w), g, x)")
        _derive(case, "(w_alone,) = gradients(lambda a: f(x, a), g, w)")
        _derive(case, "of_sum = gradients(f, xp.ones_like(g[..., :1]).expand(g.shape), x, w)")
        _derive(case, "of_ones = gradients(f, xp.ones_like(g), x, w)")
        case.run("ones = xp.ones_like(g)")
        x_sum, w_sum = _bounds(s, case, g="ones")
        adjoint = f"circular(host(g), np.conj(host(w)), origin, {not s.correlate})"
        other = f"kernel_gradient(host(g), host(x), tuple(w.shape), origin, {s.correlate})"
        recorded = "f(x.clone().requires_grad_(), w.clone().requires_grad_())"
        return [
            case.compare("in_x", adjoint, in_x),
            case.compare("in_w", other, in_w),
            case.compare("x_alone", adjoint, in_x),
            case.compare("w_alone", other, in_w),
            case.compare("of_sum[0]", "of_ones[0]", 2 * x_sum),
            case.compare("of_sum[1]", "of_ones[1]", 2 * w_sum),
            case.compare(recorded, truth, bound),  # the value on the path that records a graph
        ]

    return check


def _batch(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, dtype="float64", values="floats")
    if not takes(s, case, 1):
        raise Refused("x with a leading axis of one row is not to it what the row is: there is no batch")
    shape = tuple(case.value("x").shape)
    for name in ("x", "g"):
        case.hide(name)
        case.bind(name, s.array(draw_floats(draw, (2, *shape)), "float64"))
    _differentiable(s, case)
    _derive(case, "in_x, in_w = gradients(f, g, x, w)")
    _derive(case, "rows = [gradients(f, g[i], x[i], w) for i in range(2)]")
    x, w, g = (host(case.value(name)) for name in ("x", "w", "g"))
    in_x = 2 * s.bound(g, w)
    in_w = 2 * sum(s.bound(x[i], g[i]) for i in range(2))
    return [
        case.compare("in_x", "xp.stack([rows[0][0], rows[1][0]])", 2 * in_x),
        case.compare("in_w", "rows[0][1] + rows[1][1]", 2 * in_w),
    ]


def _double(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, dtype="float64", more=["g", "v"], kernels=["u"])
    _differentiable(s, case)
    in_g, in_w = s.bound(host(case.value("v")), host(case.value("w"))), _bounds(s, case, "v", "w", "g")[1]
    _derive(case, "in_g, in_w = twice(f, g, v, x, w)")
    # h = A_w* g for f(x, w) = A_w x, so ⟨h, v⟩ = ⟨g, A_w v⟩ = ⟨g, f(v, w)⟩.
    again = f"circular(host(v), host(w), origin, {s.correlate})"
    other = f"kernel_gradient(host(g), host(v), tuple(w.shape), origin, {s.correlate})"
    found = [case.compare("in_g", again, 2 * in_g), case.compare("in_w", other, in_w)]
    # Of the gradient in w likewise: ⟨f(x, u), g⟩ in g and in x.
    _derive(case, "by_g, by_x = twice(f, g, u, x, w, by=2)")
    again = f"circular(host(x), host(u), origin, {s.correlate})"
    adjoint = f"circular(host(g), host(u), origin, {not s.correlate})"
    in_x = _bounds(s, case, w="u")[0]
    found.append(case.compare("by_g", again, 2 * s.bound(host(case.value("x")), host(case.value("u")))))
    return [*found, case.compare("by_x", adjoint, in_x)]


def _vmap(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw)
    first = case.value("x")
    stack = np.stack([host(first), draw_integers(draw, tuple(first.shape))])
    case.hide("x")
    case.bind("x", s.array(stack, s.base))
    w = host(case.value("w"))
    case.bind("v", s.array(draw_integers(draw, tuple(w.shape)), s.base))
    bound = 2 * max(s.bound(stack, w), s.bound(stack, host(case.value("v"))))
    ways = [
        ("xp.vmap(f, in_dims=(0, None))(x, w)", "xp.stack([f(x[0], w), f(x[1], w)])"),
        ("xp.vmap(f, in_dims=(None, 0))(x[0], xp.stack([w, v]))", "xp.stack([f(x[0], w), f(x[0], v)])"),
        ("xp.vmap(f)(x, xp.stack([w, v]))", "xp.stack([f(x[0], w), f(x[1], v)])"),
    ]
    return attempts(s, (partial(case.compare, *way, bound) for way in ways))


def _of_torch(s: Convolution) -> str | None:
    return None if s.library == "torch" else "NumPy and CuPy have no gradients"


def _real(s: Convolution) -> str | None:
    return _of_torch(s) or in_dtype("float64")(s)


def _complex(s: Convolution) -> str | None:
    return _of_torch(s) or in_dtype("complex128")(s)


def _real_batch(s: Convolution) -> str | None:
    return _real(s) or takes_a_batch(s)


def _law(name: str, items: Sequence[str], statement: str, check: Check, applies: Any = _real) -> Law:
    return Law(name, tuple(items), statement, "convolution", check, None, applies)


GRADIENTS: tuple[Law, ...] = (
    _law("gradients", ["L3"], "∂⟨f(x, w), g⟩ is the adjoint, in x and in w", _gradients("float64")),
    _law("gradients_complex", ["L3"], "the same for complex numbers, conjugated", _gradients("complex128"), _complex),
    _law("gradients_batch", ["L3"], "∂x of a batch is that of its rows, and ∂w their sum", _batch, _real_batch),
    _law("double_backward", ["L3"], "the gradient of the gradient is f again", _double),
    _law("vmap", [], "torch.vmap of f, over x, w or both, is f of each", _vmap, _of_torch),
)
