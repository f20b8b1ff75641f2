"""Reads a page back as a browser would: its tags, text, links and scripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "wbr"})
_LINKS = frozenset({"src", "href", "action", "data", "poster", "srcset", "background"})


@dataclass
class Page(HTMLParser):
    """What a page holds; `problems` lists what is not well formed, not self-contained or not safe."""

    source: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        self.problems += [f"<{tag}> is never closed" for tag in self._open]
        ids = [a["id"] for _, a in self.tags if "id" in a]
        self.problems += [f"the id {i} is used twice" for i in set(ids) if ids.count(i) > 1]
        for style in self.styles:
            if "url(" in style or "@import" in style:
                self.problems.append("the style refers to something outside")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag not in _VOID:
            self._open.append(tag)
        for name, value in attrs:
            if name.startswith("on"):
                self.problems.append(f"<{tag}> has the handler {name}")
            linked = name in _LINKS or name == "xlink:href"
            if linked and not str(value).startswith(("data:image/", "#")):
                self.problems.append(f"<{tag}> refers to {value}")
        if tag in ("link", "iframe", "object", "embed", "base"):
            self.problems.append(f"<{tag}> does not belong here")
        if tag == "img" and not found.get("alt"):
            self.problems.append("a picture has no text alternative")
        if tag == "svg" and not (found.get("role") == "img" and found.get("aria-label")):
            self.problems.append("a chart has no text alternative")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.problems.append(f"</{tag}> closes {self._open[-1] if self._open else 'nothing'}")
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        if inside == "script":
            self.scripts.append(data)
        elif inside == "style":
            self.styles.append(data)
        else:
            self.texts.append(data)
            if inside == "h2":
                self.headings.append(data)

    @property
    def text(self) -> str:
        """All text that is shown."""
        return "".join(self.texts)

    def count(self, tag: str, css: str | None = None) -> int:
        """How many elements of this tag, and class, there are."""
        return sum(t == tag and (css is None or css in str(a.get("class")).split()) for t, a in self.tags)
