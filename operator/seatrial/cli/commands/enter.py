"""Into an environment: a shell in a container of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.commands.connected import connected
from seatrial.cli.commands.options import (
    ComponentArgument,
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    RunArgument,
    target_of,
)

if TYPE_CHECKING:
    from seatrial.cli.connect import Session
    from seatrial.cli.output import Out


def shell(
    context: typer.Context,
    run: RunArgument,
    component: ComponentArgument = "tests",
    command: Annotated[
        str | None, typer.Option("-c", metavar="COMMAND", help="Run this in the shell, and end with its exit status.")
    ] = None,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Open a shell in a container of a run, while its environment is there."""
    target = target_of(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> int:
        from seatrial.cli.shell import shell as enter

        return await enter(session, run, component, command)

    connected(target, work)
