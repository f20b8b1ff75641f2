"""certify: from a model and an example to a certificate."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

import equiconv
from equiconv.certification.certificate import (
    Certificate,
    Claim,
    Output,
    Unknown,
    meet,
)
from equiconv.certification.derivation import Derivation, derive
from equiconv.certification.interior import interior_of, localise
from equiconv.certification.obstacles import obstacles_of
from equiconv.certification.opening import captured
from equiconv.certification.registry import find, of_invariants
from equiconv.certification.reliance import reliance
from equiconv.certification.states import Constant, Signal, Window, axes_of, describe, permutes
from equiconv.graph import Graph, fingerprint, has_values, wrapped


def call_of(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments from an example: a tensor, a tuple, or a dict of keyword arguments."""
    if isinstance(example, Mapping):
        return (), dict(example)
    if isinstance(example, (tuple, list)):
        return tuple(example), {}
    return (example,), {}


def certify(
    model: torch.nn.Module,
    example: Any,
    axes: int | Sequence[int] = (-2, -1),
    padding: str = "as-is",
    weights: str = "these",
    refute: bool = True,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Certificate:
    """Derive which circular shifts of its input a network provably respects, and what costs the rest.

    Parameters
    ----------
    model: a module in evaluation mode, or a loaded exported program.
    example: a tensor, a tuple of arguments, or a dict of keyword arguments; the certificate holds for their shapes and dtypes.
    axes: dims of the inputs that carry the group, (-2, -1) for images.
    padding: ``"circular"`` certifies as though every padding were circular.
    weights: ``"generic"`` uses no value of a parameter, so that the certificate holds for the architecture, whatever its weights. A model on the meta
        device has no others: nothing is run, and a billion parameters cost the memory of their graph.
    refute: also run the network to refute every larger subgroup, which makes the certificate ``exact``.
    seed: of the random inputs that refute. progress: called with a line of text as the work goes on.

    Returns
    -------
    Certificate: strides, kind, obstacles, potential, outputs and the claim of every tensor.

    Raises
    ------
    TypeError: the model is no module, or no input is a tensor. ValueError: a model in training mode, NaN or infinite weights or inputs, axes that an
        input lacks, no tensor in the output. CaptureError (a ValueError): the model cannot be captured as a graph.

    Examples
    --------
    >>> import torch, equiconv as eq
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, stride=2, padding=1, padding_mode="circular"), torch.nn.AdaptiveAvgPool2d(1)).eval()
    >>> certificate = eq.certify(net, torch.randn(1, 1, 8, 8))
    >>> certificate.strides, certificate.kind, certificate.exact
    ((2, 2), 'invariant', True)
    """
    say = progress or (lambda _text: None)
    axes = check_options(axes, padding, weights, seed)
    check_model(model)
    args, kwargs = call_of(example)
    check_leaves(args, kwargs)
    say("capturing the graph")
    graph = captured(model, args, kwargs)
    leaves = graph.flatten(args, kwargs)
    check_numbers(graph, leaves, generic=weights == "generic")
    if not graph.outputs:
        raise ValueError(
            "model: has no tensor in its output, so there is nothing to certify; wrap it in a module that returns tensors"
        )
    shape, moved, notes = carriers(graph, leaves, axes)
    if missing := [v for v in (*leaves, *graph.state.values()) if not has_values(v)]:
        notes = (*notes, *_without_values(graph, weights))
        if any(graph[name].kind == "parameter" and not has_values(v) for name, v in graph.state.items()):
            weights = "generic"
    generic = weights == "generic"
    say("deriving")
    wrapping = derive(graph, shape, moved, circular=True, generic=generic)
    as_is = derive(graph, shape, moved, circular=False, generic=generic) if padding == "as-is" else wrapping
    certificate = assemble(model, graph, leaves, axes, (shape, moved, notes), as_is, wrapping, padding, weights)
    override = {n: wrapped(graph[n], w.dims) for n, w in wrapping.wrapped.items()} if padding == "circular" else None
    refutations, measured = None, None
    if refute and certificate.kind != "undecided" and not missing:
        say("refuting larger subgroups")
        from equiconv.certification.measurement import climb
        from equiconv.certification.refutation import refute as run
        from equiconv.certification.refutation import try_shifts

        rolls = layouts(graph, as_is, wrapping)
        tried = run(graph, leaves, moved, shape, certificate.strides, rolls, override, seed=seed)
        refutations = tried.refutations
        if not all(r.refuted for r in refutations):
            say("measuring what was not refuted")
            measured = climb(
                shape,
                certificate.strides,
                refutations,
                lambda shifts: try_shifts(graph, leaves, moved, shifts, rolls, override, seed=seed).refutations,
            )
        said = [
            f"larger subgroups were not tried on every input, for the network, run in float64, raised {error}"
            for error in tried.refused
        ]
        if not tried.alive:
            said.append(
                "the output did not change with the input, beyond what rounding explains, in any run: where it is constant, every symmetry holds trivially"
            )
        certificate = replace(certificate, notes=(*certificate.notes, *said))
    return replace(certificate, refutations=refutations, measured=measured, fingerprint=fingerprint(graph, generic))


def assemble(
    model: Any,
    graph: Graph,
    leaves: Sequence[Any],
    axes: tuple[int, ...],
    carried: tuple[tuple[int, ...], Mapping[str, tuple[int, ...]], tuple[str, ...]],
    as_is: Derivation,
    wrapping: Derivation,
    padding: str,
    weights: str,
) -> Certificate:
    """The certificate that follows from two derivations of a graph, before anything is run. ``carried`` is what :func:`carriers` returned."""
    shape, moved, notes = carried
    held = _verdict(graph, as_is, shape)
    best = held if padding == "circular" else _verdict(graph, wrapping, shape)
    inside = localise(graph, as_is, shape, moved)
    if graph.mutates:
        notes = (
            *notes,
            f"it updates {', '.join(graph.mutates)} when it runs, so its output is no function of the input alone",
        )
        held, best = held.undecided(shape), best.undecided(shape)
    elif weights == "these":
        notes = (*notes, *_reliances(graph, shape, moved, as_is, wrapping, padding == "circular"))
    unknown = tuple(
        Unknown(u.node, u.operation, graph[u.node].module, graph[u.node].source, u.reason) for u in as_is.unknown
    )
    if wrapping.unknown and not unknown:
        first = wrapping.unknown[0]
        notes = (*notes, f"with circular padding it is undecided: {first.operation} at {first.node}: {first.reason}")
    tensors = [v for v in leaves if isinstance(v, Tensor)]
    return Certificate(
        model=getattr(type(model), "__name__", "model"),
        shape=shape,
        axes=axes,
        moved=tuple(moved),
        strides=held.strides,
        kind=held.kind,
        potential=best.strides,
        potential_kind=best.kind,
        obstacles=obstacles_of(graph, as_is, wrapping, held, best, shape),
        unknown=unknown,
        outputs=tuple(
            replace(output, interior=None if graph.mutates else interior_of(inside[name], len(shape)))
            for output, (_, name) in zip(held.outputs, graph.outputs, strict=True)
        ),
        claims=tuple(claims_of(graph, as_is)),
        padding=padding,
        weights=weights,
        notes=notes,
        input_shapes=tuple(tuple(int(s) for s in v.shape) for v in tensors),
        input_dtypes=tuple(str(v.dtype).removeprefix("torch.") for v in tensors),
        wrapped=tuple((name, w.dims) for name, w in wrapping.wrapped.items()),
        versions=(
            ("python", platform.python_version()),
            ("torch", torch.__version__),
            ("equiconv", equiconv.__version__),
        ),
    )


def _reliances(
    graph: Graph,
    shape: tuple[int, ...],
    moved: Mapping[str, tuple[int, ...]],
    as_is: Derivation,
    wrapping: Derivation,
    circular: bool,
) -> list[str]:
    """A note where what holds, or else what circular padding would buy, owes something to the values of the weights."""

    def note(these: Derivation, circular: bool, condition: str = "") -> str | None:
        return reliance(
            graph,
            shape,
            these,
            lambda: derive(graph, shape, moved, circular=circular, generic=True),
            lambda found: _verdict(graph, found, shape).strides,
            condition,
        )

    found = note(as_is, circular)
    if found is None and not circular:
        found = note(wrapping, True, "were every padding circular: ")
    return [] if found is None else [found]


# Input ------------------------------------------------------------------------------------------------------------------


def check_options(axes: int | Sequence[int], padding: str, weights: str, seed: int) -> tuple[int, ...]:
    """The axes as a tuple."""
    chosen: list[Any] = list(axes) if isinstance(axes, (tuple, list)) else [axes]
    if not all(isinstance(axis, int) and not isinstance(axis, bool) for axis in chosen):
        raise TypeError(
            f"axes: got {axes!r}; pass a dim of the input as a whole number, or several as a tuple, such as (-2, -1)"
        )
    if not isinstance(seed, int):
        raise TypeError(f"seed: got {seed!r}; pass a whole number")
    if not chosen:
        raise ValueError("axes: is empty; name at least one dim of the input that carries the shifts, such as (-2, -1)")
    if padding not in ("as-is", "circular"):
        raise ValueError(
            f'padding: got {padding!r}; pass "as-is" (the network as it stands) or "circular" (as though every padding wrapped)'
        )
    if weights not in ("these", "generic"):
        raise ValueError(
            f'weights: got {weights!r}; pass "these" (the weights at hand) or "generic" (whatever the weights)'
        )
    return tuple(chosen)


def check_model(model: Any) -> None:
    if isinstance(model, torch.export.ExportedProgram):
        return
    if not isinstance(model, torch.nn.Module):
        raise TypeError(
            f"model: got {type(model).__name__}; pass a torch.nn.Module (an instance, not a class) or a loaded ExportedProgram"
        )
    if model.training:
        raise ValueError(
            "model: is in training mode, where dropout and batch statistics make it no fixed function; call model.eval() first"
        )
    training = [name for name, part in model.named_modules() if part.training]
    if training:
        raise ValueError(f"model: its part {training[0]} is in training mode; call model.eval() first")


def check_leaves(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Refuse arrays of other libraries, which torch would refuse with a list of its overloads, and an example without a tensor."""
    leaves = pytree.tree_leaves((args, dict(kwargs)))
    for value in leaves:
        if not isinstance(value, Tensor) and hasattr(value, "__array_namespace__"):
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise TypeError(
                f"example: holds a {kind}; a torch model takes tensors: torch.from_numpy(x) makes one of a NumPy array"
            )
    if not any(isinstance(value, Tensor) for value in leaves):
        raise TypeError(
            "example: holds no tensor; pass the model's input as a tensor, a tuple, or a dict of keyword arguments"
        )


def check_numbers(graph: Graph, leaves: Sequence[Any], generic: bool) -> None:
    """Refuse NaN and infinite weights and inputs: every comparison with them is false."""
    named = [
        (graph[name].path or name, v)
        for name, v in graph.state.items()
        if isinstance(v, Tensor) and graph[name].kind == "parameter"
    ]
    for label, value in [*([] if generic else named), *zip(graph.input_labels, leaves, strict=True)]:
        if isinstance(value, Tensor) and has_values(value) and (value.is_floating_point() or value.is_complex()):
            bad = int((~torch.isfinite(value)).sum())
            if bad:
                raise ValueError(
                    f"{label}: holds {bad} NaN or infinite values of {value.numel()}; load sound weights and inputs"
                )


def _without_values(graph: Graph, weights: str) -> list[str]:
    """Notes on what cannot be known where tensors lie on the meta device."""
    held = [(graph[name], v) for name, v in graph.state.items() if not has_values(v)]
    parameters = sum(v.numel() for node, v in held if node.kind == "parameter")
    others = [node.path for node, _ in held if node.kind != "parameter"]
    notes = []
    if parameters and weights == "these":
        notes.append(
            f"{parameters:,} weights are on the meta device and have no values: this holds whatever they are (weights='generic')"
        )
    if others:
        notes.append(
            f"{len(others)} buffers are on the meta device and have no values, {others[0]} the first: each counts as unknown; "
            "build the model with its buffers on the CPU to use what they hold"
        )
    notes.append(
        "nothing was run, for want of values: the graph was not compared with the model, nor larger subgroups refuted"
    )
    return notes


def carriers(
    graph: Graph, leaves: Sequence[Any], axes: Sequence[int]
) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]], tuple[str, ...]]:
    """The group's shape, the dims that carry it in each input it acts on, and notes on inputs that it leaves alone."""
    tensors = [
        (name, label, v)
        for name, label, v in zip(graph.inputs, graph.input_labels, leaves, strict=True)
        if isinstance(v, Tensor)
    ]
    shape: tuple[int, ...] | None = None
    moved: dict[str, tuple[int, ...]] = {}
    notes: list[str] = []
    for name, label, value in tensors:
        dims = [a + value.ndim if a < 0 else a for a in axes]
        if any(not 0 <= d < value.ndim for d in dims):
            if len(tensors) == 1:
                raise ValueError(
                    f"axes: got {tuple(axes)}, but {label} has {value.ndim} dims {tuple(value.shape)}; name dims that it has"
                )
            notes.append(
                f"{label} {tuple(value.shape)} has no dims {tuple(axes)}: it is taken to stay as it is under the shifts"
            )
            continue
        if len(set(dims)) != len(dims):
            raise ValueError(f"axes: {tuple(axes)} names a dim of {label} twice")
        sizes = tuple(int(value.shape[d]) for d in dims)
        if not value.numel() and all(sizes):
            raise ValueError(
                f"example: {label} of shape {tuple(value.shape)} has no entries; pass a batch of at least one"
            )
        if any(s == 0 for s in sizes):
            raise ValueError(
                f"axes: the dims {tuple(axes)} of {label} have the sizes {sizes}; an axis without entries has no shifts"
            )
        if shape is None:
            shape = sizes
        if sizes != shape:
            notes.append(
                f"{label} has the sizes {sizes} along {tuple(axes)}, not {shape}: it is taken to stay as it is under the shifts"
            )
            continue
        moved[name] = tuple(dims)
    if shape is None:
        raise ValueError(
            f"axes: no input has the dims {tuple(axes)}; the inputs have the shapes {[tuple(t.shape) for _, _, t in tensors]}"
        )
    return shape, moved, tuple(notes)


# Verdict ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Verdict:
    strides: tuple[int, ...]
    kind: str
    outputs: tuple[Output, ...]
    crops: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]

    def undecided(self, shape: tuple[int, ...]) -> _Verdict:
        return _Verdict(tuple(shape), "undecided", self.outputs, self.crops)


def _verdict(graph: Graph, derivation: Derivation, shape: tuple[int, ...]) -> _Verdict:
    outputs, crops = [], []
    for label, name in graph.outputs:
        state = derivation.outputs.get(name, derivation.states[name])
        output, cropped = _output(label, state, shape)
        outputs.append(output)
        if cropped:
            crops.append((name, cropped, state.strides))
    strides = meet([o.strides for o in outputs])
    kept = [a for a, n in enumerate(shape) if strides[a] < n or n == 1]
    if derivation.unknown:
        kind = "undecided"
    elif not any(strides[a] < shape[a] for a in kept) and any(n > 1 for n in shape):
        kind = "none"
    else:
        kind = "invariant" if all(o.per_axis[a] == "invariant" for o in outputs for a in kept) else "equivariant"
    if kind == "undecided":
        strides = tuple(shape)
    return _Verdict(strides, kind, tuple(outputs), tuple(crops))


def _output(label: str, state: Any, shape: tuple[int, ...]) -> tuple[Output, tuple[int, ...]]:
    if isinstance(state, Constant):
        ones = (1,) * len(shape)
        return Output(label, state.shape, "invariant", ("invariant",) * len(shape), ones, (), "a constant"), ()
    assert isinstance(state, Signal)
    cropped = sorted({a for dim in state.dims for a in axes_of(dim) if not permutes(dim, a)})
    strides = tuple(n if a in cropped else s for a, (s, n) in enumerate(zip(state.strides, shape, strict=True)))
    per_axis = []
    for a, n in enumerate(shape):
        moves = any(a in axes_of(dim) for dim in state.dims)
        per_axis.append("none" if strides[a] == n and n > 1 else "equivariant" if moves else "invariant")
    kinds = [k for k, n in zip(per_axis, shape, strict=True) if n > 1] or ["invariant"]
    kind = "none" if all(k == "none" for k in kinds) else "equivariant" if "equivariant" in kinds else "invariant"
    actions = tuple(
        (f.axis, d, Fraction(f.step))
        for d, dim in enumerate(state.dims)
        for f in dim
        if isinstance(f, Window) and f.axis not in cropped
    )
    words = "[" + ", ".join(describe(dim) for dim in state.dims) + "]"
    return Output(label, state.shape, kind, tuple(per_axis), strides, actions, words), tuple(cropped)


def layouts(graph: Graph, as_is: Derivation, wrapping: Derivation) -> list[Signal | None]:
    """For each output, the state that knows most of the digits its dims are made of: the one that still moves along more axes."""
    found: list[Signal | None] = []
    for _, name in graph.outputs:
        states = [s for run in (as_is, wrapping) if (s := run.outputs.get(name)) is not None]
        found.append(max(states, key=lambda s: len(set().union(*map(axes_of, s.dims)) if s.dims else ()), default=None))
    return found


def claims_of(graph: Graph, derivation: Derivation) -> list[Claim]:
    """Every signal of a derivation as a claim, with the law that its operation's rule rests on."""
    claims = []
    unknown = {u.node for u in derivation.unknown}
    for node in graph.nodes:
        state = derivation.states[node.name]
        rule = None
        if node.kind == "operation" and node.name not in unknown:
            own = None if node.name in derivation.of_invariants else find(node.target)
            rule = own or of_invariants(node.target)
        theorem = rule.theorem if rule else ""
        if isinstance(state, Signal):
            claims.append(Claim(node.name, node.operation, node.module, None, state, theorem))
        elif isinstance(state, (list, tuple)):
            claims.extend(
                Claim(node.name, node.operation, node.module, i, s, theorem)
                for i, s in enumerate(state)
                if isinstance(s, Signal)
            )
    return claims
