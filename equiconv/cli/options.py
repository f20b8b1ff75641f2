"""The options that several commands share: one name, one meaning, one line of help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="The network; the forms are listed below.", show_default=False)
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="HxW",
        help="Height and width of the input, or native; default: the network's own.",
        show_default=False,
    ),
]
ShapeOption = Annotated[
    str | None,
    typer.Option(
        "--shape",
        metavar="NxCx…",
        help="The whole shape of a noise input, for networks of any rank: 1x16x100.",
        show_default=False,
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="DIR",
        help="A folder of pictures, or one picture; scaled to cover the size, the middle cut out.",
        show_default=False,
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="At most so many of the folder's pictures.")]
CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="Weights to load: .safetensors, or a .pt of tensors alone.",
        show_default=False,
    ),
]
AxesOption = Annotated[str, typer.Option("--axes", metavar="A,B", help="Dims of the input that carry the shifts.")]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, help="Seed of everything random: weights, noise, sampled shifts.")
]
DtypeOption = Annotated[
    str | None,
    typer.Option("--dtype", help="Convert the network: float32, float64, float16, bfloat16.", show_default=False),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON.", show_default=False)
]
PaddingOption = Annotated[
    Literal["as-is", "circular"],
    typer.Option("--padding", help="circular: certify as though every padding were circular."),
]
WeightsOption = Annotated[
    Literal["these", "generic"], typer.Option("--weights", help="generic: certify the architecture, for all weights.")
]
