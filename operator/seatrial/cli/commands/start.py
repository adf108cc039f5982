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
    WaitOption,
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
    wait: WaitOption = False,
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
    limit = _limit_of(timeout, waits=wait or follow)

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.selection import Selection
        from seatrial.cli.start import StartOptions, start
        from seatrial.cli.wait import WaitOptions

        waiting = WaitOptions(follow, limit) if wait or follow else None
        selection = Selection(only or (), keywords)
        return await start(session, target, out, StartOptions(file, set_ or (), name, replace, waiting, selection))

    connected(target, work)


def rerun(
    context: typer.Context,
    run: RunArgument,
    failed: Annotated[bool, typer.Option("--failed", help="Only the tests that went wrong.")] = False,
    wait: WaitOption = False,
    follow: FollowTests = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the new run, instead of one made of the old one's.")
    ] = None,
    timeout: TimeoutOption = None,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Start a run anew, under another name: all of it, or the tests that went wrong."""
    target = target_of(context, namespace, kube_context, kubeconfig)
    limit = _limit_of(timeout, waits=wait or follow)

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.rerun import RerunOptions
        from seatrial.cli.rerun import rerun as again
        from seatrial.cli.wait import WaitOptions

        waiting = WaitOptions(follow, limit) if wait or follow else None
        return await again(session, target, out, RerunOptions(run, failed, name, waiting))

    connected(target, work)


def _limit_of(timeout: str | None, *, waits: bool) -> float | None:
    limit = seconds_of(timeout)
    if limit is not None and not waits:
        raise CliError(
            "--timeout limits waiting", hint="add --wait; how long the tests may take is spec.timeouts.tests"
        )
    return limit


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
