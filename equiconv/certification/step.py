"""One step of the derivation: the operation at hand, what is known of its operands, and the only way to give up symmetry.

A rule never edits a subgroup; it calls :meth:`Step.shrink`, which records why. A step starts from the meet of its operands' subgroups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from torch.utils import _pytree as pytree

from equiconv.certification.digits import digits_of, faulty, normal, place_paid
from equiconv.certification.states import (
    Constant,
    Digit,
    Dim,
    Signal,
    Still,
    axes_of,
    canonical,
    divisors_from,
    forget,
    fraction_lcm,
    size_of,
)
from equiconv.graph import Node


class UnknownOperation(Exception):
    """No rule covers this use of an operation; the message says what a rule would have to say."""


@dataclass(frozen=True)
class Loss:
    """One recorded shrink of K: at which node, on which axis, from which stride to which, and why."""

    node: str
    cause: str
    axis: int
    before: int
    after: int
    message: str
    remedy: str | None
    removable: bool
    theorem: str


@dataclass
class Step:
    """An operation under analysis.

    shape: sizes of the group's axes. circular: analyse as though every padding wrapped. strides: the current K. wrapped: dims of the main
    operand whose padding was taken to wrap although it does not.
    """

    node: Node
    arguments: dict[str, Any]
    shape: tuple[int, ...]
    circular: bool
    theorem: str = ""
    strides: list[int] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    wrapped: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.strides = [1] * len(self.shape)
        for signal in signals_in(self.arguments):
            self.strides = [math.lcm(a, b) for a, b in zip(self.strides, signal.strides, strict=True)]

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def signal(self, name: str) -> Signal:
        """The named operand, which must depend on the input, in canonical form under the current K."""
        operand = self.arguments[name]
        if not isinstance(operand, Signal):
            raise UnknownOperation(f"its argument {name} does not depend on the input, and no rule says what follows")
        return self.settle(operand)

    def settle(self, operand: Signal) -> Signal:
        """The operand's claim restricted to the current, smaller K."""
        return Signal(tuple(self.strides), self.normal(operand.dims))

    @property
    def wrapped_axes(self) -> tuple[int, ...]:
        """Group axes whose padding was taken to wrap."""
        operand = next(iter(signals_in(self.arguments)))
        return tuple(sorted(set().union(*(axes_of(operand.dims[position]) for position in self.wrapped))))

    @property
    def out_shape(self) -> tuple[int, ...]:
        return tuple(int(d) for d in self.node.value.shape)

    # Giving up symmetry -------------------------------------------------------------------------------------------------

    def shrink(
        self,
        axis: int,
        stride: int,
        cause: str,
        message: str,
        remedy: str | None = None,
        removable: bool = False,
        theorem: str = "",
        node: str | None = None,
    ) -> None:
        """K becomes K ∩ stride·Z along ``axis`` (only 0 where that is no subgroup of Z_n), and the loss is recorded."""
        before, n = self.strides[axis], self.shape[axis]
        after = math.lcm(before, stride)
        after = after if n % after == 0 else n
        if after != before:
            self.strides[axis] = after
            self.losses.append(
                Loss(
                    node or self.node.name,
                    cause,
                    axis,
                    before,
                    after,
                    message,
                    remedy,
                    removable,
                    theorem or self.theorem,
                )
            )

    def shrink_to_step(
        self,
        axis: int,
        step: Fraction,
        cause: str,
        message: str,
        remedy: str | None = None,
        theorem: str = "",
        node: str | None = None,
    ) -> None:
        """K becomes K ∩ step·Z for a rational step: a shift must move the new signal by whole entries."""
        common = fraction_lcm(self.strides[axis], step)
        self.shrink(
            axis,
            int(common) if common.denominator == 1 else self.shape[axis],
            cause,
            message,
            remedy,
            theorem=theorem,
            node=node,
        )

    def pay(self, digits: Sequence[Digit]) -> None:
        """Give up the carry between digits of one signal: K shrinks to where each of them stays put or rolls by itself."""
        place = place_paid(digits)
        top = max(digits, key=lambda digit: digit.place)
        new = top.step * place
        self.shrink_to_step(
            top.axis,
            new,
            "reshape",
            f"a reshape splits the {axis_names([top.axis], self.shape)} into blocks of {place}: only shifts by multiples of "
            f"{abs(new)} keep the blocks",
            theorem="split_and_merge",
            node=top.node,
        )

    def pay_for(self, name: str, positions: Iterable[int]) -> Signal:
        """The named operand, whose dims ``positions`` hold no digit any more."""
        operand = self.signal(name)
        signals = digits_of(operand.dims)
        for signal in digits_of(operand.dims[d] for d in positions):
            self.pay(signals[signal])
        self.arguments[name] = self.settle(operand)
        return self.signal(name)

    def pay_all(self) -> None:
        """Pay for every digit of every operand."""
        for operand in signals_in(self.arguments):
            for digits in digits_of(operand.dims).values():
                self.pay(digits)
        self.arguments = pytree.tree_map(
            lambda v: self.settle(v) if isinstance(v, Signal) else v,
            self.arguments,
            is_leaf=lambda v: isinstance(v, (Signal, Constant)),
        )

    def give_up(
        self,
        axes: Iterable[int],
        cause: str,
        message: str,
        remedy: str | None = None,
        removable: bool = False,
        theorem: str = "",
        node: str | None = None,
    ) -> None:
        """Only the zero shift is kept along ``axes``."""
        for axis in sorted(axes):
            self.shrink(axis, self.shape[axis], cause, message, remedy, removable, theorem, node)

    def smallest(self, axis: int, holds: Callable[[int], bool]) -> int:
        """The smallest stride, among the subgroups of K along ``axis``, for which ``holds``; n always does."""
        n = self.shape[axis]
        return next((s for s in divisors_from(self.strides[axis], n) if s == n or holds(s)), n)

    # Results ------------------------------------------------------------------------------------------------------------

    def canonical(self, dim: Sequence[Any]) -> Dim:
        return canonical(tuple(dim), self.strides, self.shape)

    def normal(self, dims: Sequence[Sequence[Any]]) -> tuple[Dim, ...]:
        """The dims of one whole tensor in canonical form."""
        return normal(dims, self.strides, self.shape)

    def result(
        self, dims: Sequence[Sequence[Any]], shape: Sequence[int] | None = None, keep: int | None = None
    ) -> Signal:
        """The claim for the operation's output; its dims must multiply to the true shape.

        Cuts forget which signal they came from, but for the dim ``keep``: two cuts may be joined only if no other dim was changed in between.
        """
        found = self.normal(dims)
        while digits := faulty(found):
            self.pay(digits)
            found = self.normal(found)
        signal = Signal(tuple(self.strides), tuple(d if i == keep else forget(d) for i, d in enumerate(found)))
        expected = tuple(shape) if shape is not None else self.out_shape
        if signal.shape != expected:
            raise AssertionError(
                f"{self.node.operation} at {self.node.name}: claimed {signal} for a tensor of shape {expected}"
            )
        return signal

    def moving_axes(self, dims: Iterable[Dim]) -> set[int]:
        """Group axes that still move something in any of the dims."""
        found: set[int] = set()
        for dim in dims:
            found |= axes_of(self.canonical(dim))
        return found


def still(size: int) -> Dim:
    return (Still(size),) if size != 1 else ()


def signals_in(arguments: Any) -> list[Signal]:
    """Every operand that depends on the input."""
    if isinstance(arguments, Signal):
        return [arguments]
    if isinstance(arguments, dict):
        return [s for value in arguments.values() for s in signals_in(value)]
    if isinstance(arguments, (list, tuple)):
        return [s for value in arguments for s in signals_in(value)]
    return []


def constants_in(arguments: Any) -> list[Constant]:
    """Every operand that does not depend on the input."""
    if isinstance(arguments, Constant):
        return [arguments]
    if isinstance(arguments, dict):
        return [s for value in arguments.values() for s in constants_in(value)]
    if isinstance(arguments, (list, tuple)):
        return [s for value in arguments for s in constants_in(value)]
    return []


def axis_names(axes: Iterable[int], shape: Sequence[int]) -> str:
    """Readable names of group axes: height and width where there are two."""
    names = (
        ["height", "width"]
        if len(shape) == 2
        else ["length"]
        if len(shape) == 1
        else [f"axis {a}" for a in range(len(shape))]
    )
    return " and ".join(names[a] for a in sorted(axes))


__all__ = ["Loss", "Step", "UnknownOperation", "axis_names", "constants_in", "signals_in", "size_of", "still"]
