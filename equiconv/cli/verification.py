"""`equiconv verify`: from what the user types to `equiconv.testing.verify_laws`, and its table on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import nn

from equiconv.cli.errors import BadInput
from equiconv.cli.inputs import parse_axes, parse_shape
from equiconv.cli.models import attribute_of, construct, resolve
from equiconv.cli.registries import SOURCES
from equiconv.testing import LawTable, profiles, verify_laws
from equiconv.testing.laws.suite import LAWS
from equiconv.testing.laws.table import told

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "dim", "vacuous": "yellow"}


def list_laws(kind: str | None) -> None:
    """Print every law: its name, the lecture's items, the statement, and the theorem that proves it."""
    console = Console()
    for word, laws in LAWS.items():
        if kind in (None, word):
            table = Table("law", "lecture", "statement", "theorem", title=word, title_justify="left")
            for law in laws:
                table.add_row(law.name, ", ".join(law.items), escape(law.statement), law.theorem or "")
            console.print(table)


def target_of(name: str, kind: str | None, seed: int) -> tuple[Any, tuple[int, ...] | None]:
    """The function or module that TARGET names, and the shape of an input where its source says one.

    Where a module is wanted, a class or a function without arguments stands for what it returns.

    Raises:
        BadInput: where nothing can be made of it.
    """
    try:
        if ":" not in name or name.partition(":")[0] in SOURCES or name.endswith(".pt2"):
            if kind == "convolution":
                raise BadInput(
                    f"MODEL {name!r} is no function; name one as package.module:attribute or file.py:attribute"
                )
            loaded = resolve(name, seed=seed)
            known = loaded.shape or (loaded.channels and loaded.size and (1, loaded.channels, *loaded.size)) or None
            return loaded.model, known
        value = attribute_of(name, seed)
        is_class = isinstance(value, type) and issubclass(value, nn.Module)
        if is_class or (kind in ("layer", "model") and not isinstance(value, nn.Module)):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                value = construct(value, name)
    except BadInput as error:
        raise BadInput(str(error).replace("MODEL", "TARGET", 1)) from error
    return (value.eval() if isinstance(value, nn.Module) else value), None


def place_of(name: str, target: Any = None, seed: int = 0) -> str:
    """What a script writes to get the target: an import, or, of a file, what running it binds; of a module the same weights, in evaluation mode.

    target: what was made of the name. A class or function that it names is called, as it was to make the target.

    >>> place_of("package.module:f"), place_of("some/file.py:f")
    ('package.module:f', "import runpy\\nmodel = runpy.run_path('some/file.py')['f']")
    >>> print(place_of("torch.nn:ReLU", nn.ReLU(), 3))
    import torch
    torch.manual_seed(3)
    from torch.nn import ReLU
    torch.manual_seed(3)
    model = ReLU().eval()
    """
    source, _, attribute = name.rpartition(":")
    if ":" not in name or name.partition(":")[0] in SOURCES or name.endswith(".pt2"):
        return f"from equiconv.cli.models import resolve\nmodel = resolve({name!r}, seed={seed}).model"
    head, dot, rest = attribute.partition(".")
    if not Path(source).is_file() and not source.endswith(".py"):
        if not isinstance(target, nn.Module):
            return name
        found, expression = f"from {source} import {head}", attribute
    else:
        found, expression = "import runpy", f"runpy.run_path({source!r})[{head!r}]{dot}{rest}"
        if not isinstance(target, nn.Module):
            return f"{found}\nmodel = {expression}"
    seeded = f"torch.manual_seed({seed})"
    if isinstance(attribute_of(name, seed), nn.Module):
        return f"import torch\n{seeded}\n{found}\nmodel = {expression}.eval()"
    # Loading the code may draw numbers, and so may the call.
    first = [f"found = {expression}"] if found == "import runpy" else []
    made = "found" if first else expression
    return "\n".join(["import torch", seeded, found, *first, seeded, f"model = {made}().eval()"])


def options_of(
    *,
    axes: str | None,
    dims: str | None,
    origin: str,
    shape: str | None,
    strides: str | None,
    dtypes: str | None,
    kind: str | None,
) -> dict[str, Any]:
    """The words of the command line as `verify_laws` takes them."""
    found: dict[str, Any] = {}
    if axes is not None:
        found["axes"] = axes if axes.isidentifier() else parse_axes(axes)
    if dims is not None:
        found["dims"] = _integers(dims, "--dims", "1,2")
    if origin != "0":
        found["origin"] = int(origin) if origin.lstrip("-").isdigit() else origin
    if shape is not None:
        found["shape"] = parse_shape(shape)
    if strides is not None:
        found["strides"] = _integers(strides, "--strides", "4,4")
    if dtypes is not None:
        found["dtypes"] = tuple(part.strip() for part in dtypes.split(","))
    foreign = {
        "convolution": ("shape", "strides"),
        "layer": ("dims", "origin", "dtypes"),
        "model": ("dims", "origin", "dtypes"),
    }
    wrong = [word for word in foreign.get(kind or "", ()) if word in found]
    if wrong:
        raise BadInput(f"--{wrong[0]}: says nothing of a {kind}; leave it out")
    return found


def _integers(text: str, option: str, example: str) -> tuple[int, ...]:
    parts = text.replace("x", ",").split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise BadInput(f"{option}: got {text!r}; give positive integers with commas between, such as {example}")
    return tuple(int(part) for part in parts)


def run(
    target: Any,
    kind: str | None,
    laws: Sequence[str],
    profile: str | None,
    seed: int,
    options: dict[str, Any],
    progress: Callable[[str], None],
) -> LawTable:
    """Run the suite under a profile."""
    with profiles.use(profile or profiles.current()):
        return verify_laws(target, kind, laws=list(laws) or None, seed=seed, progress=progress, **options)


def show(table: LawTable) -> None:
    """Print the table with colours where the terminal has them: a row for each law, or, of several subjects, a line for each."""
    console = Console()
    if len(table.subjects) > 1:
        for line in table.lines():
            console.print(escape(line), style=_style(line), highlight=False, soft_wrap=True)
    else:
        grid = Table(title=table.subjects[0] if table.subjects else None, title_justify="left")
        for word in ("law", "lecture", "result"):
            grid.add_column(word, overflow="fold")
        for row in table.rows:
            result = escape(told(row, statement=False))
            grid.add_row(row.law.name, ", ".join(row.law.items), f"[{_STYLES[row.status]}]{result}[/]")
        console.print(grid)
        for note in table.notes:
            console.print(escape(f"note: {note}"), highlight=False, soft_wrap=True)
    for line in table.report():
        console.print(escape(line), highlight=False, soft_wrap=True)
    console.print(table.summary, style="bold green" if table else "bold red", highlight=False, soft_wrap=True)


def _style(line: str) -> str | None:
    return {"✓": "green", "✗": "bold red", "○": "yellow", "–": "dim"}.get(line.strip()[:1])


def write(table: LawTable, path: Path) -> None:
    """Save the table as JSON."""
    from equiconv.cli.outputs import write as replace

    replace(path, table.save)
