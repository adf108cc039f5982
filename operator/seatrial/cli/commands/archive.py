"""The archive itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.commands.connected import connected
from seatrial.cli.commands.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    target_of,
)
from seatrial.cli.errors import Exit

if TYPE_CHECKING:
    from seatrial.cli.connect import Session
    from seatrial.cli.output import Out


def verify(
    context: typer.Context,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Only this run, by its name or uid.", show_default=False)
    ] = None,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Read every file in the archive and compare its digest; exit status 1 if one is damaged or missing."""
    target = target_of(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.verify import verify as check

        return await check(session, out, run)

    connected(target, work)
