"""The lines of a counterexample, pasted into a fresh interpreter, show the failure."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import equiconv as eq
from equiconv.testing import LawFailure, Symmetry, assert_equivariant, flips, rotations
from equiconv.testing.recipes import Dense, Sparse, build, lines, rolled
from equiconv.testing.script import locate
from tests.testing import networks

ROOT = Path(__file__).resolve().parents[2]


PRINTED = re.compile(r"error (\S+) \(found: (\S+), rounding explains")
CONV = "from torch import manual_seed, nn\nmanual_seed(0)\nmodel = nn.Conv2d(1, 1, 3, stride=2, padding=1).double()"


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def fresh(program: str, text: str = "") -> str:
    """What a new interpreter prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def strided() -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(1, 1, 3, stride=2, padding=1).double().eval()


@functools.cache
def found_in(case: str) -> eq.testing.Counterexample:
    """A counterexample of each kind."""
    signal = np.random.default_rng(0).standard_normal((5, 4))
    search = {
        "an attribute": lambda: eq.falsify(networks.ZERO_PADDED, image(1, 2, 8, 6)),
        "an expression": lambda: eq.falsify(networks.build(), image(1, 2, 8, 6), name="tests.testing.networks:build()"),
        "lines that bind model": lambda: eq.falsify(strided(), image(1, 1, 8, 6).double(), name=CONV),
        "a function of numpy": lambda: eq.falsify(networks.seam, signal, output_action="invariant"),
        "arguments that stay": lambda: eq.falsify(networks.energy, (image(4, 3), torch.tensor([[1.0, 2.0, 3.0]]), 2)),
        "a dense input": lambda: eq.falsify(networks.dense_only, image(20, 20).double()),
        "an action": lambda: eq.falsify(
            torch.abs, image(4, 4), output_action=networks.reflected, name="from torch import abs as model"
        ),
    }
    return search[case]()


CASES = {
    "an attribute": "from tests.testing.networks import ZERO_PADDED as model",
    "an expression": "from tests.testing.networks import build\nmodel = build()",
    "lines that bind model": "expected = torch.roll(expected, (0, 1), (-2, -1))",
    "a function of numpy": "from tests.testing.networks import seam as model",
    "arguments that stay": "torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float32)",
    "a dense input": "torch.randint(-3, 4, (20, 20), generator=torch.Generator().manual_seed(0))",
    "an action": "from tests.testing.networks import reflected as action",
}


def test_pasted_into_a_fresh_interpreter_the_lines_show_the_failure() -> None:
    found = found_in("an attribute")
    printed = PRINTED.search(fresh(found.script))
    assert float(printed[1]) == pytest.approx(found.error, rel=1e-5)


@pytest.fixture(scope="module")
def printed() -> dict[str, str]:
    """What the scripts of all cases print, each in a namespace of its own of one new interpreter."""
    program = "import json, sys\nfor script in json.load(sys.stdin):\n    exec(script, {})"
    lines = fresh(program, json.dumps([found_in(case).script for case in CASES])).splitlines()
    return dict(zip(CASES, lines, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_the_lines_of_every_kind_show_the_same_failure(case: str, printed: dict[str, str]) -> None:
    found = found_in(case)
    assert CASES[case] in found.script
    match = PRINTED.search(printed[case])
    assert match[1] == match[2]  # what is found now, and what was found before
    assert float(match[1]) == pytest.approx(found.error, rel=1e-5)


def test_the_lines_need_only_the_function_and_its_array_library() -> None:
    assert "equiconv" not in found_in("an attribute").script
    assert "torch" not in found_in("a function of numpy").script


def test_what_cannot_be_imported_is_asked_for() -> None:
    local = nn.Sequential(networks.build(), nn.Identity()).eval()
    found = eq.falsify(local, image(1, 2, 8, 6))
    assert "# first bind `model` to Sequential as it was given, with its 91 weights" in found.script
    bound: dict[str, object] = {"model": local}
    exec(found.script, bound)
    assert bound["error"] == pytest.approx(found.error, rel=1e-5)


def test_the_text_carries_the_script_and_the_facts() -> None:
    found = eq.falsify(networks.ZERO_PADDED, image(1, 2, 8, 6))
    text = str(found)
    for fact in ("f(S x) = f(x)", "(0, 1)", "zero but for 1 at (0, 0, 0, 0)", "expected", "got", "to reproduce it"):
        assert fact in text
    assert all(line in text for line in found.script.splitlines())
    assert "\n" not in repr(found)
    data = found.as_dict()
    assert data["script"] == found.script
    assert data["pixels"] == [[[0, 0, 0, 0], 1]]


def test_an_instance_of_the_main_program_or_of_a_local_class_is_not_imported() -> None:
    class Local(nn.Module):
        pass

    assert locate(Local(), None)[0].startswith("# first bind `model`")
    assert locate(lambda x: x, None)[0].startswith("# first bind `model`")
    assert locate(networks.Classifier.forward, None) == [
        "from tests.testing.networks import Classifier",
        "model = Classifier.forward",
    ]


RECIPES = [
    Sparse((((0, 1), -2), ((3, 4), 1))),
    Dense(3),
    Dense(3, box=((1, 3), (0, 4))),
    Dense(3, box=((1, 3), (0, 4)), offset=((0, 1), (2, 1))),
    Dense(None, rounded=True),
    Dense(None, box=((0, 2), (0, 2))),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
@pytest.mark.parametrize("shape", [(4, 5), (40, 50)])
@pytest.mark.parametrize("lib", ["torch", "numpy"])
def test_the_lines_of_a_recipe_make_its_array(recipe, shape, lib) -> None:
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32) * 3
    like = torch.as_tensor(values) if lib == "torch" else values
    bound = {"torch": torch, "numpy": np, "x": like.clone() if lib == "torch" else like.copy()}
    text = "\n".join(lines(recipe, like, "x"))
    given = isinstance(recipe, Dense) and recipe.seed is None and shape == (40, 50) and recipe.box is None
    assert ("# first bind x" in text) == given  # every other input is written out
    exec(text, bound)
    assert bound["x"].dtype == like.dtype
    assert np.array_equal(np.asarray(bound["x"]), np.asarray(build(recipe, like)))


def test_a_rolled_recipe_makes_the_rolled_array() -> None:
    like = np.random.default_rng(0).standard_normal((4, 5))
    for recipe in RECIPES:
        once = rolled(recipe, (0, 1), (1, 3), like.shape)
        twice = rolled(once, (0, 1), (3, 3), like.shape)
        assert np.array_equal(build(once, like), np.roll(build(recipe, like), (1, 3), (0, 1)))
        assert np.array_equal(build(twice, like), np.roll(build(recipe, like), (4, 6), (0, 1)))


# Maps that are named, and tolerances ------------------------------------------------------------------------------------------


def negated(x):
    return -x


def first_negated(arguments):
    return (-arguments[0], arguments[1])


def unchanged(y):
    return y


def shifted_by(shift, y):
    return np.roll(y, shift, (-2, -1))


def ramp(x):
    return {"image": x * np.arange(1.0, 5.0), "extra": x + 1}


def weighted(x):
    return x * np.arange(1.0, 5.0)


def product(x, y):
    return np.abs(x) * y


held = torch.nn.Conv2d(1, 1, 3, padding=1, dtype=torch.float64).eval()  # an instance of a class of another module


@pytest.mark.parametrize(
    ("f", "input", "options"),
    [
        (ramp, (4, 4), {"group": rotations()}),
        (ramp, (4, 4), {"group": rotations(output="invariant")}),
        (ramp, (4, 4), {"group": flips(-1)}),
        (ramp, (4, 4), {"group": [Symmetry("minus", negated, unchanged)]}),
        (ramp, (4, 4), {"group": [Symmetry("minus", negated)]}),
        (product, (np.ones((4, 4)), np.ones((4, 4))), {"group": [Symmetry("minus", first_negated, negated)]}),
        (held, (1, 1, 4, 4), {"group": rotations()[1:2]}),
        (ramp, (4, 4), {"tolerance": 0.25}),
        (held, (1, 1, 4, 4), {"tolerance": 1e-3}),
        (weighted, (4, 4), {"tolerance": 0.25, "output_action": shifted_by}),
    ],
)
def test_the_lines_of_a_named_map_or_with_a_tolerance_run_as_they_are(f, input, options) -> None:
    """They ended in a comment that told the reader to compare."""
    with pytest.raises(LawFailure) as failure:
        assert_equivariant(f, input, **options)
    found = failure.value.counterexample
    assert found is not None
    space: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(found.script, "<pasted>", "exec"), space)
    assert space["error"] == found.error > 0
    assert f"fails for {'S' if 'tolerance' in options else 'g'} = " in printed.getvalue()
    assert ("the given tolerance is" in str(found)) == ("tolerance" in options)


def test_a_map_that_cannot_be_imported_is_left_to_be_bound() -> None:
    with pytest.raises(LawFailure) as failure:
        assert_equivariant(ramp, (4, 4), group=[Symmetry("minus", lambda x: -x, unchanged)])
    assert "# first bind `act` to that of minus" in failure.value.counterexample.script
