"""What the command line refuses: one exception, printed without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BadInput(ValueError):
    """An argument that cannot be used; the message names it, says what came, what is accepted and what to do."""


def close_to(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest of the known names, or an empty string where none is near.

    >>> close_to("resnet81", ["resnet18", "vgg11"])
    ' Did you mean resnet18?'
    >>> close_to("resnet81", ["vgg11"])
    ''
    """
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def first_line(error: BaseException) -> str:
    """The class and the first line of an error, to quote inside another message.

    >>> first_line(ValueError("no such thing\\nand more"))
    'ValueError: no such thing'
    """
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
