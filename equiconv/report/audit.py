"""audit: certify, measure, falsify and mend a network in one call."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from equiconv.certification import Certificate, certify
from equiconv.graph import CaptureError
from equiconv.measurement import Measurement, measure
from equiconv.measurement.subject import Subject
from equiconv.report import findings
from equiconv.report.figures import shift_text
from equiconv.report.result import Audit, Side
from equiconv.report.sampling import ShiftPlan, plan_shifts
from equiconv.report.scene import make_scene, read_picture
from equiconv.symmetrization import symmetrize
from equiconv.testing import Counterexample, falsify
from equiconv.testing.falsification import RUNS
from equiconv.testing.script import locate
from equiconv.versions import versions

Say = Callable[[str], None]

# An image of more positions than this is falsified in half as many runs: each takes long.
_LARGE = 100_000


def audit(
    model: nn.Module,
    x: Any,
    labels: Any = None,
    images: Any = None,
    axes: int | Sequence[int] = (-2, -1),
    name: str | None = None,
    classes: Sequence[str] | None = None,
    weights: str = "",
    notes: Sequence[str] = (),
    seed: int = 0,
    progress: Say | None = None,
    draws: int | None = None,
    cells: int | None = None,
    radius: int | None = None,
    twin: bool = True,
    counterexample: bool = True,
    build: str | None = None,
    html: str | os.PathLike[str] | None = None,
    json: str | os.PathLike[str] | None = None,
) -> Audit:
    """Everything about a network's shifts: what provably holds, what fails and by how much, the smallest
    counterexample, and what mending would give.

    Parameters
    ----------
    model: a module in evaluation mode, or a loaded exported program.
    x: a tensor, a tuple of arguments, or a dict of keyword arguments. Of a batch in one tensor, the first entry is what
        is certified, looked at closely and falsified; all of it is measured.
    labels: the right class of each image, for the accuracies. images: pixels to show, (n, 1 or 3, height, width) in 0 …
        1, the same pictures as x in the same order; without them, an input that has the shape of a picture is shown
        rescaled.
    axes: dims of the input that carry the shifts. name: of the network. classes: names of the classes.
    weights: where the weights come from, in words; notes: sentences on the input. Both are printed as they are.
    seed: of everything random. progress: called with a line of text as the work goes on.
    draws, cells, radius: how many shifts are drawn at random, lie on the grid over all of them, and lie around 0. By
        default as many as keep the audit short: all shifts where there are at most 1024; at 224 × 224, 59 draws, 196
        cells and a radius of 4.
    twin: also mend a copy (every padding circular) and find out the same about it. counterexample: also look for the
        smallest one. build: lines of Python that bind ``model`` to the network, for the script that shows the
        counterexample; None finds what can be imported.
    html, json: files to write the report to; that they can be written is checked before the work begins.

    Returns
    -------
    Audit: ``str(audit)``, ``audit.html(path)``, ``audit.json(path)``, and everything as data.

    A network that cannot be captured as a graph, or that uses an operation without a rule, still gets a report: the
    verdict is then "undecided".

    Raises
    ------
    TypeError, ValueError: what :func:`equiconv.certify` and :func:`equiconv.measure` refuse: a model in training mode,
        NaN or infinite weights, integer inputs, axes that x lacks, labels or images that do not fit. OSError: a file
        that cannot be written.

    Examples
    --------
    >>> import torch, equiconv as eq
    >>> conv = torch.nn.Conv2d(1, 2, 3, padding=1)
    >>> net = torch.nn.Sequential(conv, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
    >>> report = eq.audit(net, torch.randn(1, 1, 8, 8), counterexample=False)
    >>> report.certificate.strides, report.twin.certificate.strides
    ((8, 8), (1, 1))
    """
    for path, option in ((html, "html"), (json, "json")):
        require_writable(path, option)
    locate(model, build)  # lines that are no Python are refused before the work
    say: Say = progress or (lambda _text: None)
    clock = _Clock()
    subject = Subject.of(model, x, axes)
    title = name or subject.name
    picture = None if images is None else read_picture(images, subject)
    example = _example(model, x, subject)
    one = Subject.of(model, example, axes)

    refusal = None
    certificate: Certificate | None = None
    with clock.step("certify"):
        say("certifying")
        try:
            certificate = certify(model, example, axes, seed=seed, progress=say)
        except CaptureError as error:
            refusal = str(error).removeprefix("model: ")
    mended, mended_certificate, reason = None, None, "no twin was asked for"
    with clock.step("symmetrize"):
        if twin:
            say("making the circular twin")
            mended, mended_certificate, reason = _twin(model, example, axes, certificate, seed)

    plan = plan_shifts(subject.group.shape, _steps(certificate, mended_certificate, subject), draws, cells, radius)
    with clock.step("measure"):
        network = _side(model, x, example, axes, labels, certificate, plan, seed, _prefixed(say, "the network: "))
    other = None
    if mended is not None:
        with clock.step("measure the twin"):
            other = _side(
                mended, x, example, axes, labels, mended_certificate, plan, seed, _prefixed(say, "the circular twin: ")
            )
    found: Counterexample | None = None
    said = "no counterexample was looked for"
    with clock.step("falsify"):
        if counterexample:
            say("looking for the smallest counterexample")
            found, said = _falsify(model, example, axes, seed, build, say)
    say("comparing predictions")
    candidates = [m.worst_shift for m in network.measurements if m.worst_shift is not None]
    first = None if labels is None else int(labels[0])
    scene = make_scene(one, candidates or [(0,) * len(one.group.shape)], picture, first, classes)
    result = Audit(
        name=title,
        weights=weights,
        notes=tuple(notes),
        network=network,
        refusal=refusal,
        twin=other,
        twin_reason="" if other else reason,
        counterexample=found,
        counterexample_note=said,
        scene=scene,
        sampling=_sampling(network, other, subject),
        versions=versions(),
        seconds=clock.seconds,
        seed=seed,
    )
    if json is not None:
        result.json(json)
    if html is not None:
        result.html(html)
    return result


def require_writable(path: str | os.PathLike[str] | None, name: str) -> None:
    """Refuse a path that could not be written at the end, before the work begins. Raises OSError (NotADirectoryError,
    IsADirectoryError, PermissionError …)."""
    if path is None:
        return
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"{name}: {str(target)!r} is a folder; give the name of a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{name}: the folder {str(target.parent)!r} does not exist; make it first")
    try:
        with tempfile.TemporaryFile(dir=target.parent):  # permissions alone do not tell: quotas, read-only file systems
            pass
    except OSError as error:
        raise type(error)(
            f"{name}: {str(target)!r} cannot be written: {error.strerror or error}; give a path where you may write"
        ) from error


def _example(model: Any, x: Any, subject: Subject) -> Any:
    """The first entry of a batch in one tensor, where the model takes it alone; else x."""
    if (
        not isinstance(x, Tensor)
        or isinstance(model, torch.export.ExportedProgram)
        or x.ndim <= len(subject.axes) + 1
        or x.shape[0] < 2
    ):
        return x
    if 0 in next(iter(subject.moved.values())):
        return x
    try:
        with torch.no_grad():
            model(x[:1].clone())
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError):
        return x  # a network that is made for one size of batch
    return x[:1].clone()


def _twin(
    model: Any, example: Any, axes: int | Sequence[int], certificate: Certificate | None, seed: int
) -> tuple[nn.Module | None, Certificate | None, str]:
    """The circular twin with its certificate, or why there is none."""
    if certificate is None:
        return None, None, "a network that cannot be captured cannot be mended"
    if certificate.kind == "undecided":
        return None, None, "nothing can be certified about the network, so neither could a twin be"
    if not findings.mendable(certificate):
        return None, None, "circular padding would not add a shift to those that hold already"
    try:
        mended, after = symmetrize(model, example, axes=axes, return_certificate=True, seed=seed)
    except (ValueError, TypeError) as error:
        return None, None, str(error)
    return mended, after, ""


def _falsify(
    model: Any, example: Any, axes: int | Sequence[int], seed: int, build: str | None, say: Say
) -> tuple[Counterexample | None, str]:
    """The smallest counterexample, or what to say of there being none."""
    try:
        order = Subject.of(model, example, axes).group.order
        runs = RUNS if order <= _LARGE else RUNS // 2
        found = falsify(model, example, axes=axes, seed=seed, max_examples=runs, progress=say, name=build)
    except ValueError as error:
        # The input was accepted by the measurement: what is left is that no law can be doubted (no shift but 0, none
        # with a place on the output's grid) or refuted (outputs that differ from call to call).
        return None, str(error)
    return found, "" if found is not None else "none of the shifts that were tried changes the output beyond rounding"


def _steps(certificate: Certificate | None, mended: Certificate | None, subject: Subject) -> tuple[int, ...]:
    """Strides that a grid of shifts should hit: those of the largest subgroup that will be seen."""
    for found in (mended, certificate):
        if found is not None and found.kind != "undecided":
            return found.strides
    return (1,) * len(subject.group.shape)


def _side(
    model: Any,
    x: Any,
    example: Any,
    axes: int | Sequence[int],
    labels: Any,
    certificate: Certificate | None,
    plan: ShiftPlan,
    seed: int,
    say: Say,
) -> Side:
    measured = measure(model, x, axes, plan.draws, labels, seed=seed, progress=say)

    grid, near = _grids(model, example, axes, plan, seed, say)
    check = None
    if certificate is not None and certificate.kind != "undecided" and _claims_more_than_its_input(certificate):
        say("checking every claim")
        check = certificate.check(model, example)
    return Side(certificate, check, measured, grid, near)


def _grids(
    model: Any, example: Any, axes: int | Sequence[int], plan: ShiftPlan, seed: int, say: Say
) -> tuple[Measurement | None, Measurement | None]:
    """The errors on both grids of the plan, from one measurement: what it costs besides the shifts is paid once."""
    if plan.grid is None or plan.near is None:
        return None, None
    grids = [list(product(*values)) for values in (plan.grid, plan.near)]
    both = measure(model, example, axes, [*grids[0], *grids[1]], seed=seed, progress=say, layers=False)
    cut = len(grids[0])
    return _part(both, slice(None, cut)), _part(both, slice(cut, None))


def _part(m: Measurement, rows: slice) -> Measurement:
    """The measurement of some of its shifts. What it says of predictions is of all of them, and is left out."""
    shifts = m.shifts[rows]
    return replace(
        m,
        shifts=shifts,
        chosen=f"{len(shifts):,} given shifts of {math.prod(m.shape):,}",
        outputs=tuple(replace(o, errors=o.errors[rows]) for o in m.outputs),
        complete=False,
        classification=None,
    )


def _claims_more_than_its_input(certificate: Certificate) -> bool:
    """Whether some operation keeps a shift other than 0: else there is no claim to check."""
    return any(
        claim.operation != "input" and any(s < n for s, n in zip(claim.state.strides, certificate.shape, strict=True))
        for claim in certificate.claims
    )


def _sampling(network: Side, twin: Side | None, subject: Subject) -> tuple[str, ...]:
    """What was measured on what, in sentences."""
    m = network.measurement
    count = int(subject.example.shape[0]) if subject.example.ndim > len(subject.axes) else 1
    many = f"{count} inputs" if count > 1 else "one input"
    first = "the first of them" if count > 1 else "it"
    said = [f"Errors, predictions and accuracies: {m.chosen}, on {many} (the largest error over them)."]
    if network.grid is not None and network.near is not None:
        said.append(
            f"The maps of errors over shifts: {len(network.grid.shifts)} shifts on a grid and "
            f"{len(network.near.shifts)} around 0, on {first}."
        )
    if m.layers:
        said.append(
            f"Errors per layer: the shifts {', '.join(map(shift_text, m.layer_shifts))}, on {first}, in "
            f"{m.layer_dtype}."
        )
    if network.certificate is not None and network.certificate.kind != "undecided":
        said.append(
            "The certificate holds for every input of shape "
            f"{', '.join(' × '.join(map(str, s)) for s in network.certificate.input_shapes)} and these weights, over "
            "the "
            "real numbers. All shifts are circular: what leaves at one edge comes back at the other. Measured errors "
            "are of the inputs shown only."
        )
    if twin is not None:
        said.append("The circular twin was measured on the same shifts and inputs.")
    return tuple(said)


def _prefixed(say: Say, prefix: str) -> Say:
    return lambda text: say(prefix + text)


class _Clock:
    """Seconds that each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 2)
