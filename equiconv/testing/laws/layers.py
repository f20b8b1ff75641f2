"""The laws of a layer from (N, C, *grid) to (N, C', *grid'): it follows shifts, its weights do not know where they are, and its derivatives follow."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from equiconv.arrays import dtype_name, eps, to_numpy
from equiconv.measurement.actions import roll_amounts
from equiconv.measurement.rounding import BEYOND, floats
from equiconv.testing.laws.case import Case
from equiconv.testing.laws.draws import draw_shift
from equiconv.testing.laws.module import Module
from equiconv.testing.laws.record import Check, Comparison, Draw, Law, Refused, Vacuous, attempts, first_line

__all__ = ["LAYER", "common", "law", "scaled", "shifted"]


# Shifts --------------------------------------------------------------------------------------------------------------


def shifted(s: Module, draw: Draw, case: Case, grid: tuple[int, ...]) -> list[Comparison]:
    """f(S x) against S f(x), or f(x) for what does not roll, for one shift by multiples of the strides."""
    assert s.strides is not None
    k = draw_shift(draw, grid, s.strides)
    case.bind("k", k, repr(k))
    parts = s.parts(case)
    action = s.action(parts, grid)
    found = []
    for index, part in enumerate(parts):
        expected = f"f(x){part.path}"
        if action.dims[index]:
            amounts = roll_amounts(action.sizes(index), grid, k)
            if amounts is None:
                fault = f"has the sizes {action.sizes(index)}: the shift by {k} moves it by no whole number of points"
                found.append(case.comparison(0, 0, 0.0, (f"f(roll x){part.path}", f"roll f(x){part.path}"), fault))
                continue
            expected = f"xp.roll({expected}, {amounts}, {action.dims[index]})"
        found.append(s.compare(case, f"f(xp.roll(x, k, {s.axes})){part.path}", expected, ["f(x)"]))
    return found


#: What an input of small integers is multiplied by: thresholds and branches lie between them, and far above and below.
_SCALES = (1, 0.3671875, 1024, 2.0**-24)


def scaled(s: Module, draw: Draw, case: Case) -> None:
    """Multiply x, so that not all inputs are small integers. Raises `Refused` where f is not finite there."""
    from hypothesis import strategies as st

    a = draw(st.sampled_from(_SCALES))
    if a == 1 or s.dtype.itemsize < 4:  # half precision does not reach so far
        return
    case.bind("a", a, repr(a))
    case.run("x = a * x")
    case.shown.append(("x after that", "a * x"))
    if not all(np.isfinite(to_numpy(p.value)).all() for p in s.parts(case) if floats(p.value)):
        raise Refused(f"f is not finite on an input times {a}")


def _shift(s: Module, draw: Draw) -> Sequence[Comparison]:
    grid = s.draw_grid(draw)
    case = s.draw(draw, grid=grid)
    scaled(s, draw, case)
    if s.why is not None:
        return [case.comparison(0, 0, 0.0, ("f(S x)", "S f(x)"), s.why)]
    return shifted(s, draw, case, grid)


def _shift_wide(s: Module, draw: Draw) -> Sequence[Comparison]:
    """In float64 a bias by position is seen that float32's rounding would hide: one that has only begun to grow."""
    assert s.strides is not None
    if s.why is not None:
        raise Refused(s.why)
    grid = s.grid if s.strides == s.grid else s.draw_grid(draw)
    case = s.blank(model=s.double())
    case.setting("f = f.double()")
    for name in ("x", "y"):
        s.generic(draw, case, name, s.on(grid, 1), torch.float64)
    found = shifted(s, draw, case, grid)
    if not any(c.broken for c in found):
        _require_sight(s, case)
    case.hide("y")
    return found


def _require_sight(s: Module, case: Case) -> None:
    """Raise `Vacuous` where rounding explains a quarter of the largest entry: then most faults hide in the bound."""
    with torch.no_grad():
        _look(s, case)


def _look(s: Module, case: Case) -> None:
    pairs = [p for p in zip(s.parts(case), s.parts(case, "f(y)"), strict=True) if floats(p[0].value)]
    for one, other in pairs:
        largest = max(float(np.abs(to_numpy(p.value)).max(initial=0.0)) for p in (one, other))
        if BEYOND * s.floor(case, [f"f(x){one.path}"]) < largest / 4:
            return
    if pairs and any(np.abs(to_numpy(one.value)).max(initial=0.0) > 0 for one, _ in pairs):
        raise Vacuous(
            f"even in float64, {BEYOND:.0f} roundings inside change the output by a quarter and more: something is computed in a narrow dtype, or cancels; "
            "compute in a wider one"
        )


def _constant(s: Module, draw: Draw) -> Sequence[Comparison]:
    """A constant image is every shift of itself, so its output is too: constant, or, where it has more points, one pattern over and over."""
    assert s.strides is not None
    if s.why is not None:
        raise Refused(s.why)
    grid = s.draw_grid(draw)
    case = s.blank()
    dims = [d % len(s.shape) for d in s.axes]
    pixel = tuple(1 if d in dims else n for d, n in enumerate((1, *s.shape[1:])))
    s.bind(draw, case, "c", pixel)
    case.run(f"x = c.expand({s.on(grid, 1)}).clone()")
    parts = s.parts(case)
    action = s.action(parts, grid)
    found = []
    for index, part in enumerate(parts):
        for axis, step in enumerate(s.strides):
            amounts = None
            if action.dims[index]:
                shift = tuple(step if a == axis else 0 for a in range(len(grid)))
                amounts = roll_amounts(action.sizes(index), grid, shift)
            if amounts is not None:
                rolled = f"xp.roll(f(x){part.path}, {amounts}, {action.dims[index]})"
                found.append(s.compare(case, f"f(x){part.path}", rolled, ["f(x)"]))
    if not found:
        raise Refused("no output has the input's axes")
    return found


# The map itself ------------------------------------------------------------------------------------------------------

_AFFINE = (
    nn.modules.conv._ConvNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.Linear,
    nn.Identity,
)


def _is_affine(s: Module) -> str | None:
    if s.affine is None:
        return None if isinstance(s.model, _AFFINE) else "nothing says that it is linear: affine=True does"
    return None if s.affine else "affine=False"


def _affine(s: Module, draw: Draw) -> Sequence[Comparison]:
    grid = s.draw_grid(draw)
    case = s.draw(draw, grid=grid)
    s.draw(draw, "y", case=case, grid=grid)
    found = []
    for part in s.parts(case):
        p = part.path
        got, expected = f"f(2 * x + y){p} + 2 * f(xp.zeros_like(x)){p}", f"2 * f(x){p} + f(y){p}"
        found.append(s.compare(case, got, expected, ["f(x)"]))
    return found


def _is_convolution(s: Module) -> str | None:
    if isinstance(s.model, nn.modules.conv._ConvNd) and not s.model.transposed:
        return None
    return "it is no Conv1d, Conv2d or Conv3d, of which the sum is known"


def _definition(s: Module, draw: Draw) -> Sequence[Comparison]:
    layer: Any = s.model
    case = s.draw(draw, grid=s.draw_grid(draw))
    padding = tuple(_sides(layer, a) for a in range(layer.weight.ndim - 2))
    bias = "None" if layer.bias is None else "host(f.bias)"
    case.names["f"].weight, case.names["f"].bias = layer.weight, layer.bias
    options = f"{tuple(layer.stride)}, {padding}, {tuple(layer.dilation)}, {layer.groups}"
    expected = f"xp.as_tensor(convolutional_layer(host(x), host(f.weight), {bias}, {options})).to(x.device)"
    return [s.compare(case, "f(x)", expected, ["f(x)"])]


def _sides(layer: Any, axis: int) -> tuple[int, int]:
    """Left and right padding of an axis."""
    if layer.padding == "valid":
        return 0, 0
    if layer.padding == "same":
        total = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
        return total // 2, total - total // 2
    p = layer.padding if isinstance(layer.padding, int) else layer.padding[axis]
    return p, p


def _window(s: Module) -> list[tuple[int, int, int, int]] | None:
    """Kernel size, stride, dilation and left padding for each axis, as the layer declares them; None where it declares none."""
    layer, count = s.model, len(s.axes)
    if getattr(layer, "transposed", False) or not hasattr(layer, "kernel_size"):
        return None
    found = []
    for axis in range(count):
        values = []
        for name, default in (("kernel_size", None), ("stride", 1), ("dilation", 1), ("padding", 0)):
            value = getattr(layer, name, default)
            if name == "padding" and isinstance(value, str):
                value = _sides(layer, axis)[0]
            if isinstance(value, (tuple, list)):
                value = value[axis] if len(value) == count else None
            if not isinstance(value, int):
                return None
            values.append(value)
        found.append((values[0], values[1], values[2], values[3]))
    return found


def _declares(s: Module) -> str | None:
    return None if _window(s) else "it declares no kernel_size with one entry for each axis"


def _local(s: Module, draw: Draw) -> Sequence[Comparison]:
    """Change one pixel: outputs whose window does not hold it stay."""
    from hypothesis import strategies as st

    window = _window(s)
    assert window is not None
    # On a grid that the window covers there is no output that must stay.
    grid = s.draw_grid(draw, max(7, 2 * max((k - 1) * d + 1 for k, _, d, _ in window)))
    case = s.draw(draw, grid=grid)
    pixel = tuple(draw(st.integers(0, n - 1)) for n in grid)
    dims = {d % len(s.shape): p for d, p in zip(s.axes, pixel, strict=True)}
    place = ", ".join(str(dims[d]) if d in dims else ":" for d in range(len(s.shape)))
    case.run("z = x.clone()")
    case.run(f"z[{place}] += 2")
    case.shown.append(("z", f"x + 2 at the pixel {pixel}"))
    part = s.parts(case)[0]
    action = s.action([part], grid)
    if not action.dims[0]:
        raise Refused("the output does not have the input's axes")
    seen = []
    for (k, t, d, left), n, m, p in zip(window, grid, action.sizes(0), pixel, strict=True):
        seen.append([i for i in range(m) if any((i * t + j * d - left) % n == p for j in range(k))])
    # The outputs that may change are a product of index sets; all others must not.
    inside = np.zeros(action.sizes(0), bool)
    for index in product(*seen):
        inside[index] = True
    mask = torch.as_tensor(~inside, device=s.device)
    if not bool(mask.any()):
        raise Refused("every output sees the pixel")
    case.bind(
        "outside",
        mask,
        f"xp.tensor({mask.tolist()}, device=x.device)",
        f"the outputs whose window does not hold {pixel}",
    )
    if action.dims[0] != tuple(range(-len(grid), 0)):
        raise Refused("the grid does not lie in the last dims")
    path = part.path
    return [s.compare(case, f"f(z){path}[..., outside]", f"f(x){path}[..., outside]", ["f(x)"])]


# Conduct -------------------------------------------------------------------------------------------------------------


def _batch(s: Module, draw: Draw) -> Sequence[Comparison]:
    from hypothesis import strategies as st

    count = draw(st.sampled_from([2, 3, 5]))
    case = s.draw(draw, batch=count, grid=s.draw_grid(draw))
    found = []
    for part in s.parts(case):
        if part.value.ndim == 0 or part.value.shape[0] != count:
            raise Refused(
                f"{part.label} has no batch dim: its shape is {tuple(part.value.shape)} for a batch of {count}"
            )
        for row in range(count):
            found.append(
                s.compare(case, f"f(x){part.path}[{row}:{row + 1}]", f"f(x[{row}:{row + 1}]){part.path}", ["f(x)"])
            )
    return found


def _dtypes(s: Module, draw: Draw) -> Sequence[Comparison]:
    from hypothesis import strategies as st

    wanted = draw(st.sampled_from(["float64", "float32", "bfloat16", "float16"]))
    case = s.blank(model=s.double().to(getattr(torch, wanted)))
    case.setting(f"f = f.to(xp.{wanted})")
    s.bind(draw, case, "x", s.on(s.draw_grid(draw), 1))
    case.run(f"x = x.to(xp.{wanted})")
    parts = [p for p in s.parts(case) if floats(p.value)]
    wrong = [p for p in parts if dtype_name(p.value.dtype) != wanted]
    if wrong:
        fault = f"is {dtype_name(wrong[0].value.dtype)}, and its input and weights are {wanted}"
        return [case.comparison(0, 0, 0.0, (f"f(x){wrong[0].path}.dtype", "x.dtype"), fault)]
    values = [
        np.nan_to_num(to_numpy(p.value)) for p in parts
    ]  # of float16 a value may overflow: here the dtype is looked at
    return [case.comparison(v, v, 0.0, ("f(x).dtype", "x.dtype")) for v in values]


class _Narrow(TorchDispatchMode):  # type: ignore[misc, unused-ignore]
    """Remembers the first operation on float64 with a result in a narrower dtype."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: str | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        # Constants made in the default dtype do no harm; data that were wide and are narrow have lost digits.
        wide = any(floats(v) and eps(v.dtype) == eps(torch.float64) for v in pytree.tree_leaves((args, kwargs)))
        for value in pytree.tree_leaves(result):
            if wide and self.found is None and floats(value) and eps(value.dtype) > eps(torch.float64):
                self.found = f"{getattr(func, '__name__', func)} gives {dtype_name(value.dtype)}"
        return result


def _wide(s: Module, draw: Draw) -> Sequence[Comparison]:
    case = s.blank(model=s.double())
    case.setting("f = f.double()")
    s.generic(draw, case, "x", s.on(s.grid, 1), torch.float64)
    case.value("f(x)")  # a first call may build constants in the default dtype
    with torch.no_grad(), _Narrow() as watched:
        parts = s.parts(case)
    fault = None if watched.found is None else f"inside, {watched.found}, though input and weights are float64"
    value = to_numpy(parts[0].value)
    return [case.comparison(value, value, 0.0, ("the dtype of every operation inside", "float64"), fault)]


def _deterministic(s: Module, draw: Draw) -> Sequence[Comparison]:
    case = s.draw(draw, grid=s.draw_grid(draw))
    return [case.compare(f"host(f(x){p.path})", f"host(f(x){p.path})") for p in s.parts(case)]


def _stateless(s: Module, draw: Draw) -> Sequence[Comparison]:
    """f(x) first, then f(y) beside that of a module that was never called."""
    grid = s.draw_grid(draw)
    model = copy.deepcopy(s.fresh)
    case = s.blank(model=model)
    case.setting("import copy; fresh = copy.deepcopy(f)", fresh=copy.deepcopy(s.fresh))
    s.draw(draw, case=case, grid=grid)
    s.draw(draw, "y", case=case, grid=grid)
    case.run("f(x)")
    return [s.compare(case, f"f(y){p.path}", f"fresh(y){p.path}", ["f(y)"]) for p in s.parts(case, "f(y)")]


def _unchanged(s: Module, draw: Draw) -> Sequence[Comparison]:
    model = copy.deepcopy(s.fresh)
    case = s.blank(model=model)
    case.names["f"].state_dict = model.state_dict
    s.draw(draw, case=case, grid=s.draw_grid(draw))
    case.run("before = {k: v.clone() for k, v in f.state_dict().items()}")
    case.run("y = f(x)")
    names = list(model.state_dict())
    return [case.compare(f"host(f.state_dict()[{n!r}])", f"host(before[{n!r}])") for n in names]


def _has_state(s: Module) -> str | None:
    return None if s.model.state_dict() else "it has no weight and no buffer"


def _unwritten(s: Module, draw: Draw) -> Sequence[Comparison]:
    case = s.blank(copied=False)
    s.draw(draw, case=case, grid=s.draw_grid(draw))
    case.run("x0 = x.clone()")
    case.run("y = f(x)")
    return [case.compare("host(x)", "host(x0)")]


def _strided(s: Module, draw: Draw) -> Sequence[Comparison]:
    case = s.blank(copied=False)
    s.draw(draw, case=case, batch=2, grid=s.draw_grid(draw))
    layouts = [
        "xp.stack([x, x + 1], -1)[..., 0]",
        "x.movedim(1, -1).contiguous().movedim(-1, 1)",  # channels last
        "xp.cat([x + 1, x, x + 1], -1)[..., x.shape[-1]:2 * x.shape[-1]]",
    ]
    parts = s.parts(case, "f(x.clone())")
    ways = [(f"f({layout}){p.path}", f"f(x.clone()){p.path}", ["f(x)"]) for layout in layouts for p in parts]
    return attempts(s, (partial(s.compare, case, *way) for way in ways))


def _depends(s: Module, draw: Draw) -> Sequence[Comparison]:
    """The output depends on the input: otherwise the other laws hold of nothing."""
    case = s.blank()
    shape = (1, *s.shape[1:])
    for name in ("x", "y"):
        s.generic(draw, case, name, shape, s.dtype)
    parts = s.parts(case)
    others = [s.parts(case, f"f({a})") for a in ("y", "10 * x", "-x")]
    same = all(torch.equal(p.value, q.value) for other in others for p, q in zip(parts, other, strict=True))
    value = to_numpy(parts[0].value)
    fault = "is the same for x, y, 10·x and −x: it does not depend on its input" if same else None
    return [case.comparison(value, value, 0.0, ("f(x)", "not f(y)"), fault)]


# Derivatives ---------------------------------------------------------------------------------------------------------


def _gradients(s: Module, draw: Draw) -> Sequence[Comparison]:
    """⟨f(S x), S g⟩ = ⟨f(x), g⟩, so the gradient in x follows the shift and that in each weight does not see it."""
    assert s.strides is not None
    if s.why is not None:
        raise Refused(s.why)
    grid = s.draw_grid(draw)
    model = s.double()
    case = s.blank(model=model)
    case.setting("f = f.double()")
    s.generic(draw, case, "x", s.on(grid, 1), torch.float64)
    parts = s.parts(case)
    index = next((i for i, p in enumerate(parts) if floats(p.value)), None)
    if index is None:
        raise Refused("it returns no floating tensor")
    part, action = parts[index], s.action(parts, grid)
    if not _carries(case, part.path):
        raise Refused("its output carries no gradient")
    s.generic(draw, case, "g", tuple(part.value.shape), torch.float64)
    k = draw_shift(draw, grid, s.strides)
    case.bind("k", k, repr(k))
    moved = "g"
    if action.dims[index]:
        amounts = roll_amounts(action.sizes(index), grid, k)
        if amounts is None:
            raise Refused(f"the shift by {k} moves the output by no whole number of points")
        moved = f"xp.roll(g, {amounts}, {action.dims[index]})"
    case.run(f"def part(y): return y{part.path}")
    try:
        case.value("backward(f, x, g, part)")
    except (RuntimeError, NotImplementedError) as error:
        raise Refused(f"no derivative: {first_line(error)}") from error
    after, before = f"backward(f, xp.roll(x, k, {s.axes}), {moved}, part)", "backward(f, x, g, part)"
    found = [s.compare(case, "recorded(f, x, part)", f"f(x){part.path}", ["f(x)"])]
    found.append(s.compare(case, f"{after}[0]", f"xp.roll({before}[0], k, {s.axes})", [before]))
    count = sum(p.requires_grad for p in model.parameters())
    found += [s.compare(case, f"{after}[{i + 1}]", f"{before}[{i + 1}]", [before]) for i in range(count)]
    return found


def _carries(case: Case, path: str) -> bool:
    with torch.enable_grad():
        x: Tensor = case.value("x").clone().requires_grad_()
        case.names["_x"] = x
        y = case.value(f"f(_x){path}")
    return bool(y.requires_grad)


def law(
    name: str, items: Sequence[str], statement: str, check: Check, theorem: str | None = None, **options: Any
) -> Law:
    return Law(name, tuple(items), statement, options.pop("kind", "layer"), check, theorem, **options)


def common(kind: str) -> tuple[Law, ...]:
    """The laws that layers and models share."""

    def of(name: str, statement: str, check: Check, share: float = 1.0, **options: Any) -> Law:
        return Law(name, options.pop("items", ()), statement, kind, check, share=share, **options)

    return (
        of("shift_float64", "f(S x) = S' f(x) in float64, whose rounding hides no small bias", _shift_wide, 0.4),
        of("batch", "f of a batch is the batch of its f", _batch),
        of("dtype", "the output has the dtype of input and weights", _dtypes),
        of("deterministic", "f(x) twice is the same, bit by bit", _deterministic),
        of("stateless", "the second call is as good as the first of a module never called", _stateless, 0.4),
        of("unchanged", "a call changes no weight and no buffer", _unchanged, 0.4, applies=_has_state),
        of("unwritten", "f does not write to its input", _unwritten),
        of("strided", "slices and channels-last inputs are as good as their copies", _strided),
        of("depends", "the output depends on the input", _depends, 0.1),
        of(
            "gradients",
            "⟨f(S x), S g⟩ = ⟨f(x), g⟩: ∂x follows S, ∂w does not see it; recording a graph changes no value",
            _gradients,
            0.4,
            items=("L3", "L29"),
        ),
    )


LAYER: tuple[Law, ...] = (
    law(
        "shift",
        ["L6", "L13", "L14", "L29"],
        "f(S x) = S' f(x) for S by multiples of the stride",
        _shift,
        "sliding_window",
    ),
    law(
        "constant",
        ["L6"],
        "a constant image gives a constant output: no weight knows where it is",
        _constant,
        "convolutional_layer",
    ),
    law(
        "definition",
        ["L6", "L7", "L13", "L18", "L19"],
        "f(x)[c', i] = b[c'] + Σ_c Σ_t w[c', c, t]·x[c, i·stride + t·dilation − padding], wrapped",
        _definition,
        "grouped_convolution",
        applies=_is_convolution,
    ),
    law("affine", ["L10"], "f(2x + y) + 2f(0) = 2f(x) + f(y)", _affine, applies=_is_affine),
    law(
        "local",
        ["L4", "L5", "L9"],
        "an output depends on the patch under its kernel alone",
        _local,
        "patches",
        applies=_declares,
    ),
    law("wide", [], "nothing inside is computed in a narrower dtype than input and weights have", _wide, share=0.1),
    *common("layer"),
)
