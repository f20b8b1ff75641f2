"""The seam: code written against the protocols works for translations and for a group that does not commute."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from equiconv.groups import Element, Group, Subgroup, Translations


@dataclass(frozen=True)
class Permutation:
    """A permutation of the entries along one axis, (g·x)[images[i]] = x[i]: what a later room would add."""

    images: tuple[int, ...]

    @property
    def order(self):
        return next(p for p in itertools.count(1) if self**p == self**0)

    def __mul__(self, other):
        return Permutation(tuple(self.images[i] for i in other.images))

    def __pow__(self, exponent):
        base = self if exponent >= 0 else self.inverse()
        result = Permutation(tuple(range(len(self.images))))
        for _ in range(abs(exponent)):
            result = result * base
        return result

    def inverse(self):
        return Permutation(tuple(int(i) for i in np.argsort(self.images)))

    def act(self, x, axes=None):
        return np.take(x, self.inverse().images, axis=-1 if axes is None else axes)


def check_action(elements, identity, x):
    """The axioms of an action, from the protocol alone."""
    assert np.array_equal(identity.act(x), x)
    for g, h in itertools.product(elements, repeat=2):
        assert np.array_equal((g * h).act(x), g.act(h.act(x)))
        assert np.array_equal(g.inverse().act(g.act(x)), x)
        assert g**g.order == identity


def test_classes_satisfy_the_protocols():
    G = Translations((4, 6))
    assert isinstance(G, Group)
    assert isinstance(G.element((1, 2)), Element)
    assert isinstance(G.full(), Subgroup)
    assert isinstance(Permutation((1, 0)), Element)
    assert not isinstance(3, Element)


def test_code_against_the_protocol_serves_both():
    x = np.arange(6.0).reshape(2, 3)
    G = Translations((2, 3))
    check_action(list(G.elements()), G.identity, x)
    symmetric = [Permutation(images) for images in itertools.permutations(range(3))]
    check_action(symmetric, symmetric[0], x)
    assert any(g * h != h * g for g, h in itertools.product(symmetric, repeat=2))


def test_a_wrong_action_is_caught():
    """The false twin: acting by the inverse is not an action of a group that does not commute."""

    class Backwards(Permutation):
        def act(self, x, axes=None):
            return np.take(x, self.images, axis=-1)

        def __mul__(self, other):
            return Backwards(super().__mul__(other).images)

        def inverse(self):
            return Backwards(super().inverse().images)

    symmetric = [Backwards(images) for images in itertools.permutations(range(3))]
    with pytest.raises(AssertionError):
        check_action(symmetric, symmetric[0], np.arange(3.0))
