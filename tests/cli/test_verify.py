"""`equiconv verify` as a user types it: what it prints, what it writes, and the status it leaves with."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from equiconv.cli.app import ANSWERED, REFUSED, UNDECIDED, app

MINE = """
import numpy as np
import torch
from torch import nn

def good(x, w):
    kernel = np.zeros_like(x)
    np.add.at(kernel, np.arange(len(w)) % len(x), w)
    return np.fft.ifft(np.fft.fft(x) * np.fft.fft(kernel)).real.astype(x.dtype)

def padded(x, w):
    return np.convolve(x, w)[:len(x)]

def correlated(x, w):
    return np.array([sum(w[t] * x[(i + t) % len(x)] for t in range(len(w))) for i in range(len(x))], x.dtype)

class Layer(nn.Conv2d):
    def __init__(self):
        super().__init__(1, 2, 3, padding=1, padding_mode="circular")

def zeros():
    return nn.Conv2d(1, 2, 3, padding=1)

def model():
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), nn.AdaptiveAvgPool2d(1), nn.Flatten())

class Out:
    f = staticmethod(good)

number = 3
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(MINE)
    return str(tmp_path / "mine.py")


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["verify", *arguments], catch_exceptions=False, env={"COLUMNS": "160"})
    return result.exit_code, result.stdout, result.stderr


REAL = ("--dtypes", "float64,float32")


def test_a_function_that_follows_the_laws_passes_and_the_table_is_written(mine: str, tmp_path: Path) -> None:
    target = tmp_path / "table.json"
    status, out, _ = run(
        f"{mine}:good", "--as", "convolution", *REAL, "--law", "definition", "--law", "wraps", "--json", str(target)
    )
    assert status == ANSWERED
    assert "definition" in out
    assert "2 passed, 0 failed, 0 vacuous, 0 skipped" in out
    assert json.loads(target.read_text())["verified"] is True


def test_a_function_that_does_not_fails_with_the_lines_that_reproduce_it(mine: str) -> None:
    status, out, _ = run(f"{mine}:padded", *REAL, "--law", "definition")
    assert status == UNDECIDED
    assert "x = [0, 1]" in out
    assert "diagnosis: it is zero-padded" in out
    assert f"model = runpy.run_path('{mine}')['padded']" in out
    script = [line.removeprefix("    ") for line in out.split("to reproduce it:\n")[1].split("\n\n")[0].splitlines()]
    names: dict = {}
    exec("\n".join(script), names)
    assert names["error"] == 1


def test_the_commonest_confusion_is_told_and_the_option_mends_it(mine: str) -> None:
    status, out, _ = run(f"{mine}:correlated", *REAL, "--law", "definition")
    assert status == UNDECIDED
    assert "this is a correlation with the same origin: pass correlate=True (--correlate)" in out
    status, _, _ = run(f"{mine}:correlated", *REAL, "--law", "definition", "--correlate", "--dims", "1", "--no-batch")
    assert status == ANSWERED


def test_a_layer_a_function_that_returns_one_and_a_model(mine: str) -> None:
    assert run(f"{mine}:Layer", "--as", "layer", "--law", "shift", "--law", "local")[0] == ANSWERED
    status, out, _ = run(f"{mine}:zeros", "--as", "layer", "--law", "shift", "--shape", "1x1x4x4")
    assert status == UNDECIDED
    assert "law shift" in out
    status, out, _ = run(
        f"{mine}:model", "--as", "model", "--shape", "1x1x8x8", "--law", "shift", "--law", "certificate"
    )
    assert status == ANSWERED
    assert "certified: the network ignores every circular shift" in out


def test_without_a_target_equiconv_itself_is_verified() -> None:
    status, out, _ = run("--as", "operator", "--profile", "dev")
    assert status == ANSWERED
    assert "✓ Circulant, Shift, Toeplitz (numpy): 15 passed" in out


def test_the_laws_are_listed_with_their_theorems() -> None:
    status, out, _ = run("--list", "--as", "convolution")
    assert status == ANSWERED
    assert "F f(x, w) = F x ⊙ F w" in out
    assert "convolution_theorem" in out
    assert "an output depends on the patch" not in out
    assert "an output depends on the patch" in run("--list")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{mine}:nothing",), "has no attribute 'nothing'"),
        (("{mine}:number", "--as", "convolution"), "a convolution is a function f(x, w)"),
        (("{mine}:number",), "as_: it cannot be told"),
        (("{mine}:good", "--as", "operator"), "--as: operator is about equiconv's own"),
        (("{mine}:good", "--as", "convolution", "--shape", "1x2"), "--shape: says nothing of a convolution"),
        (("{mine}:Layer", "--as", "layer", "--dims", "1"), "--dims: says nothing of a layer"),
        (("{mine}:good", "--dims", "one"), "--dims: got 'one'"),
        (("{mine}:good", "--law", "shiftx"), "did you mean"),
        (("{mine}:good", "--origin", "middle"), "origin: got 'middle'"),
        (("{mine}:good", "--json", "/nowhere/table.json"), "--json: the folder"),
        (("--dims", "1"), "--dims: is about a TARGET"),
        (("--correlate",), "is about a TARGET"),
        (("nonsense",), "TARGET 'nonsense' is none of the forms"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(arguments: tuple[str, ...], message: str, mine: str) -> None:
    status, out, err = run(*(word.replace("{mine}", mine) for word in arguments))
    assert status == REFUSED
    assert message in err
    assert "Traceback" not in out + err


def test_the_lines_of_a_class_a_builder_and_a_layer_in_training_mode_run_as_they_are(mine: str, tmp_path: Path) -> None:
    """They bound the class itself, whose call needs arguments, and a layer that drops at random."""
    module = tmp_path / "lines_of.py"
    module.write_text(
        "import torch\nfrom torch import nn\n"
        "class Zeros(nn.Conv2d):\n    def __init__(self):\n        super().__init__(1, 2, 3, padding=1)\n"
        "def build():\n    return Zeros()\n"
        "layer = nn.Sequential(Zeros(), nn.Dropout(0.5))\n"
    )
    for name, kind in (("Zeros", "layer"), ("build", "layer"), ("layer", "model")):
        for source in (str(module), "lines_of"):
            report = tmp_path / "table.json"
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(tmp_path)
                patch.syspath_prepend(str(tmp_path))
                shape = () if kind == "layer" else ("--shape", "1x1x6x6", "--strides", "1,1")
                code, out, _ = run(
                    f"{source}:{name}", "--as", kind, *shape, "--law", "shift", "--seed", "4", "--json", str(report)
                )
                assert code == UNDECIDED, out
                script = "\n".join(
                    line.removeprefix("    ")
                    for line in out.split("to reproduce it:\n")[1].split("\n\n")[0].splitlines()
                )
                printed = io.StringIO()
                with torch.random.fork_rng(devices=[]), torch.enable_grad(), contextlib.redirect_stdout(printed):
                    exec(compile(script, "<pasted>", "exec"), {})
            found = float(out.split("    error ")[1].split(",")[0])
            assert abs(float(printed.getvalue().splitlines()[-1]) - found) < 1e-2 * found
