"""Versions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial import __version__
from seatrial.cli.commands.connected import connected
from seatrial.cli.commands.options import (
    ContextOption,
    KubeconfigOption,
    target_of,
)
from seatrial.cli.errors import CliError, Exit

if TYPE_CHECKING:
    from seatrial.cli.connect import Session
    from seatrial.cli.output import Out


def version(
    context: typer.Context,
    client: Annotated[bool, typer.Option("--client", help="Only of this command.")] = False,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show the versions of this command and of what is installed in the cluster."""
    typer.echo(f"seatrial  {__version__}")
    if client:
        return
    sys.stdout.flush()
    target = target_of(context, None, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.version import show

        await show(session, out)
        return Exit.PASSED

    try:
        connected(target, work)
    except CliError as error:
        typer.echo(f"cluster   {error}")
