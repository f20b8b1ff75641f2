"""A dozen lines of HTML builder in which text is escaped unless it is markup already, so that nothing can be
forgotten."""

from __future__ import annotations

import html
import re


class Markup(str):
    """A string that is HTML already; every other string is text, and is escaped where it meets markup."""

    __slots__ = ()


#: What may stand between tags: text, markup, a number, nothing, or any of these in a list.
Child = object

_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "wbr"})


def text(value: Child) -> Markup:
    """A child as markup: escaped unless it is markup; lists are joined, None and False vanish.

    >>> text(["a < b", Markup("<br>"), None, 3])
    'a &lt; b<br>3'
    """
    if value is None or value is False:
        return Markup("")
    if isinstance(value, Markup):
        return value
    if isinstance(value, (list, tuple)):
        return Markup("".join(text(item) for item in value))
    return Markup(html.escape(str(value), quote=True))


def el(tag: str, *children: Child, **attributes: object) -> Markup:
    """An element. Attribute names lose a trailing underscore and turn the others into hyphens; None and False leave one
    out.

    >>> el("td", "x & y", class_="cause", data_n=2, hidden=True)
    '<td class="cause" data-n="2" hidden>x &amp; y</td>'
    """
    opening = "".join(
        f" {name}" if value is True else f' {name}="{text(value)}"'
        for name, value in ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Markup(f"<{tag}{opening}>")
    return Markup(f"<{tag}{opening}>{text(children)}</{tag}>")


#: A product of subgroups, or a percentage: what a line must not break within.
_WHOLE = re.compile(r"((?:\{0\}|\d*Z)(?: × (?:\{0\}|\d*Z))+|[\d.]+ %)")


def breakable(path: str) -> Markup:
    """Text whose dotted or slashed paths may break after their separators, so that they never widen a page; a product of subgroups and a percentage stay
    whole.

    >>> breakable("stem.conv leaves 2Z × 2Z")
    'stem.<wbr>conv leaves <span class="nobreak">2Z × 2Z</span>'
    """
    pieces = enumerate(_WHOLE.split(path))
    return Markup("".join(el("span", p, class_="nobreak") if i % 2 else _after_separators(p) for i, p in pieces))


def _after_separators(path: str) -> str:
    return "".join(text(part) if part not in "./_" else f"{part}<wbr>" for part in re.split(r"([./_])", path) if part)
