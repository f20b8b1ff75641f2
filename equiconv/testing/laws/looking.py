"""What a function takes, found out by calling it where the caller did not say: arrays of which library, how many axes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from equiconv.testing.laws.record import Crashed, Refused
from equiconv.testing.laws.subject import Convolution, host
from equiconv.testing.strategies import present

__all__ = ["look_at", "what_is"]


def look_at(
    make: Callable[[str], Convolution], library: str | None, dims: Sequence[int] | None
) -> tuple[Convolution, list[str]]:
    """The subject with the library and the numbers of axes that it takes, and what was found out. make: builds it for a library.

    Raises `ValueError` where f takes no example at all, with what it said.
    """
    if library is not None and dims is not None:
        return replace(make(library), dims=tuple(dims)), []
    notes: list[str] = []
    said: list[str] = []
    for name in [library] if library else present():
        tried = make(name)
        taken, why = _dims(tried, dims)
        if taken:
            if library is None:
                notes.append(f"f takes arrays of {name} (library= chooses another)")
            if dims is None:
                notes.append(f"f is tried on grids of {' and '.join(map(str, taken))} axes (dims= chooses others)")
                if tried.keyword is None and tried.axes is None and (word := _keyword(tried.f)):
                    notes.append(f"f has an argument {word}; axes={word!r} tries it on more axes")
            return replace(tried, dims=taken), notes
        said.append(f"{name}: {why}")
    raise ValueError(
        "target: takes no signal and kernel that were tried: "
        + "; ".join(said)
        + ". It is called as f(x, w) with arrays of the grid's axes; library=, dims=, axes= and dtypes= say more"
    )


def _keyword(f: Callable[..., Any]) -> str | None:
    try:
        known = inspect.signature(f).parameters
    except (TypeError, ValueError):
        return None
    return next((word for word in ("axes", "axis", "dim") if word in known), None)


def _dims(subject: Convolution, dims: Sequence[int] | None) -> tuple[tuple[int, ...], str]:
    """The numbers of axes that f takes, and what it said of the first that it does not."""
    wanted = tuple(dims) if dims else (1, 2, 3)
    taken: list[int] = []
    why = ""
    for count in wanted:
        grid = (4, 3, 2)[-count:] if count <= 3 else (2,) * count
        x = subject.array(np.arange(1.0, 1 + np.prod(grid)).reshape(grid), subject.dtypes[0])
        unit = np.zeros(grid)
        unit.flat[0] = 1
        w = subject.array(unit, subject.dtypes[0])
        try:
            y = subject.call(x, w)
        except (Refused, Crashed) as error:
            why = why or str(error)
            continue
        # A unit impulse gives back the entries of x, in whatever places and times whatever factor. Where only rows are convolved, or entries multiplied,
        # most meet a zero.
        if dims or not taken or _same_entries(host(x), host(y)):
            taken.append(count)
    return tuple(taken), why


def _same_entries(x: Any, y: Any) -> bool:
    if x.shape != y.shape:
        return False
    before, after = np.sort(np.abs(x).reshape(-1)), np.sort(np.abs(y).reshape(-1))
    return bool(after[-1] > 0 and np.allclose(before / before[-1], after / after[-1], atol=1e-6))


def what_is(target: Any, shape: Sequence[int] | None) -> tuple[str, str]:
    """What a target is, where that can be said, and why. Raises `ValueError` where it cannot."""
    if isinstance(target, nn.Module):
        if shape is not None:
            with torch.no_grad():
                weights = [p for p in target.parameters() if p.is_floating_point()]
                example = torch.zeros(tuple(shape), dtype=weights[0].dtype if weights else None)
                y = target(example)
            grid = isinstance(y, torch.Tensor) and y.ndim == len(shape) and all(n > 1 for n in y.shape[2:])
            word = "layer" if grid else "model"
            return word, f"its output {'has' if grid else 'does not have'} the input's axes"
        raise ValueError("as_: pass 'layer' or 'model', or the shape= of an input, from which it is seen which it is")
    if callable(target):
        try:
            known = list(inspect.signature(target).parameters.values())
        except (TypeError, ValueError):
            known = []
        needed = [p for p in known if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if len(needed) == 2:
            return "convolution", "it is a function of two arguments"
    raise ValueError(
        f"as_: it cannot be told what {getattr(target, '__name__', type(target).__name__)} is; pass 'convolution' for a function of a signal and a "
        "kernel, 'layer' or 'model' for a torch module"
    )
