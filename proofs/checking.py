"""Checking a law: prove its claims, evaluate them, and see every false twin refused and refuted."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from proofs.catalogue import laws
from proofs.kernel import KernelError
from proofs.laws import AnyClaim, Claim, Grade, Law, Solved, solve
from proofs.proving import StepFailed


@dataclass(frozen=True)
class Verdict:
    """What a check of one law found.

    grade: None where it failed, or where z3 is needed and missing. problems: what went wrong, one line each. skipped: claims that could
    not be checked here, and why.
    """

    name: str
    grade: Grade | None
    problems: tuple[str, ...]
    skipped: tuple[str, ...]
    claims: int
    twins: int
    seconds: float


def check(law: Law) -> Verdict:
    """Prove and evaluate every claim of a law, and its false twins."""
    start = time.perf_counter()
    problems: list[str] = []
    skipped: list[str] = []
    twins = 0
    for claim in law.claims:
        found = _missing(claim)
        if found:
            skipped.append(f"{claim.says}: {found}")
            continue
        try:
            problems += [f"{claim.says}: {p}" for p in _problems(claim)]
        except (StepFailed, KernelError, AssertionError, ValueError) as error:
            problems.append(f"{claim.says}: {error}")
        except Exception as error:  # noqa: BLE001  (a mistake in one file must not hide the others: it is a failure, with its place)
            place = traceback.extract_tb(error.__traceback__)[-1]
            problems.append(f"{claim.says}: {type(error).__name__}: {error} ({place.filename}:{place.lineno})")
        twins += len(claim.twins)
    grade = None if problems or skipped else law.grade
    return Verdict(
        law.name, grade, tuple(problems), tuple(skipped), len(law.claims), twins, time.perf_counter() - start
    )


def _missing(claim: AnyClaim) -> str | None:
    if isinstance(claim, Solved) and solve(lambda z3: [z3.BoolVal(False)]) is None:
        return "z3 is not installed (pip install z3-solver)"
    return None


def _problems(claim: AnyClaim) -> Iterator[str]:
    if len(claim.twins) < 2:
        yield "it has fewer than two false twins"
    if isinstance(claim, Claim):
        _ = claim.theorem
        found = claim.counterexample(claim.goal())
        if found:
            yield f"proved, and false: {found}"
        for twin in claim.twins:
            claim.check_twin(twin)
        return
    held = claim.check()
    if held is not True:
        yield "it does not hold" if held is False else "z3 gave up"
    if isinstance(claim, Solved):
        yield from (
            f"the twin “{t}” has no solution: it is no near miss" for t, of in claim.twins.items() if solve(of) != "sat"
        )
    else:
        yield from (f"the twin “{t}” holds" for t, holds in claim.twins.items() if holds())


def _check_named(name: str) -> Verdict:
    return check(laws()[name])


def check_all(names: Iterable[str], workers: int = 2) -> Iterator[Verdict]:
    """Verdicts as they come, from ``workers`` processes; 1 checks in this process."""
    wanted = list(names)
    if workers <= 1 or len(wanted) <= 1:
        yield from map(_check_named, wanted)
        return
    with ProcessPoolExecutor(workers) as pool:
        for done in as_completed([pool.submit(_check_named, name) for name in wanted]):
            yield done.result()


__all__ = ["Verdict", "check", "check_all"]
