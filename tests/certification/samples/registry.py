"""Which sample belongs to which operation, and random networks of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import fx

from equiconv.certification.validation import Draw, Sample, Unfit, apply, overload

SAMPLES: dict[str, Sample] = {}


def sample(*targets: str) -> Callable[[Sample], Sample]:
    """Register a sample for operations named in full."""

    def register(function: Sample) -> Sample:
        for target in targets:
            if target in SAMPLES:
                raise ValueError(f"{target} has a sample already")
            SAMPLES[target] = function
        return function

    return register


def network(seed: int, length: int, targets: Sequence[str] | None = None) -> tuple[Draw, list[fx.Node]]:
    """A random network of ``length`` operations, each drawn with its operands from all that came before; and its last tensors."""
    chosen = list(targets or SAMPLES)
    draw = Draw(seed)
    made: list[fx.Node] = []
    for _ in range(40 * length):
        if len(made) == length:
            break
        target = draw.rng.choice(chosen)
        try:
            _, results = apply(draw, overload(target), SAMPLES[target])
        except Unfit:
            continue
        made.append(results[-1])
    return draw, made[-2:] or [draw.image]
