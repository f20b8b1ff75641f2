"""The lines that, pasted into a fresh interpreter, reproduce a counterexample.

They need the function and its array library, and not equiconv.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import array_api_compat
from torch.utils import _pytree as pytree

from equiconv.arrays import is_complex, library
from equiconv.measurement.outputs import Part
from equiconv.measurement.subject import Subject
from equiconv.testing.recipes import Recipe, imports, lines, literal
from equiconv.testing.symmetries import Symmetry

__all__ = ["locate", "write_named_script", "write_script"]

_PLACE = re.compile(r"^(?P<module>[A-Za-z_][\w.]*):(?P<rest>[A-Za-z_].*)$")


def locate(f: Any, name: str | None, word: str = "model") -> list[str]:
    """Lines that bind `word` to f.

    name: ``"package.module:expression"``, lines of Python that bind ``model``, or an expression without imports. None
    looks for f itself in modules that are imported: a function under its own name, an instance as an attribute of the
    module of its class, or else of any. Where it is found nowhere, a comment says what to bind.

    Raises `ValueError` for a name that is no Python.

    >>> import statistics
    >>> locate(statistics.fmean, None), locate(None, "torch.nn:ReLU()")
    (['from statistics import fmean as model'], ['from torch.nn import ReLU', 'model = ReLU()'])
    """
    if name is not None:
        return _named(name)
    found = _importable(f)
    if found is not None:
        module, attribute = found
        head, _, rest = attribute.partition(".")
        if rest:
            return [f"from {module} import {head}", f"{word} = {attribute}"]
        return [f"from {module} import {head} as {word}" if head != word else f"from {module} import {head}"]
    kind = getattr(f, "__qualname__", None) or type(f).__qualname__
    weights = sum(p.numel() for p in f.parameters()) if hasattr(f, "parameters") else 0
    return [f"# first bind `{word}` to {kind}" + (f" as it was given, with its {weights:,} weights" if weights else "")]


def _named(name: str) -> list[str]:
    match = _PLACE.match(name.strip())
    if match and "\n" not in name.strip():
        head = re.split(r"\W", match["rest"], maxsplit=1)[0]
        found = [f"from {match['module']} import {head}", f"model = {match['rest']}"]
    elif re.search(r"^model\s*=[^=]|\bimport model\b|\bas model\s*$|^def model\b", name, re.MULTILINE):
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
    module, attribute = getattr(f, "__module__", None), getattr(f, "__qualname__", None)
    if isinstance(module, str) and isinstance(attribute, str):
        if module != "__main__" and "<" not in attribute and _resolves(module, attribute, f):
            return module, attribute
        return None
    home = type(f).__module__
    places = [home, *sorted(word for word in list(sys.modules) if word != home)]
    return next((found for place in places if (found := _attribute(place, f)) is not None), None)


def _attribute(place: str, f: Any) -> tuple[str, str] | None:
    """The module and the name under which it holds this very object; None where it holds none, or cannot be imported by its name."""
    module = sys.modules.get(place)
    if place in ("__main__", "builtins") or not isinstance(module, ModuleType) or module.__spec__ is None:
        return None
    return next(
        ((place, word) for word, value in list(vars(module).items()) if value is f and word.isidentifier()), None
    )


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
    found: str,
    name: str | None,
) -> str:
    """The script.

    recipes: for each argument that moves. part: the output to compare. roll: (dims, amounts) by which it should roll,
    None where it stays. action: the function that says what it should be, where the caller gave one. found: what was
    found, to be printed beside what the script finds.
    """
    lib, shift = library(subject.example), tuple(shift)
    names = _argument_names(subject)
    text = list(dict.fromkeys([*imports(subject.example), *locate(subject.f, name)]))
    for index, word in names.items():
        text += _bound(subject, recipes, index, word)
        if index in recipes:
            dims = tuple(d - subject.leaves[index].ndim for d in subject.moved[index])
            text.append(f"S_{word} = {lib}.roll({word}, {shift}, {dims})")
    before = f"model({_call(subject, names)})"
    after = f"model({_call(subject, {i: f'S_{w}' if i in recipes else w for i, w in names.items()})})"
    if action is not None:
        text += locate(action, None, "action")
        before = f"action({shift}, {before})"
    runs = [f"expected, got = {before}{part.path}, {after}{part.path}"]
    text += ["with torch.no_grad():", f"    {runs[0]}"] if lib == "torch" else runs
    if roll is not None:
        text.append(f"expected = {lib}.roll(expected, {roll[1]}, {roll[0]})")
    text.append(_error(part, lib))
    text.append(f'print(f"{law} fails for S = shift by {shift}: error {{error:.6g}} ({found})")')
    return "\n".join(text) + "\n"


def write_named_script(
    subject: Subject,
    recipes: Mapping[int, Recipe],
    element: Symmetry,
    part: Part,
    law: str,
    found: str,
    name: str | None,
) -> str:
    """The script for a map that the caller named.

    Arguments and the rest as of `write_script`. A map that cannot be imported, such as a lambda, is left to be bound.
    """
    lib, names = library(subject.example), _argument_names(subject)
    text = list(dict.fromkeys([*imports(subject.example), *locate(subject.f, name)]))
    for index, word in names.items():
        text += _bound(subject, recipes, index, word)
    model = f"model({_call(subject, names)})"
    args, kwargs = pytree.tree_unflatten(
        [_Word(names[i]) if i in names else v for i, v in enumerate(subject.leaves)], subject.spec
    )
    if element.written is not None:
        text += [f"S_{word} = {element.written.format(lib=lib, x=word)}" for word in names.values()]
        after = f"model({_call(subject, {i: f'S_{w}' for i, w in names.items()})}){part.path}"
        before = f"{model}{part.path}"
        before = element.written.format(lib=lib, x=before) if element.act_output else before
    else:
        for word, function in (("act", element.act), ("act_output", element.act_output)):
            if function is not None:
                place = locate(function, None, word)
                text += [f"# first bind `{word}` to that of {element.name}"] if place[0].startswith("#") else place
        given, star = (repr(kwargs), "**") if kwargs else (repr(args[0]), "") if len(args) == 1 else (repr(args), "*")
        after = f"model({star}act({given})){part.path}"
        before = f"act_output({model}){part.path}" if element.act_output else f"{model}{part.path}"
    runs = f"expected, got = {before}, {after}"
    text += ["with torch.no_grad():", f"    {runs}"] if lib == "torch" else [runs]
    text += [_error(part, lib), f'print(f"{law} fails for g = {element.name}: error {{error:.6g}} ({found})")']
    return "\n".join(text) + "\n"


def _bound(subject: Subject, recipes: Mapping[int, Recipe], index: int, word: str) -> list[str]:
    """Lines that bind an argument."""
    if index in recipes:
        return lines(recipes[index], subject.leaves[index], word)
    expression = literal(subject.leaves[index])
    return [f"{word} = {expression}" if expression else f"# first bind {word} to {subject.labels[index]}"]


def _argument_names(subject: Subject) -> dict[int, str]:
    arrays = [i for i, v in enumerate(subject.leaves) if array_api_compat.is_array_api_obj(v)]
    return {arrays[0]: "x"} if len(arrays) == 1 else {i: f"x{position}" for position, i in enumerate(arrays)}


class _Word(str):
    """A name that prints as itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _call(subject: Subject, names: Mapping[int, str]) -> str:
    """The arguments of the call as Python, arrays by name."""
    values = [_Word(names[i]) if i in names else v for i, v in enumerate(subject.leaves)]
    args, kwargs = pytree.tree_unflatten(values, subject.spec)
    return ", ".join([*(repr(a) for a in args), *(f"{k}={v!r}" for k, v in kwargs.items())])


def _error(part: Part, lib: str) -> str:
    if lib == "torch":
        wide = "" if is_complex(part.value) else ".double()"
        return f"error = (got{wide} - expected{wide}).abs().max().item()"
    dtype = "complex" if is_complex(part.value) else "float"
    got, expected = (f"{lib}.asarray({word}, dtype={dtype})" for word in ("got", "expected"))
    return f"error = float(abs({got} - {expected}).max())"
