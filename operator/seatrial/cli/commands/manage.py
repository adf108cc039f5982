"""Runs that are there: show, cancel, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.commands import complete
from seatrial.cli.commands.connected import connected
from seatrial.cli.commands.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    RunArgument,
    duration_of,
    target_of,
)
from seatrial.cli.errors import Exit

if TYPE_CHECKING:
    from seatrial.cli.connect import Session
    from seatrial.cli.output import Out


def get(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="Name of the run; all without it.",
            show_default=False,
            autocompletion=complete.runs,
        ),
    ] = None,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Runs of all namespaces.")] = False,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="json|yaml|name|wide", help="Output format, for programs or in full."),
    ] = None,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show a run, or a table of all."""
    target = target_of(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.output_format import output_format
        from seatrial.cli.runs import get as show

        return await show(session, target, out, run, everywhere, output_format(output))

    connected(target, work)


def extend(
    context: typer.Context,
    run: RunArgument,
    time: Annotated[str, typer.Argument(metavar="TIME", help="Such as 30m or 2h.", show_default=False)],
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Keep the environment of a run for so long: from now, or from the verdict if that is still to come."""
    target = target_of(context, namespace, kube_context, kubeconfig)
    more = duration_of(time, "TIME")

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.extend import extend as keep

        return await keep(session, out, run, more)

    connected(target, work)


def cancel(
    context: typer.Context,
    run: RunArgument,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """End a run early; its verdict is Cancelled."""
    target = target_of(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.runs import cancel as end

        return await end(session, target, out, run)

    connected(target, work)


def delete(
    context: typer.Context,
    run: RunArgument,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Until its environment is gone.")] = False,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Delete a run and its environment; its results stay in the archive."""
    target = target_of(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.runs import delete as remove

        return await remove(session, out, run, wait)

    connected(target, work)
