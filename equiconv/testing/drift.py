"""Drift: a network that is equivariant when it is built need not stay so as it trains. A monitor measures it from time to time, and logs what it finds.

A measurement leaves the training as it was, to the bit: modes of every submodule, buffers, gradients and random states.
"""

from __future__ import annotations

import contextlib
import csv
import json
import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from equiconv.measurement.actions import OutputAction
from equiconv.measurement.outputs import is_finite, largest_magnitude
from equiconv.measurement.subject import Subject
from equiconv.testing.comparison import Origin, Values, entry_of, require_steady
from equiconv.testing.inputs import example_of
from equiconv.testing.symmetries import GroupLike, axes_for, domain_of

__all__ = ["DriftMonitor", "DriftPoint", "DriftWarning"]


class DriftWarning(UserWarning):
    """A law that held when training began holds no more."""


@dataclass(frozen=True)
class DriftPoint:
    """One measurement.

    step: of the training. error: the largest difference between f(g x) and ρ(g) f(x) that was found, counted in floors. floor: how much of it rounding
    explains. relative: the error over the largest entry of that output. holds: the error is at most 256 floors; False as well where the output is not
    finite, and nothing can be said. exact: the error is 0. element: which g. output: which part of what f returns.
    """

    step: int
    error: float
    floor: float
    relative: float
    holds: bool
    exact: bool
    element: str
    output: str


class DriftMonitor:
    """Measures the equivariance error of a model as it trains.

    Parameters
    ----------
    model: a torch module; of one that is compiled or distributed, the module inside is run. x: an input, arguments, or a shape for seeded normals: what a
        measurement runs on, always the same.
    group, axes, output_action: as in `equivariance_error`. every: a measurement each so many steps; the first is made at once, as step 0.
    shifts: how many elements of the group are tried, generators first; the same each time. A measurement runs the model three times, and once for each.
    log: called with a dict for each measurement, whose keys are ``"step"`` and ``"equivariance/error"``, ``…/floor``, ``…/relative``, ``…/holds`` and
        ``…/exact``: `wandb.log` and the like; or a path, to which a line of JSON is added each time.
    seed: of the shifts and of the random rounding, by which the floor is found.

    A measurement runs the model in evaluation mode, without autocast. Forward hooks run too. What a model keeps in plain attributes is not restored.

    Attributes
    ----------
    history: the measurements, a `DriftPoint` each. lost: the step at which a law that held at first was found not to hold, or None.

    Raises
    ------
    TypeError, ValueError: as `equivariance_error`; an ``every`` or ``shifts`` below 1.

    Warns
    -----
    DriftWarning: once, where a law that held at first holds no more.

    Examples
    --------
    >>> import torch
    >>> from equiconv.testing import DriftMonitor
    >>> model = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> rows = []
    >>> monitor = DriftMonitor(model, (1, 1, 8, 8), every=10, log=rows.append)
    >>> handle = monitor.attach(optimizer)
    >>> for _ in range(20):
    ...     optimizer.zero_grad()
    ...     model(torch.randn(4, 1, 8, 8)).square().mean().backward()
    ...     optimizer.step()
    >>> [(row["step"], row["equivariance/holds"]) for row in rows]
    [(0, True), (10, True), (20, True)]
    """

    def __init__(
        self,
        model: nn.Module,
        x: Any,
        *,
        group: GroupLike = None,
        axes: int | Iterable[int] = (-2, -1),
        every: int = 100,
        shifts: int = 4,
        output_action: OutputAction = "natural",
        log: Callable[[dict[str, Any]], Any] | str | Path | None = None,
        seed: int = 0,
    ) -> None:
        for word, number in (("every", every), ("shifts", shifts)):
            if number < 1:
                raise ValueError(f"{word}: got {number}; pass a positive number")
        if not isinstance(model, nn.Module):
            raise TypeError(f"model: got {type(model).__name__}; pass the torch module that trains")
        self._model = _inside(model)
        self._every, self._log, self._count = every, log, 0
        self.history: list[DriftPoint] = []
        self.lost: int | None = None
        with undisturbed(self._model):
            subject = Subject.of(self._model, example_of(self._model, x, seed)[0], axes_for(group, axes))
            raw = subject.output()
            domain = domain_of(subject, group, output_action, subject.parts(raw), raw)
            self._evaluation = Values(subject, domain, seed)
            require_steady(self._evaluation, self._evaluation.start(subject.leaves))
        self._leaves = [v.detach().clone() if isinstance(v, torch.Tensor) else v for v in subject.leaves]
        self._elements = domain.coverage(shifts, shifts, seed).elements[:shifts]
        if not self._elements:
            raise ValueError(f"group: {domain.text} has no element but the identity; nothing can drift")
        self.measure(0)

    def step(self, step: int | None = None) -> DriftPoint | None:
        """Count a step of the training, and measure where it is time to. step: its number, where the loop counts itself."""
        self._count = self._count + 1 if step is None else step
        return self.measure(self._count) if self._count % self._every == 0 else None

    __call__ = step

    def attach(self, optimizer: torch.optim.Optimizer) -> Any:
        """Count every step of the optimizer. Returns the handle of the hook: ``handle.remove()`` ends it."""
        return optimizer.register_step_post_hook(lambda _optimizer, _args, _kwargs: self._after_step())

    def _after_step(self) -> None:
        self.step()

    def measure(self, step: int | None = None) -> DriftPoint:
        """Measure now, whatever the step."""
        with undisturbed(self._model):
            point = self._point(self._count if step is None else step)
        self.history.append(point)
        self._tell(point)
        if self.history[0].holds and not point.holds and self.lost is None:
            self.lost = point.step
            warnings.warn(
                f"{self._evaluation.subject.name} was equivariant at step {self.history[0].step} and is not at step {point.step}: {point.output} differs by "
                f"{point.error:.3g} under {point.element}, rounding explains {point.floor:.2g}",
                DriftWarning,
                stacklevel=2,
            )
        return point

    def _point(self, step: int) -> DriftPoint:
        evaluation = self._evaluation
        start = evaluation.start(self._leaves)
        worst: tuple[float, DriftPoint] | None = None
        for element in self._elements:
            entry = entry_of(evaluation, start, element, None, Origin.GIVEN)
            if not entry.compared:
                continue
            error = entry.error
            part = next(p for p in start.parts if p.label == entry.output)
            size, floor = largest_magnitude(part.value), entry.bound / evaluation.beyond
            # Two outputs that are NaN in the same places do not differ, and say nothing.
            sound = all(is_finite(p.value) for p in start.parts)
            point = DriftPoint(
                step,
                error if sound else float("nan"),
                floor,
                error / size if size else (float("inf") if error else 0.0),
                sound and error <= entry.bound,
                sound and error == 0.0,
                str(element),
                entry.output,
            )
            if worst is None or entry.ratio > worst[0]:
                worst = entry.ratio, point
        if worst is None:
            raise ValueError("x: no element that is tried moves it; pass an input that is not constant along the axes")
        return worst[1]

    def _tell(self, point: DriftPoint) -> None:
        if self._log is None:
            return
        names = ("error", "floor", "relative", "holds", "exact")
        row = {"step": point.step, **{f"equivariance/{name}": getattr(point, name) for name in names}}
        if callable(self._log):
            self._log(row)
        else:
            with Path(self._log).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def save(self, path: str | Path) -> None:
        """Write the history: a table for ``.csv``, a list of objects for ``.json``. Raises `ValueError` for another suffix."""
        path = Path(path)
        rows = [asdict(point) for point in self.history]
        if path.suffix == ".json":
            path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        elif path.suffix == ".csv":
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(DriftPoint.__dataclass_fields__))
                writer.writeheader()
                writer.writerows(rows)
        else:
            raise ValueError(f"path: got {path.name!r}; pass a name that ends in .csv or .json")

    def __repr__(self) -> str:
        last = self.history[-1]
        state = "holds" if last.holds else f"fails since step {self.lost}" if self.lost is not None else "fails"
        return (
            f"<DriftMonitor of {self._evaluation.subject.name}: {len(self.history)} measurements; at step {last.step} error {last.error:.3g}, "
            f"floor {last.floor:.2g}, the law {state}>"
        )


def _inside(model: nn.Module) -> nn.Module:
    """The module that a compiled or distributed one wraps: a measurement must neither compile nor communicate."""
    while True:
        if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


@contextlib.contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block; after it, the modes, buffers and random states are those of before.

    The flag of each submodule is set by itself: `model.eval()` may do more, where a model overrides `train`.
    """
    parts = list(model.modules())
    modes = [part.training for part in parts]
    buffers = [
        (part, name, b, b.detach().clone()) for part in parts for name, b in part._buffers.items() if b is not None
    ]
    devices = sorted({t.device.index or 0 for t in [*model.parameters(), *model.buffers()] if t.device.type == "cuda"})
    kind = next((t.device.type for t in model.parameters()), "cpu")
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  (the model may use it, and training as well)
    for part in parts:
        part.training = False
    try:
        with torch.random.fork_rng(devices), torch.autocast(kind, enabled=False):
            yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode
        with torch.no_grad():
            for part, name, buffer, before in buffers:
                part._buffers[name] = buffer
                if not torch.equal(buffer, before):
                    buffer.copy_(before)
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
