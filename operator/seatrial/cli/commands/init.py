"""Write a manifest from what a project has."""

from __future__ import annotations

from typing import Annotated

import typer

from seatrial.cli.errors import Exit


def init(
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="The project's folder.", show_default=False)] = ".",
    compose: Annotated[
        list[str] | None,
        typer.Option(
            "--compose", metavar="FILE", help="Compose file, instead of those found; repeatable, later ones on top."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the manifest with the project; exit status 1 if they differ.")
    ] = False,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The manifest; seatrial.yaml in PATH by default, - prints."
        ),
    ] = None,
) -> None:
    """Write a manifest from compose files, Dockerfiles and pytest's configuration.

    What has no place in it is listed at the end; each value has a note where it is from.
    """
    from seatrial.cli.init.write import InitOptions, init
    from seatrial.cli.output import Out

    code = init(Out(), InitOptions(path, compose or (), check, output))
    if code is not Exit.PASSED:
        raise typer.Exit(int(code))
