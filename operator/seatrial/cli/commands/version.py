"""Versions, and whether all is well."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial import __version__
from seatrial.cli.commands.connected import connected
from seatrial.cli.commands.options import (
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    target_of,
)
from seatrial.cli.errors import CliError, Exit

if TYPE_CHECKING:
    from seatrial.cli.connect import Session, Target
    from seatrial.cli.output import Out


def version(
    context: typer.Context,
    client: Annotated[bool, typer.Option("--client", help="Only of this command.")] = False,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="json|yaml", help="Output format, for programs.")
    ] = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show the versions of this command and of what is installed in the cluster."""
    if output not in (None, "json", "yaml"):
        raise CliError(f"--output {output} is not one of json, yaml")
    found = {"seatrial": __version__}
    if output is None:
        _print(found)
    if not client:
        more = _of_the_cluster(target_of(context, None, kube_context, kubeconfig))
        found |= more
        if output is None:
            _print(more)
    if output is not None:
        from seatrial.cli.output import Out
        from seatrial.cli.output_format import OutputFormat, print_object

        print_object(Out(), found, OutputFormat(output))


def _print(versions: Mapping[str, str]) -> None:
    for what, version in versions.items():
        typer.echo(f"{what:<8}  {version}")
    sys.stdout.flush()


def _of_the_cluster(target: Target) -> dict[str, str]:
    found: dict[str, str] = {}

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.version import installed

        found.update(await installed(session))
        return Exit.PASSED

    try:
        connected(target, work)
    except CliError as error:
        return {"cluster": str(error)}
    return found


def doctor(
    context: typer.Context,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="json|yaml", help="Output format, for programs.")
    ] = None,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Check whether runs can work here, and say what to do; creates nothing. Exit status 3 if none can."""
    if output not in (None, "json", "yaml"):
        raise CliError(f"--output {output} is not one of json, yaml")

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.doctor.command import doctor as check
        from seatrial.cli.output_format import OutputFormat

        return await check(session, out, OutputFormat(output) if output else None)

    connected(target_of(context, namespace, kube_context, kubeconfig), work)
