"""The kernel: the only code that a proof asks you to trust. Read ``indices``, then ``terms``, then ``rules``.

It trusts in turn SymPy's ``expand`` and ``det`` on integer polynomials. Everything else in ``proofs`` (tactics, printing, evaluation)
can make a proof fail, and cannot make a false one pass. The kernel guards against mistakes, and against objects that pretend to be
what they are not; code that reaches into finished objects (``object.__setattr__``, ``vars(term)[…]``, a second ``__init__``) is beyond it.
"""

from proofs.kernel.indices import (
    Cyclic,
    Group,
    Integers,
    KernelError,
    Letter,
    Points,
    Range,
    Unit,
    Var,
    Word,
    size,
)
from proofs.kernel.rules import Hypothesis, Theorem
from proofs.kernel.terms import Apply, Delta, Fun, Lambda, Summand, Term

__all__ = [
    "Apply",
    "Cyclic",
    "Delta",
    "Fun",
    "Group",
    "Hypothesis",
    "Integers",
    "KernelError",
    "Lambda",
    "Letter",
    "Points",
    "Range",
    "Summand",
    "Term",
    "Theorem",
    "Unit",
    "Var",
    "Word",
    "size",
]
