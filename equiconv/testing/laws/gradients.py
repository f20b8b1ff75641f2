"""The laws of a torch convolution's derivatives: the gradient is the adjoint, and the gradient of the gradient the map again (lecture L3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from equiconv.testing.laws.case import Case
from equiconv.testing.laws.convolution import in_dtype
from equiconv.testing.laws.draws import draw_integers
from equiconv.testing.laws.record import Check, Comparison, Draw, Law, Refused, first_line
from equiconv.testing.laws.subject import Convolution, host

__all__ = ["GRADIENTS"]


def _differentiable(s: Convolution, case: Case) -> None:
    """Refuse a result that carries no gradient: nothing is claimed of it then."""
    x = case.value("x").detach().clone().requires_grad_()
    if not s.call(x, case.value("w")).requires_grad:
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
        case = s.draw(draw, dtype=dtype, more=["g"])
        _differentiable(s, case)
        in_x, in_w = _bounds(s, case)
        _derive(case, "in_x, in_w = gradients(f, g, x, w)")
        adjoint = f"circular(host(g), np.conj(host(w)), origin, {not s.correlate})"
        other = f"kernel_gradient(host(g), host(x), tuple(w.shape), origin, {s.correlate})"
        return [case.compare("in_x", adjoint, in_x), case.compare("in_w", other, in_w)]

    return check


def _double(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, dtype="float64", more=["g", "v"])
    _differentiable(s, case)
    in_g, in_w = s.bound(host(case.value("v")), host(case.value("w"))), _bounds(s, case, "v", "w", "g")[1]
    _derive(case, "in_g, in_w = twice(f, g, v, x, w)")
    # h = A_w* g for f(x, w) = A_w x, so ⟨h, v⟩ = ⟨g, A_w v⟩ = ⟨g, f(v, w)⟩.
    again = f"circular(host(v), host(w), origin, {s.correlate})"
    other = f"kernel_gradient(host(g), host(v), tuple(w.shape), origin, {s.correlate})"
    return [case.compare("in_g", again, 2 * in_g), case.compare("in_w", other, in_w)]


def _vmap(s: Convolution, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw)
    first = case.value("x")
    stack = np.stack([host(first), draw_integers(draw, tuple(first.shape))])
    case.hide("x")
    case.bind("x", s.array(stack, s.base))
    bound = 2 * s.bound(stack, host(case.value("w")))
    one = "xp.vmap(f, in_dims=(0, None))(x, w)"
    return [case.compare(one, "xp.stack([f(x[0], w), f(x[1], w)])", bound)]


def _of_torch(s: Convolution) -> str | None:
    return None if s.library == "torch" else "NumPy and CuPy have no gradients"


def _real(s: Convolution) -> str | None:
    return _of_torch(s) or in_dtype("float64")(s)


def _complex(s: Convolution) -> str | None:
    return _of_torch(s) or in_dtype("complex128")(s)


def _law(name: str, items: Sequence[str], statement: str, check: Check, applies: Any = _real) -> Law:
    return Law(name, tuple(items), statement, "convolution", check, None, applies)


GRADIENTS: tuple[Law, ...] = (
    _law("gradients", ["L3"], "∂⟨f(x, w), g⟩ is the adjoint, in x and in w", _gradients("float64")),
    _law("gradients_complex", ["L3"], "the same for complex numbers, conjugated", _gradients("complex128"), _complex),
    _law("double_backward", ["L3"], "the gradient of the gradient is f again", _double),
    _law("vmap", [], "torch.vmap of f is f of each", _vmap, _of_torch),
)
