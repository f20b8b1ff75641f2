"""Translations: group axioms, the lattice of subgroups against explicit sets, minimal overgroups by brute force."""

import itertools
import math

import array_api_strict
import numpy as np
import pytest
import torch

from equiconv.groups import Translations

SHAPES = [(1,), (5,), (12,), (4, 6), (3, 5), (1, 4), (2, 3, 4)]
LIBRARIES = {"numpy": np, "torch": torch, "array_api_strict": array_api_strict}


def shifts_of(elements):
    return frozenset(g.shifts for g in elements)


def product_subgroups(G):
    divisors = [[s for s in range(1, n + 1) if n % s == 0] for n in G.shape]
    return [G.subgroup(strides) for strides in itertools.product(*divisors)]


def closure(G, generators):
    """The subgroup generated, as a set of shifts, by adding until nothing new comes: the definition."""
    found = {(0,) * G.rank}
    frontier = set(found)
    while frontier:
        frontier = {
            tuple((a + b) % n for a, b, n in zip(shift, g, G.shape, strict=True))
            for shift in frontier
            for g in generators
        } - found
        found |= frontier
    return frozenset(found)


def all_subgroups(G):
    """Every subgroup of G, products or not, as sets of shifts: those that at most rank elements generate are all."""
    points = [g.shifts for g in G.elements()]
    return {closure(G, generators) for generators in itertools.combinations_with_replacement(points, G.rank)}


@pytest.mark.parametrize("shape", SHAPES)
def test_group_axioms(shape):
    G = Translations(shape)
    elements = list(G.elements())
    assert len(elements) == len(set(elements)) == G.order == math.prod(shape)
    assert elements[0] == G.identity
    for g in elements:
        assert g * g.inverse() == G.identity == g**g.order
        assert all(g**p != G.identity for p in range(1, g.order))
        assert g**-2 == (g * g).inverse()
    for g, h in itertools.product(elements[:8], elements[-8:]):
        assert g * h == h * g
        assert (g * h) * g == g * (h * g)
    assert closure(G, [g.shifts for g in G.generators()]) == shifts_of(elements)


@pytest.mark.parametrize("shape", SHAPES)
def test_subgroups_are_what_their_elements_say(shape):
    G = Translations(shape)
    for K in product_subgroups(G):
        members = shifts_of(K.elements())
        assert len(members) == K.order
        assert members == closure(G, [g.shifts for g in K.generators()])
        assert members == {g.shifts for g in G.elements() if g in K}
        assert K.index() * K.order == G.order
        assert K.is_trivial == (K.order == 1) == (not K.generators())
    assert shifts_of(G.trivial().elements()) == {G.identity.shifts}
    assert shifts_of(G.full().elements()) == shifts_of(G.elements())


@pytest.mark.parametrize("shape", [(12,), (4, 6), (2, 2, 4)])
def test_lattice_laws_against_explicit_sets(shape):
    G = Translations(shape)
    subgroups = product_subgroups(G)
    sets = {K: shifts_of(K.elements()) for K in subgroups}
    assert len(set(sets.values())) == len(subgroups), "equal subgroups must have equal strides"
    for K, H in itertools.product(subgroups, repeat=2):
        assert sets[K & H] == sets[K] & sets[H]
        assert sets[K | H] == closure(G, sets[K] | sets[H])
        assert (K <= H) == (sets[K] <= sets[H])
        assert (K < H) == (sets[K] < sets[H])
        assert (K >= H) == (sets[K] >= sets[H])
        assert (K > H) == (sets[K] > sets[H])
        assert K & H == H & K
        assert K | H == H | K
        assert K & (K | H) == K == K | (K & H)
        if K <= H:
            assert K.index(H) == len(sets[H]) // len(sets[K])
        else:
            with pytest.raises(ValueError, match="is not inside"):
                K.index(H)


@pytest.mark.parametrize("shape", [(1,), (12,), (8,), (7,), (2, 2), (4, 6), (6, 6), (3, 5), (2, 2, 4)])
def test_minimal_overgroups_against_all_subgroups(shape):
    G = Translations(shape)
    everything = all_subgroups(G)
    for K in product_subgroups(G):
        members = shifts_of(K.elements())
        above = [H for H in everything if members < H]
        minimal = {H for H in above if not any(members < other < H for other in above)}
        found = [(p, closure(G, [*members, h.shifts])) for p, h in K.minimal_overgroups()]
        assert len(found) == len({H for _, H in found}), "each overgroup once"
        assert {H for _, H in found} == minimal
        assert all(len(H) == p * len(members) for p, H in found)


def test_axis_steps_alone_would_miss_the_checkerboard():
    """The false twin: adding one generator per axis finds 2 of the 3 overgroups of index 2."""
    G = Translations((4, 4))
    K = G.subgroup((2, 2))
    found = {closure(G, [*shifts_of(K.elements()), h.shifts]) for _, h in K.minimal_overgroups()}
    per_axis = {shifts_of(G.subgroup(s).elements()) for s in ((1, 2), (2, 1))}
    checkerboard = frozenset((i, j) for i in range(4) for j in range(4) if (i + j) % 2 == 0)
    assert found - per_axis == {checkerboard}


@pytest.mark.parametrize(("shape", "strides"), [((224, 224), (32, 32)), ((60,), (30,)), ((30, 42, 7), (30, 42, 7))])
def test_number_of_minimal_overgroups(shape, strides):
    K = Translations(shape).subgroup(strides)
    primes = [p for p in (2, 3, 5, 7) if any(s % p == 0 for s in strides)]
    ranks = {p: sum(s % p == 0 for s in strides) for p in primes}
    found = [p for p, _ in K.minimal_overgroups()]
    assert {p: found.count(p) for p in primes} == {p: (p**r - 1) // (p - 1) for p, r in ranks.items()}
    assert len(found) == sum(found.count(p) for p in primes)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["int64", "bool", "float32", "complex128"])
def test_action_moves_the_signal(library, dtype):
    xp = LIBRARIES[library]
    values = np.random.default_rng(0).integers(0, 9, (2, 4, 3)).astype(dtype)
    x = xp.asarray(values)
    G = Translations((3, 2))
    for g in G.elements():
        y = g.act(x, axes=(2, 0))
        assert type(y) is type(x)
        assert y.dtype == x.dtype
        k, l = g.shifts
        moved = np.asarray(y)
        for i, j, m in np.ndindex(2, 4, 3):
            assert moved[i, j, m] == values[(i - l) % 2, j, (m - k) % 3]


def test_action_is_an_action():
    G = Translations((4, 3))
    x = np.random.default_rng(0).standard_normal((2, 4, 3))
    assert np.array_equal(G.identity.act(x), x)
    for g, h in itertools.product(G.elements(), repeat=2):
        assert np.array_equal((g * h).act(x), g.act(h.act(x)))
        if g != h:
            assert not np.array_equal(g.act(x), h.act(x)), "the action is faithful"


def test_action_keeps_gradients():
    x = torch.arange(4.0, requires_grad=True)
    weights = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    (Translations(4).element(1).act(x) * weights).sum().backward()
    # x[i] lands at i + 1, so its gradient is the weight there
    assert x.grad.tolist() == [10, 100, 1000, 1]


def test_samples_are_uniform_and_repeatable():
    K = Translations((12, 4)).subgroup((3, 2))
    draws = K.sample(4000, seed=7)
    assert draws == K.sample(4000, seed=7)
    assert draws != K.sample(4000, seed=8)
    counts = [draws.count(g) for g in K.elements()]
    assert sum(counts) == 4000
    # 8 elements, 500 expected each, standard deviation 20.9; the seed is fixed, so this never flickers
    assert all(abs(c - 500) < 5 * 20.9 for c in counts)
    assert Translations(5).sample(0, seed=0) == []


def test_repr_reads_as_mathematics():
    G = Translations((224, 224))
    assert repr(G) == "Z_224 × Z_224"
    assert repr(G.subgroup((32, 32))) == "32Z × 32Z of Z_224 × Z_224"
    assert repr(G.subgroup((1, 224))) == "Z × 0 of Z_224 × Z_224"
    assert repr(G.element((3, -1))) == "shift by (3, 223) in Z_224 × Z_224"


def test_equality_and_hash():
    assert Translations(4) == Translations((4,)) != Translations((4, 1))
    assert Translations(4).element(5) == Translations(4).element(1) != Translations(8).element(1)
    assert len({Translations((4, 4)).subgroup((2, 2)), Translations([4, 4]).subgroup([2, 2])}) == 1
    assert Translations(8).element(1) not in Translations(4).full()
    assert "a shift" not in Translations(4).full()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Translations(()), ValueError, "shape must have at least one entry"),
        (lambda: Translations((4, 0)), ValueError, "sizes of at least 1"),
        (lambda: Translations(4.0), TypeError, "shape must be an integer"),
        (lambda: Translations((4, True)), TypeError, "shape must be an integer"),
        (lambda: Translations("44"), TypeError, "shape must be an integer"),
        (lambda: Translations((4, 6)).subgroup((3, 2)), ValueError, r"3 does not divide 4; .* gcd\(4, 3\) = 1"),
        (lambda: Translations(4).subgroup(0), ValueError, "positive divisors"),
        (lambda: Translations(4).subgroup(-2), ValueError, "positive divisors"),
        (lambda: Translations((4, 6)).subgroup(2), ValueError, "strides must have 2 entries"),
        (lambda: Translations((4, 6)).element(2), ValueError, "shifts must have 2 entries"),
        (lambda: Translations(4).element(0.5), TypeError, "shifts must be an integer"),
        (lambda: Translations(4).element(1) ** 0.5, TypeError, "exponent must be an integer"),
        (lambda: Translations(4).element(1) * Translations(5).element(1), ValueError, "different groups, Z_4 and Z_5"),
        (lambda: Translations(4).full() & Translations(5).full(), ValueError, "different groups"),
        (lambda: Translations(4).full() <= Translations(5).full(), ValueError, "different groups"),
        (lambda: Translations(4).full() < 3, TypeError, "not supported"),
        (lambda: Translations(4).full() | 3, TypeError, "unsupported"),
        (lambda: Translations(4).element(1) * 3, TypeError, "unsupported"),
        (lambda: Translations(4).full().sample(-1, seed=0), ValueError, "count must be at least 0"),
        (lambda: Translations(4).element(1).act([1, 2, 3, 4]), TypeError, "must be a NumPy, CuPy or torch array"),
        (lambda: Translations(4).element(1).act(np.ones(5)), ValueError, r"sizes \(5,\).*Translations\(\(5,\)\)"),
        (lambda: Translations((4, 4)).element((1, 0)).act(np.ones(4)), ValueError, "at least 2 axes"),
        (lambda: Translations((4, 4)).element((1, 0)).act(np.ones((4, 4)), axes=1), ValueError, "must name 2 axes"),
        (lambda: Translations((4, 4)).element((1, 0)).act(np.ones((4, 4)), axes=(1, -1)), ValueError, "an axis twice"),
    ],
)
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
