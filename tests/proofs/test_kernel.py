"""The kernel: what it refuses, what it proves, and that no guard of it is idle."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from proofs.kernel import KernelError
from proofs.kernel.rules import reflexivity
from proofs.kernel.terms import as_term
from tests.proofs.kernels import load, sources, without_guards
from tests.proofs.refusals import CASES

KERNEL = load(sources())
GUARDS = list(without_guards())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_false_step_is_refused(case: Callable[[Any], object]) -> None:
    with pytest.raises(KERNEL.KernelError):
        case(KERNEL)


@pytest.mark.parametrize(("name", "texts"), GUARDS, ids=[name for name, _ in GUARDS])
def test_no_guard_is_idle(name: str, texts: dict[str, str]) -> None:
    """With any one guard taken out, some false step passes, or fails in another way than by refusal."""
    assert noticed(load(texts)), f"{name}: every case is refused without it"


def noticed(kernel: Any) -> list[str]:
    """The cases that a kernel does not refuse."""
    out = []
    for name, case in CASES.items():
        try:
            case(kernel)
        except kernel.KernelError:
            continue
        except Exception:  # noqa: BLE001  (a weakened kernel may fail in any way: what counts is that it no longer refuses)
            pass
        out.append(name)
    return out


def test_the_real_kernel_refuses_every_case() -> None:
    assert noticed(KERNEL) == []


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_theorem_is_not_copied(how: Callable[[Any], object]) -> None:
    with pytest.raises(KernelError, match="prove it again"):
        how(reflexivity(as_term(0)))
