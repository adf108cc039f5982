"""Options and arguments that several commands have."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.commands import complete
from seatrial.cli.errors import CliError

if TYPE_CHECKING:
    from seatrial.cli.connect import Target

NamespaceOption = Annotated[str | None, typer.Option("--namespace", "-n", metavar="NS", help="Namespace of the run.")]
ContextOption = Annotated[str | None, typer.Option("--context", metavar="NAME", help="Context of the kubeconfig.")]
KubeconfigOption = Annotated[str | None, typer.Option("--kubeconfig", metavar="FILE", help="The kubeconfig to use.")]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Name of the run.", show_default=False, autocompletion=complete.runs)
]
ComponentArgument = Annotated[
    str,
    typer.Argument(
        metavar="[COMPONENT]", help="tests, a service, migrations or an app.", autocompletion=complete.components
    ),
]
WaitOption = Annotated[bool, typer.Option("--wait", "-w", help="Wait for the verdict, showing what happens.")]
FollowTests = Annotated[bool, typer.Option("--follow", "-f", help="Wait, and show the outcome of each test.")]
TimeoutOption = Annotated[
    str | None,
    typer.Option("--timeout", metavar="D", help="Wait at most this long (such as 90s, 15m); the run continues."),
]


def target_of(
    context: typer.Context, namespace: str | None, kube_context: str | None, kubeconfig: str | None
) -> Target:
    """Where the command works; options may stand before the command or behind it."""
    from seatrial.cli.connect import Target

    before = context.obj or (None, None, None)
    return Target(kubeconfig or before[0], kube_context or before[1], namespace or before[2])


def seconds_of(duration: str | None) -> float | None:
    """The seconds of --timeout.

    Raises:
        CliError: it is no duration.
    """
    return None if duration is None else duration_of(duration, "--timeout").total_seconds()


def duration_of(text: str, what: str) -> timedelta:
    """A duration of the command line.

    Raises:
        CliError: it is none; `what` says which option or argument.
    """
    from seatrial.api.scalars import parse_duration

    try:
        parsed = parse_duration(text)
    except ValueError as error:
        raise CliError(f"{what} {error}") from error
    assert isinstance(parsed, timedelta)
    return parsed
