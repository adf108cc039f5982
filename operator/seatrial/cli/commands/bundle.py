"""Bundles of code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bundle(
    path: Annotated[Path, typer.Argument(metavar="[PATH]", help="The folder.", show_default=False)] = Path("."),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Keep the archive in this file.")
    ] = None,
) -> None:
    """Pack a folder as a run with `code` does, and print its digest."""
    from seatrial.cli.bundle.command import bundle as pack
    from seatrial.cli.output import Out

    pack(Out(), path, output)
