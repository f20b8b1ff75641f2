"""Proof checking: what a certificate says of a network, checked step by step and not derived anew.

A certificate claims a state of every tensor. Each claim must follow from the claims of its operands by the one rule of its operation, and the verdict
must follow from the claims of the outputs. Nothing in the file is believed on the way: the graph, the weights, the rules and the theorems are those at
hand, and what cannot be checked is listed as taken on trust.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from equiconv.certification.certificate import Certificate, Claim
from equiconv.certification.certify import (
    assemble,
    call_of,
    carriers,
    check_leaves,
    check_model,
    check_numbers,
    layouts,
)
from equiconv.certification.checker import CheckReport, squares
from equiconv.certification.derivation import Derivation, derive
from equiconv.certification.opening import captured
from equiconv.certification.records import read
from equiconv.certification.refutation import REAL, refute
from equiconv.certification.states import Digit, Factor, Signal, canonical, forget
from equiconv.graph import Fingerprint, Graph, Node, SourceLine, fingerprint, has_values, wrapped

#: Fields that an own check covers, or that nothing at hand could contradict.
_APART = {"claims", "refutations", "measured", "notes", "versions", "fingerprint", "model"}
_SHOWN = 4


@dataclass(frozen=True)
class Check:
    """One check of a verification: what was checked, whether it holds (None where it could not be checked), and what was found."""

    name: str
    holds: bool | None
    found: tuple[str, ...]

    def __str__(self) -> str:
        state = {True: "holds", False: "FAILS", None: "not checked"}[self.holds]
        more = len(self.found) - _SHOWN
        lines = [*self.found[:_SHOWN], *([f"… and {more} more"] if more > 0 else [])]
        return f"  {self.name:<12} {state:<12} " + f"\n{'':<28}".join(lines)


@dataclass(frozen=True)
class Verification:
    """What checking a certificate as a proof found. True as a condition when no check failed.

    checks: in order. squares: the claims run on an input, or None. on_trust: what the certificate says and nothing here checked.
    """

    checks: tuple[Check, ...]
    squares: CheckReport | None
    on_trust: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.checks) and all(check.holds is not False for check in self.checks)

    def __getitem__(self, name: str) -> Check:
        return next(check for check in self.checks if check.name == name)

    @property
    def failures(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(check.name for check in self.checks if check.holds is False)

    def __str__(self) -> str:
        head = (
            "verified: every step of the certificate holds of this network"
            if self
            else f"REFUSED: {', '.join(self.failures)}"
        )
        trust = [f"  {'on trust':<12} {'':<12} {text}" for text in self.on_trust]
        return "\n".join([head, *map(str, self.checks), *trust])


def verify(
    certificate: Certificate | str | os.PathLike[str],
    model: torch.nn.Module,
    x: Any = None,
    run: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Verification:
    """Check a certificate as a proof about ``model``: one pass over the graph, a rule a step.

    Parameters
    ----------
    certificate: a certificate, or the path of a saved one, whose digest is then checked too.
    model: the network that it is said to be of.
    x: an input of the certificate's shapes and dtypes (a tensor, a tuple or a dict of keyword arguments); by default standard normal noise.
    run: also run the claims on the input, as :func:`check` does, and repeat the refutations that make the certificate exact.
    progress: called with a line of text as the work goes on.

    Returns
    -------
    Verification: ``digest`` (of a file), ``graph``, ``weights``, ``steps``, ``verdict``, ``refutations`` and ``squares``, each with what was found.

    Raises
    ------
    ValueError: a file that is no certificate, inputs of other shapes or dtypes, a model that cannot be captured.

    Examples
    --------
    >>> import torch, equiconv as eq
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), torch.nn.ReLU()).eval()
    >>> certificate = eq.certify(net, torch.randn(1, 1, 8, 8))
    >>> bool(certificate.verify(net)), bool(certificate.verify(net[:1].eval()))
    (True, False)
    """
    say = progress or (lambda _text: None)
    checks: list[Check] = []
    if not isinstance(certificate, Certificate):
        certificate, untouched = read(certificate)
        checks.append(
            Check(
                "digest",
                untouched,
                ("the file is as it was saved" if untouched else "the file was edited after it was saved",),
            )
        )
    generic = certificate.weights == "generic"
    check_model(model)
    args, kwargs = call_of(_example(certificate, model) if x is None else x)
    check_leaves(args, kwargs)
    _require_inputs(certificate, pytree.tree_leaves((args, kwargs)))
    say("capturing the graph")
    graph = captured(model, args, kwargs)
    leaves = graph.flatten(args, kwargs)
    check_numbers(graph, leaves, generic)
    ours = fingerprint(graph, generic)
    checks += [_graph(certificate, ours), _weights(certificate, ours)]
    if checks[-2].holds is False:
        return Verification(tuple(checks), None, ("nothing: the claims of another graph were not looked at",))
    say("checking every step")
    try:
        carried = carriers(graph, leaves, certificate.axes)
    except ValueError as error:
        checks.append(Check("steps", False, (str(error),)))
        return Verification(tuple(checks), None, ())
    steps = _Steps(certificate, graph, carried[0])
    shape, moved, _ = carried
    if shape != certificate.shape:
        checks.append(Check("steps", False, (f"shape: {certificate.shape} in the certificate, {shape} follows",)))
        return Verification(tuple(checks), None, ())
    circular = certificate.padding == "circular"
    checked = derive(graph, shape, moved, circular, generic, steps.accept)
    wrapping = checked if circular else derive(graph, shape, moved, True, generic)
    expected = assemble(
        model, graph, leaves, certificate.axes, carried, checked, wrapping, certificate.padding, certificate.weights
    )
    checks.append(steps.check(expected))
    verdict, trust = _verdict(certificate, expected)
    checks += [verdict, _refutations(certificate)]
    if not run:
        return _verification(certificate, checks, None, trust)
    if not all(map(has_values, [*leaves, *graph.state.values()])):
        checks.append(Check("squares", None, ("tensors on the meta device have no values to run",)))
        return _verification(certificate, checks, None, trust)
    override = {n: wrapped(graph[n], w.dims) for n, w in wrapping.wrapped.items()} if circular else None
    say("running every claim")
    claims = [c for c in certificate.claims if (c.node, c.result) in steps.runnable]
    report = squares(graph, leaves, moved, shape, claims, override)
    checks.append(Check("squares", not report.violations if report.claims else None, (str(report),)))
    if checks[-2].holds and certificate.refutations:
        say("repeating the refutations")
        checks[-2] = _repeated(certificate, graph, leaves, moved, checked, wrapping, override)
    return _verification(certificate, checks, report, trust)


# Inputs -----------------------------------------------------------------------------------------------------------------


def _example(certificate: Certificate, model: Any) -> tuple[Tensor, ...]:
    """Noise of the certificate's shapes and dtypes, where the model lies."""
    dtypes = [getattr(torch, name, None) for name in certificate.input_dtypes]
    if not all(isinstance(d, torch.dtype) and d.is_floating_point for d in dtypes):
        raise ValueError(
            f"x: the certificate is for inputs of the dtypes {', '.join(certificate.input_dtypes)}, of which not every draw is an input; pass one"
        )
    device = next((p.device for p in getattr(model, "parameters", tuple)()), None)
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(shape, generator=generator, dtype=torch.float64).to(device=device, dtype=dtype)
        for shape, dtype in zip(certificate.input_shapes, dtypes, strict=True)
    )


def _require_inputs(certificate: Certificate, leaves: Sequence[Any]) -> None:
    tensors = [v for v in leaves if isinstance(v, Tensor)]
    found = [(tuple(v.shape), str(v.dtype).removeprefix("torch.")) for v in tensors]
    wanted = list(zip(certificate.input_shapes, certificate.input_dtypes, strict=True))
    if found != wanted:
        raise ValueError(
            f"x: has the shapes and dtypes {found}, the certificate is for {wanted}; pass such inputs, or certify anew"
        )


# The network ------------------------------------------------------------------------------------------------------------


def _graph(certificate: Certificate, ours: Fingerprint) -> Check:
    theirs = certificate.fingerprint
    if theirs is None:
        return Check("graph", None, ("the certificate holds no hash of a graph",))
    if theirs.nodes == ours.nodes:
        if theirs.structure != ours.structure:
            return Check(
                "graph", False, ("the hash of the structure is not that of the graph it comes with: it was edited",)
            )
        return Check("graph", True, (f"the network is the one certified (sha256 {ours.nodes[:16]}…)",))
    then, now = dict(certificate.versions).get("torch", "of an unknown version"), torch.__version__
    if theirs.structure == ours.structure:
        why = "a module was renamed" if then == now else f"torch {then} named them, and this is torch {now}"
        return Check("graph", False, (f"the same operations under other names ({why}): certify anew",))
    other = "" if then == now else f"; or the same, as torch {then} exported it, and this is torch {now}"
    return Check(
        "graph",
        False,
        (f"another architecture (sha256 {ours.nodes[:16]}…, certified was {theirs.nodes[:16]}…){other}",),
    )


def _weights(certificate: Certificate, ours: Fingerprint) -> Check:
    theirs = certificate.fingerprint
    if theirs is None:
        return Check("weights", None, ("the certificate holds no hash of the weights",))
    if certificate.weights == "generic":
        if theirs.parameters is not None:
            return Check("weights", False, ("a certificate for any weights has no hash of weights: it was edited",))
        same = theirs.constants == ours.constants
        return Check(
            "weights",
            True,
            ("it holds for any weights" + ("" if same else "; the buffers or constants hold other values than then"),),
        )
    differ = [name for name in ("parameters", "constants") if getattr(theirs, name) != getattr(ours, name)]
    if not differ:
        named = (ours.parameters or "no values")[:16]
        return Check("weights", True, (f"the weights, buffers and constants are those certified (sha256 {named}…)",))
    words = {"parameters": "the parameters", "constants": "the buffers or constants"}
    return Check(
        "weights",
        False,
        (
            f"other weights: {' and '.join(words[d] for d in differ)} differ from those certified (another seed, or another checkpoint?)",
        ),
    )


# Steps ------------------------------------------------------------------------------------------------------------------


class _Steps:
    """The claims, put in place of what a derivation finds, each after it was seen to follow."""

    def __init__(self, certificate: Certificate, graph: Graph, shape: tuple[int, ...]) -> None:
        self.certificate, self.graph, self.shape = certificate, graph, shape
        self.claims: dict[tuple[str, int | None], Claim] = {}
        self.wrong: list[str] = []
        self.missing: list[str] = []
        self.runnable: set[tuple[str, int | None]] = set()
        for claim in certificate.claims:
            if (claim.node, claim.result) in self.claims:
                self.wrong.append(f"{_place(claim)}: is claimed twice")
            self.claims[claim.node, claim.result] = claim
        self.steps = 0

    def accept(self, node: Node, state: Any) -> Any:
        """The claim of a node, where its state follows from the claims before it; else what does follow, so that one fault is reported once."""
        if isinstance(state, Signal):
            return self._accept(node, None, state)
        if isinstance(state, (list, tuple)):
            return [self._accept(node, i, s) if isinstance(s, Signal) else s for i, s in enumerate(state)]
        return state

    def _accept(self, node: Node, result: int | None, state: Signal) -> Signal:
        self.steps += 1
        claim = self.claims.get((node.name, result))
        label = node.name if result is None else f"{node.name}[{result}]"
        if claim is None:
            self.wrong.append(
                f"{label} ({node.operation}): its claim is missing; {_state(state)} follows from its operands"
            )
            return state
        if claim.state.shape == state.shape:
            self.runnable.add((node.name, result))
        if not follows(claim.state, state, self.shape):
            self.wrong.append(
                f"{_place(claim)}: claims {_state(claim.state)}, and from its operands {_state(state)} follows [{claim.theorem or 'by definition'}]"
            )
            return state
        return claim.state

    def check(self, expected: Certificate) -> Check:
        """Every claim follows, none is missing or of nothing, and each names its own operation, module and theorem."""
        due = {(c.node, c.result): c for c in expected.claims}
        wrong = list(self.wrong)
        for key, claim in self.claims.items():
            if key not in due:
                wrong.append(f"{_place(claim)}: no tensor of this graph depends on the input under that name")
                continue
            wrong.extend(differences(replace(due[key], state=claim.state), claim, _place(claim)))
        if wrong:
            return Check("steps", False, tuple(wrong))
        return Check(
            "steps",
            True,
            (f"{self.steps} claims, and each follows from those of its operands by its operation's rule",),
        )


def follows(claimed: Signal, derived: Signal, shape: Sequence[int]) -> bool:
    """True where the claim is what was derived, or that restricted to a smaller subgroup: what holds of K holds of every subgroup of K.

    >>> from equiconv.certification.states import Still, Window
    >>> from fractions import Fraction
    >>> roll, still = (Window(8, 0, Fraction(1), 8),), (Still(8),)
    >>> follows(Signal((2,), (roll,)), Signal((1,), (roll,)), (8,)), follows(Signal((8,), (still,)), Signal((1,), (roll,)), (8,))
    (True, True)
    >>> follows(Signal((1,), (roll,)), Signal((2,), (roll,)), (8,)), follows(Signal((2,), (still,)), Signal((2,), (roll,)), (8,))
    (False, False)
    """
    if claimed == derived:
        return _blamed(claimed.dims) == _blamed(derived.dims)
    smaller = all(c % d == 0 and n % c == 0 for c, d, n in zip(claimed.strides, derived.strides, shape, strict=True))
    if not smaller or len(claimed.dims) != len(derived.dims):
        return False
    for ours, theirs in zip(claimed.dims, derived.dims, strict=True):
        restricted = canonical(theirs, claimed.strides, shape)
        # Where a window was cut from is known besides its action; a claim may leave that out.
        if ours not in (theirs if claimed.strides == derived.strides else restricted, restricted, forget(restricted)):
            return False
        if _blamed([ours]) != _blamed([restricted]):
            return False
    return True


def _blamed(dims: Iterable[Sequence[Factor]]) -> list[str | None]:
    """The nodes that digits blame for their cut: no part of the action, and the obstacles name them."""
    return [factor.node for dim in dims for factor in dim if isinstance(factor, Digit)]


def _place(claim: Claim) -> str:
    return f"{claim.node if claim.result is None else f'{claim.node}[{claim.result}]'} ({claim.operation})"


def _state(state: Signal) -> str:
    return f"{list(state.strides)} {state}"


# The verdict ------------------------------------------------------------------------------------------------------------


def _verdict(certificate: Certificate, expected: Certificate) -> tuple[Check, list[str]]:
    """Strides, kind, outputs, potential and obstacles, as they follow from the claims, beside what the certificate says."""
    wrong: list[str] = []
    trust: list[str] = []
    for f in dataclasses.fields(Certificate):
        if f.name not in _APART:
            wrong += differences(getattr(expected, f.name), getattr(certificate, f.name), f.name)
    # Source lines move when a comment is added above them, and their folder is the machine's: they name a place and prove nothing.
    moved = [text for text in wrong if ".source" in text.split(":")[0]]
    wrong = [text for text in wrong if text not in moved]
    if moved:
        trust.append(f"{len(moved)} source lines, which are others here: {moved[0]}")
    if missing := [note for note in expected.notes if note not in certificate.notes]:
        wrong.append(f"notes: lacks {missing[0]!r}")
    if extra := [note for note in certificate.notes if note not in expected.notes]:
        trust.append(f"notes: {'; '.join(extra)}")
    if certificate.model != expected.model:
        trust.append(f"the name of the model's class, {certificate.model}; here it is {expected.model}")
    if wrong:
        return Check("verdict", False, tuple(wrong)), trust
    words = (
        f"{certificate.kind}, {certificate.strides}: follows from the claims of the outputs; "
        f"so do the obstacles ({len(certificate.obstacles)}) and the potential"
    )
    return Check("verdict", True, (words,)), trust


def differences(expected: Any, given: Any, where: str) -> Iterator[str]:
    """Where two values of a certificate differ, by field.

    >>> list(differences((1, (2, 3)), (1, (2, 4)), "strides"))
    ['strides[1][1]: 4 in the certificate, 3 follows']
    """
    if type(expected) is type(given) and dataclasses.is_dataclass(expected) and not isinstance(expected, SourceLine):
        for f in dataclasses.fields(expected):
            yield from differences(getattr(expected, f.name), getattr(given, f.name), f"{where}.{f.name}")
    elif isinstance(expected, tuple) and isinstance(given, tuple):
        if len(expected) != len(given):
            yield f"{where}: {len(given)} entries in the certificate, {len(expected)} follow"
        else:
            for i, (a, b) in enumerate(zip(expected, given, strict=True)):
                yield from differences(a, b, f"{where}[{i}]")
    elif isinstance(expected, SourceLine) and isinstance(given, SourceLine):
        if (expected.line, expected.code, expected.function) != (given.line, given.code, given.function):
            yield f"{where}: {given} in the certificate, {expected} follows"
    elif expected != given:
        yield f"{where}: {_shown(given)} in the certificate, {_shown(expected)} follows"


def _shown(value: Any) -> str:
    """A plain value as it is. The text of anything else may rest on invariants that a forged one breaks."""
    plain = value is None or isinstance(value, (str, int, float, Fraction, SourceLine))
    return str(value) if plain else f"a {type(value).__name__}"


# Refutations ------------------------------------------------------------------------------------------------------------


def _refutations(certificate: Certificate) -> Check:
    """The tries are those that the subgroup asks for, and each says what its numbers do."""
    tries = certificate.refutations
    if tries is None:
        return Check("refutations", None, ("larger subgroups were not tried",))
    if certificate.kind == "undecided":
        return Check("refutations", False, ("an undecided certificate refutes nothing",))
    due = sorted((g.shifts, p) for p, g in certificate.subgroup.minimal_overgroups())
    if sorted((r.shift, r.prime) for r in tries) != due:
        return Check(
            "refutations",
            False,
            (f"they try {[r.shift for r in tries]}; the minimal larger subgroups are those of {[g for g, _ in due]}",),
        )
    wrong = [
        f"{r.shift}: refuted is {r.refuted} at {r.error:.3g}, with a floor of {r.floor:.3g}"
        for r in tries
        if r.refuted != (r.error > REAL * r.floor)
    ]
    if wrong:
        return Check("refutations", False, tuple(wrong))
    return Check("refutations", True, (f"{len(tries)} minimal larger subgroups, as the verdict asks for",))


def _repeated(
    certificate: Certificate,
    graph: Graph,
    leaves: Sequence[Any],
    moved: Mapping[str, tuple[int, ...]],
    checked: Derivation,
    wrapping: Derivation,
    override: Mapping[str, Callable[..., Any]] | None,
) -> Check:
    again = refute(
        graph, leaves, moved, certificate.shape, certificate.strides, layouts(graph, checked, wrapping), override
    )
    found = {r.shift for r in again.refutations if r.refuted}
    said = [r.shift for r in certificate.refutations or () if r.refuted]
    missed = [shift for shift in said if shift not in found]
    if missed:
        return Check(
            "refutations",
            False,
            tuple(f"{shift}: said to be refuted, and no input that was tried here refutes it" for shift in missed),
        )
    return Check("refutations", True, (f"{len(said)} larger subgroups, each refuted again by running the network",))


def _verification(
    certificate: Certificate, checks: Sequence[Check], report: CheckReport | None, trust: Sequence[str]
) -> Verification:
    noted = list(trust)
    if certificate.measured:
        noted.append("what was measured beyond the derived subgroup")
    if certificate.refutations:
        ran = report is not None
        noted.append(
            "the errors and floors of the refutations" + ("" if ran else ", and that they refute: nothing was run")
        )
    noted.append(
        "the versions it was made with: " + ", ".join(f"{name} {version}" for name, version in certificate.versions)
    )
    return Verification(tuple(checks), report, tuple(noted))
