"""A spinner on the terminal's error stream while long work runs, so that standard output holds results only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def status(text: str) -> Iterator[Callable[[str], None]]:
    """Show the text beside a spinner; what is yielded changes it. Nothing is shown where the error stream is no
    terminal."""
    from rich.console import Console

    with Console(stderr=True).status(f"{text} …") as spinner:
        yield lambda now: spinner.update(f"{now} …")
