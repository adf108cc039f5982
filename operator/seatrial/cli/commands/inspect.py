"""What a run left: logs, results, pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.commands import complete
from seatrial.cli.commands.connected import connected
from seatrial.cli.commands.options import (
    ComponentArgument,
    ContextOption,
    KubeconfigOption,
    NamespaceOption,
    RunArgument,
    target_of,
)
from seatrial.cli.errors import CliError, Exit

if TYPE_CHECKING:
    from seatrial.cli.connect import Session
    from seatrial.cli.output import Out


def logs(
    context: typer.Context,
    run: RunArgument,
    component: ComponentArgument = "tests",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing until the log ends.")] = False,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Print the log of the tests, a service or an app."""
    target = target_of(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.logs import show

        return await show(session, out, run, component, follow)

    connected(target, work)


def results(
    context: typer.Context,
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Name or uid of the run, also of a deleted one.",
            show_default=False,
            autocompletion=complete.runs,
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR|json|yaml|name|wide",
            help="Download all files into this folder. json, yaml: the report for programs; name: node ids of the "
            "tests that went wrong; wide: all tests.",
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="md|junit|xunit|ctrf|json|coverage",
            help="Print this report alone. xunit: JUnit with nothing but what the schema of Jenkins' xUnit plugin has.",
        ),
    ] = None,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show the results of a run, and download them."""
    target = target_of(context, namespace, kube_context, kubeconfig)
    if format_ and output:
        raise CliError("--format and --output can't be combined", hint="give one of them")

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.output_format import OutputFormat
        from seatrial.cli.results import Format, show
        from seatrial.cli.results_output import print_results

        if format_ not in (None, *Format):
            raise CliError(f"--format {format_} is not one of {', '.join(Format)}")
        if output in tuple(OutputFormat):
            return await print_results(session, out, run, OutputFormat(output))
        folder = Path(output) if output else None
        return await show(session, target, out, run, folder, Format(format_) if format_ else None)

    connected(target, work)


def open_(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="Name of the run; the list of all without it.",
            show_default=False,
            autocompletion=complete.runs,
        ),
    ] = None,
    component: Annotated[
        str | None,
        typer.Argument(
            metavar="[COMPONENT[:PORT]]",
            help="A service or an app: its port on this machine, while the environment is there.",
            show_default=False,
            autocompletion=complete.components,
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it, or only print where it is.")] = True,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of this machine; 0: any free one.")] = 0,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show a run, or all runs, in a browser; or open a port of a component."""
    target = target_of(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.forward_port import forward_port
        from seatrial.cli.open import show

        if run and component:
            return await forward_port(session, out, run, component, port, browser)
        return await show(session, out, run, port, browser)

    connected(target, work)
