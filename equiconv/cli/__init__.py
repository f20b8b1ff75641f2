"""The command line: one thin command per public function. See `equiconv.cli.app`."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run ``equiconv``; typer and the commands are imported here, so that ``import equiconv.cli`` costs nothing."""
    from equiconv.cli.app import app

    app(prog_name="equiconv")
