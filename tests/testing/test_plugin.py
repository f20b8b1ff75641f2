"""The pytest plugin in runs of its own: the fixture, the marker, profiles, the summary, and that it costs others nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest

import equiconv.testing.session  # noqa: F401  (a run in this process must find NumPy and torch loaded)

pytest_plugins = ["pytester"]

INSTALLED = any(e.name == "equiconv" for e in metadata.entry_points(group="pytest11"))

TESTS = """
import numpy as np
import pytest

import equiconv.testing.session  # noqa: F401  (a run in this process must find NumPy and torch loaded)
from equiconv.testing import assert_equivariant, assert_invariant

def blur(x):
    return x + np.roll(x, 1, -1)

def test_holds(equivariance):
    assert equivariance.assert_equivariant(blur, (6, 6)).passed

def test_holds_in_float32():
    assert_equivariant(blur, np.ones((4, 4), np.float32))

@pytest.mark.filterwarnings("ignore::equiconv.testing.VacuousWarning")
def test_constant():
    assert_invariant(lambda x: 0 * x.sum(), (4, 4))

def test_fails():
    assert_equivariant(lambda x: np.cumsum(x, -1), (4, 4))

@pytest.mark.skip(reason="no CuPy here")
def test_skipped():
    pass
"""


def run(pytester: pytest.Pytester, text: str, *options: str, apart: bool = True) -> pytest.RunResult:
    """A run of pytest, in a process of its own where that matters: starting one takes seconds."""
    pytester.makepyfile(text)
    plugin = () if INSTALLED else ("-p", "equiconv.testing.plugin")
    start = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
    return start("-p", "no:cacheprovider", *plugin, *options)


def test_the_summary_says_what_was_verified(pytester: pytest.Pytester) -> None:
    result = run(pytester, TESTS)
    result.assert_outcomes(passed=3, failed=1, skipped=1)
    result.stdout.fnmatch_lines_random(
        [
            "*= equiconv =*",
            "4 laws: 2 verified, 1 vacuous, 1 failed; * comparisons; profile dev",
            "  failed *1 × f(S x) = S f(x)  [[]numpy float64, cpu]*",
            "  vacuous *1 × f(S x) = f(x)*",
            "  verified *1 × f(S x) = S f(x)  [[]numpy float32, cpu]*",
            "  groups: *Z × Z of Z_4 × Z_4 (3)*",
            "  vacuous: *<lambda>: the output is zero for all 3 inputs*",
            "  1 tests skipped: no CuPy here (1)",
        ]
    )
    result.stdout.fnmatch_lines(["*counterexample to f(S x) = S f(x)*"])


def test_workers_report_to_the_same_summary(pytester: pytest.Pytester) -> None:
    result = run(pytester, TESTS, "-n", "2")
    result.assert_outcomes(passed=3, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["4 laws: 2 verified, 1 vacuous, 1 failed; *"])


def test_profiles_by_option_ini_and_marker(pytester: pytest.Pytester) -> None:
    text = """
    import pytest
    from equiconv.testing import profiles

    def test_run(equivariance):
        assert (equivariance.profile.name, equivariance.seed) == ("ci", 5)

    @pytest.mark.equivariance(profile="nightly", seed=7)
    def test_marked(equivariance):
        assert (profiles.current().name, equivariance.seed) == ("nightly", 7)
    """
    run(pytester, text, "--equiconv-profile=ci", "--equiconv-seed=5", apart=False).assert_outcomes(passed=2)
    pytester.makeini("[pytest]\nequiconv_profile = ci\n")
    run(pytester, text, "--equiconv-seed=5", apart=False).assert_outcomes(passed=2)
    pytester.makeini("[pytest]\nequiconv_profile = often\n")
    assert "choose one of dev, ci, nightly" in "".join(run(pytester, text, apart=False).errlines)


@pytest.mark.parametrize("marker", ["equivariance('ci')", "equivariance(often=True)", "equivariance(profile='often')"])
def test_a_marker_that_says_nothing_known_is_refused(pytester: pytest.Pytester, marker: str) -> None:
    result = run(pytester, f"import pytest\n@pytest.mark.{marker}\ndef test_it(equivariance): pass\n", apart=False)
    assert result.ret != 0
    assert "marker equivariance" in result.stdout.str()


def test_a_run_that_does_not_use_it_imports_nothing_and_prints_nothing(pytester: pytest.Pytester) -> None:
    text = """
    import sys

    def test_nothing_is_loaded():
        heavy = {"numpy", "torch", "hypothesis", "equiconv.testing.assertions", "equiconv.testing.ledger", "equiconv.arrays"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    result = run(pytester, text, "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*equiconv ===*")


def test_loading_the_plugin_loads_neither_numpy_nor_torch() -> None:
    code = "import json, sys, equiconv.testing.plugin\nprint(json.dumps(sorted(m.split('.')[0] for m in sys.modules)))"
    loaded = set(
        json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    )
    assert loaded.isdisjoint({"numpy", "torch", "hypothesis", "sympy"})


def test_the_entry_point_is_declared() -> None:
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {"equiconv": "equiconv.testing.plugin"}
