"""The commands. Nothing heavy is imported before a command needs it: `seatrial version --client` must be instant."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from seatrial import __version__

from .errors import CliError, Exit

if TYPE_CHECKING:
    from .connect import Session, Target
    from .output import Out

# Typer's public errors all stand on this one: a wrong option, a missing argument.
_UsageError = cast(type[Exception], typer.BadParameter.__mro__[1])

app = typer.Typer(
    name="seatrial",
    help="Run pytest suites against a fresh copy of a whole system on Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status of run --wait: 0 passed, 1 tests failed, 2 cancelled, 3 infrastructure, 4 usage or invalid spec, "
    "5 nothing collected, 124 --timeout was over, 130 interrupted.",
)

archive = typer.Typer(help="Look after the archive.", no_args_is_help=True)
app.add_typer(archive, name="archive")

NamespaceOption = Annotated[str | None, typer.Option("--namespace", "-n", metavar="NS", help="Namespace of the run.")]
ContextOption = Annotated[str | None, typer.Option("--context", metavar="NAME", help="Context of the kubeconfig.")]
KubeconfigOption = Annotated[str | None, typer.Option("--kubeconfig", metavar="FILE", help="The kubeconfig to use.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.", show_default=False)]
FollowTests = Annotated[bool, typer.Option("--follow", "-f", help="Wait, and tell the outcome of each test.")]
TimeoutOption = Annotated[
    str | None,
    typer.Option("--timeout", metavar="D", help="Wait at most so long (such as 90s, 15m); the run goes on."),
]


@app.callback()
def _root(
    context: typer.Context,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    context.obj = (kubeconfig, kube_context, namespace)


@app.command()
def run(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Manifest with an IntegrationRun; - is standard input.", show_default=False
        ),
    ],
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the verdict, showing what happens.")] = False,
    follow: FollowTests = False,
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
    target = _target(context, namespace, kube_context, kubeconfig)
    limit = _seconds(timeout)
    if limit is not None and not (wait or follow):
        raise CliError(
            "--timeout limits waiting", hint="add --wait; how long the tests may take is spec.timeouts.tests"
        )

    async def work(session: Session, out: Out) -> Exit:
        from .run import Ask, Waiting, start

        waiting = Waiting(follow, limit) if wait or follow else None
        return await start(session, target, out, Ask(file, set_ or (), name, replace, waiting))

    _do(target, work)


@app.command()
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
    target = _target(context, namespace, kube_context, kubeconfig)
    limit = _seconds(timeout)

    async def work(session: Session, out: Out) -> Exit:
        from .run import Waiting
        from .run import wait as until

        return await until(session, target, out, run, Waiting(follow, limit))

    _do(target, work)


@app.command()
def get(
    context: typer.Context,
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Name of the run; all without it.", show_default=False)
    ] = None,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Runs of all namespaces.")] = False,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show a run, or a table of all."""
    target = _target(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from .runs import get as show

        return await show(session, target, out, run, everywhere)

    _do(target, work)


@app.command()
def logs(
    context: typer.Context,
    run: RunArgument,
    component: Annotated[
        str, typer.Argument(metavar="[COMPONENT]", help="tests, a service, migrations or an app.")
    ] = "tests",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing until the log ends.")] = False,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Print the log of the tests, a service or an app."""
    target = _target(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from .logs import show

        return await show(session, out, run, component, follow)

    _do(target, work)


@app.command()
def results(
    context: typer.Context,
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Name of the run, or its uid; also of one that is gone.", show_default=False
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Download all files into this folder.")
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
    target = _target(context, namespace, kube_context, kubeconfig)
    if format_ and output:
        raise CliError("--format prints one report, --output fetches all", hint="give one of them")

    async def work(session: Session, out: Out) -> Exit:
        from .results import Format, show

        if format_ not in (None, *Format):
            raise CliError(f"--format {format_} is not one of {', '.join(Format)}")
        return await show(session, target, out, run, output, Format(format_) if format_ else None)

    _do(target, work)


@app.command("open")
def open_(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Name of the run; the list of all without it.", show_default=False),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it, or only print where it is.")] = True,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of this machine; 0: any free one.")] = 0,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show a run, or all runs, in a browser."""
    target = _target(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from .open import show

        try:
            return await show(session, out, run, port, browser)
        except OSError as error:
            raise CliError(f"port {port} can't be opened: {error.strerror}", hint="leave --port out") from error

    _do(target, work)


@app.command()
def cancel(
    context: typer.Context,
    run: RunArgument,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """End a run early; its verdict is Cancelled."""
    target = _target(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from .runs import cancel as end

        return await end(session, target, out, run)

    _do(target, work)


@app.command()
def delete(
    context: typer.Context,
    run: RunArgument,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Until its environment is gone.")] = False,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Delete a run and its environment; its results stay in the archive."""
    target = _target(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from .runs import delete as remove

        return await remove(session, out, run, wait)

    _do(target, work)


@archive.command("verify")
def archive_verify(
    context: typer.Context,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Only this run, by its name or uid.", show_default=False)
    ] = None,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Read every file in the archive again and compare its digest; 1 if something is damaged or missing."""
    target = _target(context, namespace, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from .archive import verify

        return await verify(session, out, run)

    _do(target, work)


@app.command()
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
    target = _target(context, None, kube_context, kubeconfig)

    async def work(session: Session, out: Out) -> Exit:
        from .version import show

        await show(session, out)
        return Exit.PASSED

    try:
        _do(target, work)
    except CliError as error:
        typer.echo(f"cluster   {error}")


# --- the frame --------------------------------------------------------------------------------------------------------


def _target(context: typer.Context, namespace: str | None, kube_context: str | None, kubeconfig: str | None) -> Target:
    """Where the command works; options may stand before the command or behind it."""
    from .connect import Target

    before = context.obj or (None, None, None)
    return Target(kubeconfig or before[0], kube_context or before[1], namespace or before[2])


def _seconds(duration: str | None) -> float | None:
    if duration is None:
        return None
    from datetime import timedelta

    from seatrial.api.scalars import parse_duration

    try:
        parsed = parse_duration(duration)
    except ValueError as error:
        raise CliError(f"--timeout {error}") from error
    return parsed.total_seconds() if isinstance(parsed, timedelta) else None


def _do(target: Target, work: Callable[[Session, Out], Awaitable[Exit]]) -> None:
    """Connects, does the work, and ends with its exit status."""
    import asyncio

    from seatrial.archive.client.errors import ArchiveError
    from seatrial.kube.errors import ClusterError

    from . import connect
    from .output import Out

    out = Out()

    async def connected() -> Exit:
        async with connect.connect(target) as session:
            return await work(session, out)

    try:
        code = asyncio.run(connected())
    except BrokenPipeError as error:
        raise _NobodyReadsError from error
    except ClusterError as error:
        raise CliError(error.message, code=Exit.INFRASTRUCTURE) from error
    except ArchiveError as error:
        raise CliError(connect.why(error), code=Exit.INFRASTRUCTURE) from error
    if code is not Exit.PASSED:
        raise typer.Exit(int(code))


class _NobodyReadsError(Exception):
    """Standard output is closed. Not an OSError: Typer would end with 1, which here means that tests failed."""


def _told(error: CliError) -> int:
    from .output import Out

    Out().error(error)
    return int(error.code)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    try:
        code = app(arguments, standalone_mode=False)
    except CliError as error:
        return _told(error)
    except _UsageError as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "seatrial"
        message = getattr(error, "format_message", error.__str__)()
        return _told(CliError(message, hint=f"see {path} --help"))
    except (KeyboardInterrupt, typer.Abort):
        return int(Exit.INTERRUPTED)
    except _NobodyReadsError:
        # Whoever read the output has seen enough (`| head`); what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.BROKEN_PIPE)
    return code if isinstance(code, int) else int(Exit.PASSED)


if __name__ == "__main__":
    sys.exit(main())
