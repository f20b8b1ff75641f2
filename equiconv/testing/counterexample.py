"""A counterexample, as data and as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    element: in words, what moves x instead, where it is no shift.
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
        lines = [
            f"counterexample to {self.law} for {self.name}, {smallest} ({self.runs} runs)",
            f"  {self._moved()}; x is {self._input()}",
            f"  {self.output} differs by {self.error:.3g}; rounding explains {self.floor:.2g}",
        ]
        lines += [f"    expected {_head(self.expected)}", f"    got      {_head(self.got)}"]
        return "\n".join([*lines, "  to reproduce it:", *(f"    {line}" for line in self.script.splitlines())])

    def _moved(self) -> str:
        return self.element or f"S shifts by {self.shift} along the dims {self.axes}"

    def _input(self) -> str:
        if self.pixels is None:
            return "dense: see the lines below"
        listed = ", ".join(f"{value} at {index}" for index, value in self.pixels[:_SHOWN])
        more = f" and {len(self.pixels) - _SHOWN} more" if len(self.pixels) > _SHOWN else ""
        return f"zero but for {listed}{more}" if self.pixels else "zero"


def _head(value: Array) -> str:
    flat = to_numpy(value).reshape(-1)
    listed = ", ".join(f"{v:.6g}" for v in flat[:4])
    return f"{listed}{', …' if len(flat) > 4 else ''}  ({dtype_name(value.dtype)} {tuple(value.shape)})"


def _number(value: Any) -> Any:
    return str(value) if isinstance(value, complex) or value in (float("inf"),) else value
