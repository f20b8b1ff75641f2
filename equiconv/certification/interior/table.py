"""Which operation has which rule. The operations that share a rule of the certifier share one here, so that their names are written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from equiconv.certification.interior.scan import Scan
from equiconv.certification.registry import Rule, find

Transfer: TypeAlias = Callable[[Scan], Any]

_TABLE: dict[str, Transfer] = {}


def local(*names: str) -> Callable[[Transfer], Transfer]:
    """Register a rule for the operations of a certifier's rule (``"sliding.convolution"``: module and function) or for one operation (``"aten.…"``)."""

    def register(transfer: Transfer) -> Transfer:
        for name in names:
            if name in _TABLE:
                raise ValueError(
                    f"local: {name} has a rule already, in {_TABLE[name].__module__}; remove one of the two"
                )
            _TABLE[name] = transfer
        return transfer

    return register


def rule_for(target: Any, certified: bool) -> Transfer | None:
    """The rule of an operation, or None. certified: the certifier's rule covers this use of it."""
    if str(target) in _TABLE:
        return _TABLE[str(target)]
    rule = find(target)
    if rule is None or not certified:
        return None
    return _TABLE.get(name_of(rule))


def name_of(rule: Rule) -> str:
    """A certifier's rule as :func:`local` names it; empty for a user's, which says what circular shifts do, not where the border is seen."""
    package, _, module = rule.transfer.__module__.rpartition(".")
    return f"{module}.{rule.transfer.__name__}" if package == "equiconv.certification.rules" else ""


def known() -> frozenset[str]:
    """The names of every rule and operation that has a rule here."""
    return frozenset(_TABLE)
