"""The commands as a user types them: what they print, what they write, and the status they leave with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from equiconv.cli.app import ANSWERED, REFUSED, UNDECIDED, app

NETS = """
import torch
from torch import nn

def net(mode):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode=mode), nn.ReLU(), nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    ).eval()

def zeros():
    return net("zeros")

def circular():
    return net("circular")

class Sort(nn.Module):
    def forward(self, x):
        return torch.linalg.svdvals(x)

def broken():
    network = net("zeros")
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0] = float("nan")
    return network

class Branch(nn.Module):
    def forward(self, x):
        return x.relu() if x.sum() > 0 else x

class Silent(nn.Module):
    def forward(self, x):
        return None
"""


@pytest.fixture
def nets(tmp_path: Path) -> str:
    (tmp_path / "nets.py").write_text(NETS)
    return str(tmp_path / "nets.py")


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def test_help_names_every_command_and_every_form_of_model() -> None:
    status, out, _ = run("--help")
    assert status == 0
    assert all(c in out for c in ("audit", "certify", "sizes", "measure", "falsify", "symmetrize", "versions"))
    assert all(form in out for form in ("timm:NAME", "file.py:attribute", ".pt2", "Exit status"))


def test_version_and_short_help() -> None:
    import equiconv

    assert run("--version")[:2] == (0, f"equiconv {equiconv.__version__}\n")
    assert run("certify", "-h") == run("certify", "--help")


def test_an_option_with_two_values_is_refused_before_the_network_is_built(tmp_path: Path) -> None:
    for option in ("--weights", "--padding"):
        status, out, err = run("certify", str(tmp_path / "missing.py:net"), option, "any")
        assert (status, out) == (REFUSED, "")
        assert option in err
        assert "missing.py" not in err


def test_help_is_quick_because_it_loads_no_torch() -> None:
    code = (
        "import sys\nsys.argv = ['equiconv', '--help']\n"
        "from equiconv.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules, 'timm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False False"


def test_versions() -> None:
    status, out, _ = run("versions")
    assert status == ANSWERED
    assert torch.__version__.split("+")[0] in out


def test_certify_and_verify(nets: str, tmp_path: Path) -> None:
    saved = tmp_path / "c.json"
    status, out, _ = run("certify", f"{nets}:circular", "--size", "8x12", "--json", str(saved))
    assert status == ANSWERED
    assert "2Z × 2Z" in out
    assert "all hold" in out
    assert json.loads(saved.read_text())["strides"] == [2, 2]
    status, out, _ = run("certify", f"{nets}:circular", "--check", str(saved))  # the input is of the certificate's size
    assert status == ANSWERED
    assert "verified: every step" in out
    assert "all hold" in out
    status, out, _ = run("certify", f"{nets}:circular", "--check", str(saved), "--size", "8x12", "--no-squares")
    assert status == ANSWERED
    assert "commuting squares" not in out
    status, _, error = run("certify", f"{nets}:circular", "--check", str(saved), "--size", "8x8")
    assert status == REFUSED
    assert "the certificate is for" in error


def test_verify_says_what_does_not_hold(nets: str, tmp_path: Path) -> None:
    saved = tmp_path / "c.json"
    run("certify", f"{nets}:circular", "--size", "8x12", "--json", str(saved), "--no-squares")
    status, out, _ = run("certify", f"{nets}:zeros", "--check", str(saved), "--no-squares")
    assert status == UNDECIDED
    assert "REFUSED: graph" in out
    data = json.loads(saved.read_text())
    saved.write_text(json.dumps(data | {"strides": [1, 1]}))
    status, out, _ = run("certify", f"{nets}:circular", "--check", str(saved), "--no-squares")
    assert status == UNDECIDED
    assert "REFUSED: digest, verdict" in out
    assert "strides[0]: 1 in the certificate, 2 follows" in out
    saved.write_text(json.dumps(data | {"format": 2}))
    status, _, error = run("certify", f"{nets}:circular", "--check", str(saved))
    assert status == REFUSED
    assert "format: it is of format 2" in error


def test_certify_a_zero_padded_network(nets: str) -> None:
    status, out, _ = run("certify", f"{nets}:zeros", "--size", "8")
    assert status == ANSWERED  # the question was answered, and the answer is no
    assert "padding: 0 (aten.conv2d" in out
    status, out, _ = run("certify", f"{nets}:zeros", "--size", "8", "--padding", "circular", "--no-refute")
    assert status == ANSWERED
    assert "2Z × 2Z" in out


def test_an_undecided_verdict_leaves_with_its_own_status(nets: str) -> None:
    status, out, _ = run("certify", f"{nets}:Sort", "--size", "8")
    assert status == UNDECIDED
    assert "undecided" in out


def test_a_signal_of_one_dimension() -> None:
    status, out, _ = run("certify", "torch.nn:Identity", "--shape", "1x2x9", "--axes", "-1")
    assert status == ANSWERED
    assert "circular shifts of 9" in out


def test_a_program_is_certified_from_its_file(tmp_path: Path) -> None:
    net = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular").eval()
    torch.export.save(torch.export.export(net, (torch.zeros(2, 1, 6, 6),)), tmp_path / "net.pt2")
    status, out, _ = run("certify", str(tmp_path / "net.pt2"))
    assert status == ANSWERED
    assert "follows every circular shift in Z × Z" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["certify", "nosuch:net"], "no module named 'nosuch'"),
        (["certify", "NETS:broken", "--size", "8"], "NaN"),
        (["certify", "NETS:Silent", "--size", "8"], "no tensor"),
        (["certify", "NETS:Branch", "--size", "8"], "branch"),
        (["certify", "NETS:zeros", "--size", "8", "--axes", "-2,-9"], "axes"),
        (["certify", "NETS:zeros", "--size", "big"], "--size: 'big' came"),
        (["certify", "NETS:zeros", "--json", "nosuch/c.json"], "--json: the folder 'nosuch' does not exist"),
        (["certify", "NETS:zeros", "--images", "nosuch"], "--images: 'nosuch' does not exist"),
        (["certify", "NETS:zeros", "--check", "nosuch.json"], "--check: the file 'nosuch.json' does not exist"),
        (["certify", "NETS:zeros", "--check", "NETS"], "is no certificate"),
        (["certify", "NETS:zeros", "--check", "NETS", "--padding", "circular"], "--check: takes axes, padding"),
        (["audit", "--dtype", "float64"], "--dtype: the demonstration"),
        (["symmetrize", "NETS:zeros", "--out", "net.pth"], "ends with .pt2"),
        (["symmetrize", "NETS:zeros", "--out", "nosuch/net.pt2"], "the folder 'nosuch' does not exist"),
        (["measure", "NETS:zeros", "--json", "nosuch/m.json"], "--json: the folder 'nosuch' does not exist"),
    ],
)
def test_bad_input_is_refused_with_one_message(nets: str, arguments: list[str], message: str) -> None:
    status, _, error = run(*(argument.replace("NETS", nets) for argument in arguments))
    assert status == REFUSED
    assert "\nerror" in f"\n{error}"  # torch.export may print the graph that it got to before
    assert message in error
    assert "Traceback" not in error


def test_a_refusal_can_be_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQUICONV_TRACEBACK", "1")
    with pytest.raises(ValueError, match="no module named"):
        run("certify", "nosuch:net")


def test_files_are_looked_at_before_the_model(tmp_path: Path) -> None:
    """Loading the model would leave a sign; the output that cannot be written is refused first."""
    (tmp_path / "slow.py").write_text(f"open({str(tmp_path / 'loaded')!r}, 'w').close()\n")
    for command, option in (("certify", "--json"), ("measure", "--json"), ("audit", "--json"), ("audit", "--html")):
        status, _, error = run(command, f"{tmp_path / 'slow.py'}:net", option, str(tmp_path / "nosuch" / "file"))
        assert status == REFUSED
        assert f"{option}: the folder" in error
    assert not (tmp_path / "loaded").exists()


def test_measure(nets: str, tmp_path: Path) -> None:
    saved = tmp_path / "m.json"
    status, out, _ = run("measure", f"{nets}:circular", "--shape", "1x3x8x8", "--json", str(saved))
    assert status == ANSWERED
    assert "64 shifts" in out
    assert json.loads(saved.read_text())


def test_falsify(nets: str, tmp_path: Path) -> None:
    saved = tmp_path / "f.json"
    status, out, _ = run("falsify", f"{nets}:zeros", "--size", "8", "--json", str(saved))
    assert json.loads(saved.read_text())["law"] == "f(S x) = f(x)"
    assert status == ANSWERED
    assert "f(S x)" in out
    assert f"prepare('{nets}:zeros'" in out  # the lines to paste say how the network was made
    status, out, _ = run("falsify", "torch.nn:ReLU", "--size", "4")
    assert status == ANSWERED
    assert "no counterexample was found" in out


def test_the_recipe_builds_the_same_network(nets: str, tmp_path: Path) -> None:
    from equiconv.cli.prepare import prepare

    torch.save({k: v + 1 for k, v in prepare(f"{nets}:zeros").model.state_dict().items()}, tmp_path / "w.pt")
    made = prepare(f"{nets}:zeros", size="8x6", checkpoint=tmp_path / "w.pt", seed=3, dtype="float64")
    scope: dict[str, object] = {}
    exec(made.recipe, scope)
    model = scope["model"]
    assert isinstance(model, torch.nn.Module)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), made.model.parameters(), strict=True))
    assert next(model.parameters()).dtype == torch.float64


def test_symmetrize_saves_a_network_that_certifies(nets: str, tmp_path: Path) -> None:
    saved = tmp_path / "mended.pt2"
    status, out, _ = run("symmetrize", f"{nets}:zeros", "--size", "8", "--out", str(saved))
    assert status == ANSWERED
    assert "2Z × 2Z" in out
    status, out, _ = run("certify", str(saved))
    assert status == ANSWERED
    assert "2Z × 2Z" in out


def test_audit_writes_a_page_and_data(nets: str, tmp_path: Path) -> None:
    status, out, _ = run("audit", f"{nets}:zeros", "--size", "8", "--out", str(tmp_path / "report"))
    assert status == ANSWERED
    page, data = sorted((tmp_path / "report").iterdir(), key=lambda p: p.suffix, reverse=True)
    assert (page.suffix, data.suffix) == (".json", ".html") or (page.suffix, data.suffix) == (".html", ".json")
    assert str(page) in out
    assert str(data) in out
    files = {p.suffix: p.read_text() for p in (page, data)}
    assert json.loads(files[".json"])["verdict"]["potential"] == [2, 2]
    assert files[".html"].lstrip().lower().startswith("<!doctype html>")


def test_audit_of_an_undecided_network_leaves_with_that_status(nets: str, tmp_path: Path) -> None:
    status, _, _ = run("audit", f"{nets}:Sort", "--size", "8", "--json", str(tmp_path / "a.json"))
    assert status == UNDECIDED
    assert [p.name for p in tmp_path.iterdir() if p.suffix in (".json", ".html")] == ["a.json"]


def test_sizes(nets: str, tmp_path: Path) -> None:
    saved = tmp_path / "s.json"
    status, out, _ = run("sizes", f"{nets}:circular", "--sizes", "7:8, 8x9", "--json", str(saved))
    assert status == ANSWERED
    assert "3 of 3 sizes certified" in out
    assert "height: even H keeps 2Z (1 of 1 such sizes tried)" in out
    assert [row["strides"] for row in json.loads(saved.read_text())["rows"]] == [[7, 7], [2, 2], [2, 9]]
    status, out, _ = run("sizes", f"{nets}:Sort", "--sizes", "4", "--shape", "1x2x8x8")
    assert status == UNDECIDED
    assert "undecided at 4 × 4" in out
    status, _, error = run("sizes", f"{nets}:circular", "--sizes", "9:7")
    assert status == REFUSED
    assert "the range '9:7' is empty" in error
