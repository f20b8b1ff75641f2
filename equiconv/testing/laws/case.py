"""One example of a law: values bound to names, expressions evaluated over them, and the lines of Python that do the same anywhere.

A law states its two sides as expressions. What is evaluated here is the very text that a counterexample prints, so that the lines to paste cannot say
something else than what was run.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from types import CodeType
from typing import Any

import numpy as np

from equiconv.arrays import Array, device, dtype_name, library, to_numpy
from equiconv.testing.laws.record import Comparison

__all__ = ["Case", "array_literal", "source"]

_MOST = 400  # entries that a literal may have


class Case:
    """One example.

    names: what the expressions may use besides what is bound here. preamble: lines that define, in a fresh interpreter, what every script needs.
    helpers: source of what a script needs only where it uses it, by name.
    """

    def __init__(self, names: Mapping[str, Any], preamble: Sequence[str], helpers: Mapping[str, str]) -> None:
        self.names: dict[str, Any] = {"__name__": "law", **names}
        self._preamble, self._helpers = preamble, helpers
        self._lines: list[str] = []
        self.shown: list[tuple[str, str]] = []

    def bind(self, name: str, value: Any, text: str | None = None, show: str | None = None) -> Any:
        """Give a value a name. text: Python for it (an array's own literal where there is none); show: what a reader sees."""
        text = array_literal(value) if text is None else text
        self.names[name] = value
        self._lines.append(f"{name} = {text}")
        self.shown.append((name, show or (_brief(value) if hasattr(value, "shape") else text)))
        return value

    def run(self, statement: str) -> None:
        """Run a statement."""
        exec(_compiled(statement, "exec"), self.names)
        self._lines.append(statement)

    def setting(self, line: str, **names: Any) -> None:
        """Names that the expressions use and that a reader need not see; they come first in the script."""
        self.names.update(names)
        self._lines.insert(0, line)

    def hide(self, name: str) -> None:
        """Leave a value out of what is shown: it was only the seed of another."""
        self.shown[:] = [pair for pair in self.shown if pair[0] != name]

    def value(self, expression: str) -> Any:
        """The value of an expression."""
        return eval(_compiled(expression, "eval"), self.names)

    def compare(self, got: str, expected: str, bound: float | Callable[[], float] = 0.0) -> Comparison:
        """Evaluate both sides of the law. bound: how far they may be apart; a function is called after both are known."""
        right = self.value(expected)
        left = self.value(got)
        sides = got, expected
        most = bound() if callable(bound) else bound
        return self.comparison(_host(left), _host(right), most, sides)

    def comparison(
        self, got: Any, expected: Any, bound: float, sides: tuple[str, str], fault: str | None = None
    ) -> Comparison:
        """What was compared, with the script."""
        if fault is None and np.shape(got) != np.shape(expected):
            fault = f"has shape {np.shape(got)}, and should have {np.shape(expected)}"
        return Comparison(
            got,
            expected,
            bound,
            sides,
            tuple(self.shown),
            partial(self.script, *sides, len(self._lines), fault is None),
            fault,
        )

    def script(
        self, got: str | None = None, expected: str | None = None, count: int | None = None, numeric: bool = True
    ) -> str:
        """Lines that reproduce the example in a fresh interpreter. count: of the lines that were run before. numeric: the two sides have a difference."""
        body = self._lines[:count]
        if got is not None and expected is not None and _is_python(got) and _is_python(expected):
            body += [f"got = {got}", f"expected = {expected}"]
            if numeric:
                body.append("error = np.abs(host(got) - host(expected)).max()")
            body.append(f"print(got, expected{', error' if numeric else ''}, sep='\\n')")
        used = "\n".join(body)
        wanted: dict[str, str] = {}
        while True:
            more = {n: s for n, s in self._helpers.items() if n not in wanted and _uses(n, used)}
            if not more:
                break
            wanted |= more
            used += "\n" + "\n".join(more.values())
        ordered = [self._helpers[n] for n in self._helpers if n in wanted]
        return "\n".join([*self._preamble, *ordered, *body]) + "\n"


@lru_cache(maxsize=64)
def source(function: Callable[..., Any]) -> str:
    """The source of a function without its annotations and its docstring, so that it stands alone in a script."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    made = tree.body[0]
    assert isinstance(made, ast.FunctionDef)
    made.returns, made.decorator_list = None, []
    for argument in made.args.args:
        argument.annotation = None
    if ast.get_docstring(made) is not None:
        del made.body[0]
    return ast.unparse(made)


def _is_python(text: str) -> bool:
    try:
        _compiled(text, "eval")
    except SyntaxError:
        return False
    return True


def _uses(name: str, text: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def _host(value: Any) -> Any:
    return value if isinstance(value, (np.ndarray, np.generic, int, float, complex, bool)) else to_numpy(value)


@lru_cache(maxsize=4096)
def _compiled(text: str, mode: str) -> CodeType:
    code: CodeType = compile(text, "<law>", mode)
    return code


def array_literal(value: Array) -> str:
    """Python that makes this array, its library as ``xp``; entries that are whole numbers are written so.

    >>> array_literal(np.array([1.0, -0.0, 0.5]))
    'xp.asarray([1, -0.0, 0.5], dtype=xp.float64)'
    """
    host = to_numpy(value)
    if host.size > _MOST:
        raise ValueError(f"value: of {host.size} entries is too large to be written out")
    where = str(device(value))  # NumPy's and CuPy's own is where asarray puts it
    placed = f", device={where!r}" if library(value) == "torch" and where != "cpu" else ""
    return f"xp.asarray({_nested(host)}, dtype=xp.{dtype_name(value.dtype)}{placed})"


def _nested(host: Any) -> str:
    if host.ndim:
        return "[" + ", ".join(_nested(part) for part in host) + "]"
    return _number(host.item())


def _number(value: Any) -> str:
    if isinstance(value, complex):
        if not (value.real == value.real and value.imag == value.imag):
            return f"complex({value.real!r}, {value.imag!r})".replace("nan", "float('nan')")
        return (
            f"{_number(value.real)}{'+' if not str(_number(value.imag)).startswith('-') else ''}{_number(value.imag)}j"
        )
    if value != value or value in (float("inf"), float("-inf")):
        return f"float('{value}')"
    if value == int(value) and not (value == 0 and str(value).startswith("-")) and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def _brief(value: Array) -> str:
    host = to_numpy(value)
    name = dtype_name(value.dtype)
    if host.size <= 48:
        return f"{_nested(host)}" + ("" if name == "float64" else f"  ({name})")
    nonzero = np.argwhere(host != 0)
    if len(nonzero) <= 6:
        listed = ", ".join(f"{_number(host[tuple(i)].item())} at {tuple(map(int, i))}" for i in nonzero)
        return f"zero of shape {host.shape} but for {listed}"
    return f"dense of shape {host.shape}, {name}"
