"""One picture, the same picture shifted, and what the network says of both: what an error means to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equiconv.arrays import to_numpy
from equiconv.measurement.actions import Action
from equiconv.measurement.classification import find_logits
from equiconv.measurement.outputs import Part, largest_difference, largest_magnitude
from equiconv.measurement.subject import Subject

Floats = NDArray[np.float64]

_TOP = 3  # classes shown of each of the two predictions


@dataclass(frozen=True)
class ClassScore:
    """One class under both predictions: its logits, and their softmax (or the outputs themselves, where they are
    probabilities)."""

    index: int
    name: str
    before: float
    after: float
    share_before: float
    share_after: float


@dataclass(frozen=True, eq=False)
class Scene:
    """The input and its shifted twin, beside what the network makes of them.

    shift: the group element. picture, shifted: (channels, height, width) in 0 … 1, or None where the input is no
        picture; rescaled: they are the input itself,
    rescaled. error, scale: the largest |f(g·x) − ρ(g)·f(x)|, and the largest entry of f(x).
    classes: the leading classes, where the output holds logits. maps: for an output that is a grid, the norms over
        channels of ρ(g)·f(x), f(g·x) and their difference.
    label: the right class, where it is known. output: the name of the output shown.
    """

    shift: tuple[int, ...]
    picture: Floats | None
    shifted: Floats | None
    rescaled: bool
    error: float
    scale: float
    output: str
    classes: tuple[ClassScore, ...] = ()
    probabilities: bool = False
    label: str | None = None
    maps: tuple[Floats, Floats, Floats] | None = None

    @property
    def flips(self) -> bool | None:
        """Whether the predicted class changes; None where the output is no prediction."""
        if not self.classes:
            return None
        return max(self.classes, key=lambda c: c.before).index != max(self.classes, key=lambda c: c.after).index

    def predicted(self, after: bool) -> ClassScore:
        """The class with the largest score, before or after the shift."""
        return max(self.classes, key=lambda c: c.after if after else c.before)

    def as_dict(self) -> dict[str, Any]:
        """The scene as plain data, without its pixels."""
        return {
            "shift": list(self.shift),
            "error": self.error,
            "scale": self.scale,
            "output": self.output,
            "label": self.label,
            "flips": self.flips,
            "classes": [vars(c) for c in self.classes],
            "probabilities": self.probabilities,
        }


def read_picture(images: Any, subject: Subject) -> Floats:
    """The first of the pictures to show. Raises ValueError where they are no pixels in 0 … 1 of the input's size."""
    pixels = np.asarray(to_numpy(images), dtype=np.float64)
    sizes = " × ".join(map(str, subject.group.shape))
    if pixels.ndim not in (3, 4) or pixels.shape[-3] not in (1, 3) or pixels.shape[-2:] != subject.group.shape:
        raise ValueError(
            f"images: got the shape {pixels.shape}; pass pixels of shape (images, 1 or 3, height, width), "
            f"of the input's size {sizes}"
        )
    if pixels.ndim == 4 and pixels.shape[0] != subject.example.shape[0]:
        raise ValueError(
            f"images: are {pixels.shape[0]}, and x holds {subject.example.shape[0]}; pass the picture of each"
        )
    # what an interpolation overshoots is no sign of another range
    if not np.isfinite(pixels).all() or pixels.min() < -0.1 or pixels.max() > 1.1:
        raise ValueError(f"images: have values in {pixels.min():.3g} … {pixels.max():.3g}; pass pixels in 0 … 1")
    return np.clip(pixels[0] if pixels.ndim == 4 else pixels, 0, 1)


def make_scene(
    subject: Subject,
    candidates: Sequence[tuple[int, ...]],
    picture: Floats | None = None,
    label: int | None = None,
    classes: Sequence[str] | None = None,
) -> Scene:
    """The scene of the candidate shift that changes the output most on the subject's input, relative to its scale.

    subject: on one example. picture: its pixels; without them the input itself is shown, if it can be.
    """
    raw = subject.output()
    base = subject.parts(raw)
    action = Action("natural", subject.example.ndim, subject.axes, subject.group.shape, base, raw)
    batch = int(subject.example.shape[0]) if 0 not in subject.moved[next(iter(subject.moved))] else None
    logits = find_logits(base, action, batch)
    found: tuple[float, tuple[int, ...], list[Part], int] | None = None
    for shift in dict.fromkeys(candidates):
        parts = subject.run(subject.shifted(shift))
        for i, expected in enumerate(action.expected(shift)):
            if expected is None or (logits is not None and i != logits):
                continue
            scale = largest_magnitude(base[i].value) or 1.0
            error = largest_difference(parts[i].value, expected) / scale
            if found is None or error > found[0]:
                found = (error, shift, parts, i)
    if found is None:  # the output has no action for any of the shifts: show the shift by 0
        shift = (0,) * len(subject.group.shape)
        found = (0.0, shift, base, logits or 0)
    error, shift, parts, index = found
    rescaled = picture is None
    picture = _as_picture(subject) if picture is None else picture
    shifted = None if picture is None else np.roll(picture, shift, (1, 2))
    scores, probabilities = _scores(base[index], parts[index], classes) if logits is not None else ((), False)
    expected = action.expected(shift)[index]
    maps = _maps(expected, parts[index].value) if logits is None and expected is not None else None
    scale = largest_magnitude(base[index].value)
    shown = None if label is None else _name(int(label), classes)
    return Scene(
        shift,
        picture,
        shifted,
        rescaled,
        error * (scale or 1.0),
        scale,
        base[index].label,
        scores,
        probabilities,
        shown,
        maps,
    )


def _as_picture(subject: Subject) -> Floats | None:
    """The input rescaled to 0 … 1, where it has the shape of a picture."""
    example = subject.example
    if subject.axes != (-2, -1) or example.ndim not in (3, 4) or example.shape[-3] not in (1, 3):
        return None
    value = np.asarray(to_numpy(example))
    if np.iscomplexobj(value):
        return None
    value = (value[0] if example.ndim == 4 else value).astype(np.float64)
    low, high = float(value.min()), float(value.max())
    return (value - low) / (high - low) if high > low else np.full_like(value, 0.5)


def _scores(before: Part, after: Part, names: Sequence[str] | None) -> tuple[tuple[ClassScore, ...], bool]:
    """The leading classes of the first row of the logits, of either prediction."""
    a = np.asarray(to_numpy(before.value)[0], dtype=np.float64)
    b = np.asarray(to_numpy(after.value)[0], dtype=np.float64)
    probabilities = all(bool((v >= 0).all()) and abs(float(v.sum()) - 1) < 1e-3 for v in (a, b))
    shares = (a, b) if probabilities else (_softmax(a), _softmax(b))
    leading = [*np.argsort(-a, kind="stable")[:_TOP], *np.argsort(-b, kind="stable")[:_TOP]]
    scores = [
        ClassScore(int(i), _name(int(i), names), float(a[i]), float(b[i]), float(shares[0][i]), float(shares[1][i]))
        for i in dict.fromkeys(int(i) for i in leading)
    ]
    return tuple(scores), probabilities


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def _name(index: int, names: Sequence[str] | None) -> str:
    return str(names[index]) if names is not None and index < len(names) else f"class {index}"


def _maps(expected: Any, got: Any) -> tuple[Floats, Floats, Floats] | None:
    """Norms over the channels of the first entry of a batch: (n, c, h, w) or (n, h, w) as three pictures; None for
    other shapes."""
    a, b = np.asarray(to_numpy(expected)), np.asarray(to_numpy(got))
    if a.ndim not in (3, 4) or min(a.shape[-2:]) < 2 or a.shape != b.shape:
        return None
    a, b = (
        np.moveaxis(v[0] if v.ndim == 4 else v[:1], 0, -1).astype(np.complex128 if np.iscomplexobj(v) else np.float64)
        for v in (a, b)
    )
    first, second, third = (np.asarray(np.linalg.norm(v, axis=-1), dtype=np.float64) for v in (a, b, b - a))
    return first, second, third
