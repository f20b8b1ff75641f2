"""The lines that, pasted into a fresh interpreter, reproduce a counterexample. They need the function and its array library, and not equiconv."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import array_api_compat

from equiconv.arrays import is_complex, library
from equiconv.measurement.outputs import Part
from equiconv.measurement.subject import Subject
from equiconv.testing.recipes import Recipe, imports, lines, literal

__all__ = ["locate", "write_script"]

_PLACE = re.compile(r"^(?P<module>[A-Za-z_][\w.]*):(?P<rest>[A-Za-z_].*)$")


def locate(f: Any, name: str | None) -> list[str]:
    """Lines that bind `model` to f.

    name: ``"package.module:expression"``, lines of Python that bind ``model``, or an expression without imports; None looks for f in the modules that are loaded: a function
    under its own name, an instance as an attribute of the module of its class. Where it is found nowhere, a comment says what to bind.

    Raises `ValueError` for a name that is no Python.

    >>> import math
    >>> locate(math.fsum, None), locate(math.fsum, "math:fsum")
    (['from math import fsum as model'], ['from math import fsum', 'model = fsum'])
    """
    if name is not None:
        return _named(name)
    found = _importable(f)
    if found is not None:
        module, attribute = found
        head, _, rest = attribute.partition(".")
        return [f"from {module} import {head} as model"] if not rest else [f"from {module} import {head}", f"model = {attribute}"]
    kind = getattr(f, "__qualname__", None) or type(f).__qualname__
    weights = sum(p.numel() for p in f.parameters()) if hasattr(f, "parameters") else 0
    with_weights = f" with its {weights:,} weights" if weights else ""
    return [f"# bind `model` to the function that was falsified first: {kind}{with_weights}"]


def _named(name: str) -> list[str]:
    match = _PLACE.match(name.strip())
    if match and "\n" not in name.strip():
        head = re.split(r"\W", match["rest"], maxsplit=1)[0]
        found = [f"from {match['module']} import {head}", f"model = {match['rest']}"]
    elif re.search(r"^\s*model\s*=[^=]", name, re.MULTILINE) or re.search(r"\bas model\s*$", name, re.MULTILINE):
        found = name.strip("\n").splitlines()
    else:
        found = [f"model = {name.strip()}"]
    try:
        compile("\n".join(found), "<name>", "exec")
    except SyntaxError as error:
        raise ValueError(
            f"name: {name!r} is no Python ({error.msg}); pass 'package.module:expression', or lines that bind `model`"
        ) from error
    return found


def _importable(f: Any) -> tuple[str, str] | None:
    """Module and attribute under which an import finds this very object."""
    named = getattr(f, "__module__", None), getattr(f, "__qualname__", None)
    if all(isinstance(part, str) for part in named):
        module, attribute = str(named[0]), str(named[1])
        if module != "__main__" and "<" not in attribute and _resolves(module, attribute, f):
            return module, attribute
    home = type(f).__module__
    if home in ("__main__", "builtins"):
        return None
    for attribute, value in vars(sys.modules.get(home, object())).items() if home in sys.modules else ():
        if value is f and attribute.isidentifier():
            return home, attribute
    return None


def _resolves(module: str, attribute: str, f: Any) -> bool:
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return found is f


def write_script(
    subject: Subject,
    recipes: Mapping[int, Recipe],
    shift: Sequence[int],
    part: Part,
    roll: tuple[tuple[int, ...], tuple[int, ...]] | None,
    action: Callable[..., Any] | None,
    law: str,
    error: float,
    floor: float,
    name: str | None,
) -> str:
    """The script.

    recipes: for each argument that moves. part: the output to compare. roll: (dims, amounts) by which it should roll, None where it stays. action: the function that says
    what it should be, where the caller gave one.
    """
    like = subject.example
    lib = library(like)
    text = list(dict.fromkeys([*imports(like), *locate(subject.f, name)]))
    names = _argument_names(subject)
    for index, word in names.items():
        if index in recipes:
            text += lines(recipes[index], subject.leaves[index], word)
    moved = [names[i] for i in subject.moved]
    for index in subject.moved:
        dims = tuple(d - subject.leaves[index].ndim for d in subject.moved[index])
        text.append(f"{names[index]}_moved = {lib}.roll({names[index]}, {tuple(shift)}, {dims})  # S {names[index]}")
    for index, word in names.items():
        if index not in recipes:
            expression = literal(subject.leaves[index])
            text.append(f"{word} = {expression}" if expression else f"# bind {word} to {subject.labels[index]} as it was given")
    before, after = _call(subject, names, ""), _call(subject, {i: f"{w}_moved" if i in subject.moved else w for i, w in names.items()}, "")
    calls = [f"expected = model({before}){part.path}", f"got = model({after}){part.path}"]
    if action is not None:
        calls[0] = f"expected = action({tuple(shift)}, model({before})){part.path}"
        text += [line for line in locate_as(action, "action")]
    text += ["with torch.no_grad():", *(f"    {line}" for line in calls)] if lib == "torch" else calls
    if roll is not None:
        text.append(f"expected = {lib}.roll(expected, {roll[1]}, {roll[0]})")
    text.append(_error_line(part, lib))
    text.append(f'print(f"{law} fails for the shift {tuple(shift)}: error {{error:.6g}} (found: {error:.6g}; rounding explains {floor:.2g})")')
    del moved
    return "\n".join(text) + "\n"


def locate_as(f: Any, word: str) -> list[str]:
    """Lines that bind another word to a function."""
    return [re.sub(r"\bmodel\b", word, line) for line in locate(f, None)]


def _argument_names(subject: Subject) -> dict[int, str]:
    arrays = [i for i, v in enumerate(subject.leaves) if array_api_compat.is_array_api_obj(v)]
    return {arrays[0]: "x"} if len(arrays) == 1 else {i: f"x{position}" for position, i in enumerate(arrays)}


def _call(subject: Subject, names: Mapping[int, str], _: str) -> str:
    from torch.utils import _pytree as pytree

    class Word(str):
        """A name that prints as itself."""

        def __repr__(self) -> str:
            return str(self)

    values = [Word(names[i]) if i in names else v for i, v in enumerate(subject.leaves)]
    args, kwargs = pytree.tree_unflatten(values, subject.spec)
    return ", ".join([*(repr(a) for a in args), *(f"{k}={v!r}" for k, v in kwargs.items())])


def _error_line(part: Part, lib: str) -> str:
    if lib == "torch":
        wide = "" if is_complex(part.value) else ".double()"
        return f"error = (got{wide} - expected{wide}).abs().max().item()"
    dtype = "complex" if is_complex(part.value) else "float"
    return f"error = abs({lib}.asarray(got, dtype={dtype}) - {lib}.asarray(expected, dtype={dtype})).max()"
