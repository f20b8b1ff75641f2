"""Theorems as mathematics, in plain text. ω^θ is exp(−2πi·θ); δ_n[e] is 1 where n divides e, else 0; f* is the conjugate of f."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sympy import Expr

from proofs.kernel import Apply, Delta, Fun, Hypothesis, Summand, Term, Theorem
from proofs.kernel.indices import Index, Range, Sort, Variable, Word


def index_text(e: Index) -> str:
    """``t·o − k``"""
    if isinstance(e, Word):
        return str(e)
    return str(e).replace("**", "^").replace("*", "·").replace("-", "−")


def sort_text(sort: Sort) -> str:
    if isinstance(sort, Range):
        return f"{{0…{index_text(sort.size - 1)}}}"
    return str(sort).replace("**", "^").replace("*", "·")


def variables_text(variables: Iterable[Variable]) -> str:
    """``i, j ∈ Z_n, k ∈ Z``"""
    groups: dict[str, list[str]] = {}
    for v in variables:
        groups.setdefault(sort_text(v.sort), []).append(v.name)
    return ", ".join(f"{', '.join(names)} ∈ {sort}" for sort, names in groups.items())


def _factor(f: Apply | Delta) -> str:
    if isinstance(f, Delta):
        return f"δ{'' if f.modulus == 0 else '_' + _tight(f.modulus)}[{index_text(f.written)}]"
    name = f.fun.name + ("*" if f.conjugate else "")
    args = ", ".join(map(index_text, f.written))
    if not f.bodies:
        return f"{name}[{args}]" if f.args else name
    bodies = [
        f"λ{variables_text(b.variables)}. {term_text(b.term)}" if b.variables else term_text(b.term) for b in f.bodies
    ]
    return f"{name}({'; '.join(bodies)})" + (f"[{args}]" if args else "")


def _tight(e: Expr) -> str:
    text = index_text(e)
    return text if e.is_Symbol or e.is_Integer else f"({text})"


def _summand(s: Summand) -> tuple[bool, str]:
    """The sign, True for minus, and the rest."""
    number, rest = s.coefficient.as_coeff_Mul()
    negative = bool(number < 0) and not s.coefficient.is_Add
    coefficient = -s.coefficient if negative else s.coefficient
    parts: list[str] = []
    if coefficient != 1:
        text = (
            re.sub(r"\|(?:Group|Points)\(name='(\w+)'[^|]*\|", r"|\1|", str(coefficient))
            .replace("**", "^")
            .replace("*", "·")
        )
        parts.append(f"({text})" if coefficient.is_Add else text)
    del rest
    if s.binders:
        parts.append(" ".join(f"Σ_{{{v.name}∈{sort_text(v.sort)}}}" for v in s.binders))
    factors = [_factor(f) for f in s.factors]
    if s.phase != 0:
        factors.append(f"ω^({index_text(s.phase)})")
    if factors:
        parts.append("·".join(factors))
    elif s.binders:
        parts.append("1")
    return negative, " ".join(parts) or "1"


def term_text(term: Term) -> str:
    """A term on one line."""
    if not term.summands:
        return "0"
    out = ""
    for position, s in enumerate(term.summands):
        negative, text = _summand(s)
        if s.binders and len(term.summands) > 1 and position < len(term.summands) - 1:
            text = f"({text})"
        out += ("−" if negative else "") + text if position == 0 else (" − " if negative else " + ") + text
    return out


def _inner_sorts(sorts: Iterable[Sort]) -> str:
    return " × ".join(map(sort_text, sorts))


def function_text(fun: Fun) -> str:
    """``x : Z_n → C``"""
    bodies = [f"({_inner_sorts(b)} → C)" if b else "C" for b in fun.bodies]
    domain = " × ".join([*bodies, *([_inner_sorts(fun.sorts)] if fun.sorts else [])])
    return f"{fun.name} : {domain} → C{', symmetric' if fun.symmetric else ''}" if domain else f"{fun.name} ∈ C"


def hypothesis_text(h: Hypothesis) -> str:
    over = [v for v in h.over if not isinstance(v, Fun)]
    functions = sorted(f.name for f in h.over if isinstance(f, Fun))
    quantified = [t for t in (variables_text(sorted(over, key=lambda v: v.name)), ", ".join(functions)) if t]
    return f"{term_text(h.lhs)} = {term_text(h.rhs)}" + (f"  for all {', '.join(quantified)}" if quantified else "")


def theorem_text(theorem: Theorem | tuple[Iterable[Hypothesis], Term, Term]) -> str:
    """Hypotheses, equation, and what everything in it ranges over."""
    hypotheses, lhs, rhs = (theorem.hypotheses, theorem.lhs, theorem.rhs) if isinstance(theorem, Theorem) else theorem
    hypotheses = sorted(hypotheses, key=hypothesis_text)
    lines = [f"if    {hypothesis_text(h)}" for h in hypotheses]
    lines.append(f"{'then  ' if hypotheses else ''}{term_text(lhs)} = {term_text(rhs)}")
    free = sorted(lhs.free | rhs.free, key=lambda v: v.name)
    functions = sorted(lhs.functions | rhs.functions, key=lambda f: f.name)
    ranges = [t for t in (variables_text(free), "; ".join(map(function_text, functions))) if t]
    return "\n".join([*lines, *(["for   " + "; ".join(ranges)] if ranges else [])])
