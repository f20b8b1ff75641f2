"""A normalisation is symmetric statistics of whole periods, then an entry-by-entry map with constants of each channel: it commutes with every shift."""

from __future__ import annotations

from cmath import exp
from collections.abc import Callable, Sequence
from typing import Any

import torch

from proofs.crosscheck import Given
from proofs.evaluation import Exact, Meaning, World
from proofs.language import Cyclic, Fun, Range, Term, body, size, variables
from proofs.laws import Claim, Law, Twin
from proofs.proving import Goal, Proof

n, m, channels = size("n"), size("m"), size("c")
i, j, k = variables("i j k", Cyclic(n))
a, b = variables("a b", Range(channels))
(part,) = variables("j", Range(m))
x = Fun("x", (Range(channels), Cyclic(n)))
γ, β = Fun("γ", (Range(channels),)), Fun("β", (Range(channels),))
EPS = 1e-5


def scaled(entry: complex, mean: complex, variance: complex, scale: complex, offset: complex) -> complex:
    """(entry − mean)/√(variance + ε)·scale + offset, of the real parts."""
    return complex((entry.real - mean.real) / (variance.real + EPS) ** 0.5 * scale.real + offset.real)


def average(values: Sequence[complex]) -> complex:
    return complex(sum(v.real for v in values) / len(values))


def spread(values: Sequence[complex]) -> complex:
    mean = average(values).real
    return complex(sum((v.real - mean) ** 2 for v in values) / len(values))


def floating(world: World) -> dict[str, Meaning]:
    """torch's formula; in the exact field, which has no square roots, any functions, the statistics symmetric."""

    def one(*values: list[complex]) -> complex:
        return scaled(*(v[0] for v in values))

    return {} if isinstance(world.field, Exact) else {"φ": one, "R": average, "S": spread}


def rolled(given: Given, layer: Callable[[Any], Any]) -> dict[str, object]:
    """layer(S_k x) and S_k layer(x), with the axes (channel, position, k)."""
    signal = torch.as_tensor(given["x"]).real[None]
    shifts = range(given["n"])
    left = [layer(torch.roll(signal, k, -1))[0] for k in shifts]
    right = [torch.roll(layer(signal)[0], k, -1) for k in shifts]
    return {"lhs": torch.stack(left, 2), "rhs": torch.stack(right, 2)}


def vector(given: Given, name: str) -> Any:
    return torch.as_tensor(given[name]).real


# instance norm: statistics of each channel -------------------------------------------------------------------------------------

φ = Fun("φ", (), ((), (), (), (), ()))


def constants(at: Any) -> tuple[Any, Any]:
    """The scale and the offset of a channel."""
    return body(γ(at)), body(β(at))


def instance(over: Any = j, moved: Any = k) -> Goal:
    mean, variance = (Fun(name, (), ((over.sort,),), symmetric=True) for name in ("R", "S"))

    def layer(shift: Any, at: Any) -> Term:
        statistics = body(mean(body(over, x(a, over - shift)))), body(variance(body(over, x(a, over - shift))))
        return φ(body(x(a, at - shift)), *statistics, *constants(a))

    return Goal(layer(k, i), layer(0, i - moved))


def instance_script(p: Proof) -> None:
    p.reindex({j: j + k}, "the statistics of a whole period do not see the shift")


def instance_library(given: Given) -> dict[str, object]:
    scale, offset = vector(given, "γ"), vector(given, "β")
    return rolled(given, lambda x: torch.nn.functional.instance_norm(x, None, None, scale, offset, True, 0.1, EPS))


# batch norm in evaluation: stored statistics ---------------------------------------------------------------------------------------

μ, σ = Fun("μ", (Range(channels),)), Fun("σ", (Range(channels),))
everywhere = Fun("μ", (Cyclic(n),))


def batch(stored: Callable[[Any], Term] | None = None, moved: Any = k) -> Goal:
    def layer(shift: Any, at: Any) -> Term:
        mean = stored(at) if stored else μ(a)
        return φ(body(x(a, at - shift)), body(mean), body(σ(a)), *constants(a))

    return Goal(layer(k, i), layer(0, i - moved))


def batch_script(p: Proof) -> None:
    """Both sides are the same by index arithmetic: entry i reads x at i − k, and every constant by its channel only."""


def stored(world: World) -> dict[str, Meaning]:
    """Variances are not negative."""
    if isinstance(world.field, Exact):
        return {}
    return {"σ": lambda at: complex(1 + at[0] % 3), **floating(world)}


def batch_library(given: Given) -> dict[str, object]:
    mean, variance, scale, offset = (vector(given, name) for name in ("μ", "σ", "γ", "β"))
    return rolled(given, lambda x: torch.nn.functional.batch_norm(x, mean, variance, scale, offset, False, 0.1, EPS))


# softmax and other maps of an entry and a statistic, of a halo of whole periods ---------------------------------------------------------

repeats = size("r")
AROUND = Cyclic(repeats * n)
at, entry, l = variables("i j l", AROUND)
ψ = Fun("ψ", (), ((), ()))
R = Fun("R", (), ((AROUND,),), symmetric=True)
y = Fun("y", (Cyclic(n),))


def relative(statistic: Any = R, moved: Any = l) -> Goal:
    """The signal, of period n, is read at r·n entries."""

    def layer(shift: Any, place: Any) -> Term:
        return ψ(body(y(place - shift)), body(statistic(body(entry, y(entry - shift)))))

    return Goal(layer(l, at), layer(0, at - moved))


def relative_script(p: Proof) -> None:
    p.reindex({entry: entry + l}, "the statistic of whole periods does not see the shift")


def softmax(world: World) -> dict[str, Meaning]:
    if isinstance(world.field, Exact):
        return {}
    return {
        "R": lambda values: sum(exp(v.real) for v in values),
        "ψ": lambda entry, total: exp(entry[0].real) / total[0],
    }


def relative_library(given: Given) -> dict[str, object]:
    """Axes i, l."""
    signal, repeats = torch.as_tensor(given["y"]).real, given["r"]
    shifts = range(repeats * given["n"])
    left = [torch.softmax(signal.roll(k).repeat(repeats), 0) for k in shifts]
    right = [torch.softmax(signal.repeat(repeats), 0).roll(k) for k in shifts]
    return {"lhs": torch.stack(left, 1), "rhs": torch.stack(right, 1)}


SMALL: tuple[dict[str, Any], ...] = (
    {"c": 2, "n": 3, "m": 2},
    {"c": 1, "n": 4, "m": 3},
    {"c": (1, 1), "n": (2, 2), "m": (1, 2)},
)
LAW = Law(
    name="normalisation",
    title="Normalisation with statistics of whole periods and constants of each channel commutes with every shift",
    families=("normalisation",),
    note="Layer and group norms are the law layer_norm. φ is any function; for the check against torch it is (x − mean)/√(variance + ε)·γ + β.",
    claims=(
        Claim(
            says="Instance norm: φ(x[a, i], R(x[a, ·]), S(x[a, ·]), γ[a], β[a]) with symmetric R, S moves with x",
            goal=instance,
            script=instance_script,
            twins=(
                Twin("the statistics are those of a crop, the first m positions", {"over": part}),
                Twin("the result stays", {"moved": 0}),
            ),
            meanings=floating,
            worlds=SMALL,
            library=instance_library,
        ),
        Claim(
            says="Batch norm in evaluation: stored statistics and constants of each channel",
            goal=batch,
            script=batch_script,
            twins=(
                Twin("the stored mean is one a position", {"stored": everywhere}),
                Twin("the result stays", {"moved": 0}),
            ),
            meanings=stored,
            worlds=SMALL,
            library=batch_library,
        ),
        Claim(
            says="Softmax along the axis, and any ψ of an entry and a symmetric statistic of r whole periods (a halo where r > 1), moves with its input",
            goal=relative,
            script=relative_script,
            twins=(
                Twin("the statistic depends on the order of the entries", {"statistic": Fun("R", (), ((AROUND,),))}),
                Twin("the result moves the other way", {"moved": -k}),
            ),
            meanings=softmax,
            library=relative_library,
            worlds=({"n": 3, "r": 1}, {"n": 2, "r": 2}, {"n": 3, "r": 2}, {"n": (2, 1), "r": (1, 2)}),
        ),
    ),
)
