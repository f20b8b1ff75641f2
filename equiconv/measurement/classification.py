"""What shifts do to a classifier's predictions: consistency, accuracy under every shift, the largest logit error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from equiconv.arrays import Array, library, namespace, to_numpy
from equiconv.measurement.actions import Action
from equiconv.measurement.outputs import Part

__all__ = ["Classification", "Predictions", "find_logits", "read_labels"]


@dataclass(frozen=True)
class Classification:
    """Predictions under shifts: the argmax of the logits.

    Consistency alone misleads (a network that always says one class has 100 %): read the rest beside it.

    Attributes
    ----------
    output: the logits' name. images, classes, shifts: how many.
    consistency: the share of images × shifts whose prediction is that of the unshifted image; the zero shift counts where
        it was measured.
    flipped_shifts: shifts under which at least one image's prediction changes.
    largest_logit_error: the largest change of a logit.
    accuracy: on the unshifted images. shifted_accuracy: over images × shifts. worst_shift_accuracy: the share of images
        that are right under every shift measured. All None without labels.
    flip_bound: where N uniform draws of a shift flip no prediction, 3/N: at 95 %, fewer of all shifts do. Else None.
    """

    output: str
    images: int
    classes: int
    shifts: int
    consistency: float
    flipped_shifts: int
    largest_logit_error: float
    accuracy: float | None = None
    shifted_accuracy: float | None = None
    worst_shift_accuracy: float | None = None
    flip_bound: float | None = None


def find_logits(parts: Sequence[Part], action: Action, batch: int | None) -> int | None:
    """Which part holds logits: (batch, classes), staying under every shift; of several, the one named logits."""
    found = [
        i
        for i, part in enumerate(parts)
        if part.value.ndim == 2
        and part.value.shape[0] == batch
        and part.value.shape[1] > 1
        and not action.moves(i)
        and not callable(action.rule)
        and _real(part.value)
    ]
    named = [i for i in found if parts[i].is_logits]
    return named[0] if named else found[0] if len(found) == 1 else None


def _real(value: Array) -> bool:
    return bool(namespace(value).isdtype(value.dtype, "real floating"))


def read_labels(labels: Any, logits: Part | None, batch: int | None) -> npt.NDArray[np.int64]:
    """The right class of each image.

    Raises `ValueError` or `TypeError` for labels that do not fit, or where the output holds no logits.
    """
    if logits is None:
        raise ValueError(
            "labels: were given, but the output holds no logits: no tensor (batch, classes) that stays under every "
            'shift. Return one, name it "logits" where there are several, or pass output_action="invariant"'
        )
    values = to_numpy(labels) if hasattr(labels, "shape") else np.asarray(labels)
    if values.dtype.kind not in "iu":
        raise TypeError(f"labels: must be integers, one class number per image, got {values.dtype}")
    if values.shape != (batch,):
        raise ValueError(f"labels: must have the shape ({batch},), one per image, got {values.shape}")
    classes = int(logits.value.shape[1])
    if values.size and not (values.min() >= 0 and values.max() < classes):
        raise ValueError(
            f"labels: must lie in 0 … {classes - 1}, the classes of {logits.label}, got {values.min()} … {values.max()}"
        )
    return values.astype(np.int64)


@dataclass(eq=False)
class Predictions:
    """Collects predictions, one shift after the other."""

    base: Part
    labels: npt.NDArray[np.int64] | None
    agree: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    right: list[npt.NDArray[np.bool_]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._unshifted = _argmax(self.base.value)

    def add(self, logits: Array) -> None:
        """The logits of the same images under one more shift."""
        predicted = _argmax(logits)
        self.agree.append(predicted == self._unshifted)
        if self.labels is not None:
            self.right.append(predicted == self.labels)

    def result(self, largest_error: float, bound: float | None) -> Classification:
        """The metrics. bound: what no flip at all would show, where the shifts are uniform draws."""
        agree = np.stack(self.agree)
        flipped = int((~agree).any(axis=1).sum())
        known = self.labels is not None
        right = np.stack(self.right) if known else agree
        return Classification(
            output=self.base.label,
            images=agree.shape[1],
            classes=int(self.base.value.shape[1]),
            shifts=agree.shape[0],
            consistency=float(agree.mean()),
            flipped_shifts=flipped,
            largest_logit_error=largest_error,
            accuracy=float((self._unshifted == self.labels).mean()) if known else None,
            shifted_accuracy=float(right.mean()) if known else None,
            worst_shift_accuracy=float(right.all(axis=0).mean()) if known else None,
            flip_bound=bound if flipped == 0 else None,
        )


def _argmax(logits: Array) -> npt.NDArray[np.int64]:
    if library(logits) == "torch":
        logits = logits.cpu()
    return np.asarray(to_numpy(logits).argmax(axis=1), dtype=np.int64)
