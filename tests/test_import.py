"""``import equiconv`` costs little: public names load on first use, and what only some users need is imported when it
is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import equiconv

PUBLIC = {
    "Certificate",
    "Circulant",
    "Shift",
    "Toeplitz",
    "Translations",
    "__version__",
    "audit",
    "certify",
    "certify_sizes",
    "circular_convolve",
    "circular_correlate",
    "falsify",
    "measure",
    "nn",
    "plan",
    "show_versions",
    "symmetrize",
}
OPTIONAL = {"cupy", "matplotlib", "hypothesis", "timm", "torchvision", "transformers", "rich", "typer", "sklearn"}


def modules_after(statement: str) -> set[str]:
    """Top-level and inner names of every module that is loaded after the statement, in an interpreter of its own."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_import_loads_nothing_that_only_some_users_need() -> None:
    loaded = {name.split(".")[0] for name in modules_after("import equiconv")}
    assert loaded.isdisjoint(OPTIONAL | {"sympy"}), sorted(loaded & (OPTIONAL | {"sympy"}))


def test_import_adds_few_modules_to_numpy_and_torch() -> None:
    before = modules_after("import numpy, torch")
    added = modules_after("import numpy, torch, equiconv") - before
    assert "equiconv" in added
    assert len(added) < 20, sorted(added)


def test_every_public_name_loads_without_the_optional_packages() -> None:
    """torch.export itself imports SymPy, and torch may import others of the list: what torch brings is not
    equiconv's."""
    torch_alone = modules_after("import numpy, torch, torch.export, torch.testing")
    loaded = modules_after("import equiconv\nfor name in equiconv.__all__: getattr(equiconv, name)")
    added = {name.split(".")[0] for name in loaded - torch_alone}
    assert added.isdisjoint(OPTIONAL), sorted(added & OPTIONAL)


def test_the_control_sees_an_import() -> None:
    assert "rich" in {name.split(".")[0] for name in modules_after("import equiconv, rich")}


def test_public_names() -> None:
    assert set(equiconv.__all__) == PUBLIC
    assert set(dir(equiconv)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__", "nn"}))
def test_public_name_is_callable_and_documented(name: str) -> None:
    value = getattr(equiconv, name)
    assert callable(value), name
    assert value.__doc__, name


def test_verbs_stay_functions_when_their_rooms_are_imported() -> None:
    """Rooms are nouns and functions are verbs, so that no room hides a function of its name."""
    code = (
        "import equiconv.certification, equiconv.measurement, equiconv.report, equiconv.symmetrization, "
        "equiconv.testing, equiconv\n"
        "names = ['audit', 'certify', 'falsify', 'measure', 'plan', 'symmetrize']\n"
        "assert all(callable(getattr(equiconv, name)) for name in names)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'equiconv' has no attribute 'certifi'"):
        equiconv.certifi  # noqa: B018


def test_nn_is_the_room() -> None:
    import equiconv.nn

    assert equiconv.nn is sys.modules["equiconv.nn"]
