"""A torch layer or model under test: how it is called, its examples, and how far rounding lets two of its results lie apart."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from equiconv.arrays import to_numpy
from equiconv.measurement.actions import Action
from equiconv.measurement.outputs import Part, largest_difference, parts_of
from equiconv.measurement.rounding import BEYOND, RandomRounding, own_roundoff
from equiconv.measurement.subject import Subject
from equiconv.testing.laws import reference
from equiconv.testing.laws.case import Case, source
from equiconv.testing.laws.draws import draw_integers
from equiconv.testing.laws.record import Comparison, Crashed, Draw, Refused, first_line
from equiconv.testing.laws.subject import REFUSALS
from equiconv.testing.script import locate
from equiconv.testing.strategies import sparse_pixels

__all__ = ["Module", "guess_shape"]

_SAMPLES = 2  # runs that one rounding floor takes
_LITERAL = 96  # entries that are drawn and written one by one
_BACKWARD = '''def backward(f, x, g, part):
    """Gradients of <part(f(x)), g> with respect to x and to every weight."""
    with xp.enable_grad():
        x = x.detach().clone().requires_grad_()
        weights = [p for p in f.parameters() if p.requires_grad]
        return xp.autograd.grad(part(f(x)), [x, *weights], g, allow_unused=True, materialize_grads=True)'''
_RECORDED = '''def recorded(f, x, part):
    """part(f(x)) on the path that records a graph."""
    with xp.enable_grad():
        return part(f(x.detach().clone().requires_grad_())).detach()'''
_HOST = "def host(a):\n    return a.detach().double().cpu().numpy() if isinstance(a, xp.Tensor) else np.asarray(a)"


class _Guarded:
    """A module whose refusals and crashes are told apart."""

    def __init__(self, model: nn.Module, copied: bool) -> None:
        self._model, self._copied = model, copied

    def __call__(self, x: Tensor) -> Any:
        try:
            y = self._model(x.clone() if self._copied else x)
        except REFUSALS as error:
            raise Refused(first_line(error)) from error
        except Exception as error:
            raise Crashed(first_line(error)) from error
        if not parts_of(y):
            raise Crashed(f"nothing, but returned a {type(y).__name__}, in which there is no tensor")
        return y

    def parameters(self) -> Iterator[Tensor]:
        return self._model.parameters()


@dataclass(eq=False)
class Module:
    """A torch module in evaluation mode, called on (N, C, *grid).

    Attributes
    ----------
    model, name: it, and what it is called. shape: of an input it takes. axes: its dims that carry the shifts, from the end.
    strides: the shifts that are claimed, by axis; worked out from the sizes of the output where None. affine: it is said to be linear plus a bias; None asks
    its class. place: where a script finds it. why: why no shift but 0 acts on the output, where that is so.
    case: the example at hand. cap: the largest size of a grid, for now. refusals: parts of it that the module did not take.
    """

    model: nn.Module
    name: str
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    strides: tuple[int, ...] | None = None
    affine: bool | None = None
    place: str | None = None
    why: str | None = None
    case: Case | None = None
    cap: int | None = None
    refusals: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        example = self._dense(self.shape, 0)
        subject = Subject.of(self.model, example, self.axes)  # refuses training mode, NaN weights and the like
        self.axes = subject.axes
        grid = subject.group.shape
        self.fresh = _copied(self.model)
        parts = subject.run()
        action = Action("natural", len(self.shape), self.axes, grid, parts, None)
        if self.strides is None:
            steps = [action.strides(i) for i in range(len(parts))]
            self.strides = tuple(math.lcm(*(s[a] for s in steps)) for a in range(len(grid)))
            for index, part in enumerate(parts):
                for m, n in zip(action.sizes(index), grid, strict=bool(action.dims[index])):
                    if m != 1 and n % m and m % n:
                        self.why = f"the grid of {part.label} has {m} points and that of the input {n}: no shift by its stride moves it by whole points"
        self._lines = [
            "import numpy as np",
            "import torch as xp",
            *(locate(self.model, None, "f") if self.place is None else [*locate(self.model, self.place), "f = model"]),
            "xp.set_grad_enabled(False)",
        ]

    # Examples --------------------------------------------------------------------------------------------------------

    def blank(self, copied: bool = True, model: nn.Module | None = None) -> Case:
        """A case with nothing drawn. model: a copy to run in its place."""
        names = {
            "np": np,
            "xp": torch,
            "f": _Guarded(self.model if model is None else model, copied),
            "convolutional_layer": reference.convolutional_layer,
        }
        helpers = {
            "host": _HOST,
            "backward": _BACKWARD,
            "recorded": _RECORDED,
            "convolutional_layer": source(reference.convolutional_layer),
        }
        case = Case(names, self._lines, helpers)
        for text in (_HOST, _BACKWARD, _RECORDED):
            exec(text, case.names)
        self.case = case
        return case

    def draw(self, draw: Draw, name: str = "x", batch: int = 1, case: Case | None = None, grid: Any = None) -> Case:
        """A case with an input of small integers, of few entries where it is large."""
        case = case or self.blank()
        shape = (batch, *self.shape[1:])
        if grid is not None:
            shape = self.on(grid, batch)
        self.bind(draw, case, name, shape)
        return case

    def on(self, grid: Sequence[int], batch: int) -> tuple[int, ...]:
        """The input's shape with another grid."""
        shape = [batch, *self.shape[1:]]
        for axis, n in zip(self.axes, grid, strict=True):
            shape[axis] = n
        return tuple(shape)

    @property
    def grid(self) -> tuple[int, ...]:
        """The sizes of the axes that carry the shifts."""
        return tuple(self.shape[a] for a in self.axes)

    def draw_grid(self, draw: Draw, most: int = 7) -> tuple[int, ...]:
        """A grid on which the claimed shifts are subgroups: odd, even, prime, not square. The layer's own comes too."""
        from hypothesis import strategies as st

        assert self.strides is not None
        if self.cap is None and draw(st.integers(0, 3)) == 3:
            return self.grid
        most = self.cap or most
        return tuple(s * draw(st.integers(1, max(1, -(-most // s)))) for s in self.strides)

    def bind(self, draw: Draw, case: Case, name: str, shape: tuple[int, ...]) -> None:
        """Bind a drawn tensor."""
        from hypothesis import strategies as st

        dtype = self.dtype
        if math.prod(shape) <= _LITERAL:
            case.bind(name, torch.as_tensor(draw_integers(draw, shape)).to(self.device, dtype))
            return
        if draw(st.booleans()):
            seed = draw(st.integers(0, 2**16))
            text = f"xp.randint(-3, 4, {shape}, generator=xp.Generator().manual_seed({seed})).to({_named(dtype)}){self._there}"
            case.bind(name, self._dense(shape, seed), text, f"seeded integers of shape {shape}")
            return
        pixels = draw(sparse_pixels(shape))
        value = torch.zeros(shape, dtype=dtype, device=self.device)
        text = f"xp.zeros({shape}, dtype={_named(dtype)}){self._there}"
        for index, entry in pixels:
            value[index] = entry
        case.bind(name, value, text, f"zero of shape {shape} but for " + ", ".join(f"{v} at {i}" for i, v in pixels))
        for index, entry in pixels:
            case.run(f"{name}[{', '.join(map(str, index))}] = {entry}")

    def generic(self, draw: Draw, case: Case, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        """Bind distinct numbers in (−2, 2), none 0, in an order drawn: no two tie in a maximum, where a derivative would jump."""
        from hypothesis import strategies as st

        seed, count = draw(st.integers(0, 2**16)), math.prod(shape)
        text = (
            f"(xp.randperm({count}, generator=xp.Generator().manual_seed({seed})).reshape({shape}).to({_named(dtype)})"
            f" + 0.5078125).mul({4 / count!r}).sub(2){self._there}"
        )
        case.bind(name, case.value(text), text, f"distinct numbers of shape {shape}, seed {seed}")

    def _dense(self, shape: tuple[int, ...], seed: int) -> Tensor:
        return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).to(self.device, self.dtype)

    @property
    def device(self) -> torch.device:
        """The device of its weights; the CPU where it has none."""
        return next((p.device for p in (*self.model.parameters(), *self.model.buffers())), torch.device("cpu"))

    @property
    def _there(self) -> str:
        """What a script writes after a tensor to put it there."""
        return "" if self.device.type == "cpu" else f".to({str(self.device)!r})"

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of its weights; torch's default where it has none."""
        floating = [p.dtype for p in (*self.model.parameters(), *self.model.buffers()) if p.is_floating_point()]
        return floating[0] if floating else torch.get_default_dtype()

    def double(self) -> nn.Module:
        """A copy in float64."""
        return _copied(self.model).double()

    # What it returns -------------------------------------------------------------------------------------------------

    def parts(self, case: Case, expression: str = "f(x)") -> list[Part]:
        """The tensors that an expression returns."""
        return parts_of(case.value(expression))

    def action(self, parts: Sequence[Part], grid: Sequence[int]) -> Action:
        """How a shift of the input acts on them."""
        return Action("natural", len(self.shape), self.axes, tuple(grid), parts, None)

    def compare(self, case: Case, got: str, expected: str, runs: Sequence[str]) -> Comparison:
        """Compare two expressions; apart they may be by 256 times what one rounding an operation does to the `runs` that they are made of."""
        case.names["RUNS"] = runs
        with torch.no_grad():
            left, right = case.value(got), case.value(expected)
            sides = got, expected
            if tuple(left.shape) != tuple(right.shape):
                return case.comparison(to_numpy(left), to_numpy(right), 0.0, sides)
            least = BEYOND * max(own_roundoff(Part("", left)), own_roundoff(Part("", right)))
            if largest_difference(left, right) > least:
                least = max(least, BEYOND * self.floor(case, (got, expected)))
        return case.comparison(to_numpy(left), to_numpy(right), least, sides)

    def floor(self, case: Case, expressions: Sequence[str]) -> float:
        """The largest change that perturbing every operation's result by its roundoff makes to either side."""
        kept = [
            *self.model.parameters(),
            *self.model.buffers(),
            *(v for v in case.names.values() if isinstance(v, Tensor)),
        ]
        kept += list(case.names["f"].parameters())
        worst = 0.0
        for expression in expressions:
            base = case.value(expression)
            for sample in range(_SAMPLES):
                with RandomRounding(sample, kept):
                    shaken = case.value(expression)
                worst = max(worst, largest_difference(base, shaken))
        return worst


def _named(dtype: torch.dtype) -> str:
    return str(dtype).replace("torch.", "xp.")


def _copied(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise Refused(f"it cannot be copied ({first_line(error)})") from error


def guess_shape(model: nn.Module, size: int = 12) -> tuple[int, ...] | None:
    """A shape of the input, from the first module that says its channels and, in its name, its axes: Conv2d(3, …) takes (1, 3, 12, 12). None where none does.

    >>> guess_shape(nn.Conv1d(2, 3, 5))
    (1, 2, 12)
    """
    for part in model.modules():
        channels = getattr(part, "in_channels", None) or getattr(part, "num_features", None)
        match = re.search(r"([123])d$", type(part).__name__) or re.search(
            r"([123])d$", next((c.__name__ for c in type(part).__mro__ if re.search(r"[123]d$", c.__name__)), "")
        )
        if isinstance(channels, int) and match:
            return (1, channels, *(size,) * int(match[1]))
    return None
