"""Modules whose calls wrap: a module keeps its parameters and its hooks, and its ``forward`` runs under a mode that
makes the padding of chosen calls circular.

The class is swapped for a subclass made on the fly (``Conv2d`` becomes ``CircularConv2d``), so that ``isinstance``
still holds, the ``state_dict`` is what it was, and nothing in the module tree moves. What torch records, in an
exported graph too, is a circular pad and the same operation without padding.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from equiconv.symmetrization.calls import circularly, family_of, read

#: Where a call comes from: the lines of the module's own code on the way to it, innermost first.
Lines: TypeAlias = tuple[tuple[str, int], ...]
Dims: TypeAlias = tuple[int, ...]

_TORCH = os.path.dirname(os.path.abspath(torch.__file__)) + os.sep
_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_ATTRIBUTE = "_circular_sites"


@dataclass(frozen=True)
class Sites:
    """Which of a module's own calls wrap, and along which dims (negative).

    anywhere: by the call's family, wherever below the module it is made. lines: for a family whose calls need different
    treatment, by the lines of the module's own code that make it.
    """

    anywhere: Mapping[str, Dims] = field(default_factory=dict)
    lines: Mapping[tuple[str, Lines], Dims] = field(default_factory=dict)

    def __str__(self) -> str:
        dims: dict[str, set[int]] = {}
        for family, wrapped in [*self.anywhere.items(), *((family, d) for (family, _), d in self.lines.items())]:
            dims.setdefault(family, set()).update(wrapped)
        return ", ".join(f"{family} wraps dims {', '.join(map(str, sorted(d)))}" for family, d in sorted(dims.items()))


def lines_within(frame: FrameType | None, boundary: Any) -> tuple[Lines, FrameType | None]:
    """The lines outside torch on the way from ``frame`` to the module that it runs in, and the frame that ends them.

    That frame is of the code ``boundary``, or of a module's call, whichever is nearer; None where neither is found.
    """
    lines: list[tuple[str, int]] = []
    while frame is not None:
        if frame.f_code is boundary or frame.f_code is MODULE_CALL:
            return tuple(lines), frame
        if not frame.f_code.co_filename.startswith((_TORCH, _OURS)):
            lines.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return tuple(lines), None


#: Every call of a module passes through this code, so its frame ends what belongs to the module that is called.
MODULE_CALL = nn.Module._call_impl.__code__


class _Wrapping(TorchFunctionMode):
    """While it is open, the calls that ``sites`` names wrap."""

    def __init__(self, sites: tuple[Sites, ...]) -> None:
        super().__init__()
        self.sites = sites

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        family = family_of(function)
        if family is not None:
            dims = self._dims(family)
            call = read(function, args, kwargs) if dims else None
            if call is not None and any(d in call.padding for d in dims):
                return circularly(call, dims)
        return function(*args, **kwargs)

    def _dims(self, family: str) -> Dims:
        found: set[int] = set()
        for sites in self.sites:
            found.update(sites.anywhere.get(family, ()))
            if any(named == family for named, _ in sites.lines):
                found.update(self._by_line(sites, family))
        return tuple(sorted(found))

    def _by_line(self, sites: Sites, family: str) -> Dims:
        lines, end = lines_within(sys._getframe(3), _FORWARD)
        own = end is not None and end.f_code is _FORWARD and end.f_locals["mode"] is self
        return sites.lines.get((family, lines), ()) if own else ()


class _Circular(nn.Module):
    """What a module's class is mixed with."""

    _plain: type[nn.Module]
    _eager: bool

    def extra_repr(self) -> str:
        added = "; ".join(str(sites) for sites in self.__dict__[_ATTRIBUTE])
        return ", ".join(text for text in (super().extra_repr(), added) if text)

    def __reduce_ex__(self, protocol: Any) -> Any:
        made = super().__reduce_ex__(protocol)
        if made[1] and made[1][0] is _circular_class(self._plain, self._eager):
            # No Python module has the class by name, so a copy is told how to make it.
            return (_remade, (self._plain, self._eager, made[0], *made[1][1:]), *made[2:])
        return made


def _remade(plain: type[nn.Module], eager: bool, make: Any, *args: Any) -> Any:
    return make(_circular_class(plain, eager), *args)


def _circular_forward(plain: type[nn.Module]) -> Any:
    @functools.wraps(plain.forward)  # tools read the signature
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        with _Wrapping(self.__dict__[_ATTRIBUTE]) as mode:  # noqa: F841 (_by_line reads it)
            return plain.forward(self, *args, **kwargs)

    return forward


#: The code that every such forward shares: its frame ends what belongs to the module.
_FORWARD = _circular_forward(nn.Module).__code__


_CLASSES: dict[tuple[type[nn.Module], bool], type[nn.Module]] = {}


def _circular_class(plain: type[nn.Module], eager: bool) -> type[nn.Module]:
    if (plain, eager) not in _CLASSES:
        forward = _circular_forward(plain)
        if eager:
            forward = torch.compiler.disable(forward)  # type: ignore[no-untyped-call]
        body = {"__module__": __name__, "__doc__": plain.__doc__, "_plain": plain, "_eager": eager, "forward": forward}
        _CLASSES[plain, eager] = type(f"Circular{plain.__name__}", (_Circular, plain), body)
    return _CLASSES[plain, eager]


def make_circular(module: nn.Module, sites: Sites) -> None:
    """Let the calls of ``module`` that ``sites`` names wrap from now on, in place."""
    every = (*module.__dict__.get(_ATTRIBUTE, ()), sites)
    module.__dict__[_ATTRIBUTE] = every
    # torch.compile shows the mode neither frames nor torch.nn.functional.pad: what needs them is left to run as it is.
    eager = any(one.lines or "pad" in one.anywhere for one in every)
    module.__class__ = _circular_class(module._plain if isinstance(module, _Circular) else type(module), eager)


__all__ = ["MODULE_CALL", "Dims", "Lines", "Sites", "lines_within", "make_circular"]
