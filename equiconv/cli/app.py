"""The commands. Each resolves MODEL, calls one public function and prints what it returns; the thinking is in the rooms
below.

Everything heavy (torch, the registries, the rooms) is imported inside the commands, so that ``equiconv --help`` is
quick.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, ParamSpec

import typer

from equiconv.cli.errors import BadInput
from equiconv.cli.options import (
    AxesOption,
    CheckpointOption,
    DtypeOption,
    ImagesOption,
    JsonOption,
    LimitOption,
    Model,
    PaddingOption,
    SeedOption,
    ShapeOption,
    SizeOption,
    WeightsOption,
)
from equiconv.cli.outputs import require_folder, require_writable, write

if TYPE_CHECKING:
    from equiconv.cli.prepare import Prepared

ANSWERED, UNDECIDED, REFUSED = 0, 1, 2
DEFAULT_FOLDER = Path("equiconv-report")
LARGEST_RUN = 300_000_000

_EPILOG = """\
MODEL is one of

- timm:NAME, torchvision:NAME, transformers:NAME: a network by its name, with random weights unless --checkpoint is
given

- package.module:attribute or file.py:attribute: a network, a class or a function that returns one. Loading it runs its
code.

- FILE.pt2: a program saved by torch.export.save. Weights are never unpickled unsafely, and a pickled module is refused.

Exit status: 0, the question was answered, whatever the answer; 1, it was not (an undecided verdict, a check that
failed); 2, the command was refused, and the message says why. EQUICONV_TRACEBACK=1 shows where a refusal came from.
"""

app = typer.Typer(
    name="equiconv",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

P = ParamSpec("P")


def _refusing(command: Callable[P, int]) -> Callable[P, None]:
    """Print what the command or the library refuses as one message, and leave with the status that the command
    returns."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            status = command(*args, **kwargs)
        except (BadInput, TypeError, ValueError, RuntimeError, OSError) as error:
            if os.environ.get("EQUICONV_TRACEBACK"):
                raise
            where = "" if isinstance(error, BadInput) else f" ({type(error).__name__})"
            print(f"error{where}: {error}", file=sys.stderr)
            status = REFUSED
        raise typer.Exit(status)

    run.__annotations__["return"] = None
    return run


def _version(asked: bool) -> None:
    if asked:
        import equiconv

        print(f"equiconv {equiconv.__version__}")
        raise typer.Exit


@app.callback()
def equiconv_(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave."),
    ] = False,
) -> None:
    """Which symmetries does a neural network really have? Certify, falsify, measure, symmetrize; audit does all."""


@app.command(epilog=_EPILOG)
@_refusing
def audit(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="The network; without it, the demonstration.", show_default=False),
    ] = None,
    images: ImagesOption = None,
    size: SizeOption = None,
    shape: ShapeOption = None,
    limit: LimitOption = 16,
    checkpoint: CheckpointOption = None,
    axes: AxesOption = "-2,-1",
    seed: SeedOption = 0,
    dtype: DtypeOption = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the report: a page and its data.")
    ] = DEFAULT_FOLDER,
    json: JsonOption = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the page here instead.", show_default=False)
    ] = None,
) -> int:
    """Certify, measure and falsify a network, and write a report.

    Without MODEL: trains the lecture's classifier on scikit-learn's digits, zero-padded and circular, and audits both,
    then audits transformers' ResNet-18 on scikit-learn's two photographs. Nothing is downloaded.
    """
    if model is None:
        given = {
            "--images": images,
            "--size": size,
            "--shape": shape,
            "--checkpoint": checkpoint,
            "--dtype": dtype,
            "--json": json,
            "--html": html,
        }
        extra = [name for name, value in given.items() if value is not None] + (["--axes"] if axes != "-2,-1" else [])
        if extra:
            raise BadInput(
                f"{', '.join(extra)}: the demonstration, which runs without MODEL, takes --seed and --out only; name a "
                "MODEL"
            )
        from equiconv.cli.demo import run_demo

        return run_demo(require_folder(out), seed=seed)
    json, html = _report_targets(model, out, json, html)
    prepared = _prepare(model, images, size, shape, limit, checkpoint, seed, dtype, photographs=True)
    from equiconv.cli.audits import audit_model

    return audit_model(prepared, _axes(axes), seed, json, html)


@app.command(epilog=_EPILOG)
@_refusing
def certify(
    model: Model,
    images: ImagesOption = None,
    size: SizeOption = None,
    shape: ShapeOption = None,
    checkpoint: CheckpointOption = None,
    axes: AxesOption = "-2,-1",
    padding: PaddingOption = "as-is",
    weights: WeightsOption = "these",
    refute: Annotated[bool, typer.Option(help="Run the network to refute every larger subgroup.")] = True,
    squares: Annotated[
        bool, typer.Option(help="Run every claim of the certificate on the input (its commuting squares).")
    ] = True,
    check: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="FILE",
            help="Check this saved certificate (of --json) against MODEL instead of deriving one: its hashes, every step "
            "by its rule, the verdict. Axes, padding and weights are the file's.",
        ),
    ] = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = None,
    json: JsonOption = None,
) -> int:
    """Derive, from the network's graph, the shifts that it provably ignores or follows, and the lines that cost the
    others; or check a saved certificate (--check).

    With --weights generic, the weights of a network by name are made only where they are run: not with --no-refute
    --no-squares, nor beyond 300 million parameters. With --check FILE, the status is 1 where a step, a hash or the
    verdict does not hold.
    """
    if check is not None:
        if json is not None or (axes, padding, weights) != ("-2,-1", "as-is", "these"):
            raise BadInput(
                "--check: takes axes, padding and weights from the certificate and writes none; leave out --axes, "
                "--padding, --weights and --json"
            )
        return _verify(model, check, images, size, shape, checkpoint, squares, seed, dtype)
    if json is not None:
        require_writable(json, "--json")
    most = (
        None if weights != "generic" else LARGEST_RUN if refute or squares else 0
    )  # weights that nothing reads are not made
    prepared = _prepare(model, images, size, shape, 1, checkpoint, seed, dtype, most=most)
    import equiconv

    with _status("certifying") as say:
        certificate = equiconv.certify(
            prepared.model,
            prepared.example,
            _axes(axes),
            padding=padding,
            weights=weights,
            refute=refute,
            seed=seed,
            progress=say,
        )
    print(certificate)
    if json is not None:
        certificate.save(json)
        print(f"certificate  {json}")
    if certificate.kind == "undecided":
        return UNDECIDED
    if not squares:
        return ANSWERED
    if not prepared.valued:
        print("check  not run, for want of values: a claim is checked on numbers")
        return ANSWERED
    with _status("checking every claim"):
        report = certificate.check(prepared.model, prepared.example)
    print(f"check  {report}")
    return UNDECIDED if report.violations else ANSWERED


@app.command(epilog=_EPILOG)
@_refusing
def sizes(
    model: Model,
    sizes: Annotated[
        str,
        typer.Option(
            "--sizes",
            metavar="SIZES",
            help="Items with commas between: 64, a range 32:96:4 (the last included), 224x320, or 32:64:8x32:64:8.",
        ),
    ],
    shape: ShapeOption = None,
    checkpoint: CheckpointOption = None,
    axes: AxesOption = "-2,-1",
    padding: PaddingOption = "as-is",
    weights: WeightsOption = "these",
    refute: Annotated[
        bool, typer.Option(help="At each size, run the network to refute every larger subgroup.")
    ] = False,
    seed: SeedOption = 0,
    dtype: DtypeOption = None,
    json: JsonOption = None,
) -> int:
    """Certify a network at many sizes of its input, and say how the verdict depends on the size.

    What is seen on the sizes tried is no proof for others. A network whose weights depend on the size is certified at
    its own size, and the rows of the others say why not.
    """
    if json is not None:
        require_writable(json, "--json")
    from equiconv.certification.sizes import certify_sizes, parse_sizes

    chosen = _axes(axes)
    wanted = parse_sizes(sizes, len(chosen))
    prepared = _prepare(model, None, None, shape, 1, checkpoint, seed, dtype)
    with _status("certifying") as say:
        sweep = certify_sizes(
            prepared.model,
            wanted,
            prepared.example,
            chosen,
            padding=padding,
            weights=weights,
            refute=refute,
            seed=seed,
            progress=say,
        )
    print(sweep)
    if json is not None:
        sweep.save(json)
        print(f"sweep  {json}")
    return ANSWERED if any(row.kind not in (None, "undecided") for row in sweep.rows) else UNDECIDED


@app.command(epilog=_EPILOG)
@_refusing
def measure(
    model: Model,
    images: ImagesOption = None,
    size: SizeOption = None,
    shape: ShapeOption = None,
    limit: LimitOption = 16,
    checkpoint: CheckpointOption = None,
    axes: AxesOption = "-2,-1",
    seed: SeedOption = 0,
    dtype: DtypeOption = None,
    json: JsonOption = None,
) -> int:
    """Measure how far the network is from each shift's symmetry, over shifts and per layer, beside the rounding
    floor."""
    if json is not None:
        require_writable(json, "--json")
    prepared = _prepare(model, images, size, shape, limit, checkpoint, seed, dtype, photographs=True)
    import equiconv

    with _status("measuring") as say:
        measurement = equiconv.measure(prepared.model, prepared.inputs.x, axes=_axes(axes), seed=seed, progress=say)
    print(measurement)
    if json is not None:
        measurement.save(json)
        print(f"measurement  {json}")
    return ANSWERED


@app.command(epilog=_EPILOG)
@_refusing
def falsify(
    model: Model,
    images: ImagesOption = None,
    size: SizeOption = None,
    shape: ShapeOption = None,
    checkpoint: CheckpointOption = None,
    axes: AxesOption = "-2,-1",
    seed: SeedOption = 0,
    dtype: DtypeOption = None,
    json: JsonOption = None,
) -> int:
    """Find the smallest input and shift for which the network is not symmetric, with lines that reproduce it."""
    if json is not None:
        require_writable(json, "--json")
    prepared = _prepare(model, images, size, shape, 1, checkpoint, seed, dtype)
    import equiconv

    with _status("looking for the smallest counterexample") as say:
        found = equiconv.falsify(
            prepared.model, prepared.example, axes=_axes(axes), seed=seed, progress=say, name=prepared.recipe
        )
    nothing = "no counterexample was found: no shift that was tried changes the output beyond rounding"
    print(nothing if found is None else found)
    if json is not None:
        text = dumps(None if found is None else found.as_dict(), indent=1)
        write(json, lambda path: path.write_text(f"{text}\n", encoding="utf-8"))
        print(f"data  {json}")
    return ANSWERED


@app.command(epilog=_EPILOG)
@_refusing
def symmetrize(
    model: Model,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE.pt2", help="Where to save the mended network, as an exported program."),
    ],
    images: ImagesOption = None,
    size: SizeOption = None,
    shape: ShapeOption = None,
    checkpoint: CheckpointOption = None,
    axes: AxesOption = "-2,-1",
    method: Annotated[str, typer.Option("--method", help="circular: every padding made circular.")] = "circular",
    seed: SeedOption = 0,
    dtype: DtypeOption = None,
) -> int:
    """Change the network so that more shifts hold, weights kept; certify the result and save it."""
    if out.suffix != ".pt2":
        raise BadInput(
            f"--out: {str(out)!r} came; the network is saved as an exported program, so give a name that ends with .pt2"
        )
    require_writable(out, "--out")
    prepared = _prepare(model, images, size, shape, 1, checkpoint, seed, dtype)
    import torch

    import equiconv

    with _status("mending and certifying"):
        mended, certificate = equiconv.symmetrize(
            prepared.model, prepared.example, method=method, axes=_axes(axes), return_certificate=True, seed=seed
        )
        program = torch.export.export(mended, (prepared.example,))
    print(certificate)
    write(out, lambda path: torch.export.save(program, path))
    print(f"network  {out}  (torch.export.load({str(out)!r}).module())")
    return UNDECIDED if certificate.kind == "undecided" else ANSWERED


@app.command()
@_refusing
def verify(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]",
            help="package.module:attribute or file.py:attribute, a function f(x, w) or a torch module (loading it runs its code), "
            "or a network by its name (timm:NAME, …); without it, equiconv itself.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        Literal["convolution", "layer", "model", "operator"] | None,
        typer.Option("--as", help="What the target is; without TARGET, which of equiconv's own.", show_default=False),
    ] = None,
    library: Annotated[
        Literal["numpy", "torch", "cupy"] | None,
        typer.Option(
            "--library", help="Whose arrays a convolution takes; default: the first that it does.", show_default=False
        ),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(
            "--axes",
            metavar="NAME|A,B",
            help="A convolution's argument for its axes, or where they lie in x; of a module, the dims that carry the shifts.",
            show_default=False,
        ),
    ] = None,
    dims: Annotated[
        str | None,
        typer.Option(
            "--dims", metavar="1,2", help="How many axes a convolution takes; default: tried.", show_default=False
        ),
    ] = None,
    correlate: Annotated[
        bool, typer.Option("--correlate", help="It is a correlation, as a convolutional layer's.")
    ] = False,
    origin: Annotated[
        str, typer.Option("--origin", metavar="N", help="Index of the kernel's centre: a number, m//2 or (m-1)//2.")
    ] = "0",
    kernel: Annotated[
        Literal["any", "fit", "equal"],
        typer.Option("--kernel", help="Kernels it is made for: fit, no longer than the signal; equal, as long."),
    ] = "any",
    dtypes: Annotated[
        str | None,
        typer.Option("--dtypes", metavar="D,E", help="Dtypes it is made for; default: all.", show_default=False),
    ] = None,
    batch: Annotated[
        bool, typer.Option(help="Leading axes of a convolution's signal are a batch, where it takes them.")
    ] = True,
    shape: ShapeOption = None,
    strides: Annotated[
        str | None,
        typer.Option(
            "--strides", metavar="S,T", help="Shifts claimed of a module; default: derived.", show_default=False
        ),
    ] = None,
    law: Annotated[
        list[str] | None,
        typer.Option("--law", metavar="NAME", help="Only this law; may be repeated.", show_default=False),
    ] = None,
    profile: Annotated[
        Literal["dev", "ci", "nightly"] | None,
        typer.Option("--profile", help="How much is tried; default: dev, or EQUICONV_PROFILE.", show_default=False),
    ] = None,
    seed: SeedOption = 0,
    json: JsonOption = None,
    list_: Annotated[bool, typer.Option("--list", help="Print the laws and leave.")] = False,
) -> int:
    """Run every law of circular convolution, of an equivariant layer or of a model on your own code, and print the smallest counterexamples.

    Without TARGET: every law of the lecture on equiconv's own functions, matrices and layers, in every array library that is present. Exit status: 0, every
    law held that could be run; 1, one was broken, or nothing depended on the input; 2, the command was refused.
    """
    from equiconv.cli import verification

    if list_:
        verification.list_laws(kind)
        return ANSWERED
    if json is not None:
        require_writable(json, "--json")
    given = {
        "--library": library,
        "--axes": axes,
        "--dims": dims,
        "--dtypes": dtypes,
        "--shape": shape,
        "--strides": strides,
    }
    if target is None:
        extra = [name for name, value in given.items() if value is not None]
        if extra or correlate or origin != "0" or kernel != "any":
            raise BadInput(f"{', '.join(extra) or '--correlate, --origin, --kernel'}: is about a TARGET; name one")
        found, options = None, {}
    else:
        if kind == "operator":
            raise BadInput(
                "--as: operator is about equiconv's own matrices; for a TARGET give convolution, layer or model"
            )
        options = verification.options_of(
            axes=axes, dims=dims, origin=origin, shape=shape, strides=strides, dtypes=dtypes, kind=kind
        )
        found, known = verification.target_of(target, kind, seed)
        if known is not None and kind != "convolution":
            options.setdefault("shape", known)
        options |= {"library": library, "correlate": correlate, "kernel": kernel, "batch": batch, "name": target}
        options["place"] = verification.place_of(target, found, seed)
    with _status("verifying") as say:
        table = verification.run(found, kind, law or [], profile, seed, options, say)
    verification.show(table)
    if json is not None:
        verification.write(table, json)
        print(f"table  {json}")
    return ANSWERED if table else UNDECIDED


@app.command()
@_refusing
def versions() -> int:
    """Print what a bug report needs: the versions of Python, of the packages, and of CUDA."""
    import equiconv

    equiconv.show_versions()
    return ANSWERED


def _prepare(
    name: str,
    folder: Path | None,
    size: str | None,
    shape: str | None,
    limit: int,
    checkpoint: Path | None,
    seed: int,
    dtype: str | None,
    photographs: bool = False,
    most: int | None = None,
) -> Prepared:
    from equiconv.cli.prepare import prepare

    with _status(f"building {name}"):
        prepared = prepare(
            name,
            size=size,
            shape=shape,
            folder=folder,
            photographs=photographs,
            limit=limit,
            checkpoint=checkpoint,
            seed=seed,
            dtype=dtype,
            most=most,
        )
    print(prepared.describe())
    return prepared


def _verify(
    model: str,
    certificate: Path,
    images: Path | None,
    size: str | None,
    shape: str | None,
    checkpoint: Path | None,
    run: bool,
    seed: int,
    dtype: str | None,
) -> int:
    """Check a saved certificate about a network. The input is of the certificate's size unless another is given."""
    if not certificate.is_file():
        raise BadInput(
            f"--check: the file {str(certificate)!r} does not exist; write one with equiconv certify MODEL --json FILE"
        )
    from equiconv.certification import verify
    from equiconv.certification.records import read

    if size is None and shape is None and images is None:
        size, shape = _recorded(model, read(certificate)[0].input_shapes)
    prepared = _prepare(model, images, size, shape, 1, checkpoint, seed, dtype)
    with _status("verifying") as say:
        found = verify(certificate, prepared.model, prepared.example, run, progress=say)
    print(found)
    return ANSWERED if found else UNDECIDED


def _recorded(model: str, shapes: tuple[tuple[int, ...], ...]) -> tuple[str | None, str | None]:
    """--size and --shape for an input as it was when the certificate was made."""
    from equiconv.cli.registries import SOURCES

    if len(shapes) != 1:
        raise BadInput(f"--check: it is for {len(shapes)} inputs, and the command line drives networks of one tensor")
    parts = [str(n) for n in shapes[0]]
    # A network by its name is built for the size, where its weights depend on it.
    if len(parts) == 4 and model.partition(":")[0] in SOURCES:
        return "x".join(parts[2:]), None
    return None, "x".join(parts)


def _axes(text: str) -> tuple[int, ...]:
    from equiconv.cli.inputs import parse_axes

    return parse_axes(text)


def _report_targets(model: str, out: Path, json: Path | None, html: Path | None) -> tuple[Path | None, Path | None]:
    """The JSON file and the HTML file to write; both in the folder, unless files are named."""
    if json is None and html is None:
        stem = "".join(c if c.isalnum() or c in "-." else "-" for c in model).lstrip("-.") or "model"
        require_folder(out)
        return out / f"{stem}.json", out / f"{stem}.html"
    if json is not None:
        require_writable(json, "--json")
    if html is not None:
        require_writable(html, "--html")
    return json, html


def _status(text: str) -> Any:
    from equiconv.cli.progress import status

    return status(text)
