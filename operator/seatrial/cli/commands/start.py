"""Start a run, and wait for its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.commands.connected import connected
from seatrial.cli.commands.options import (
    ContextOption,
    FollowTests,
    KubeconfigOption,
    NamespaceOption,
    RunArgument,
    TimeoutOption,
    seconds_of,
    target_of,
)
from seatrial.cli.errors import CliError, Exit

if TYPE_CHECKING:
    from seatrial.cli.connect import Session
    from seatrial.cli.output import Out


def run(
    context: typer.Context,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help="Manifest with an IntegrationRun; - is standard input. Default: seatrial.yaml.",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the verdict, showing what happens.")] = False,
    follow: FollowTests = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="PATH|ID",
            help="Run this file, folder or node id (tests/test_a.py::test_b) alone, whatever the manifest selects. "
            "Repeatable.",
        ),
    ] = None,
    keywords: Annotated[
        str | None,
        typer.Option("-k", metavar="EXPR", help="Run the tests that pytest's -k selects, whatever the manifest does."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Change a field: spec.tests.markers='a and b'. The value is YAML; null removes. Repeatable.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run, instead of the file's.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Delete a run of this name first.")] = False,
    timeout: TimeoutOption = None,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Start a run.

    ConfigMaps and other objects in the same file are applied first.
    """
    target = target_of(context, namespace, kube_context, kubeconfig)
    limit = seconds_of(timeout)
    if limit is not None and not (wait or follow):
        raise CliError(
            "--timeout limits waiting", hint="add --wait; how long the tests may take is spec.timeouts.tests"
        )

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.selection import Selection
        from seatrial.cli.start import StartOptions, start
        from seatrial.cli.wait import WaitOptions

        waiting = WaitOptions(follow, limit) if wait or follow else None
        selection = Selection(only or (), keywords)
        return await start(session, target, out, StartOptions(file, set_ or (), name, replace, waiting, selection))

    connected(target, work)


def wait(
    context: typer.Context,
    run: RunArgument,
    follow: FollowTests = False,
    timeout: TimeoutOption = None,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Wait for the verdict of a run, showing what happens."""
    target = target_of(context, namespace, kube_context, kubeconfig)
    limit = seconds_of(timeout)

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.wait import WaitOptions
        from seatrial.cli.wait import wait as until

        return await until(session, target, out, run, WaitOptions(follow, limit))

    connected(target, work)
