"""verify_laws and assert_laws: the suite on a function, a layer or a model, or, without one, on equiconv itself."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import nn

from equiconv.testing import profiles
from equiconv.testing.laws.builtin import subjects
from equiconv.testing.laws.convolution import CONVOLUTION
from equiconv.testing.laws.diagnosis import diagnose
from equiconv.testing.laws.gradients import GRADIENTS
from equiconv.testing.laws.layers import LAYER
from equiconv.testing.laws.looking import look_at, what_is
from equiconv.testing.laws.models import MODEL, certified
from equiconv.testing.laws.module import Module, guess_shape
from equiconv.testing.laws.operators import OPERATOR
from equiconv.testing.laws.record import KINDS, Law, Refused, Row
from equiconv.testing.laws.running import run_law
from equiconv.testing.laws.subject import DTYPES, LENGTHS, ORIGINS, Convolution, Origin
from equiconv.testing.laws.table import LawTable
from equiconv.testing.storage import hypothesis_storage

__all__ = ["LAWS", "assert_laws", "verify_laws"]

#: Every law, by what it is about.
LAWS: dict[str, tuple[Law, ...]] = {
    "convolution": (*CONVOLUTION, *GRADIENTS),
    "layer": LAYER,
    "model": MODEL,
    "operator": OPERATOR,
}


def verify_laws(
    target: Any = None,
    as_: str | None = None,
    *,
    library: str | None = None,
    dims: int | Sequence[int] | None = None,
    axes: int | Sequence[int] | str | None = None,
    correlate: bool = False,
    origin: Origin = 0,
    kernel: str = "any",
    dtypes: Sequence[str] | None = None,
    batch: bool = True,
    device: str | None = None,
    shape: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    affine: bool | None = None,
    laws: Sequence[str] | None = None,
    examples: int | None = None,
    seed: int = 0,
    shrink: bool = True,
    name: str | None = None,
    place: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> LawTable:
    """Run every law of circular convolution, of an equivariant layer or of a model on a target, and shrink what breaks one.

    Without a target: every law of the lecture on equiconv's own functions, matrices and layers, in every array library that is present.

    Parameters
    ----------
    target: for ``"convolution"`` a function f(x, w) of a signal and a kernel; for ``"layer"`` a torch module in evaluation mode from (N, C, *grid) to
        (N, C', *grid'); for ``"model"`` one with any output.
    as_: ``"convolution"``, ``"layer"`` or ``"model"``. None sees it where it can be seen without doubt, and a note says so.
    library: whose arrays f takes: ``"numpy"``, ``"torch"`` or ``"cupy"``. None tries.
    dims: the numbers of grid axes of a convolution, (1, 2) for both. None tries 1, 2 and 3.
    axes: of a convolution, the name of f's argument for the grid's axes (``"axes"``), or the places of these axes in x where they are not the last; of a
        layer or model, the dims that carry the shifts, by default all after the first two.
    correlate: f is the correlation Σ_t w[t]·x[i + t], not conjugated, as a convolutional layer's.
    origin: the index of the kernel's centre: a number, a function of the kernel's size along an axis, ``"m//2"`` or ``"(m-1)//2"``.
    kernel: ``"any"``, or what f is made for: ``"fit"`` (no longer than the signal) or ``"equal"``.
    dtypes: that f is made for, by name; all by default. The laws are run in float64, or, where that is not among them, in the widest that is.
    batch: False where leading axes of x mean something else to f than a batch of signals.
    device: that a torch convolution is given its arrays on, such as ``"cuda"``; a module is run where its weights are.
    shape: of an input of a layer or model; by default worked out from its first convolution.
    strides: the shifts that are claimed, for each axis; by default those that the sizes of a layer's output imply, and those certified of a model.
    affine: the layer is linear plus a bias; None asks its class.
    laws: names of those to run; all by default.
    examples: for each law; by default those of the profile (`equiconv.testing.profiles`).
    seed: of everything random. shrink: look for the smallest counterexamples, which takes most of the time where laws fail.
    name: in the report. place: ``"package.module:expression"`` by which scripts find the target. progress: is called with a line of text.

    Returns
    -------
    A table: true where every law that could be run held, none of them of a constant alone.

    Raises
    ------
    TypeError, ValueError: unknown words, a function that takes none of the examples, a module in training mode or with NaN weights, a model whose shape
        cannot be worked out.

    Examples
    --------
    >>> import numpy as np
    >>> def f(x, w):
    ...     return np.fft.ifft(np.fft.fft(x) * np.fft.fft(w, len(x))).real
    >>> table = verify_laws(f, as_="convolution", laws=["definition", "shift_x", "wraps"])
    >>> bool(table), [failure.law.name for failure in table.failures]  # fft(w, n) crops a kernel longer than the signal
    (False, ['wraps'])
    """
    started = time.perf_counter()
    say = progress or (lambda _text: None)
    count = examples if examples is not None else profiles.current().examples
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"examples: got {examples!r}; pass a number, at least 1")
    notes: list[str] = []
    rows: list[Row] = []
    diagnosis: list[str] = []
    profile = profiles.current().name if examples is None else f"{examples} examples"
    if target is None:
        if as_ is not None and as_ not in KINDS:
            raise ValueError(f"as_: got {as_!r}; without a target it may be one of {', '.join(KINDS)}")
        chosen = _chosen(laws, [as_] if as_ else KINDS)
        with hypothesis_storage():
            for label, made, kind, share in subjects():
                if any(law.kind == kind for law in chosen):
                    rows += _own(
                        label,
                        made,
                        [w for w in chosen if w.kind == kind],
                        max(1, round(count * share)),
                        seed,
                        shrink,
                        say,
                    )
        return LawTable(tuple(rows), profile, seed, (), (), time.perf_counter() - started)
    if as_ is None:
        kind, why = what_is(target, shape)
        notes.append(f"taken as a {kind}: {why} (as_= says otherwise)")
    else:
        kind = as_
    if kind not in ("convolution", "layer", "model"):
        raise ValueError(f"as_: got {as_!r}; pass 'convolution', 'layer' or 'model'")
    chosen = _chosen(laws, [kind])
    label = name or _name(target)
    subject: Any
    with hypothesis_storage():
        if kind == "convolution":
            subject, more = _convolution(
                target, label, library, dims, axes, correlate, origin, kernel, dtypes, batch, device, place
            )
        else:
            subject, more = _module(target, label, kind, axes, shape, strides, affine, place)
        notes += more
        for law in chosen:
            say(f"{label}: {law.name}")
            rows.append(run_law(law, subject, count, seed, shrink))
        if kind == "convolution" and any(row.status == "failed" for row in rows):
            diagnosis = diagnose(subject)
    if any(row.law.name == "depends" and row.status == "failed" for row in rows):
        rows = [_vacuous(row) for row in rows]
    return LawTable(tuple(rows), profile, seed, tuple(notes), tuple(diagnosis), time.perf_counter() - started)


def assert_laws(target: Any, as_: str | None = None, **options: Any) -> LawTable:
    """Raise `AssertionError`, with the smallest counterexamples, unless every law holds that can be run on the target.

    Parameters and errors are those of `verify_laws`; the table is returned, so that a test can look at what was skipped.

    >>> import equiconv as eq
    >>> assert_laws(eq.circular_convolve, as_="convolution", axes="axes", laws=["shift_x", "matrix"]).passed
    2
    """
    table = verify_laws(target, as_, **options)
    if not table:
        raise AssertionError(f"{_name(target)} does not follow every law\n{table}")
    return table


def _vacuous(row: Row) -> Row:
    return replace(row, status="vacuous") if row.status == "passed" else row


def _own(
    label: str,
    made: Callable[[], Any] | str,
    laws: Sequence[Law],
    count: int,
    seed: int,
    shrink: bool,
    say: Callable[[str], None],
) -> list[Row]:
    """The rows of one subject of equiconv's own; all skipped where its library is absent."""
    if isinstance(made, str):
        return [Row(law, label, "skipped", reason=made) for law in laws]
    subject = made()
    found = []
    for law in laws:
        say(f"{label}: {law.name}")
        found.append(run_law(law, subject, count, seed, shrink))
    return found


def _chosen(names: Sequence[str] | None, kinds: Iterable[str]) -> list[Law]:
    """The laws of these kinds, all or by name."""
    known = [law for kind in kinds for law in LAWS[kind]]
    if names is None:
        return known
    if isinstance(names, str):
        names = [names]
    by_name = {law.name for law in known}
    for name in names:
        if name not in by_name:
            near = difflib.get_close_matches(name, sorted(by_name), n=2, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else f"; they are {', '.join(sorted(by_name))}"
            raise ValueError(f"laws: there is no law {name!r} of this kind{hint}")
    return [law for law in known if law.name in names]


def _name(target: Any) -> str:
    return getattr(target, "__name__", None) or type(target).__name__


def _convolution(
    target: Any,
    label: str,
    library: str | None,
    dims: int | Sequence[int] | None,
    axes: int | Sequence[int] | str | None,
    correlate: bool,
    origin: Origin,
    kernel: str,
    dtypes: Sequence[str] | None,
    batch: bool,
    device: str | None,
    place: str | None,
) -> tuple[Convolution, list[str]]:
    if not callable(target) or isinstance(target, type):
        raise TypeError(f"target: got {label}; a convolution is a function f(x, w)")
    if library is not None and library not in DTYPES:
        raise ValueError(f"library: got {library!r}; pass one of {', '.join(DTYPES)}")
    if isinstance(origin, str) and origin not in ORIGINS:
        raise ValueError(
            f"origin: got {origin!r}; pass an integer, a function of the kernel's size, or one of {', '.join(ORIGINS)}"
        )
    if kernel not in LENGTHS:
        raise ValueError(f"kernel: got {kernel!r}; pass one of {', '.join(LENGTHS)}")
    known = tuple(dict.fromkeys(name for names in DTYPES.values() for name in names))
    if dtypes is not None and (not dtypes or isinstance(dtypes, str) or any(d not in known for d in dtypes)):
        raise ValueError(f"dtypes: got {dtypes!r}; pass a sequence of some of {', '.join(known)}")
    wanted = (dims,) if isinstance(dims, int) else None if dims is None else tuple(dims)
    if wanted is not None and (not wanted or any(isinstance(d, bool) or d not in (1, 2, 3) for d in wanted)):
        raise ValueError(f"dims: got {dims!r}; pass 1, 2 or 3, or several of them")
    keyword = axes if isinstance(axes, str) else None
    places = None if axes is None or isinstance(axes, str) else (axes,) if isinstance(axes, int) else tuple(axes)
    if places is not None:
        if any(isinstance(a, bool) or not isinstance(a, int) or a >= 0 for a in places) or len(set(places)) < len(
            places
        ):
            raise ValueError(
                f"axes: got {axes!r}; pass negative places, counted from the end, or the name of f's argument"
            )
        wanted = (len(places),)
    for_library = partial(
        Convolution,
        target,
        label,
        dims=wanted or (1,),
        keyword=keyword,
        axes=places,
        correlate=correlate,
        origin=origin,
        kernel=kernel,
        dtypes=tuple(dtypes or ()),
        batch=batch,
        device=device,
        place=place,
    )
    return look_at(for_library, library, wanted)


def _module(
    target: Any,
    label: str,
    kind: str,
    axes: int | Sequence[int] | str | None,
    shape: Sequence[int] | None,
    strides: Sequence[int] | None,
    affine: bool | None,
    place: str | None,
) -> tuple[Module, list[str]]:
    if not isinstance(target, nn.Module):
        raise TypeError(f"target: got a {type(target).__name__}; a {kind} is a torch.nn.Module")
    notes = []
    found = tuple(shape) if shape is not None else guess_shape(target)
    if found is None:
        raise ValueError(
            "shape: cannot be worked out from the module; pass that of an input, such as shape=(1, 3, 16, 16)"
        )
    if len(found) < 2 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in found):
        raise ValueError(f"shape: got {shape!r}; pass positive integers, such as (1, 3, 16, 16)")
    if shape is None:
        notes.append(f"run on inputs of shape {found} (shape= chooses another)")
    if isinstance(axes, str):
        raise ValueError(f"axes: got {axes!r}; for a {kind} pass the dims that carry the shifts, such as (-2, -1)")
    carried = tuple(range(2 - len(found), 0)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
    claimed = None if strides is None else tuple(strides)
    module = Module(target, label, found, carried, claimed, affine, place)
    if claimed is not None:
        for s, n in zip(claimed, module.grid, strict=True):
            if isinstance(s, bool) or not isinstance(s, int) or s < 1 or n % s:
                raise ValueError(f"strides: got {claimed}; each must divide the size of its axis, {module.grid}")
    if kind == "model" and claimed is None:
        try:
            certificate, _ = certified(module)
        except Refused as refusal:
            raise ValueError(f"target: {refusal}") from refusal
        module.strides, module.why = tuple(certificate.strides), None
        notes.append(f"certified: {certificate.sentence}")
    return module, notes
