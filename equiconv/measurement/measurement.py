"""What a measurement found, as data: errors over shifts beside the rounding floor, predictions, layers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from equiconv.measurement.classification import Classification
from equiconv.measurement.layers import LayerError
from equiconv.measurement.rounding import BEYOND

__all__ = ["Floats", "Measurement", "OutputError"]

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OutputError:
    """The errors of one output.

    name: its path in what f returns. shape, dtype: of the output. action: what a shift should do to it. scale: its
    largest entry. floor: its rounding floor.
    errors: for each shift max |f(g·x) − ρ(g)·f(x)|, NaN where ρ is not defined for the shift.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    action: str
    scale: float
    floor: float
    errors: Floats

    @property
    def relative(self) -> Floats:
        """The errors as shares of the scale."""
        return _ratio(self.errors, self.scale)

    @property
    def ratios(self) -> Floats:
        """The errors in rounding floors."""
        return _ratio(self.errors, self.floor)


@dataclass(frozen=True, eq=False, repr=False)
class Measurement:
    """How far f is from following each of a number of shifts of x.

    Attributes
    ----------
    name: of f.
    environment: library, device, dtype, and on CUDA the TF32 and cuDNN settings.
    input_shapes: of the arguments that move.
    axes: dims that carry the shifts, from the end. shape: their sizes.
    shifts: one a row. chosen: how they were chosen, in words. complete: they are all there are. uniform: they are
        independent uniform draws, made with `seed`.
    outputs: the errors of each output by itself.
    classification: what the shifts do to the predictions, where the output holds logits.
    layers: a row for each line of a torch model, in order, under `layer_shifts` and in `layer_dtype`; of the first image,
        where x is a batch.
    notes: what a reader must know besides.
    """

    name: str
    environment: Mapping[str, str]
    input_shapes: tuple[tuple[int, ...], ...]
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    shifts: npt.NDArray[np.int64]
    chosen: str
    complete: bool
    uniform: bool
    seed: int
    outputs: tuple[OutputError, ...]
    classification: Classification | None
    layers: tuple[LayerError, ...]
    layer_shifts: tuple[tuple[int, ...], ...]
    layer_dtype: str
    notes: tuple[str, ...]

    # Over shifts
    # ---------------------------------------------------------------------------------------------------------

    @property
    def errors(self) -> Floats:
        """For each shift the largest absolute error over the outputs; NaN where none has an action for it."""
        return _over([o.errors for o in self.outputs])

    @property
    def relative(self) -> Floats:
        """The same, each output's error as a share of its own scale."""
        return _over([o.relative for o in self.outputs])

    @property
    def ratios(self) -> Floats:
        """The same, each output's error in its own rounding floors."""
        return _over([o.ratios for o in self.outputs])

    @property
    def floor(self) -> float:
        """The rounding floor; the largest over the outputs."""
        return max(o.floor for o in self.outputs)

    @property
    def scale(self) -> float:
        """The largest entry of any output, on the unshifted input."""
        return max(o.scale for o in self.outputs)

    @property
    def incomparable(self) -> int:
        """How many of the shifts no output has an action for."""
        return int(np.isnan(self.errors).sum())

    @property
    def beyond_rounding(self) -> npt.NDArray[np.bool_]:
        """For each shift, whether the error exceeds 256 rounding floors."""
        return np.asarray(np.nan_to_num(self.ratios, nan=0.0, posinf=np.inf) > BEYOND)

    @property
    def worst(self) -> float:
        """The largest error; NaN where no shift can be compared."""
        return _quantile(self.errors, 1.0)

    @property
    def percentile99(self) -> float:
        """The error that 99 % of the shifts do not exceed (one of the measured ones)."""
        return _quantile(self.errors, 0.99)

    @property
    def median(self) -> float:
        """The error that half of the shifts do not exceed (one of the measured ones)."""
        return _quantile(self.errors, 0.5)

    @property
    def worst_shift(self) -> tuple[int, ...] | None:
        """The shift with the largest error; None where none can be compared."""
        return (
            None
            if self.incomparable == len(self.errors)
            else tuple(int(k) for k in self.shifts[int(np.nanargmax(self.errors))])
        )

    @property
    def rate_bound(self) -> float | None:
        """Where N uniform draws show no error beyond rounding: 3/N, the rate of such shifts that this excludes at 95 %.
        None otherwise."""
        compared = len(self.errors) - self.incomparable
        return min(1.0, 3 / compared) if self.uniform and compared and not self.beyond_rounding.any() else None

    @property
    def heatmap_axes(self) -> tuple[npt.NDArray[np.int64], ...] | None:
        """Along each axis the shifts of the heat map, where the measured shifts are a whole grid; else None."""
        values = tuple(np.unique(self.shifts[:, a]) for a in range(len(self.shape)))
        distinct = len(np.unique(self.shifts, axis=0))
        return values if distinct == math.prod(len(v) for v in values) and distinct > 1 else None

    @property
    def heatmap(self) -> Floats | None:
        """The errors as an array over the grid of `heatmap_axes`: over all shifts where all were measured."""
        axes = self.heatmap_axes
        if axes is None:
            return None
        grid = np.full([len(v) for v in axes], np.nan)
        grid[tuple(np.searchsorted(v, self.shifts[:, a]) for a, v in enumerate(axes))] = self.errors
        return grid

    # Layers
    # --------------------------------------------------------------------------------------------------------------

    def first_break(self, index: int) -> LayerError | None:
        """The first layer whose error under the layer shift of this number is beyond rounding, or that has no place for
        the shift; None where all hold."""
        return next((row for row in self.layers if row.breaks(index) or math.isnan(row.errors[index])), None)

    # Out
    # -----------------------------------------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, Any]:
        """The measurement as plain data for JSON: NaN becomes None, infinity the string ``"inf"``."""
        grid, axes = self.heatmap, self.heatmap_axes
        data = {
            "name": self.name,
            "environment": dict(self.environment),
            "input_shapes": [list(s) for s in self.input_shapes],
            "axes": list(self.axes),
            "shape": list(self.shape),
            "chosen": self.chosen,
            "complete": self.complete,
            "uniform": self.uniform,
            "seed": self.seed,
            "shifts": self.shifts.tolist(),
            "errors": self.errors.tolist(),
            "relative": self.relative.tolist(),
            "floor": self.floor,
            "scale": self.scale,
            "worst": self.worst,
            "percentile99": self.percentile99,
            "median": self.median,
            "worst_shift": self.worst_shift,
            "incomparable": self.incomparable,
            "beyond_rounding": int(self.beyond_rounding.sum()),
            "rate_bound": self.rate_bound,
            "heatmap": None
            if grid is None or axes is None
            else {"axes": [a.tolist() for a in axes], "errors": grid.tolist()},
            "outputs": [
                {
                    **{k: getattr(o, k) for k in ("name", "shape", "dtype", "action", "scale", "floor")},
                    "errors": o.errors.tolist(),
                }
                for o in self.outputs
            ],
            "classification": asdict(self.classification) if self.classification else None,
            "layers": [row.as_dict() for row in self.layers],
            "layer_shifts": [list(s) for s in self.layer_shifts],
            "layer_dtype": self.layer_dtype,
            "notes": list(self.notes),
        }
        plain: dict[str, Any] = _plain(data)
        return plain

    def save(self, path: str | Path) -> Path:
        """Write `as_dict` as a JSON file."""
        target = Path(path)
        target.write_text(json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        return target

    def __repr__(self) -> str:
        found = f"worst error {self.worst:.3g}, rounding floor {self.floor:.3g}"
        return f"<Measurement of {self.name}: {self.chosen}; {found}>"

    def __str__(self) -> str:
        from equiconv.measurement.text import describe

        return describe(self)


def _ratio(errors: Floats, unit: float) -> Floats:
    """errors / unit, where 0 / 0 is 0."""
    if unit:
        return errors / unit
    return np.where(errors > 0, np.inf, errors)


def _over(columns: list[Floats]) -> Floats:
    """The largest of several errors per shift, NaN only where all are."""
    stacked = np.stack(columns)
    return np.asarray(
        np.where(np.isnan(stacked).all(axis=0), np.nan, np.nan_to_num(stacked, nan=0.0, posinf=np.inf).max(axis=0))
    )


def _quantile(errors: Floats, q: float) -> float:
    """The smallest measured error that a share q of the comparable shifts does not exceed."""
    known = np.sort(errors[~np.isnan(errors)])
    return float(known[max(0, math.ceil(q * len(known)) - 1)]) if len(known) else math.nan


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf"
    return value
