"""Scripts: how a theorem file says its proof. Untrusted: each tactic asks the kernel for a theorem and chains it to the one before.

A script works on the left side of a goal, or on ``p.right``, until both are the same::

    def script(p: Proof) -> None:
        p.reindex({i: i + j}, "count from j on")
        p.rewrite(hypothesis, {k: j})

Bound variables are named by the same objects as when they were bound; a name that was taken has got a prime (``prime(j)``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sympy import Expr, Integer, expand

from proofs.kernel import Apply, Delta, Fun, Hypothesis, KernelError, Letter, Summand, Term, Theorem, Var, rules
from proofs.kernel.indices import Variable, as_index, integral, variables_of
from proofs.kernel.terms import substituted
from proofs.printing import index_text, term_text

Local: TypeAlias = Callable[[Summand], Theorem | None]


class StepFailed(Exception):
    """A step of a script that the kernel refused, or that found nothing to act on."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step, self.reason = step, reason


@dataclass(frozen=True)
class Goal:
    """What is to be proved: hypotheses ⊢ lhs = rhs. ``hypotheses`` are theorems made by :func:`assume`."""

    lhs: Term
    rhs: Term
    hypotheses: tuple[Theorem, ...] = ()

    @property
    def assumed(self) -> frozenset[Hypothesis]:
        return frozenset().union(*(h.hypotheses for h in self.hypotheses))


@dataclass(frozen=True)
class Step:
    """One line of a proof: the side it works on, what it does, the rule behind it, and the term that results.

    start, inner: a proof within the proof, from ``start`` on (what an induction shows of one step, or the way back from an insertion).
    """

    side: str
    says: str
    rule: str
    result: Term
    start: Term | None = None
    inner: tuple[Step, ...] = ()


def alone(s: Summand) -> Term:
    return Term((s,))


def prime(v: Var, times: int = 1) -> Var:
    """The variable that took the place of a bound one whose name was taken."""
    return Var(v.name + "′" * times, v.sort)


@dataclass
class Side:
    """One side of the goal, and the theorem that connects where it began with where it is."""

    name: str
    theorem: Theorem
    steps: list[Step]
    hypotheses: tuple[Theorem, ...] = ()

    @property
    def term(self) -> Term:
        return self.theorem.rhs

    # --- tactics ---------------------------------------------------------------------------------------------------------

    def reindex(self, mapping: Mapping[Var, Any], says: str = "") -> None:
        """A unimodular substitution in every sum, and every symmetric function, over the variables of ``mapping``."""
        text = ", ".join(f"{v.name} → {index_text(expand(e))}" for v, e in mapping.items() if expand(e - v) != 0)
        self._everywhere(says or f"substitute {text}", f"substitution {text}", _reindexing(mapping))

    def translate(self, v: Letter, value: Any, says: str = "") -> None:
        """g → a·g·b in every sum over the group element, or point, g."""
        text = f"{v.name} → {index_text(as_index(value))}"
        self._everywhere(
            says or f"substitute {text}", f"translation {text}", _over(v, lambda t: rules.translation(t, v, value))
        )

    def sift(self, v: Var, says: str = "") -> None:
        """Σ_v δ(v − e)·f(v) = f(e)"""
        self._everywhere(
            says or f"only one {v.name} counts", f"sifting {v.name}", _over(v, lambda t: rules.sifting(t, v))
        )

    def orthogonality(self, v: Var, says: str = "") -> None:
        """Σ_v ω^{v·e/N} = |N|·δ_N(e)"""
        self._everywhere(
            says or f"sum the character over {v.name}",
            f"orthogonality {v.name}",
            _over(v, lambda t: rules.orthogonality(t, v)),
        )

    def count(self, v: Variable, says: str = "") -> None:
        """A sum whose body does not depend on v."""
        self._everywhere(
            says or f"nothing depends on {v.name}", f"counting {v.name}", _over(v, lambda t: rules.counting(t, v))
        )

    def divide(self, v: Var, quotient: Var, remainder: Var, says: str = "") -> None:
        """v = t·quotient + remainder"""
        rule = f"division {v.name} = t·{quotient.name} + {remainder.name}"
        self._everywhere(
            says or "divide with remainder", rule, _over(v, lambda t: rules.division(t, v, quotient, remainder))
        )

    def wrap(self, v: Var, around: Var, says: str = "") -> None:
        """A sum over 0, …, N−1 is a sum over Z_N."""
        self._everywhere(
            says or f"{v.name} runs once around", f"period {v.name}", _over(v, lambda t: rules.period(t, v, around))
        )

    def coarsen(self, t: Expr, says: str = "") -> None:
        """What is a multiple of N is one of t, where t divides N: each such δ_N(e) gets a factor δ_t(e)."""

        def local(s: Summand) -> Theorem | None:
            for position, f in enumerate(s.factors):
                if isinstance(f, Delta) and f.modulus != t and integral(f.modulus / t):
                    return _in_context(rules.coarsening(f, t), s, {position})
            return None

        self._everywhere(says or f"a multiple of the modulus is one of {t}", f"coarsening to {t}", local)

    def separate(self, says: str = "the index leaves the range") -> None:
        """Every delta over the integers whose index is never 0 is 0."""

        def local(s: Summand) -> Theorem | None:
            for position, f in enumerate(s.factors):
                if isinstance(f, Delta) and f.modulus == 0:
                    try:
                        zero = rules.separation(f)
                    except KernelError:
                        continue  # this one may be 1: it stays
                    return _in_context(zero, s, {position})
            return None

        self._everywhere(says, "separation", local)

    def rewrite(
        self,
        theorem: Theorem,
        at: Mapping[Variable, Any] | None = None,
        functions: Mapping[Fun, tuple[Sequence[Variable], Term]] | None = None,
        says: str = "",
        backwards: bool = False,
    ) -> None:
        """Replace the left side of an instance of ``theorem`` (one summand) by its right side, wherever it occurs."""

        def instance() -> Theorem:
            made = theorem
            for fun, (variables, value) in (functions or {}).items():
                made = rules.function_instance(made, fun, variables, value)
            made = rules.instance(made, at or {})
            return rules.symmetry(made) if backwards else made

        rule = "hypothesis" if theorem in self.hypotheses else "theorem"
        label = says or ("by hypothesis" if rule == "hypothesis" else "by a theorem proved before")
        made = self._attempt(label, instance)
        sought = term_text(made.lhs)
        self._everywhere(label, rule, lambda s: _rewritten(s, made), what=f"{sought} does not occur in")

    def become(self, term: Term, script: Callable[[Side], None], says: str) -> None:
        """Go to ``term``, from which ``script`` leads back to where we are (to insert a sum over a delta, for example)."""
        detour = Side(self.name, rules.reflexivity(term), [], self.hypotheses)
        script(detour)
        rule = " and ".join(s.rule for s in detour.steps) + ", read backwards"
        made = self._attempt(says, lambda: rules.transitivity(self.theorem, rules.symmetry(detour.theorem)))
        self._extend(says, rule, made, term, detour.steps)

    def induct(
        self, family: Term, v: Var, step: Var, value: Any, script: Callable[[Side], None], says: str = ""
    ) -> None:
        """``family`` at v = ``value`` is where we are; ``script`` shows family(v + step) = family(v); go to family(0)."""

        says = says or f"induction along {v.name}, in steps of {step.name}"
        after = substituted(family, {v: expand(v + step)})
        one = Side(self.name, rules.reflexivity(after), [], self.hypotheses)
        script(one)
        made = self._attempt(says, lambda: rules.instance(rules.induction(one.theorem, v, step), {v: value}))
        self._everywhere(says, f"induction {v.name}", lambda s: _rewritten(s, made), after, one.steps)

    # --- how a step is made ------------------------------------------------------------------------------------------------

    def _attempt(self, says: str, make: Callable[[], Theorem]) -> Theorem:
        try:
            return make()
        except KernelError as error:
            here = term_text(self.term)
            reason = str(error) if here in str(error) else f"{error} (in {here})"
            raise StepFailed(f"{self.name} side, step {len(self.steps) + 1}: {says}", reason) from error

    def _everywhere(
        self,
        says: str,
        rule: str,
        local: Local,
        start: Term | None = None,
        inner: Sequence[Step] = (),
        what: str = "there is nothing that it applies to in",
    ) -> None:
        found = self._attempt(says, lambda: everywhere(self.term, local) or _nothing(f"{what} {term_text(self.term)}"))
        self._extend(says, rule, self._attempt(says, lambda: rules.transitivity(self.theorem, found)), start, inner)

    def _extend(
        self, says: str, rule: str, theorem: Theorem, start: Term | None = None, inner: Sequence[Step] = ()
    ) -> None:
        self.theorem = theorem
        self.steps.append(Step(self.name, says, rule, theorem.rhs, start, tuple(inner)))


@dataclass
class Proof:
    """A proof under way: the tactics of the left side, ``right`` for the other, and ``hypotheses`` to rewrite with."""

    goal: Goal
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = Side("left", rules.reflexivity(self.goal.lhs), self.steps, self.goal.hypotheses)
        self.right = Side("right", rules.reflexivity(self.goal.rhs), self.steps, self.goal.hypotheses)

    @property
    def hypotheses(self) -> tuple[Theorem, ...]:
        return self.goal.hypotheses

    def __getattr__(self, name: str) -> Any:
        return getattr(self.left, name)

    def close(self) -> Theorem:
        """The theorem, where both sides have come to the same term."""
        try:
            theorem = rules.transitivity(self.left.theorem, rules.symmetry(self.right.theorem))
        except KernelError as error:
            reason = f"{term_text(self.left.term)} is not {term_text(self.right.term)}"
            raise StepFailed("close: both sides are the same", reason) from error
        if not theorem.hypotheses <= self.goal.assumed or theorem.lhs != self.goal.lhs or theorem.rhs != self.goal.rhs:
            raise StepFailed("close", "what was proved is not the goal")
        return theorem


def prove(goal: Goal, script: Callable[[Proof], None]) -> tuple[Theorem, list[Step]]:
    """Run a script. Raises :class:`StepFailed`, which names the step."""
    proof = Proof(goal)
    script(proof)
    return proof.close(), proof.steps


# --- congruence: a local equation, put back in its place ------------------------------------------------------------------------


def everywhere(term: Term, local: Local) -> Theorem | None:
    """term = term′, ``local`` applied to every summand, or else inside the bodies of its functions; None where it applies nowhere."""
    total, changed = rules.reflexivity(Term(())), False
    for s in term.summands:
        theorem = local(s) or _in_bodies(s, local)
        changed = changed or theorem is not None
        theorem = theorem or rules.reflexivity(alone(s))
        both = rules.transitivity(rules.plus(total, theorem.lhs), rules.plus(theorem, total.rhs))
        total = _written_as(both, total.rhs + theorem.rhs)
    return total if changed else None


def _written_as(theorem: Theorem, term: Term) -> Theorem:
    """The same theorem, its right side in the order of an equal term: what does not change keeps its place on the page."""
    return rules.transitivity(theorem, rules.reflexivity(term))


def _nothing(why: str) -> Theorem:
    raise KernelError(why)


def _in_bodies(s: Summand, local: Local) -> Theorem | None:
    """The first function in s whose body changes."""
    theorem: Theorem | None = None
    current = s
    for position, f in enumerate(s.factors):
        if not isinstance(f, Apply):
            continue
        for number, body in enumerate(f.bodies):
            inner = everywhere(body.term, local)
            if inner is not None:
                here = current.factors[position]
                assert isinstance(here, Apply)
                made = _in_context(rules.inside(inner, here, number), current, {position})
                theorem = made if theorem is None else rules.transitivity(theorem, made)
                current = theorem.rhs.summands[0]
                if len(theorem.rhs.summands) != 1 or len(current.factors) != len(s.factors):
                    return theorem
    return theorem


def _in_context(
    theorem: Theorem,
    s: Summand,
    positions: set[int],
    coefficient: Expr | None = None,
    bound: Sequence[Variable] = (),
    phase: Expr | None = None,
) -> Theorem:
    """``theorem`` about the factors of s at ``positions``, multiplied by the rest of s and summed over its binders."""
    rest = tuple(f for p, f in enumerate(s.factors) if p not in positions)
    frame = Summand(
        s.coefficient if coefficient is None else coefficient, (), rest, s.phase if phase is None else phase
    )
    outer = [v for v in s.binders if v not in bound]
    made = rules.times(theorem, alone(frame))
    made = rules.summed(made, outer) if outer else made
    before = len([p for p in range(min(positions, default=0)) if p not in positions])
    return _written_as(made, Term(tuple(_in_place(r, len(rest), before) for r in made.rhs.summands)))


def _in_place(s: Summand, rest: int, before: int) -> Summand:
    """Factors that stand first, and belong after the first ``before`` of the last ``rest``, put there."""
    new = len(s.factors) - rest
    if new <= 0:  # a factor became 1
        return s
    kept = s.factors[new:]
    return Summand(s.coefficient, s.binders, (*kept[:before], *s.factors[:new], *kept[before:]), s.phase)


def _over(v: Variable, rule: Callable[[Term], Theorem]) -> Local:
    return lambda s: rule(alone(s)) if v in s.binders else None


def _reindexing(mapping: Mapping[Var, Any]) -> Local:
    def local(s: Summand) -> Theorem | None:
        if set(mapping) <= set(s.binders):
            return rules.substitution(alone(s), mapping)
        for position, f in enumerate(s.factors):
            if isinstance(f, Apply) and f.fun.symmetric and set(mapping) <= set(f.bodies[0].variables):
                return _in_context(rules.reordering(f, mapping), s, {position})
        return None

    return local


def _rewritten(s: Summand, theorem: Theorem) -> Theorem | None:
    """s = s′ by an equation whose left side is a product of some of its factors, summed over some of its binders."""
    if len(theorem.lhs.summands) != 1:
        raise KernelError("only an equation whose left side is one summand can be used to rewrite")
    pattern = theorem.lhs.summands[0]
    candidates = [[v for v in s.binders if v.sort == b.sort] for b in pattern.binders]
    for chosen in itertools.product(*candidates):
        if len(set(chosen)) < len(chosen):
            continue
        renaming = {b: as_index(v) for b, v in zip(pattern.binders, chosen, strict=True)}
        body = substituted(Term((Summand(Integer(1), (), pattern.factors, pattern.phase),)), renaming).summands[0]
        positions = _embedding(body, s)
        if positions is None:
            continue
        rest_phase = expand(s.phase - body.phase)
        rest = [f for p, f in enumerate(s.factors) if p not in positions]
        if any(v in f.free for v in chosen for f in rest) or variables_of(rest_phase) & set(chosen):
            continue
        made = _in_context(theorem, s, positions, expand(s.coefficient / pattern.coefficient), chosen, rest_phase)
        if made.lhs == alone(s):
            return made
    return None


def _embedding(pattern: Summand, s: Summand) -> set[int] | None:
    """Positions in s of factors equal to those of the pattern."""
    taken: set[int] = set()
    for f in pattern.factors:
        wanted = alone(Summand(Integer(1), (), (f,), Integer(0)))
        match = next(
            (
                p
                for p, g in enumerate(s.factors)
                if p not in taken and alone(Summand(Integer(1), (), (g,), Integer(0))) == wanted
            ),
            None,
        )
        if match is None:
            return None
        taken.add(match)
    return taken


__all__ = ["Goal", "Proof", "Side", "Step", "StepFailed", "everywhere", "prime", "prove"]
