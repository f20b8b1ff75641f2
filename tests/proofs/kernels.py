"""The kernel as text: loaded as it is, or with one thing changed, beside the real one."""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace

FOLDER = Path(__file__).resolve().parents[2] / "proofs" / "kernel"
MODULES = ("indices", "terms", "rules")


def sources() -> dict[str, str]:
    """The text of the kernel's modules."""
    return {name: (FOLDER / f"{name}.py").read_text(encoding="utf-8") for name in MODULES}


def load(texts: Mapping[str, str], name: str = "kernel_under_test") -> SimpleNamespace:
    """Run the three modules as a package of their own; everything that they define in one namespace."""
    package = types.ModuleType(name)
    package.__path__ = []
    sys.modules[name] = package
    found: dict[str, object] = {}
    try:
        for module in MODULES:
            made = types.ModuleType(f"{name}.{module}")
            sys.modules[f"{name}.{module}"] = made
            code = compile(texts[module].replace("proofs.kernel", name), f"{name}/{module}.py", "exec")
            exec(code, made.__dict__)
            found |= {k: v for k, v in vars(made).items() if not k.startswith("__")}
    finally:
        for module in ("", *(f".{m}" for m in MODULES)):
            sys.modules.pop(name + module, None)
    return SimpleNamespace(**found)


def without_guards() -> Iterator[tuple[str, dict[str, str]]]:
    """One kernel for each ``require`` and each ``raise KernelError``: that one does nothing."""
    texts = sources()
    for module, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            required = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "require"
            if required:
                yield f"{module}:{_where(text, node)}", texts | {module: _blanked(text, node)}


def _where(text: str, node: ast.stmt) -> str:
    """The function around a statement, and the statement's own words."""
    tree = ast.parse(text)
    around = [
        n.name
        for n in ast.walk(tree)
        if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.lineno <= node.lineno <= (n.end_lineno or 0)
    ]
    return f"{'.'.join(around)}:{ast.unparse(node)[:60]}"


def _blanked(text: str, node: ast.stmt) -> str:
    lines = text.split("\n")
    first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    indent = lines[first][: node.col_offset]
    return "\n".join([*lines[:first], f"{indent}pass", *lines[last + 1 :]])
