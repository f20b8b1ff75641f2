"""The pytest plugin: profiles, a fixture and a marker, and a summary of what was verified.

It is loaded by every pytest run of an environment that has equiconv (entry point ``pytest11``), so it imports nothing of the library until a test does:
what was verified is read from `equiconv.testing.ledger`, if that has been imported. Results travel with the test reports, and so reach the summary from
the workers of pytest-xdist too.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from equiconv.testing.session import Equivariance

_PROPERTY = "equiconv"
_SHOWN = 6
_PROFILES = ("dev", "ci", "nightly")
_entries = pytest.StashKey[list[dict[str, Any]]]()
_skips = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The profile and the seed of a whole run."""
    group = parser.getgroup("equiconv", "verification of symmetries (equiconv)")
    group.addoption(
        "--equiconv-profile",
        choices=_PROFILES,
        help="how much each assertion tries: dev (seconds; the default), ci, nightly; also the ini option equiconv_profile and EQUICONV_PROFILE",
    )
    group.addoption(
        "--equiconv-seed", type=int, default=None, help="the seed of the fixture `equivariance` (default: 0)"
    )
    parser.addini("equiconv_profile", "how much each assertion of equiconv tries: dev, ci or nightly", default="")


def pytest_configure(config: pytest.Config) -> None:
    """The marker; and the profile as an environment variable, which tests, their processes and workers read."""
    config.addinivalue_line(
        "markers",
        "equivariance(profile=None, seed=None): how much equiconv's assertions try in this test, and the seed of its fixture",
    )
    config.stash[_entries] = []
    config.stash[_skips] = Counter()
    profile = config.getoption("--equiconv-profile") or config.getini("equiconv_profile")
    if profile:
        if profile not in _PROFILES:
            raise pytest.UsageError(f"equiconv_profile: got {profile!r}; choose one of {', '.join(_PROFILES)}")
        before = os.environ.get("EQUICONV_PROFILE")
        os.environ["EQUICONV_PROFILE"] = profile
        config.add_cleanup(lambda: _restore(before))


def _restore(before: str | None) -> None:
    if before is None:
        os.environ.pop("EQUICONV_PROFILE", None)
    else:
        os.environ["EQUICONV_PROFILE"] = before


@pytest.fixture
def equivariance(request: pytest.FixtureRequest) -> Equivariance:
    """equiconv's assertions, with the seed of ``--equiconv-seed`` or of the marker ``equivariance``.

    Its methods are `assert_equivariant`, `assert_invariant`, `assert_commutes`, `assert_adjoint` and `equivariance_error`; ``profile`` and ``seed`` say what is
    in force.
    """
    from equiconv.testing.session import Equivariance

    options = _marked(request.node)
    seed = options.get("seed")
    given = request.config.getoption("--equiconv-seed")
    return Equivariance(seed if seed is not None else given if given is not None else 0)


def _marked(item: pytest.Item) -> dict[str, Any]:
    """What the markers of a test say, the nearest first."""
    options: dict[str, Any] = {}
    for marker in item.iter_markers("equivariance"):
        unknown = set(marker.kwargs) - {"profile", "seed"}
        if marker.args or unknown:
            raise pytest.UsageError(
                f"the marker equivariance takes profile= and seed=, got {', '.join([*map(repr, marker.args), *sorted(unknown)])} at {item.nodeid}"
            )
        options = dict(marker.kwargs) | options
    return options


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run a test in the profile of its marker, and attach what it verified to its report."""
    options = _marked(item)
    with ExitStack() as stack:
        if options.get("profile") is not None:
            from equiconv.testing import profiles

            try:
                stack.enter_context(profiles.use(options["profile"]))
            except ValueError as error:
                raise pytest.UsageError(f"marker equivariance at {item.nodeid}: {error}") from error
        try:
            return (yield)
        finally:
            ledger = sys.modules.get("equiconv.testing.ledger")
            if ledger is not None and (found := ledger.drain()):
                item.user_properties.append((_PROPERTY, found))


class _Collector:
    """Gathers what the reports carry."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == _PROPERTY and report.when == "call" and isinstance(value, list):
                self.config.stash[_entries].extend(value)
        if report.skipped and report.when in ("setup", "call") and isinstance(report.longrepr, tuple):
            reason = str(report.longrepr[2]).removeprefix("Skipped: ")
            self.config.stash[_skips][reason] += 1


def pytest_sessionstart(session: pytest.Session) -> None:
    """Gather results where the summary is written: not on the workers of pytest-xdist."""
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_Collector(session.config), "equiconv-collector")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What was verified, over which groups and dtypes; nothing where no test used equiconv."""
    entries = config.stash[_entries]
    if not entries:
        return
    verdicts = Counter(entry["verdict"] for entry in entries)
    compared = sum(entry["compared"] for entry in entries)
    terminalreporter.section("equiconv")
    profile = os.environ.get("EQUICONV_PROFILE") or "dev"
    counts = ", ".join(f"{verdicts[v]} {v}" for v in ("verified", "vacuous", "failed", "skipped") if verdicts[v])
    terminalreporter.write_line(f"{len(entries)} laws: {counts}; {compared:,} comparisons; profile {profile}")
    rows: Counter[tuple[str, str, str, str]] = Counter()
    worst: dict[tuple[str, str, str, str], float] = {}
    for entry in entries:
        key = (entry["law"], entry["what"], f"{entry['library']} {entry['dtype']}, {entry['device']}", entry["verdict"])
        rows[key] += 1
        worst[key] = max(worst.get(key, 0.0), entry["ratio"] or 0.0)
    for key, count in sorted(rows.items()):
        law, what, where, verdict = key
        of = "" if what == "value" else f" of the {what}"
        line = f"  {verdict:9} {count:4} × {law}{of}  [{where}]  largest error {worst[key]:.2g} × its bound"
        terminalreporter.write_line(line, red=verdict == "failed", yellow=verdict == "vacuous")
    groups = Counter(entry["group"] for entry in entries)
    shown = ", ".join(f"{group} ({n})" for group, n in groups.most_common(_SHOWN))
    terminalreporter.write_line(f"  groups: {shown}{', …' if len(groups) > _SHOWN else ''}")
    idle = Counter(f"{entry['name']}: {entry['why']}" for entry in entries if entry["verdict"] == "vacuous")
    for text, count in idle.most_common(_SHOWN):
        terminalreporter.write_line(f"  vacuous: {text}{f' ({count} times)' if count > 1 else ''}", yellow=True)
    if len(idle) > _SHOWN:
        terminalreporter.write_line(f"  vacuous: {len(idle) - _SHOWN} more", yellow=True)
    skips = config.stash[_skips]
    if skips:
        terminalreporter.write_line(
            f"  {sum(skips.values())} tests skipped: "
            + "; ".join(f"{reason} ({n})" for reason, n in skips.most_common(_SHOWN))
        )
