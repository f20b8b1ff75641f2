"""'SAME': k zeros on either side, and a kernel of 2k + 1 entries gives as many outputs as there are inputs. Lecture L12.

That is counting, n + 2k − (2k + 1) + 1 = n along each axis, and z3 decides it. Which shifts such a layer follows is the law `zero_padding`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import conv2d

from proofs.laws import Law, Solved, Tested


def inside(z3: Any, padding: int = 2, side_less_2k: int = 1) -> list[Any]:
    """A position i where "the window from i on lies inside the padded signal" and "i is one of 0, …, n − 1" differ.

    The padded signal has n + padding·k entries, and the window 2k + side_less_2k.
    """
    n, k, i = z3.Ints("n k i")
    fits = z3.And(i >= 0, i + 2 * k + side_less_2k <= n + padding * k)
    return [n >= 1, k >= 0, fits != z3.And(i >= 0, i < n)]


def shape(padding: int | str, size: int = 5) -> tuple[int, ...]:
    """The lecture's example in torch's layout: a (1, 3, 64, 64) image, 100 filters of 5×5"""
    return tuple(conv2d(torch.zeros(1, 3, 64, 64), torch.zeros(100, 3, size, size), padding=padding).shape)


LAW = Law(
    name="same_padding",
    title="With k zeros on either side a kernel of 2k + 1 entries keeps the width and the height: SAME",
    items=("L12",),
    claims=(
        Solved(
            says="windows of 2k + 1 entries fit into n + 2k entries from the positions 0, …, n − 1, and from no others: n outputs",
            constraints=inside,
            twins={
                "without padding": lambda z3: inside(z3, 0),
                "k zeros on one side only": lambda z3: inside(z3, 1),
                "a kernel of 2k entries": lambda z3: inside(z3, side_less_2k=0),
            },
        ),
        Tested(
            says="a 64×64 image of 3 channels and 100 filters of 5×5 give 100 channels of 64×64",
            check=lambda: shape(2) == shape("same") == (1, 100, 64, 64),
            twins={
                "without padding": lambda: shape(0) == (1, 100, 64, 64),
                "one zero on either side": lambda: shape(1) == (1, 100, 64, 64),
                "filters of 7×7, two zeros on either side": lambda: shape(2, 7) == (1, 100, 64, 64),
            },
            checked="the shape that torch computes for L12's example",
        ),
    ),
)
