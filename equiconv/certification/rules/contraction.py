"""Products summed over shared labels: linear layers, matrix products, attention.

Every contraction is a pointwise product over the union of the labels followed by a sum over some of them, and is analysed as that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from equiconv.certification import phases
from equiconv.certification.alignment import align
from equiconv.certification.moves import narrow, reduce_dims
from equiconv.certification.registry import rule
from equiconv.certification.rolling import best, candidates
from equiconv.certification.states import Constant, Dim, Signal, Uniform, size_of, weaken
from equiconv.certification.step import Step, UnknownOperation, axis_names

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
    found = combine(step, operands, free, carrier=out[0] if out else "")
    summed = [i for i, label in enumerate(found) if label not in out]
    left = dict(zip(found, reduce_dims(step, list(found.values()), summed, what), strict=True))
    return [left[label] for label in out]


def combine(
    step: Step, operands: Sequence[Operand], free: Mapping[str, Dim] | None = None, carrier: str = ""
) -> dict[str, Dim]:
    """How every label moves in f(a, b, …), one entry for each index of the union of the labels; ``free`` as in :func:`contract`.

    Of spectra, f is the product. carrier: the label whose dim takes a phase that all entries share.
    """
    sizes: dict[str, int] = {}
    for operand, labels in operands:
        for label, size in zip(labels, operand.shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    union = list(sizes)
    laid = [_lay_out(operand, labels, union, free or {}) for operand, labels in operands]
    at = union.index(carrier) if carrier in union else 0
    joint = phases.combine(step, laid, [sizes[label] for label in union], product=True, carrier=at)
    return dict(zip(union, joint.dims, strict=True))


def fibres(
    step: Step,
    operands: Sequence[Operand],
    out: Sequence[str],
    cause: str,
    message: str,
    remedy: str,
    theorem: str = "",
) -> list[Dim]:
    """Dims of any function that, at each index of ``out``, reads the operands along all their other labels, in whatever order.

    The labels that it reads along must be still: what moves along them is given up, with ``message`` (a place for the axes in it: {axes}).
    """
    found = combine(step, operands)
    if moving := step.moving_axes([dim for label, dim in found.items() if label not in out]):
        names = axis_names(moving, step.shape)
        step.give_up(moving, cause, message.format(axes=names), remedy, theorem=theorem or "part_of_a_period")
    return [step.canonical(found[label]) for label in out]


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


@rule("aten.linear.default", family="contraction", theorem=THEOREM, digits=True, spectral=True)
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
        return step.result(phases.combine(step, [result, bias], step.out_shape).dims)
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
    spectral=True,
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


@rule("aten.addmv.default", family="contraction", theorem=THEOREM, spectral=True)
def add_matrix_vector(step: Step) -> Signal:
    dims = contract(
        step, [(_tensor(step, "mat"), ["m", "k"]), (_tensor(step, "vec"), ["k"])], ["m"], "a matrix product"
    )
    return _add(step, dims, step["self"])


@rule("aten.addbmm.default", family="contraction", theorem=THEOREM, spectral=True)
def add_products(step: Step) -> Signal:
    """The products of all pairs of matrices of a batch, added up."""
    operands = [(_tensor(step, "batch1"), ["b", "m", "k"]), (_tensor(step, "batch2"), ["b", "k", "n"])]
    return _add(step, contract(step, operands, ["m", "n"], "a matrix product"), step["self"])


@rule("aten.dist.default", family="contraction", theorem=THEOREM)
def distance(step: Step) -> Signal:
    """One number: a norm of the difference."""
    a, b = _tensor(step, "self"), _tensor(step, "other")
    rank = max(len(a.shape), len(b.shape))
    labels = _batch(rank)
    operands = [(t, labels[rank - len(t.shape) :]) for t in (a, b)]
    return step.result(contract(step, operands, [], "a distance"))


@rule("aten._trilinear.default", family="contraction", theorem=THEOREM, spectral=True)
def trilinear(step: Step) -> Signal:
    """Σ i1·i2·i3 over some dims, each operand spread along the dims that it lacks: a bilinear layer."""
    names = ("i1", "i2", "i3")
    rank = len(_tensor(step, "i1").shape) + len(step["expand1"])
    union = [f"d{d}" for d in range(rank)]
    operands: list[Operand] = []
    for number, name in enumerate(names, 1):
        lacks = {int(d) % rank for d in step[f"expand{number}"]}
        operands.append((_tensor(step, name), [label for d, label in enumerate(union) if d not in lacks]))
    summed = {int(d) % rank for d in step["sumdim"]}
    out = [label for d, label in enumerate(union) if d not in summed]
    return step.result(contract(step, operands, out, "a bilinear layer"))


@rule("aten.addmm.default", "aten.baddbmm.default", family="contraction", theorem=THEOREM, digits=True, spectral=True)
def add_product(step: Step) -> Signal:
    names = list(step.arguments)
    a, b = _tensor(step, names[1]), _tensor(step, names[2])
    batch = _batch(len(a.shape) - 2)
    operands: list[Operand] = [(a, [*batch, "m", "k"]), (b, [*batch, "k", "n"])]
    return product(step, operands, [*batch, "m", "n"], "a matrix product", step[names[0]])


def _shared_heads(step: Step, t: Signal | Constant, heads: int) -> Signal | Constant:
    """Keys or values with each head repeated for the group of queries that shares it (enable_gqa)."""
    times = heads // t.shape[-3]
    if isinstance(t, Constant):
        return Constant(t.value.repeat_interleave(times, -3), t.generic, t.label)
    dims = list(t.dims)
    dims[-3] = step.canonical((*dims[-3], Uniform(times)))
    return Signal(tuple(step.strides), tuple(dims))


@rule("aten.einsum.default", family="contraction", theorem=THEOREM, digits=True, spectral=True)
def einsum(step: Step) -> Signal:
    """Any Einstein sum; a label that one operand has twice takes its diagonal."""
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
        operands.append(_diagonals(step, operand, _labels(term, hidden)))
    return product(step, operands, _labels(output, widest), "an einsum")


def _diagonals(step: Step, operand: Signal | Constant, labels: list[str]) -> Operand:
    """The operand with each label once: a label that it has twice runs along its diagonal."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            labels = [*labels[:i], *labels[i + 1 : j], *labels[j + 1 :], label]
            if isinstance(operand, Constant):
                operand = Constant(operand.value.diagonal(0, i, j), operand.generic, operand.label)
            else:
                operand = diagonal_of(step, operand, i, j)
    return (step.settle(operand) if isinstance(operand, Signal) else operand), labels


def diagonal_of(step: Step, x: Signal, i: int, j: int) -> Signal:
    """The entries whose indices along dims i and j are equal, as a last dim: both must move alike."""
    size = size_of(x.dims[i])
    lines = [Signal(x.strides, (x.dims[d],)) for d in (i, j)]
    (along,) = phases.combine(step, lines, [size], product=True).dims
    rest = [dim for d, dim in enumerate(x.dims) if d not in (i, j)]
    return Signal(tuple(step.strides), tuple(step.canonical(dim) for dim in (*rest, along)))


@rule(
    "aten.diagonal.default",
    "aten.diagonal_copy.default",
    family="contraction",
    theorem="actions_agree",
    spectral=True,
)
def diagonal(step: Step) -> Signal:
    """A diagonal of two dims, as a last dim."""
    x = step.signal("self")
    i, j, offset = int(step["dim1"]) % len(x.dims), int(step["dim2"]) % len(x.dims), int(step["offset"])
    dims = list(x.dims)
    size = step.out_shape[-1]
    dims[i] = narrow(step, dims[i], max(0, -offset), size)
    dims[j] = narrow(step, dims[j], max(0, offset), size)
    return step.result(diagonal_of(step, Signal(tuple(step.strides), tuple(dims)), i, j).dims)


@rule("aten._cdist_forward.default", "aten.cdist.default", family="contraction", theorem=THEOREM)
def distances(step: Step) -> Signal:
    """Distances between all rows of two tensors: a sum over the entries of the rows."""
    a, b = _tensor(step, "x1"), _tensor(step, "x2")
    batch = _batch(max(len(a.shape), len(b.shape)) - 2)

    def label(t: Signal | Constant, own: str) -> list[str]:
        return [*batch[len(batch) - (len(t.shape) - 2) :], own, "d"]

    return step.result(contract(step, [(a, label(a, "m")), (b, label(b, "n"))], [*batch, "m", "n"], "a distance"))


def _labels(term: str, hidden: int) -> list[str]:
    before, dots, after = term.partition("...")
    return [*before, *(_batch(hidden) if dots else []), *after]


@rule("aten.scaled_dot_product_attention.default", family="contraction", theorem="attention", digits=True)
def attention(step: Step) -> Signal:
    """softmax(q·kᵀ + mask)·v: two contractions with a softmax over the keys between them. A causal mask is a constant."""
    q, k, v = (_tensor(step, name) for name in ("query", "key", "value"))
    mask = step["attn_mask"]
    if step.arguments.get("enable_gqa"):
        k, v = (_shared_heads(step, t, q.shape[-3]) for t in (k, v))
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
