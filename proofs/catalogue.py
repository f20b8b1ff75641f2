"""All laws, found in the folders ``lecture`` and ``certifier``: one file a law, named like it."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Iterable
from functools import cache

import proofs.certifier
import proofs.lecture
from proofs.laws import Law


@cache
def laws() -> dict[str, Law]:
    """Every law by name: the lecture's in the order of its equations, then the certifier's."""
    found: dict[str, Law] = {}
    for package in (proofs.lecture, proofs.certifier):
        here = []
        for info in pkgutil.iter_modules(package.__path__):
            file = f"{package.__name__}.{info.name}"
            try:
                law = importlib.import_module(file).LAW
            except Exception as error:
                raise ImportError(
                    f"{file} cannot be read ({type(error).__name__}: {error}): mend it or move it away"
                ) from error
            if law.name != info.name:
                raise ValueError(
                    f"{package.__name__}.{info.name} declares the law {law.name!r}: a law is named like its file"
                )
            here.append(law)
        for law in sorted(here, key=_order):
            if law.name in found:
                raise ValueError(f"two laws are named {law.name!r}")
            found[law.name] = law
    return found


def _order(law: Law) -> tuple[int, str]:
    equations = [int(item[1:-1]) for item in law.items if item.startswith("(")]
    return min(equations, default=99), law.name


def find(names: Iterable[str]) -> list[Law]:
    """Laws by name, by the number of a lecture equation (``10`` or ``(10)``) or by item (``L24``). Raises ``KeyError`` with what is near."""
    out: dict[str, Law] = {}
    missing: list[str] = []
    for name in names:
        wanted = f"({name})" if re.fullmatch(r"\d+", name) else name
        matches = [law for law in laws().values() if wanted.lower() in (law.name.lower(), *map(str.lower, law.items))]
        out.update({law.name: law for law in matches})
        if not matches:
            near = difflib.get_close_matches(name, laws(), n=3, cutoff=0.5)
            missing.append(
                f"no law {name!r}"
                + (f": did you mean {' or '.join(near)}?" if near else "; python -m proofs lists them")
            )
    if missing:
        raise KeyError("\n".join(missing))
    return list(out.values())


__all__ = ["find", "laws"]
