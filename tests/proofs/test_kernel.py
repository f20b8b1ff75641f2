"""The kernel: what it refuses, what it proves, and that no guard of it is idle."""

from __future__ import annotations

import ast
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from proofs.kernel import KernelError
from proofs.kernel.rules import reflexivity
from proofs.kernel.terms import as_term
from tests.proofs.kernels import load, sources, with_faults, without_guards
from tests.proofs.meanings import MEANINGS
from tests.proofs.refusals import CASES

KERNEL = load(sources())
SYMPY = {
    "Add",
    "Basic",
    "Dummy",
    "Expr",
    "Integer",
    "Matrix",
    "Mul",
    "Pow",
    "Rational",
    "Symbol",
    "expand",
    "preorder_traversal",
}
GUARDS = list(without_guards())
FAULTS = list(with_faults())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_false_step_is_refused(case: Callable[[Any], object]) -> None:
    with pytest.raises(KERNEL.KernelError):
        case(KERNEL)


@pytest.mark.parametrize(("name", "texts"), GUARDS, ids=[name for name, _ in GUARDS])
def test_no_guard_is_idle(name: str, texts: dict[str, str]) -> None:
    """With any one guard taken out, some false step passes, or fails in another way than by refusal."""
    assert noticed(load(texts)), f"{name}: every case is refused without it"


@pytest.mark.parametrize(("name", "texts"), FAULTS, ids=[name for name, _ in FAULTS])
def test_a_fault_is_noticed(name: str, texts: dict[str, str]) -> None:
    assert noticed(load(texts)), f"{name}: nothing fails"


def noticed(kernel: Any) -> list[str]:
    """The false steps that a kernel does not refuse, and the operations that give something else than they must."""
    out = []
    for name, case in CASES.items():
        try:
            case(kernel)
        except kernel.KernelError:
            continue
        except Exception:  # noqa: BLE001  (a weakened kernel may fail in any way: what counts is that it no longer refuses)
            pass
        out.append(name)
    for name, meaning in MEANINGS.items():
        try:
            right = meaning(kernel)
        except Exception:  # noqa: BLE001  (as above)
            right = False
        if right is not True:
            out.append(name)
    return out


def test_nothing_is_noticed_in_the_real_kernel() -> None:
    assert noticed(KERNEL) == []


@pytest.mark.parametrize("meaning", MEANINGS.values(), ids=MEANINGS)
def test_an_operation_gives_what_it_must(meaning: Callable[[Any], bool]) -> None:
    assert meaning(KERNEL) is True


def test_the_kernel_decides_by_integer_arithmetic_alone() -> None:
    """No simplification, no numbers in floating point, no comparison by value."""
    forbidden = {
        "simplify",
        "doit",
        "evalf",
        "nsimplify",
        "equals",
        "subs",
        "isclose",
        "allclose",
        "float",
        "complex",
        "N",
        "Float",
        "Sum",
        "summation",
    }
    for module, text in sources().items():
        tree = ast.parse(text)
        named = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | {
            n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)
        }
        imported = {
            a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "sympy" for a in n.names
        }
        assert not named & forbidden, module
        assert imported <= SYMPY, module
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, float)], module


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_theorem_is_not_copied(how: Callable[[Any], object]) -> None:
    with pytest.raises(KernelError, match="prove it again"):
        how(reflexivity(as_term(0)))
