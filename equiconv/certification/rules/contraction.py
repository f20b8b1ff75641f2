"""Products summed over shared labels: linear layers, matrix products, attention.

Every contraction is a pointwise product over the union of the labels followed by a sum over some of them, and is analysed as that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from equiconv.certification.alignment import align
from equiconv.certification.moves import reduce_dims
from equiconv.certification.registry import rule
from equiconv.certification.rolling import best, candidates
from equiconv.certification.states import Constant, Dim, Signal, weaken
from equiconv.certification.step import Step, UnknownOperation

THEOREM = "contraction"
Operand = tuple[Signal | Constant, Sequence[str]]


def contract(
    step: Step,
    operands: Sequence[Operand],
    out: Sequence[str],
    what: str = "a product",
    free: Mapping[str, Dim] | None = None,
) -> list[Dim]:
    """Dims, in the order ``out``, of Σ over the labels not in ``out`` of the product of the operands.

    free: an action for labels that no signal has, which are uniform in every signal; the constants must then move with it.
    """
    sizes: dict[str, int] = {}
    for operand, labels in operands:
        for label, size in zip(labels, _sizes(operand), strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    union = list(sizes)
    laid = [_lay_out(operand, labels, union, free or {}) for operand, labels in operands]
    joint = align(step, laid, [sizes[label] for label in union])
    summed = [i for i, label in enumerate(union) if label not in out]
    found = dict(zip(union, reduce_dims(step, joint.dims, summed, what), strict=True))
    return [found[label] for label in out]


def _sizes(operand: Signal | Constant) -> Sequence[int]:
    return operand.shape


def product(step: Step, operands: Sequence[Operand], out: Sequence[str], what: str, bias: object = None) -> Signal:
    """The contraction plus a bias, with the action on a free label that keeps most: a circulant constant rolls."""

    def compute(trial: Step, free: Mapping[str, Dim]) -> Signal:
        return _add(trial, contract(trial, operands, out, what, free), bias)

    return best(step, compute, candidates(step, operands, out))


def _lay_out(
    operand: Signal | Constant, labels: Sequence[str], union: Sequence[str], free: Mapping[str, Dim]
) -> Signal | Constant:
    """The operand with one dim for every label of the union, in its order; labels it lacks have one entry, or move as ``free`` says."""
    order = {label: position for position, label in enumerate(labels)}
    if isinstance(operand, Signal):
        return Signal(
            operand.strides,
            tuple(operand.dims[order[label]] if label in order else free.get(label, ()) for label in union),
        )
    present = [order[label] for label in union if label in order]
    value = operand.value.permute(present)
    for position, label in enumerate(union):
        if label not in order:
            value = value.unsqueeze(position)
    return Constant(value, operand.generic, operand.label)


def _tensor(step: Step, name: str) -> Signal | Constant:
    operand = step[name]
    if isinstance(operand, Signal):
        return step.settle(operand)
    if isinstance(operand, Constant):
        return operand
    raise UnknownOperation(f"its argument {name} is no tensor")


def _batch(rank: int) -> list[str]:
    return [f"b{rank - i}" for i in range(rank)]  # aligned from the right, as broadcasting does


@rule("aten.linear.default", family="contraction", theorem=THEOREM, digits=True)
def linear(step: Step) -> Signal:
    """x·Wᵀ + b: the contracted dim must be still, or the weights alike wherever it moves, or roll with it."""
    x, weight, bias = _tensor(step, "input"), _tensor(step, "weight"), step["bias"]
    batch = _batch(len(x.shape) - 1)
    labels = ["o", "i"] if len(weight.shape) == 2 else ["i"]
    out = [*batch, *labels[:-1]]
    return product(step, [(x, [*batch, "i"]), (weight, labels)], out, "a linear layer", bias)


def _add(step: Step, dims: Sequence[Dim], bias: object) -> Signal:
    result = Signal(tuple(step.strides), tuple(dims))
    if isinstance(bias, (Signal, Constant)):
        return step.result(align(step, [result, bias], step.out_shape).dims)
    return step.result(result.dims)


@rule(
    "aten.matmul.default",
    "aten.mm.default",
    "aten.bmm.default",
    "aten.mv.default",
    "aten.dot.default",
    family="contraction",
    theorem=THEOREM,
    digits=True,
)
def matmul(step: Step) -> Signal:
    """Matrix products with NumPy's rules for vectors and batches."""
    names = list(step.arguments)
    a, b = _tensor(step, names[0]), _tensor(step, names[1])
    ra, rb = len(a.shape), len(b.shape)
    left = ["k"] if ra == 1 else [*_batch(ra - 2), "m", "k"]
    right = ["k"] if rb == 1 else [*_batch(rb - 2), "k", "n"]
    batch = _batch(max(ra, rb, 2) - 2)
    out = [*batch, *(["m"] if ra > 1 else []), *(["n"] if rb > 1 else [])]
    return product(step, [(a, left), (b, right)], out, "a matrix product")


@rule("aten.addmm.default", "aten.baddbmm.default", family="contraction", theorem=THEOREM, digits=True)
def add_product(step: Step) -> Signal:
    names = list(step.arguments)
    a, b = _tensor(step, names[1]), _tensor(step, names[2])
    batch = _batch(len(a.shape) - 2)
    operands: list[Operand] = [(a, [*batch, "m", "k"]), (b, [*batch, "k", "n"])]
    return product(step, operands, [*batch, "m", "n"], "a matrix product", step[names[0]])


@rule("aten.einsum.default", family="contraction", theorem=THEOREM, digits=True)
def einsum(step: Step) -> Signal:
    """Any Einstein sum without repeated labels in one operand."""
    equation = str(step["equation"]).replace(" ", "")
    inputs, arrow, output = equation.partition("->")
    terms = inputs.split(",")
    if not arrow:
        letters = [c for c in inputs.replace("...", "") if c != ","]
        output = "..." * ("..." in inputs) + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    operands: list[Operand] = []
    widest = 0
    for term, operand in zip(terms, step["tensors"], strict=True):
        hidden = len(operand.shape) - len(term.replace("...", ""))
        widest = max(widest, hidden)
        labels = _labels(term, hidden)
        if len(set(labels)) != len(labels):
            raise UnknownOperation(f"it takes a diagonal ({equation})")
        operands.append((step.settle(operand) if isinstance(operand, Signal) else operand, labels))
    return product(step, operands, _labels(output, widest), "an einsum")


def _labels(term: str, hidden: int) -> list[str]:
    before, dots, after = term.partition("...")
    return [*before, *(_batch(hidden) if dots else []), *after]


@rule("aten.scaled_dot_product_attention.default", family="contraction", theorem="attention", digits=True)
def attention(step: Step) -> Signal:
    """softmax(q·kᵀ + mask)·v: two contractions with a softmax over the keys between them. A causal mask is a constant."""
    q, k, v = (_tensor(step, name) for name in ("query", "key", "value"))
    mask = step["attn_mask"]
    if step.arguments.get("enable_gqa"):
        raise UnknownOperation("it shares keys between groups of heads (enable_gqa)")
    batch = _batch(max(len(t.shape) for t in (q, k, v)) - 2)

    def label(t: Signal | Constant, *own: str) -> list[str]:
        return [*batch[len(batch) - (len(t.shape) - 2) :], *own]

    scores = contract(step, [(q, label(q, "m", "d")), (k, label(k, "n", "d"))], [*batch, "m", "n"], "attention")
    weights = Signal(tuple(step.strides), tuple(scores))
    if isinstance(mask, (Signal, Constant)):
        weights = align(step, [weights, mask], weights.shape)
    if step["is_causal"]:
        if moving := step.moving_axes(weights.dims[-2:]):
            step.give_up(
                moving,
                "constant",
                "a causal mask orders the positions, and a shift changes their order",
                "attend without is_causal",
                theorem="constant_stabiliser",
            )
        # Equal scores are masked at different places, so positions are uniform no more.
        weights = step.settle(
            Signal(weights.strides, (*weights.dims[:-2], *(weaken(dim) for dim in weights.dims[-2:])))
        )
    dims = reduce_dims(step, weights.dims, [len(weights.dims) - 1], "softmax")
    weights = Signal(tuple(step.strides), tuple(dims))
    return step.result(
        contract(step, [(weights, [*batch, "m", "n"]), (v, label(v, "n", "e"))], [*batch, "m", "e"], "attention")
    )
