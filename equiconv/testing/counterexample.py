"""A counterexample, as data and as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from equiconv.arrays import Array, dtype_name, to_numpy

__all__ = ["Counterexample"]

_SHOWN = 8  # non-zero entries that the text lists


@dataclass(frozen=True, eq=False, repr=False)
class Counterexample:
    """An input and a shift for which the law fails, by more than 256 times what rounding does (8 times in torch's 16-bit dtypes).

    Attributes
    ----------
    name: of f.
    law: ``"f(S x) = f(x)"`` or ``"f(S x) = S f(x)"`` (``"f(S x) = ρ(S) f(x)"`` for an action of the caller's).
    shift, axes: S shifts by `shift` along the dims `axes` of x, counted from the end.
    x: the input, as f takes it: an array, or a tuple or dict of arguments.
    pixels: its non-zero entries, ((index, value), …); None where they are many or several arrays move.
    output: which part of what f returns. expected, got: what the law says of it, and what f returns for S x.
    error: max |got − expected|. floor: how much of it rounding explains.
    script: lines that, pasted into a fresh interpreter, reproduce it.
    element: in words, what moves x instead, where it is no shift. tolerance: that was given in place of 256 floors; then `floor` is the same.
    runs: how often f was run to find it. complete: the search for a smaller one ended by itself, not for lack of runs.
    """

    name: str
    law: str
    shift: tuple[int, ...]
    axes: tuple[int, ...]
    x: Any
    pixels: tuple[tuple[tuple[int, ...], Any], ...] | None
    output: str
    expected: Array
    got: Array
    error: float
    floor: float
    script: str
    runs: int
    complete: bool
    element: str | None = None
    tolerance: float | None = None

    @property
    def move(self) -> str:
        """What moves x, in words."""
        return self.element or f"shift {self.shift}"

    def as_dict(self) -> dict[str, Any]:
        """The counterexample as plain data, without the arrays."""
        return {
            "name": self.name,
            "law": self.law,
            "shift": list(self.shift),
            "axes": list(self.axes),
            "element": self.element,
            "pixels": None if self.pixels is None else [[list(i), _number(v)] for i, v in self.pixels],
            "output": self.output,
            "error": _number(self.error),
            "floor": self.floor,
            "script": self.script,
            "runs": self.runs,
            "complete": self.complete,
        }

    def __repr__(self) -> str:
        sizes = f"error {self.error:.3g}, rounding floor {self.floor:.3g}"
        return f"<Counterexample to {self.law} for {self.name}: {self.move}, {sizes}>"

    def __str__(self) -> str:
        smallest = "the smallest found" if self.complete else "the smallest found before the runs were used up"
        index = _worst(self.expected, self.got)
        where = f" at {index}" if index else ""
        allowed = "rounding explains" if self.tolerance is None else "the given tolerance is"
        lines = [
            f"counterexample to {self.law} for {self.name}, {smallest} ({self.runs} runs)",
            f"  {self._moved()}; x is {self._input()}",
            f"  {self.output} differs by {self.error:.3g}{where}; {allowed} {self.floor:.2g}",
        ]
        lines += [f"    expected {_from(self.expected, index)}", f"    got      {_from(self.got, index)}"]
        return "\n".join([*lines, "  to reproduce it:", *(f"    {line}" for line in self.script.splitlines())])

    def _moved(self) -> str:
        return self.element or f"S shifts by {self.shift} along the dims {self.axes}"

    def _input(self) -> str:
        if self.pixels is None:
            return "dense: see the lines below"
        listed = ", ".join(f"{value} at {index}" for index, value in self.pixels[:_SHOWN])
        more = f" and {len(self.pixels) - _SHOWN} more" if len(self.pixels) > _SHOWN else ""
        return f"zero but for {listed}{more}" if self.pixels else "zero"


def _worst(expected: Array, got: Array) -> tuple[int, ...]:
    """Where the two differ most: an entry that is NaN in one of them, else the one with the largest difference."""
    one, other = (to_numpy(v).astype(complex) for v in (expected, got))
    with np.errstate(invalid="ignore", over="ignore"):
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        apart = np.where(same, 0.0, np.abs(one - other))
    place = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    return tuple(int(i) for i in np.unravel_index(place, apart.shape))


def _from(value: Array, index: tuple[int, ...]) -> str:
    """Four entries, from the one at the index on."""
    host = to_numpy(value)
    start = int(np.ravel_multi_index(index, host.shape)) if index else 0
    flat = host.reshape(-1)[start:]
    listed = ", ".join(f"{v:.6g}" for v in flat[:4])
    before, after = "…, " if start else "", ", …" if len(flat) > 4 else ""
    return f"{before}{listed}{after}  ({dtype_name(value.dtype)} {tuple(value.shape)})"


def _number(value: Any) -> Any:
    return str(value) if isinstance(value, complex) or value in (float("inf"),) else value
