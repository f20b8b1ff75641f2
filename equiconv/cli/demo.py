"""The demonstration: ``equiconv audit`` without a MODEL.

Real data that ships inside a dependency. The lecture's classifier, zero-padded and circular, is trained on
scikit-learn's digits on a torus and audited; then transformers' ResNet-18 on scikit-learn's two photographs, at their
native 427 × 640.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from equiconv.cli.audits import audited, save, show
from equiconv.cli.index import index_page
from equiconv.cli.outputs import write
from equiconv.cli.progress import status

if TYPE_CHECKING:
    from equiconv.cli.digits import Digits
    from equiconv.cli.prepare import Prepared
    from equiconv.report.result import Audit

_SHOWN = 64
_PADDINGS: tuple[Literal["zeros", "circular"], ...] = ("zeros", "circular")
_RESNET = "transformers:resnet-18"
_RESNET_SIZE = "native"


def run_demo(folder: Path, *, seed: int = 0) -> int:
    """Train, audit, and write a page each, with an index, into the folder; the exit status.

    Raises:
        BadInput: scikit-learn or transformers is not installed.
    """
    from equiconv.cli import digits
    from equiconv.cli.app import ANSWERED, UNDECIDED
    from equiconv.cli.prepare import prepare

    # whatever is missing is refused before the first minute of work
    data = digits.load_digits(seed)
    photographs = prepare(_RESNET, size=_RESNET_SIZE, photographs=True, seed=seed)

    audits: list[tuple[str, Audit]] = []

    def keep(stem: str, audit: Audit) -> None:
        """Each page is written when it is ready, so that an interruption loses nothing that was found."""
        show(audit)
        save(audit, json=folder / f"{stem}.json", html=folder / f"{stem}.html")
        audits.append((stem, audit))

    for padding in _PADDINGS:
        _heading(f"The lecture's classifier, padding={padding!r}, on digits placed anywhere on a torus of 32 × 32")
        keep(f"digits-{padding}", _audit_digits(data, padding, seed))
    height, width = photographs.inputs.x.shape[-2:]
    _heading(f"ResNet-18 on two photographs of {height} × {width}")
    size = _size_note(photographs, seed)
    print(f"{photographs.describe()}\n{size}")
    keep("resnet-18", _audit_photographs(photographs, size, seed))

    index = write(folder / "index.html", lambda path: path.write_text(index_page(audits), encoding="utf-8"))
    _heading("What was found")
    for stem, audit in audits:
        print(f"- {audit.headline}\n  {folder / f'{stem}.html'}")
    print(f"\nThe report: {index.resolve().as_uri()}")
    return UNDECIDED if any(audit.kind == "undecided" for _, audit in audits) else ANSWERED


def _audit_digits(data: Digits, padding: Literal["zeros", "circular"], seed: int) -> Audit:
    import torch

    from equiconv.cli import digits

    model = digits.build(padding, seed)
    with _progress(f"training, padding={padding!r}", digits.EPOCHS) as advance:
        digits.train(model, data, epochs=digits.EPOCHS, seed=seed, step=advance)
    images = digits.place(data.test, digits.SIDE, torch.Generator().manual_seed(seed + 1))
    right = digits.accuracy(model, images, data.test_labels)
    print(f"{len(data.train)} digits trained on, {100 * right:.1f} % of {len(data.test)} others recognised")
    shown = images[:_SHOWN]
    return audited(
        f"LectureClassifier(padding={padding!r})",
        model,
        shown,
        labels=data.test_labels[:_SHOWN],
        images=shown / digits.BRIGHTNESS,
        classes=[str(i) for i in range(10)],
        weights=f"trained on {len(data.train)} of scikit-learn's digits for {digits.EPOCHS} epochs (seed {seed})",
        notes=(
            f"Input: {_SHOWN} digits that were not trained on, each at a random place of a torus of {digits.SIDE} × "
            f"{digits.SIDE}; {100 * right:.1f} % of all {len(data.test)} such digits are recognised.",
        ),
        seed=seed,
        build=(
            f"from equiconv.cli import digits\nmodel = digits.build({padding!r}, seed={seed})\n"
            f"digits.train(model, digits.load_digits(seed={seed}), epochs={digits.EPOCHS}, seed={seed})"
        ),
    )


def _audit_photographs(prepared: Prepared, size: str, seed: int) -> Audit:
    return audited(
        "ResNet-18",
        prepared.model,
        prepared.inputs.x,
        images=prepared.inputs.pixels,
        weights=prepared.loaded.weights,
        notes=(f"Input: {prepared.inputs.note}.", size),
        seed=seed,
        build=prepared.recipe,
    )


def _size_note(prepared: Prepared, seed: int) -> str:
    """What is done about a size that no stride divides, and what a crop would keep: both certified, nothing assumed."""
    import equiconv

    x = prepared.example
    height, width = x.shape[-2:]
    with status("certifying the native size and a crop"):
        native = equiconv.certify(prepared.model, x, refute=False, seed=seed)
        crop = x[..., : height // 32 * 32, : width // 32 * 32]
        cropped = equiconv.certify(prepared.model, crop, refute=False, seed=seed)
    share = crop[0, 0].numel() / x[0, 0].numel()
    sizes = f"{crop.shape[-2]} × {crop.shape[-1]}"
    return (
        f"Size: {height} × {width} is odd and not square, and is kept: nothing is scaled, cropped or padded. Were "
        f"every padding circular, {_shifts(native.potential, native.shape)} would hold at this size, and "
        f"{_shifts(cropped.potential, cropped.shape)} on a crop to multiples of 32 ({sizes}), which keeps {share:.1%} "
        "of the pixels."
    )


def _shifts(strides: tuple[int, ...], shape: tuple[int, ...]) -> str:
    from equiconv.certification.certificate import strides_text

    held = math.prod(n // s for n, s in zip(shape, strides, strict=True))
    return f"{held:,} of {math.prod(shape):,} shifts, {strides_text(strides, shape)},"


def _heading(text: str) -> None:
    from rich.console import Console

    Console(highlight=False, soft_wrap=True).print(f"\n{text}", style="bold")


@contextmanager
def _progress(text: str, total: int) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(text, total=total)
        yield lambda: progress.advance(task)
