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
READERS = ("evaluation", "printing")


def sources() -> dict[str, str]:
    """The text of the kernel's modules."""
    return {name: (FOLDER / f"{name}.py").read_text(encoding="utf-8") for name in MODULES}


def readers() -> dict[str, str]:
    """The text of what evaluates and prints terms: both ask for the kernel's own classes, and so each kernel needs its own."""
    return {name: (FOLDER.parent / f"{name}.py").read_text(encoding="utf-8") for name in READERS}


def load(texts: Mapping[str, str], name: str = "kernel_under_test") -> SimpleNamespace:
    """Run modules, each after those that it imports, as a package of their own; everything that they define in one namespace."""
    package = types.ModuleType(name)
    package.__path__ = []
    sys.modules[name] = package
    found: dict[str, object] = {}
    try:
        for module, text in texts.items():
            made = types.ModuleType(f"{name}.{module}")
            sys.modules[f"{name}.{module}"] = made
            exec(compile(text.replace("proofs.kernel", name), f"{name}/{module}.py", "exec"), made.__dict__)
            defined = {k: v for k, v in vars(made).items() if not k.startswith("__")}
            found |= defined
            package.__dict__.update(defined)  # as proofs/kernel/__init__.py does
    finally:
        for module in ("", *(f".{m}" for m in texts)):
            sys.modules.pop(name + module, None)
    return SimpleNamespace(**found)


def without_guards() -> Iterator[tuple[str, dict[str, str]]]:
    """One kernel for each ``require``: that one does nothing."""
    texts = sources()
    for module, text in texts.items():
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Call)
                and getattr(node.value.func, "id", "") == "require"
            ):
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


# One thing wrong: the module, the text as it stands (once), and what stands there instead.
FAULTS: dict[str, tuple[str, str, str]] = {
    "halves count as integers": ("indices", "        if not coefficient.is_Integer:", "        if False:"),
    "quotients count as integers": ("indices", "and p.is_Integer and p > 0):", "and p.is_Integer):"),
    "everything is a multiple of one": (
        "indices",
        "kept.append((coefficient % 1 if integral(rest) else coefficient) * rest)",
        "pass",
    ),
    "every phase is periodic": (
        "indices",
        "v.sort.modulus * TURN}) - theta, turned=True)",
        "v.sort.modulus * TURN}) * 0)",
    ),
    "every slope goes to the near end": ("indices", "e = expand(rest + slope * (v.sort.size - 1))", "e = rest"),
    "sizes may be anything": ("indices", "return all(t.as_coeff_Mul()[0] >= 0", "return any(t.as_coeff_Mul()[0] >= 0"),
    "inverses are not reversed": (
        "indices",
        "for letter, power in reversed(self.letters))",
        "for letter, power in self.letters)",
    ),
    "inverses are not inverted": ("indices", "Word((letter, -power) for", "Word((letter, power) for"),
    "an inverse gets the value itself": (
        "indices",
        "out = out * (image if power > 0 else image.inverse)",
        "out = out * image",
    ),
    "any two letters cancel": ("indices", "reduced[-1] == (letter, -power)", "reduced[-1][0] == letter"),
    "any variable has a period": (
        "indices",
        "if isinstance(v.sort, Cyclic):\n        return v.sort.modulus",
        "if True:\n        return getattr(v.sort, 'modulus', getattr(v.sort, 'size', 1))",
    ),
    "any variable has a range": (
        "indices",
        "if isinstance(v.sort, Range):\n        return v.sort.size",
        "if True:\n        return getattr(v.sort, 'size', getattr(v.sort, 'modulus', 1))",
    ),
    "any symbol is a size": (
        "indices",
        "return type(e) is Symbol and e.name.isidentifier() and e == Symbol(e.name)",
        "return bool(e.is_Symbol)",
    ),
    "bound variables are not renamed": (
        "terms",
        "return _mapped(s, tuple(binders), mapping) if mapping else s",
        "return s",
    ),
    "variables of bodies are not renamed": (
        "terms",
        "new = tuple(_fresh(v, taken) if v.name in avoid else v for v in body.variables)",
        "new = body.variables",
    ),
    "a conjugate keeps its phase": ("terms", "phase=-s.phase", "phase=s.phase"),
    "a conjugate keeps its functions": ("terms", "conjugate=not f.conjugate", "conjugate=f.conjugate"),
    "an instance forgets the conjugate": ("terms", "return conjugate(out) if f.conjugate else out", "return out"),
    "like terms are dropped": ("terms", "expand(collected[key].coefficient + s.coefficient)", "s.coefficient"),
    "conjugates look alike": ("terms", "repr((f.fun.name, signature, f.conjugate,", "repr((f.fun.name, signature,"),
    "functions of other sorts look alike": ("terms", "repr((f.fun.name, signature,", "repr((f.fun.name,"),
    "deltas of all moduli look alike": ("terms", 'repr(("δ", str(f.modulus), either))', 'repr(("δ", either))'),
    "phases look alike": (
        "terms",
        "texts.append(repr((factors, _index_key(s.phase, inner))))",
        "texts.append(repr(factors))",
    ),
    "coefficients look alike": (
        "terms",
        "(_summand_key(s, names, depth), _index_key(s.coefficient, {}))",
        "_summand_key(s, names, depth)",
    ),
    "sums over all sorts look alike": (
        "terms",
        "repr((sorts, [len(groups[sort]) for sort in sorts], min(texts)))",
        "min(texts)",
    ),
    "two bound variables share a number": (
        "terms",
        "_term_key(body.term, inner, depth + len(body.variables))",
        "_term_key(body.term, inner, depth)",
    ),
    "a sum in a body starts at its number": (
        "terms",
        "_factor_key(f, inner, depth + len(s.binders))",
        "_factor_key(f, inner, depth)",
    ),
    "sorts are told by their printed names": (
        "terms",
        "groups.setdefault(spelled(v.sort), []).append(v)",
        "groups.setdefault(str(v.sort), []).append(v)",
    ),
    "a group counts like a size": ("terms", 'Symbol(f"|{spelled(sort)}|")', 'Symbol(f"|{sort.name}|")'),
    "every set has one element": (
        "terms",
        "    out = Integer(1)\n    for b, p in powers.items():\n",
        "    out = Integer(1)\n    for b, p in ():\n",
    ),
    "a chain forgets hypotheses": ("rules", "(first.lhs, second.rhs, first, second)", "(first.lhs, second.rhs, first)"),
    "a lemma's hypotheses are forgotten": (
        "rules",
        "hypotheses=kept | lemma.hypotheses",
        "hypotheses=kept",
    ),
    "hypotheses have no parameters": (
        "rules",
        ") - self.over\n",
        ") - (self.lhs.free | self.rhs.free | self.lhs.functions | self.rhs.functions)\n",
    ),
    "a character sums to a delta alone": (
        "rules",
        "body * delta(e, modulus) * cardinality(v.sort)",
        "body * delta(e, modulus)",
    ),
    "a count counts nothing": ("rules", "sum_over(rest, body * cardinality(v.sort))", "sum_over(rest, body)"),
    "a coarser delta replaces the finer": ("rules", "one * delta(factor.index, t)", "delta(factor.index, t)"),
    "any determinant will do": (
        "rules",
        "expand(matrix.det()) in (1, -1),",
        "expand(matrix.det()) != 0,",
    ),
    "a delta with a slope sifts": ("rules", "if v in variables_of(value):", "if False:"),
    "every delta has the right modulus": (
        "rules",
        "if not isinstance(d, Delta) or d.modulus != modulus:",
        "if not isinstance(d, Delta):",
    ),
}


def with_faults() -> Iterator[tuple[str, dict[str, str]]]:
    """One kernel for each fault. A fault whose text is gone is an error: it would test nothing."""
    texts = sources()
    for name, (module, old, new) in FAULTS.items():
        if texts[module].count(old) != 1:
            raise ValueError(f"{name}: {old!r} stands {texts[module].count(old)} times in {module}")
        yield name, texts | {module: texts[module].replace(old, new)}
