"""An attack on the kernel's soundness: random steps of every rule, random contexts around what they prove, and every theorem evaluated in small worlds.

An :class:`Attack` is fixed by a seed, a mode (``wide`` or ``narrow``: see ``vocabularies``) and a number of rounds; no clock is read. It raises
:class:`Contradiction` at the first false thing: a theorem that fails where its hypotheses hold, an operation on terms that does not commute with
evaluation, or two terms of one key and different values.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace as altered
from typing import Any

from sympy import Expr, Integer, expand

from tests.proofs.random_terms import Costs, Kernel, Pool, Terms, in_order, vocabularies, worlds

# How often each rule is drawn: more often those that succeed more rarely.
STARTS = {
    "assume": 3,
    "coarsening": 2,
    "counting": 1,
    "discharge": 2,
    "division": 3,
    "induction": 2,
    "orthogonality": 1,
    "period": 2,
    "reordering": 3,
    "separation": 1,
    "sifting": 2,
    "substitution": 2,
    "translation": 5,
}
CONTEXTS = {
    "function_instance": 2,
    "inside": 2,
    "instance": 3,
    "plus": 1,
    "summed": 2,
    "symmetry": 1,
    "times": 2,
    "transitivity": 2,
}
OPERATIONS = ("arithmetic", "reflexivity", "substituted", "with_function")  # what the other attacks count
MOST = 300  # values that one evaluation may need: what costs more is left unevaluated
MOST_IN_THE_PLANE = 60


def drawn(rng: random.Random, weights: Mapping[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


class Contradiction(AssertionError):
    """Something false that the kernel proved or computed."""


class Steps:
    """Random applications of the rules. Starts make a theorem about a random term, contexts a theorem from a theorem; the kernel may refuse either."""

    def __init__(self, kernel: Kernel, rng: random.Random, terms: Terms) -> None:
        self.kernel, self.rng, self.terms = kernel, rng, terms

    def start(self, rule: str, term: Any, pool: Pool) -> Any:
        return getattr(self, rule)(term, pool)

    def context(self, rule: str, theorem: Any, pool: Pool) -> Any:
        return getattr(self, rule)(theorem, pool)

    # --- starts: sums --------------------------------------------------------------------------------------------------------

    def _sum(self, term: Any, pool: Pool, sorts: Iterable[Any] = ()) -> tuple[Any, Pool]:
        """One summand of the term, or mostly another one where the term sums over none of these sorts; and the variables that it sums over."""
        wanted = list(sorts)
        sums = [s for s in term.summands if s.binders]
        fitting = [s for s in sums if any(v.sort in wanted for v in s.binders)]
        if wanted and not fitting and self.rng.random() < 0.75:
            v = self.terms.variable(self.rng.choice(wanted))
            pool = [p for p in pool if p.name != v.name]
            sums = list(self.kernel.sum_over([v], self.terms.summand([*pool, v, v, v], 1, small=True)).summands)
        self.kernel.require(bool(sums), "no sum")
        s = self.rng.choice(fitting or sums)
        bound = self.rng.sample(s.binders, len(s.binders))
        return self.kernel.Term((s,)), sorted(bound, key=lambda v: v.sort not in wanted)

    def _affine(self, variables: Pool, pool: Pool) -> dict[Any, Expr]:
        """A substitution of one or two variables, which may be a bijection."""
        choice, polynomial = self.rng.choice, self.terms.polynomial
        variables = [v for v in variables if isinstance(v, self.kernel.Var)]
        self.kernel.require(bool(variables), "no integers")
        rest = [p for p in pool if p not in variables]
        if len(variables) == 1:
            (v,) = variables
            if isinstance(v.sort, self.kernel.Range) and self.rng.random() < 0.7:
                return {v: choice([v.sort.size - 1 - v, polynomial(pool)])}
            return {v: choice([1, 1, -1, 2, self.terms.m]) * v + self.terms.index(rest, v.sort)}
        a, b = variables
        first = choice([1, -1, 2, self.terms.n]) * a + choice([0, 1, -1, self.terms.m]) * b
        return {
            a: first + choice([0, polynomial(pool)]),
            b: choice([0, 1, -1]) * a + choice([1, -1, 2]) * b + polynomial(rest),
        }

    def substitution(self, term: Any, pool: Pool) -> Any:
        one, bound = self._sum(term, pool)
        return self.kernel.substitution(one, self._affine(self.terms.some(bound), pool + bound))

    def reordering(self, term: Any, pool: Pool) -> Any:
        def symmetric(t: Any) -> list[Any]:
            factors = [f for s in t.summands for f in s.factors]
            return [f for f in factors if isinstance(f, self.kernel.Apply) and f.fun.symmetric]

        found = symmetric(term) or symmetric(self.terms.tries(lambda: self.terms.application(pool, 1), 30))
        self.kernel.require(bool(found), "nothing symmetric")
        atom = self.rng.choice(found)
        own = list(atom.bodies[0].variables)
        return self.kernel.reordering(atom, self._affine(self.terms.some(own), pool + own))

    def translation(self, term: Any, pool: Pool) -> Any:
        one, bound = self._sum(
            term,
            pool,
            [s for s in self.terms.vocabulary.bound if isinstance(s, (self.kernel.Group, self.kernel.Points))],
        )
        v = next((b for b in bound if isinstance(b, self.kernel.Letter)), bound[0])
        image = self.terms.index(pool + bound, v.sort)
        if self.rng.random() < 0.75 and isinstance(v, self.kernel.Letter):  # one that is a bijection
            group = getattr(v.sort, "group", v.sort)
            rest = [p for p in pool + bound if p != v]
            image = self.terms.word(rest, group) * v
            if v.sort == group:
                image = self.rng.choice([image, image.inverse]) * self.terms.word(rest, group)
        return self.kernel.translation(one, v, image)

    def sifting(self, term: Any, pool: Pool) -> Any:
        one, bound = self._sum(term, pool)
        deltas = [f for f in one.summands[0].factors if isinstance(f, self.kernel.Delta)] if one.summands else []
        fixed = [v for v in bound if any(v in d.free for d in deltas)]
        return self.kernel.sifting(one, (fixed or bound)[0])

    def orthogonality(self, term: Any, pool: Pool) -> Any:
        one, bound = self._sum(term, pool)
        return self.kernel.orthogonality(one, bound[0])

    def counting(self, term: Any, pool: Pool) -> Any:
        one, bound = self._sum(term, pool)
        return self.kernel.counting(one, bound[0])

    def division(self, term: Any, pool: Pool) -> Any:
        n, m = self.terms.n, self.terms.m
        one, bound = self._sum(
            term, pool, [self.kernel.Range(n * m), self.kernel.Cyclic(n * m), self.kernel.Cyclic(2 * n)]
        )
        v = bound[0]
        sort = type(v.sort) if self.rng.random() < 0.9 else self.rng.choice([self.kernel.Range, self.kernel.Cyclic])
        self.kernel.require(sort in (self.kernel.Range, self.kernel.Cyclic), "nothing to divide")
        count, t = self.rng.choice([(n, m), (m, n), (2 * n, m), (n, Integer(2)), (n, Integer(1))])
        names = (self.rng.choice(["q", "q", v.name]), self.rng.choice(["r", "r", "q", v.name]))
        quotient, remainder = self.kernel.Var(names[0], sort(count)), self.kernel.Var(names[1], self.kernel.Range(t))
        return self.kernel.division(one, v, quotient, remainder)

    def period(self, term: Any, pool: Pool) -> Any:
        n, m = self.terms.n, self.terms.m
        one, bound = self._sum(term, pool, [self.kernel.Range(n), self.kernel.Range(m)])
        v, sort = bound[0], self.kernel.Cyclic(self.rng.choice([n, n, m, m, n * m]))
        return self.kernel.period(
            one, v, self.kernel.Var(self.rng.choice(["q", v.name, *self.terms.vocabulary.names]), sort)
        )

    # --- starts: deltas, hypotheses, induction -------------------------------------------------------------------------------

    def coarsening(self, term: Any, pool: Pool) -> Any:
        n, m, two, choice = self.terms.n, self.terms.m, Integer(2), self.rng.choice
        modulus = choice([n, n * m, n * m, 2 * n, n**2, Integer(0), two])
        e = self.terms.index(pool, self.kernel.Cyclic(modulus) if modulus else self.kernel.Integers())
        return self.kernel.coarsening(
            self.kernel.Delta(e, modulus), choice([n, n, m, n * m, two, Integer(0), -n, 2 * n])
        )

    def separation(self, term: Any, pool: Pool) -> Any:
        n, m = self.terms.n, self.terms.m
        e = self.terms.index(pool, self.kernel.Range(n + m - 1)) + self.rng.choice([0, 1, n, -n, -m, 1 - n - m])
        return self.kernel.separation(self.kernel.Delta(e, self.rng.choice([0, 0, 0, n]) * Integer(1)))

    def assume(self, term: Any, pool: Pool) -> Any:
        """What holds for some values of its variables: a delta, or one function at two places."""
        if self.rng.random() < 0.5:
            lhs, rhs = (
                self.terms.tries(lambda: self.terms.delta([], pool)),
                self.kernel.as_term(self.rng.choice([0, 1])),
            )
        else:
            fun = self.rng.choice([f for f in self.terms.vocabulary.functions if f.sorts and not f.bodies])
            lhs, rhs = (fun(*(self.terms.good_index(pool, s) for s in fun.sorts)) for _ in range(2))
        return self.kernel.assume(lhs, rhs, self._quantified(lhs, rhs))

    def _quantified(self, lhs: Any, rhs: Any) -> list[Any]:
        """Variables for a hypothesis to be over: of finite sorts, so that it can be evaluated."""
        finite = [v for v in in_order(lhs.free | rhs.free) if isinstance(v.sort, self.kernel.FINITE)]
        return [v for v in finite if self.rng.random() < 0.5]

    def discharge(self, term: Any, pool: Pool) -> Any:
        """A lemma, perhaps under a hypothesis of its own; what follows from its statement; the two put together."""
        if self.rng.random() < 0.5:
            lemma = self.context(self.rng.choice(["plus", "times", "symmetry"]), self.assume(term, pool), pool)
        else:
            rule = self.rng.choice([r for r in STARTS if r not in ("assume", "discharge")])
            lemma = self.terms.tries(lambda: self.start(rule, term, pool))
        theorem = self.kernel.assume(lemma.lhs, lemma.rhs, self._quantified(lemma.lhs, lemma.rhs))
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            theorem = self.terms.tries(lambda t=theorem: self.context(drawn(self.rng, CONTEXTS), t, pool), 4)
        return self.kernel.discharge(theorem, lemma)

    def induction(self, term: Any, pool: Pool) -> Any:
        """Σ_i f(i + v) does not change with v: by a shift of i, which may be the wrong one."""
        kernel, choice = self.kernel, self.rng.choice
        zn, name = kernel.Cyclic(self.terms.n), choice(self.terms.vocabulary.names)
        i, v = kernel.Var(name, zn), kernel.Var("v", choice([zn, kernel.Integers()]))
        step = kernel.Var(choice(["u", "u", "u", "v"]), choice([kernel.Unit()] * 4 + [zn]))
        body = kernel.Term(self.terms.term([p for p in pool if p.name != name] + [i], 1, small=True).summands[:1])
        shifted = kernel.substituted(body, {i: i + choice([1, 1, 1, 2, 0]) * v})
        total = kernel.sum_over([i], shifted) if self.rng.random() < 0.9 else shifted
        beyond = kernel.substituted(total, {v: v + step})
        one, bound = self._sum(beyond, pool)
        cyclic = [b for b in bound if b.sort == zn]
        kernel.require(bool(cyclic), "nothing to shift")
        back = kernel.substitution(one, {cyclic[0]: cyclic[0] - choice([1, 1, 1, 2, 0]) * step})
        return kernel.induction(back, v, step)

    # --- contexts ------------------------------------------------------------------------------------------------------------

    def _free(self, theorem: Any) -> Pool:
        return in_order(theorem.lhs.free | theorem.rhs.free)

    def plus(self, theorem: Any, pool: Pool) -> Any:
        return self.kernel.plus(theorem, self.terms.term(pool))

    def times(self, theorem: Any, pool: Pool) -> Any:
        return self.kernel.times(theorem, self.terms.summand(pool + self._free(theorem), 1, small=True))

    def symmetry(self, theorem: Any, pool: Pool) -> Any:
        return self.kernel.symmetry(theorem)

    def transitivity(self, theorem: Any, pool: Pool) -> Any:
        """With another theorem about one of the sides, or with a mere assumption about it."""
        if self.rng.random() < 0.15:
            other = self.terms.term(pool, 0, small=True)
            return self.kernel.transitivity(
                theorem, self.kernel.assume(theorem.rhs, other, self._quantified(theorem.rhs, other))
            )
        turned = self.rng.choice([theorem, self.kernel.symmetry(theorem)])
        rules = [r for r in STARTS if r not in ("assume", "coarsening", "discharge", "induction", "separation")]
        return self.kernel.transitivity(
            turned, self.terms.tries(lambda: self.start(self.rng.choice(rules), turned.rhs, pool))
        )

    def summed(self, theorem: Any, pool: Pool) -> Any:
        finite = [v for v in self._free(theorem) if isinstance(v.sort, self.kernel.FINITE)]
        return self.kernel.summed(theorem, self.terms.some(finite))

    def inside(self, theorem: Any, pool: Pool) -> Any:
        """As a body of a function that binds free variables of the theorem, where it can."""
        functions = [f for f in self.terms.vocabulary.functions if f.bodies]
        fun, free = self.rng.choice(functions), self._free(theorem)
        bodies = []
        for sorts in fun.bodies:
            own = self.terms.variables(sorts)
            own = [next((f for f in free if f.sort == v.sort and self.rng.random() < 0.8), v) for v in own]
            bodies.append(self.kernel.Lambda(tuple(own), self.terms.term(pool, 0, small=True)))
        (s,) = fun(*(self.terms.good_index(pool, sort) for sort in fun.sorts), *bodies).summands
        return self.kernel.inside(theorem, s.factors[0], self.rng.randrange(len(bodies)))

    def instance(self, theorem: Any, pool: Pool) -> Any:
        free = self._free(theorem)
        return self.kernel.instance(theorem, {v: self.terms.index(pool + free, v.sort) for v in self.terms.some(free)})

    def function_instance(self, theorem: Any, pool: Pool) -> Any:
        fun, own, value = self.value(theorem.lhs.functions | theorem.rhs.functions, pool)
        return self.kernel.function_instance(theorem, fun, own, value)

    def value(self, functions: Iterable[Any], pool: Pool) -> tuple[Any, Pool, Any]:
        """One of the functions, variables for its indices, and a term in them."""
        plain = [f for f in in_order(functions) if not f.bodies]
        self.kernel.require(bool(plain), "no function")
        fun = self.rng.choice(plain)
        own = self.terms.variables(fun.sorts)
        return fun, own, self.terms.term([p for p in pool if p.name not in {v.name for v in own}] + own, 0, small=True)


class Attack:
    """Rounds of attacks on one kernel. ``made``: for each rule, its theorems that were evaluated and whose sides differ as terms."""

    def __init__(self, kernel: Kernel, seed: int, mode: str) -> None:
        self.kernel, self.rng = kernel, random.Random(f"{mode} {seed}")
        self.steps = [Steps(kernel, self.rng, Terms(kernel, self.rng, v)) for v in vocabularies(kernel, mode)]
        self.worlds = worlds(kernel, seed + 1)
        self.costs = Costs(kernel, max(self.worlds, key=lambda w: (w.dimension == 1, sum(map(sum, w.sizes.values())))))
        self.made: Counter[str] = Counter()
        self.keys: dict[str, Any] = {}

    def run(self, rounds: int) -> Counter[str]:
        attacks = (self.theorems, self.replacement, self.instantiation, self.arithmetic, self.variants)
        shares = (6, 2, 3, 2, 2)
        for _ in range(rounds):
            steps = self.rng.choice(self.steps)
            try:
                self.rng.choices(attacks, shares)[0](steps, steps.terms.pool())
            except self.kernel.KernelError:
                self.made["refused"] += 1
        return self.made

    # --- evaluation ----------------------------------------------------------------------------------------------------------

    def agree(
        self,
        variables: Iterable[Any],
        cost: int,
        sides: Callable[[Any, Any], tuple[Any, Any] | None],
        text: Callable[[], str],
        most: int = 5,
    ) -> int:
        """The number of comparisons. ``sides``: of a world and values of the variables, the two numbers that must be equal; or none there."""
        count, ordered = 0, in_order(variables)
        for world in self.worlds if cost <= MOST else ():
            if world.dimension > 1 and cost > MOST_IN_THE_PLANE:
                continue
            if len(world.cache) > 20_000:
                world.cache.clear()
            for environment in self.kernel.assignments(world, ordered, most):
                try:
                    both = sides(world, environment)
                except ValueError as e:
                    both = (e, "a value")
                if both and both[0] != both[1]:
                    where = {f"{v.name}∈{v.sort}": x for v, x in environment.items()}
                    raise Contradiction(f"{text()}\n  at {world.sizes} {where}:\n  {both[0]} is not {both[1]}")
                count += both is not None
        return count

    def check(self, rule: str, theorem: Any) -> None:
        """The theorem, wherever its hypotheses hold."""
        lhs, rhs, hypotheses = theorem.lhs, theorem.rhs, theorem.hypotheses
        fixed = {v for h in hypotheses for v in (h.lhs.free | h.rhs.free) - h.over}

        def sides(world: Any, environment: Any) -> tuple[Any, Any] | None:
            if not all(self._holds(world, h, environment) for h in hypotheses):
                return None
            return world.evaluate(lhs, environment), world.evaluate(rhs, environment)

        cost = self.costs(lhs, rhs, *(side for h in hypotheses for side in (h.lhs, h.rhs)))
        most = 12 if hypotheses else 5
        free = lhs.free | rhs.free | fixed
        if self.agree(free, cost, sides, lambda: f"{rule}: {self.kernel.theorem_text(theorem)}", most) and lhs != rhs:
            self.made[rule] += 1

    def _holds(self, world: Any, hypothesis: Any, environment: Any) -> bool:
        for own in self.kernel.assignments(world, in_order(hypothesis.over), 10**6):
            here = {**environment, **own}
            if world.evaluate(hypothesis.lhs, here) != world.evaluate(hypothesis.rhs, here):
                return False
        return True

    # --- attacks -------------------------------------------------------------------------------------------------------------

    def theorems(self, steps: Steps, pool: Pool) -> None:
        """Theorems about one term by several rules, and contexts around one of them."""
        term, made = steps.terms.term(pool), []
        for rule in self.rng.sample(list(STARTS), 7, counts=STARTS.values()):
            with suppress(self.kernel.KernelError):
                made.append((rule, steps.start(rule, term, pool)))
        for rule, theorem in made:
            self.check(rule, theorem)
        self.kernel.require(bool(made), "no rule applies")
        theorem = self.rng.choice(made)[1]
        for _ in range(3):
            inner = theorem

            def context(inner: Any = inner) -> tuple[str, Any]:
                rule = drawn(self.rng, CONTEXTS)
                return rule, steps.context(rule, inner, pool)

            rule, theorem = steps.terms.tries(context, 4)
            self.check(rule, theorem)

    def _any_term(self, steps: Steps, pool: Pool) -> Any:
        """Every other one binds variables in the bodies of a function."""
        if self.rng.random() < 0.5:
            return steps.terms.term(pool)
        return steps.terms.application(pool, 1, binding=True)

    def replacement(self, steps: Steps, pool: Pool) -> None:
        """``substituted`` is evaluation at other values."""
        term = self._any_term(steps, pool)
        mapping = {v: steps.terms.good_index(pool, v.sort) for v in steps.terms.some(in_order(term.free), 3)}
        new = self.kernel.substituted(term, mapping)

        def sides(world: Any, environment: Any) -> tuple[Any, Any]:
            values = {v: world.element(e, v.sort, environment) for v, e in mapping.items()}
            return world.evaluate(new, environment), world.evaluate(term, {**environment, **values})

        def text() -> str:
            where = ", ".join(f"{v.name} ↦ {e}" for v, e in mapping.items())
            return f"substituted: {self.kernel.term_text(term)}, {where}, gives {self.kernel.term_text(new)}"

        count = self.agree(term.free | set(pool), self.costs(term, new), sides, text)
        self.made["substituted"] += bool(count and mapping)

    def instantiation(self, steps: Steps, pool: Pool) -> None:
        """``with_function`` is evaluation in a world where the function is the value."""
        term = self._any_term(steps, pool)
        fun, own, value = steps.value(term.functions, pool)
        new = self.kernel.with_function(term, fun, own, value)

        def sides(world: Any, environment: Any) -> tuple[Any, Any]:
            def meaning(*indices: Any) -> Any:
                return world.evaluate(value, {**environment, **dict(zip(own, indices, strict=True))})

            there = altered(world, meanings={fun.name: meaning}, cache={})
            return world.evaluate(new, environment), there.evaluate(term, environment)

        def text() -> str:
            given = f"{fun.name}({', '.join(v.name for v in own)}) = {self.kernel.term_text(value)}"
            return f"with_function: {self.kernel.term_text(term)}, {given}, gives {self.kernel.term_text(new)}"

        free = term.free | set(pool) | (value.free - set(own))
        self.made["with_function"] += bool(self.agree(free, self.costs(term, value, new), sides, text))

    def arithmetic(self, steps: Steps, pool: Pool) -> None:
        """Products, conjugates and sums of terms are those of their values."""
        a, b = steps.terms.term(pool), steps.terms.term(pool, small=True)
        finite = [v for v in in_order(a.free) if isinstance(v.sort, self.kernel.FINITE)][:1]
        product, total = self.kernel.conjugate(a) * b, self.kernel.sum_over(finite, a)

        def sides(world: Any, environment: Any) -> tuple[Any, Any]:
            x, y = world.evaluate(a, environment), world.evaluate(b, environment)
            added = world.field.number(0)
            for own in self.kernel.assignments(world, finite, 10**6):
                added = added + world.evaluate(a, {**environment, **own})
            computed = world.evaluate(product, environment), world.evaluate(total, environment)
            return computed, (x.conjugate() * y, added)

        def text() -> str:
            names = ", ".join(v.name for v in finite)
            return f"a* · b, and the sum of a over {names}: {self.kernel.term_text(a)}; {self.kernel.term_text(b)}"

        self.made["arithmetic"] += bool(self.agree(a.free | b.free, self.costs(a, b, product, total), sides, text))

    def variants(self, steps: Steps, pool: Pool) -> None:
        """Terms that resemble one another: those of one key are equal, by reflexivity."""
        term = steps.terms.term(pool, small=True)
        for one in [term, *self._variants(term)]:
            other = self.keys.setdefault(one.key, one)
            if other.summands != one.summands:
                theorem = self.kernel.transitivity(self.kernel.reflexivity(other), self.kernel.reflexivity(one))
                sides = lambda w, env, a=other, b=one: (w.evaluate(a, env), w.evaluate(b, env))  # noqa: E731
                text = lambda theorem=theorem: f"reflexivity: {self.kernel.theorem_text(theorem)}"  # noqa: E731
                count = self.agree(other.free | one.free, self.costs(other, one), sides, text)
                self.made["reflexivity"] += bool(count)

    def _variants(self, term: Any) -> Iterator[Any]:
        """One thing changed in one summand: the order of the sum, a sign, a name."""
        kernel = self.kernel
        for s in term.summands:
            binders = tuple(self.rng.sample(s.binders, len(s.binders)))
            changes: list[dict[str, Any]] = [{"binders": binders}, {"phase": -s.phase}]
            for p, f in enumerate(s.factors):
                with suppress(kernel.KernelError):
                    changes.append({"factors": (*s.factors[:p], self._resembling(f), *s.factors[p + 1 :])})
            for change in changes:
                with suppress(kernel.KernelError):
                    yield kernel.Term((altered(s, **change),))
            body, inner = kernel.Term((altered(s, binders=()),)), in_order(s.inner)[:3]
            for a, b in ((a, b) for a, b in itertools.permutations(inner, 2) if a.sort == b.sort):
                mapping = self.rng.choice([{a: b, b: a}, {a: b}])
                with suppress(kernel.KernelError):
                    new = kernel.substituted(body, {v: kernel.as_index(w) for v, w in mapping.items()})
                    yield kernel.sum_over(self.rng.choice([binders, s.binders]), new)

    def _resembling(self, factor: Any) -> Any:
        if isinstance(factor, self.kernel.Apply):
            return altered(factor, conjugate=not factor.conjugate)
        e = factor.index + self.rng.choice([1, self.kernel.size("n"), -2 * factor.index])
        return self.kernel.Delta(expand(e), factor.modulus)
