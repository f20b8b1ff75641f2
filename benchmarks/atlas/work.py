"""One row of the atlas, and its confirmation by running the network: what a worker does with a model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

import equiconv
from equiconv.certification.certificate import Certificate, Obstacle, strides_text
from equiconv.graph import CaptureError

Build = Callable[[str, bool], tuple[nn.Module, Tensor]]
#: A model whose verdict without weights is no verdict is built with weights when it has no more parameters than this.
_LARGEST = 300_000_000


class Source(Protocol):
    """A registry of models, as :mod:`benchmarks.atlas.timm_models` is one."""

    def build(self, name: str, values: bool) -> tuple[nn.Module, Tensor]: ...


def survey(source: Source, name: str) -> dict[str, Any]:
    """The row of a model: certified without weights; with random ones where that decides nothing and they decide more."""
    row = _certified(source, name, values=False)
    unsettled = row.get("kind") == "undecided" or "error" in row
    if unsettled and row.get("parameters", 0) <= _LARGEST:
        other = _certified(source, name, values=True)
        if other.get("kind", "undecided") != "undecided":
            return other
    return row


def _certified(source: Source, name: str, values: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"weights": "random" if values else "generic", "exact": None}
    before = _resident("VmRSS")
    _reset_peak()
    try:
        model, x = source.build(name, values)
        row |= {"input": list(x.shape), "parameters": sum(p.numel() for p in model.parameters())}
        clock = _Clock()
        certificate = equiconv.certify(
            model, x, weights=row["weights"].replace("random", "these"), refute=False, progress=clock
        )
    except (CaptureError, RuntimeError, ValueError, TypeError, AssertionError, AttributeError) as error:
        return row | {"error": f"{type(error).__name__}: {error}"[:600]}
    row |= {"export_seconds": round(clock.lap("deriving"), 3), "derive_seconds": round(clock.lap(""), 3)}
    row["peak_mb"] = max(0, _resident("VmHWM") - before) // 1024
    return row | described(certificate)


def described(c: Certificate) -> dict[str, Any]:
    """A certificate as a row: the verdicts, what breaks each, and what costs symmetry for each cause."""
    costs: dict[str, list[int]] = {}
    for obstacle in c.obstacles:
        found = costs.setdefault(obstacle.cause, [0, 0])
        found[0] += 1
        found[1] += _fatal(obstacle, c.shape)
    return {
        "shape": list(c.shape),
        "strides": list(c.strides),
        "kind": c.kind,
        "potential": list(c.potential),
        "potential_kind": c.potential_kind,
        "first": _place(next(iter(c.obstacles), None)),
        "breaks": _breaking(c, c.strides, removable=True),
        "then_breaks": _breaking(c, c.potential, removable=False),
        "causes": {cause: {"lines": n, "fatal": fatal} for cause, (n, fatal) in costs.items()},
        "unknown": sorted({u.operation for u in c.unknown}),
        "unknown_reasons": sorted({f"{u.operation}: {u.reason}" for u in c.unknown}),
        "notes": list(c.notes),
    }


def _fatal(obstacle: Obstacle, shape: tuple[int, ...]) -> bool:
    return any(obstacle.after[a] == shape[a] > 1 for a in obstacle.axes)


def _breaking(c: Certificate, strides: tuple[int, ...], removable: bool) -> dict[str, Any] | None:
    """The first obstacle that leaves only the shift by 0 along an axis that has no other in the end; with circular padding, the first of those
    that no padding makes. None where every axis keeps a shift.

    Where none leaves so little by itself, two that leave multiples of different numbers do together: the last of them is named.
    """
    lost = {a for a, n in enumerate(c.shape) if strides[a] == n > 1}
    able = [o for o in c.obstacles if (removable or not o.removable) and lost & set(o.axes)]
    fatal = next((o for o in able if any(a in lost and o.after[a] == c.shape[a] for a in o.axes)), None)
    if fatal is None and able:
        kept = sorted({o.after for o in able})
        pair = next(
            (p for p in combinations(kept, 2) if any(math.lcm(p[0][a], p[1][a]) == c.shape[a] for a in lost)), kept
        )
        numbers = " and ".join(strides_text(strides, c.shape) for strides in pair)
        return (_place(able[-1]) or {}) | {
            "cause": "strides that meet in 0",
            "message": f"branches keep {numbers}, which have only the shift by 0 in common",
        }
    return _place(fatal)


def _place(obstacle: Obstacle | None) -> dict[str, Any] | None:
    if obstacle is None:
        return None
    source = obstacle.source
    return {
        "cause": obstacle.cause,
        "operation": obstacle.operation,
        "module": obstacle.module,
        "line": f"{source.short}:{source.line}" if source else "",
        "code": source.code if source else "",
        "message": obstacle.message,
    }


class _Clock:
    """Seconds between the stages that certify announces."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.at: dict[str, float] = {}

    def __call__(self, stage: str) -> None:
        self.at[stage] = time.perf_counter()

    def lap(self, stage: str) -> float:
        """Seconds from the last lap to the stage, or to now."""
        end = self.at.get(stage, time.perf_counter())
        seconds, self.start = end - self.start, end
        return seconds


# Confirmation -----------------------------------------------------------------------------------------------------------


def confirm(source: Source, name: str, slowest: float) -> dict[str, Any]:
    """Float64 with random weights: every claim is run, as the model stands and as though every padding wrapped; every minimal larger subgroup is
    refuted too where a run takes at most ``slowest`` seconds of one core (``exact`` is None for the others)."""
    try:
        model, x = source.build(name, True)
        with torch.no_grad():
            model(x)
            start = time.process_time()  # what the machine does beside it does not count
            model(x)
            seconds = time.process_time() - start
        start = time.perf_counter()
        found: dict[str, Any] = {"run_seconds": round(seconds, 3)}
        for padding, label in (("as-is", "as_is"), ("circular", "circular")):
            c = equiconv.certify(model, x, padding=padding, refute=seconds <= slowest)
            report = c.check(model, x)
            found[label] = {
                "kind": c.kind,
                "strides": list(c.strides),
                "exact": None if c.refutations is None else c.exact,
                "not_refuted": [list(r.shift) for r in c.refutations or () if not r.refuted],
                "claims": report.claims,
                "worst": report.worst,
                "contradictions": [
                    f"{v.node} {v.operation} {v.shift}: {v.error:.3g} > {v.floor:.3g}" for v in report.violations
                ],
            }
    except (CaptureError, RuntimeError, ValueError, TypeError, AssertionError, AttributeError) as error:
        return {"error": f"{type(error).__name__}: {error}"[:600]}
    return found | {"seconds": round(time.perf_counter() - start, 2)}


# Memory -----------------------------------------------------------------------------------------------------------------


def _resident(what: str) -> int:
    """A figure of this process's memory in KiB: VmRSS now, VmHWM at its peak. 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(what)), 0)


def _reset_peak() -> None:
    """Let the peak start anew, so that it is this model's (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
