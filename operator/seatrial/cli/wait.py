"""`seatrial wait`, and what `seatrial run --wait` does after the run was created."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from seatrial.cli import report
from seatrial.cli.connect import Session, Target
from seatrial.cli.errors import CliError, Exit, exit_of
from seatrial.cli.follow import RunDeletedError, RunFollower, WaitedTooLongError
from seatrial.cli.invocation import command_line
from seatrial.cli.output import Out
from seatrial.cli.phrases import seconds
from seatrial.cli.run import Run
from seatrial.cli.runs import find
from seatrial.cli.view import LiveView, PlainView


@dataclass(frozen=True)
class WaitOptions:
    """How to wait for the verdict."""

    follow: bool = False
    limit: float | None = None
    """Seconds."""


async def wait(session: Session, target: Target, out: Out, name: str, waiting: WaitOptions) -> Exit:
    """Waits for the verdict of a run that is there."""
    run = await find(session, name)
    if run.verdict:
        return _report(out, run, lambda command, *words: command_line(target, session, command, name, *words))
    age = max(0.0, datetime.now(UTC).timestamp() - run.created) if run.created is not None else 0.0
    return await until_verdict(session, target, out, run, waiting, age=age)


async def until_verdict(
    session: Session, target: Target, out: Out, run: Run, waiting: WaitOptions, *, age: float
) -> Exit:
    """Shows what happens to a run until its verdict, then how it ended; `age`: seconds since it was created."""
    name, namespace = run.name, run.namespace

    def call(command: str, *words: str) -> str:
        return command_line(target, session, command, name, *words, namespace=namespace)

    view = (
        LiveView(out, f"{name} in {namespace}", follow=waiting.follow)
        if out.live
        else PlainView(out, follow=waiting.follow)
    )
    try:
        ended = await RunFollower(session, run, view, age=age).until_verdict(waiting.limit)
    except WaitedTooLongError:
        raise CliError(
            f"no verdict after {seconds(waiting.limit)}; the run continues",
            details=_what_next(call),
            code=Exit.WAITED_TOO_LONG,
        ) from None
    except RunDeletedError:
        raise CliError(f"run {name} was deleted before it had a verdict", code=Exit.CANCELLED) from None
    except asyncio.CancelledError:
        out.errors.print()
        out.error(CliError("stopped waiting; the run continues", details=_what_next(call)))
        raise
    out.console.print()
    return _report(out, ended, call, verdict_last=True)


def _report(out: Out, run: Run, call: Callable[..., str], *, verdict_last: bool = False) -> Exit:
    report.show(out, run, call("results", "-o", "DIR"), verdict_last=verdict_last)
    code = exit_of(run.verdict, run.status.reason)
    if verdict_last and code is not Exit.PASSED:
        out.hint([("results and evidence:", call("results"))])
    return code


def _what_next(call: Callable[[str], str]) -> list[str]:
    return [f"watch it:   {call('wait')}", f"cancel it:  {call('cancel')}"]
