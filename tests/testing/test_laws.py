"""The laws as a suite: what a table says, what is skipped and why, what a counterexample prints, and what is refused."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import equiconv as eq
from equiconv.testing import LawTable, assert_laws, profiles, verify_laws
from equiconv.testing.laws.record import KINDS
from equiconv.testing.laws.suite import LAWS
from proofs.catalogue import laws as theorems
from tests.testing import faults
from tests.testing.faults import FAULTS, right
from tests.testing.others import numpy_rfft

ALL = [law for laws in LAWS.values() for law in laws]
ONE = {"dims": 1, "library": "numpy"}


def row(table: LawTable, name: str):
    return next(row for row in table.rows if row.law.name == name)


# The catalogue ---------------------------------------------------------------------------------------------------------------


def test_a_law_names_items_of_the_lecture_and_a_theorem_that_is_proved() -> None:
    proved = theorems()
    for law in ALL:
        assert law.theorem is None or law.theorem in proved, law.name
        assert all(re.fullmatch(r"L([1-9]|[12]\d|3[0-2])", item) for item in law.items), law.name
        assert law.kind in KINDS
        assert law.statement
    assert sum(law.theorem is not None for law in ALL) >= 15


def test_names_are_unique_within_a_kind_and_every_item_that_the_lecture_states_as_a_law_has_one() -> None:
    for laws in LAWS.values():
        assert len({law.name for law in laws}) == len(laws)
    items = {item for law in ALL for item in law.items}
    stated = {
        "L6",
        "L7",
        "L10",
        "L11",
        "L13",
        "L14",
        "L18",
        "L19",
        "L21",
        "L22",
        "L23",
        "L24",
        "L25",
        "L26",
        "L27",
        "L28",
        "L29",
        "L30",
    }
    assert stated <= items


# equiconv's own --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["operator", "layer", "model"])
def test_equiconv_follows_every_law(kind: str) -> None:
    table = verify_laws(as_=kind, examples=4, shrink=False)
    assert table, table
    assert {row.law.name for row in table.rows if row.status == "passed"} == {law.name for law in LAWS[kind]}


def test_equiconv_convolves_as_the_laws_say_in_every_library_present() -> None:
    table = verify_laws(as_="convolution", examples=4, shrink=False)
    assert table, table
    assert {row.law.name for row in table.rows if row.status == "passed"} == {law.name for law in LAWS["convolution"]}
    subjects = " ".join(table.subjects)
    assert "numpy" in subjects
    assert "torch" in subjects
    cupy = [row for row in table.rows if "(cupy)" in row.subject]
    assert cupy
    assert all(row.status == "passed" or row.reason for row in cupy)  # an absent library is skipped, and says so


# A table ---------------------------------------------------------------------------------------------------------------------


def test_a_table_counts_tells_and_is_saved(tmp_path: Path) -> None:
    table = verify_laws(right, "convolution", examples=3, laws=["definition", "gradients"], **ONE)
    assert (table.passed, table.skipped, table.failed, table.vacuous) == (1, 1, 0, 0)
    assert table
    text = str(table)
    assert "✓ definition" in text
    assert "– gradients" in text
    assert "NumPy and CuPy have no gradients" in text
    assert "1 passed, 0 failed, 0 vacuous, 1 skipped" in text
    table.save(tmp_path / "table.json")
    read = json.loads((tmp_path / "table.json").read_text())
    assert read == table.as_dict()
    assert read["verified"] is True
    assert [r["law"] for r in read["rows"]] == ["definition", "gradients"]


def test_the_same_seed_finds_the_same_and_a_profile_says_how_much() -> None:
    once, again = (verify_laws(faults.off_by_one, "convolution", laws=["shift_w", "impulse"], **ONE) for _ in range(2))
    assert [str(f) for f in once.failures] == [str(f) for f in again.failures]
    with profiles.use(profiles.Profile("tiny", 20, 4, 4, 5)):
        table = verify_laws(right, "convolution", laws=["definition"], **ONE)
    assert (table.profile, table.rows[0].examples) == ("tiny", 5)


def test_where_the_caller_works_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    verify_laws(faults.off_by_one, "convolution", laws=["definition"], **ONE)
    assert list(tmp_path.iterdir()) == []


def test_hypothesis_is_imported_when_a_law_is_run_and_not_before() -> None:
    code = "import sys; from equiconv.testing import verify_laws, assert_laws, LawTable, Law; print('hypothesis' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


# Skips and vacuity -----------------------------------------------------------------------------------------------------------


def test_what_a_function_refuses_is_skipped_with_its_reason_and_never_passes() -> None:
    def no_longer(x, w):
        if w.shape[-1] > x.shape[-1]:
            raise NotImplementedError("the kernel is longer than the signal")
        return right(x, w)

    table = verify_laws(no_longer, "convolution", laws=["wraps", "definition"], **ONE)
    assert row(table, "wraps").status == "skipped"
    assert "the kernel is longer than the signal" in row(table, "wraps").reason
    assert row(table, "wraps").refused > 0
    assert row(table, "wraps").examples == 0
    assert row(table, "definition").status == "passed"


def test_what_is_refused_now_and_then_is_counted_beside_what_passed() -> None:
    def even_only(x, w):
        if x.shape[-1] % 2:
            raise ValueError("the length must be even")
        return right(x, w)

    table = verify_laws(even_only, "convolution", laws=["definition", "sizes"], **ONE)
    for found in table.rows:
        assert found.status == "passed"
        assert found.refused > 0
        assert "the length must be even" in found.reason


def test_a_function_that_refuses_everything_verifies_nothing() -> None:
    def never(x, w):
        raise TypeError("not today")

    table = verify_laws(never, "convolution", laws=["definition", "shift_x"], **ONE)
    assert table.skipped == 2
    assert not table
    with pytest.raises(ValueError, match=r"target: takes no signal and kernel.*not today"):
        verify_laws(never, "convolution")


def test_a_bug_that_raises_is_no_refusal() -> None:
    def crashes(x, w):
        return right(x, w)[[0, 1, 2, 3]]  # an IndexError on shorter signals, a wrong shape on longer ones

    found = row(verify_laws(crashes, "convolution", laws=["definition"], **ONE), "definition")
    assert found.status == "failed"
    assert "IndexError" in found.failure.raised or "shape" in found.failure.comparison.fault


@pytest.mark.parametrize("value", [None, [1.0, 2.0], 3.0])
def test_what_is_no_array_fails(value) -> None:
    table = verify_laws(lambda x, w: value, "convolution", laws=["definition"], **ONE)
    assert table.failed == 1


def test_a_constant_passes_some_laws_and_they_are_called_vacuous() -> None:
    table = verify_laws(faults.dead, "convolution", shrink=False, **ONE)
    assert {r.law.name for r in table.rows if r.status == "failed"} >= {"definition", "identity"}
    assert row(table, "shift_x").status == row(table, "linear_in_x").status == "vacuous"
    only = verify_laws(faults.dead, "convolution", laws=["shift_x"], **ONE)
    assert (only.failed, only.vacuous) == (0, 1)
    assert not only
    assert "VACUOUS" in str(only)


class NotANumber(nn.Module):
    """NaN where the first column is negative, and everywhere in the second case."""

    def __init__(self, everywhere: bool) -> None:
        super().__init__()
        self.everywhere = everywhere

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.nan if self.everywhere else torch.where(x < 0, torch.nan, x)


@pytest.mark.parametrize("everywhere", [True, False])
def test_two_nans_are_no_agreement(everywhere: bool) -> None:
    """It follows every shift, entry by entry, and is no number."""
    table = verify_laws(
        NotANumber(everywhere).eval(),
        "layer",
        shape=(1, 2, 4, 4),
        laws=["shift", "batch", "deterministic"],
        examples=10,
    )
    assert table.failed == 3
    function = verify_laws(lambda x, w: right(x, w) * np.nan, "convolution", laws=["shift_x", "deterministic"], **ONE)
    assert function.failed == 2


def test_a_layer_that_does_not_see_its_input_makes_every_law_vacuous() -> None:
    dead = faults.seeded(faults.DeadLayer)
    table = verify_laws(dead, "layer", shape=(1, 2, 4, 4), laws=["shift", "batch", "depends"], examples=4)
    assert row(table, "depends").status == "failed"
    assert row(table, "shift").status == row(table, "batch").status == "vacuous"


# Counterexamples -------------------------------------------------------------------------------------------------------------


def test_a_counterexample_is_the_smallest_and_can_be_read_at_a_glance() -> None:
    table = verify_laws(faults.zero_padded, "convolution", laws=["definition", "shift_x"], **ONE)
    shown = dict(row(table, "definition").failure.shown)
    assert (shown["x"], shown["w"]) == ("[0, 1]", "[0, 1]")
    text = str(row(table, "shift_x").failure)
    assert "law shift_x (L29): f(S x, w) = S f(x, w)" in text
    assert "is broken by zero_padded; the smallest found" in text
    assert "f(roll(x, k), w)   should be   roll(f(x, w), k)" in text
    assert re.search(r"error 1, bound \d", text)
    assert len(dict(row(table, "shift_x").failure.shown)["x"]) <= len("[0, 0, 1]")


REPRODUCED = (
    "zero padded",
    "off by one",
    "conjugated kernel",
    "batch leak",
    "first sample doubled",
    "ignores strides",
    "writes its input",
    "wrong gradient",
)


@pytest.mark.parametrize("name", REPRODUCED)
def test_the_lines_to_paste_reproduce_it(name: str) -> None:
    """In a namespace of their own, with f alone given to them."""
    fault = next(f for f in FAULTS if f.name == name)
    table = verify_laws(fault.make(), "convolution", laws=list(fault.killers)[:2], **{**fault.options, "examples": 15})
    for failure in table.failures:
        assert error_of(failure.script, fault.make()) == pytest.approx(failure.comparison.error)
        assert error_of(failure.script, fault.twin()) <= failure.comparison.bound


def error_of(script: str, f) -> float:
    """The error that the script prints, f in place of the function that it looks for."""
    lines = [
        line
        for line in script.splitlines()
        if not re.search(r"^from tests\.testing|import .* as f$|^# first bind", line)
    ]
    names = {"f": f}
    with contextlib.redirect_stdout(io.StringIO()):
        exec("\n".join(lines), names)
    return float(names["error"])


def test_the_lines_run_in_a_fresh_interpreter() -> None:
    table = verify_laws(faults.zero_padded, "convolution", laws=["definition"], **ONE)
    script = table.failures[0].script
    assert "from tests.testing.faults import zero_padded as f" in script
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "1.0"


def test_the_lines_of_a_layer_reproduce_it() -> None:
    layer = faults.seeded(faults.PositionBias)
    table = verify_laws(layer, "layer", shape=(1, 2, 4, 6), laws=["shift", "constant"], examples=5)
    assert table.failed == 2
    for failure in table.failures:
        try:
            assert error_of(failure.script, layer) == pytest.approx(failure.comparison.error, rel=1e-3)
        finally:
            torch.set_grad_enabled(True)


def test_a_function_that_is_random_is_told_to_be() -> None:
    drawn = np.random.default_rng(0)

    def noisy(x, w):
        return right(x, w) + drawn.integers(0, 2)

    table = verify_laws(noisy, "convolution", laws=["definition", "deterministic"], **ONE)
    assert table.failed == 2


# Diagnosis -------------------------------------------------------------------------------------------------------------------

TOLD = {
    "zero padded": "it is zero-padded",
    "off by one": "it is off by one",
    "flipped kernel": "the kernel is reversed end for end",
    "correlation": "this is a correlation with the same origin: pass correlate=True (--correlate)",
    "swapped axes of the kernel": "the axes of the kernel are swapped",
    "swapped axes of the result": "it is wrong on grids of 2×2, 3×3",
    "conjugated kernel": "the kernel is conjugated",
    "dropped imaginary part": "the imaginary part of the result is dropped",
    "divided by n": "the result is 1/n times what it should be",
    "not normalised": "the result is n times what it should be",
    "float32 inside float64": "to the precision of float32 only",
    "a bias": "a constant, 1, is added to the result",
    "wrong for 7 points": "it is wrong on grids of 7 and right on",
    "dead": "it returns zeros",
}


@pytest.mark.parametrize("name", TOLD)
def test_a_fault_is_told_by_name(name: str) -> None:
    fault = next(f for f in FAULTS if f.name == name)
    laws = ["definition", "sizes", "complex128"]
    table = verify_laws(fault.make(), "convolution", laws=laws, shrink=False, examples=5, **fault.options)
    assert TOLD[name] in table.diagnosis[0]


@pytest.mark.parametrize("name", ["batch leak", "first sample doubled", "small results set to 0"])
def test_what_nothing_fits_is_not_told(name: str) -> None:
    fault = next(f for f in FAULTS if f.name == name)
    table = verify_laws(
        fault.make(), "convolution", laws=list(fault.killers), shrink=False, examples=8, **fault.options
    )
    assert table.failed
    assert table.diagnosis == ()


# What is seen, and what is said ----------------------------------------------------------------------------------------------


def test_what_a_target_is_and_takes_is_seen_where_it_can_be_and_said() -> None:
    table = verify_laws(right, laws=["definition"], examples=3)
    assert table
    said = " ".join(table.notes)
    assert "taken as a convolution: it is a function of two arguments" in said
    assert "f takes arrays of numpy" in said
    assert "grids of 1 and 2 and 3 axes" in said
    assert "grids of 1 axes" in " ".join(verify_laws(numpy_rfft, laws=["total"], examples=3).notes)
    assert "arrays of torch" in " ".join(verify_laws(faults.right_torch, laws=["definition"], examples=3).notes)
    assert "axes='axes' tries it on more axes" in " ".join(
        verify_laws(eq.circular_convolve, "convolution", laws=["total"], examples=3).notes
    )
    layer = nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular").eval()
    assert "taken as a layer" in verify_laws(layer, shape=(1, 2, 4, 4), laws=["dtype"], examples=2).notes[0]
    assert (
        "taken as a model"
        in verify_laws(faults.seeded(faults.network), shape=(1, 1, 8, 8), laws=["dtype"], examples=2).notes[0]
    )


def test_axes_other_than_the_last_are_laid_out_for_the_function() -> None:
    def along_first(x, w):
        return np.stack([right(column, w) for column in np.moveaxis(x, 0, -1)], -1)

    table = verify_laws(along_first, "convolution", library="numpy", axes=-2, examples=6, shrink=False)
    assert table, table
    wrong = verify_laws(lambda x, w: right(x, w), "convolution", library="numpy", axes=-2, laws=["definition", "batch"])
    assert wrong.failed


def test_a_correlation_and_an_origin_are_taken_at_their_word() -> None:
    for origin in (0, 2, -1, "m//2", lambda m: m - 1):

        def f(x, w, axes, origin=origin):
            at = {"m//2": lambda m: m // 2}.get(origin, origin)
            return eq.circular_correlate(x, w, axes, at(w.shape[-1]) if callable(at) else at)

        options = {"axes": "axes", "dims": 1, "library": "numpy", "correlate": True, "examples": 5, "shrink": False}
        table = verify_laws(f, "convolution", origin=origin, **options)
        assert table, table
        assert verify_laws(f, "convolution", origin=1, laws=["definition"], **options).failed


def test_certified_shifts_of_a_model_are_those_that_are_run() -> None:
    model = faults.seeded(faults.network)
    table = verify_laws(model, "model", shape=(1, 1, 8, 8), laws=["shift", "certificate"], examples=5)
    assert table
    assert "certified: the network ignores every circular shift in 2Z × 2Z" in table.notes[0]
    nothing = verify_laws(
        faults.seeded(lambda: faults.network("zeros")),
        "model",
        shape=(1, 1, 8, 8),
        laws=["shift", "depends"],
        examples=3,
    )
    assert row(nothing, "shift").status == "skipped"
    assert "pass strides=" in row(nothing, "shift").reason


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5])
def test_the_gradient_of_a_bias_whose_terms_cancel_is_no_failure(seed: int) -> None:
    """It is the sum of numbers whose sum is nearly 0; one roundoff of that was all that was allowed."""
    torch.manual_seed(seed)
    layer = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular").eval()
    assert assert_laws(layer, as_="layer", laws=["gradients"], seed=seed).passed == 1


def test_a_layer_whose_output_no_shift_moves_fails_and_says_why() -> None:
    table = verify_laws(nn.Conv2d(2, 3, 3).eval(), "layer", shape=(1, 2, 8, 8), laws=["shift"], examples=3)
    assert "has 6 points and that of the input 8" in table.failures[0].comparison.fault


def test_assert_laws_passes_in_silence_and_raises_with_the_counterexample() -> None:
    assert assert_laws(right, laws=["definition"], **ONE).passed == 1
    with pytest.raises(AssertionError, match="should be") as raised:
        assert_laws(faults.off_by_one, laws=["definition"], **ONE)
    assert "diagnosis: it is off by one" in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"as_": "conv"}, r"as_: got 'conv'"),
        ({"library": "jax"}, r"library: got 'jax'"),
        ({"dims": 4}, r"dims: got 4"),
        ({"dims": ()}, r"dims: got \(\)"),
        ({"axes": 0}, r"axes: got 0; pass negative places"),
        ({"axes": (-1, -1)}, r"axes: got \(-1, -1\)"),
        ({"origin": "middle"}, r"origin: got 'middle'"),
        ({"kernel": "short"}, r"kernel: got 'short'"),
        ({"dtypes": ("float63",)}, r"dtypes: got \('float63',\)"),
        ({"dtypes": "float64"}, r"dtypes: got 'float64'"),
        ({"laws": ["shiftx"]}, r"no law 'shiftx' of this kind; did you mean"),
        ({"examples": 0}, r"examples: got 0"),
    ],
)
def test_what_is_no_option_is_refused_by_name(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verify_laws(right, **{"as_": "convolution", **options})


def test_what_is_no_module_or_function_is_refused_by_name() -> None:
    conv = nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular")
    with pytest.raises(TypeError, match=r"target: got a function; a layer is a torch\.nn\.Module"):
        verify_laws(right, "layer", shape=(1, 1, 4, 4))
    with pytest.raises(TypeError, match=r"a convolution is a function f\(x, w\)"):
        verify_laws(np.zeros(3), "convolution")
    with pytest.raises(ValueError, match="training mode"):
        verify_laws(conv.train(), "layer")
    with pytest.raises(ValueError, match="shape: cannot be worked out"):
        verify_laws(nn.ReLU().eval(), "layer")
    with pytest.raises(ValueError, match="strides: got"):
        verify_laws(conv.eval(), "layer", shape=(1, 1, 8, 8), strides=(3, 3))
    with pytest.raises(ValueError, match="as_: pass 'layer' or 'model'"):
        verify_laws(conv.eval())
    with pytest.raises(ValueError, match="as_: it cannot be told"):
        verify_laws(lambda x: x)
