"""`seatrial extend`: keeps the environment of a run for longer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from seatrial.api.scalars import format_duration
from seatrial.archive.model.report import instant
from seatrial.cli.connect import Session
from seatrial.cli.environment import check_environment
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.output import Out
from seatrial.cli.run import Run
from seatrial.cli.runs import find
from seatrial.kube.kinds import RUN


@dataclass(frozen=True)
class Extension:
    """What is changed in `spec.retention`, and what that means."""

    retention: dict[str, str]
    text: str


async def extend(session: Session, out: Out, name: str, more: timedelta) -> Exit:
    """Changes the retention of a run."""
    run = await find(session, name)
    if run.verdict:
        check_environment(run)
    found = extension(run, more, datetime.now(UTC))
    await session.cluster.patch(RUN, name, session.namespace, {"spec": {"retention": found.retention}})
    out.line(found.text)
    return Exit.PASSED


def extension(run: Run, more: timedelta, now: datetime) -> Extension:
    """How the environment is kept for so long from now, or from the verdict that is still to come. Pure.

    Raises:
        CliError: it can't be, since the environment ends before.
    """
    expires = instant(run.status.expires_at)
    if expires is not None and expires <= now.timestamp():
        raise CliError(f"the environment of run {run.name} ends now: {_FIXED}")
    verdict = instant(run.status.timeline.verdict)
    if verdict is None:
        kept = format_duration(more)
        limit = f", at most until {_clock(expires)}: {_FIXED}" if expires is not None else ""
        text = f"the environment of run {run.name} is kept for {kept} after the verdict{limit}"
        return Extension({"passed": kept, "failed": kept}, text)
    seconds = ceil(now.timestamp() - verdict + more.total_seconds())
    until = now.timestamp() + more.total_seconds()
    limit = ""
    if expires is not None and expires < until:
        until, limit = expires, f", not longer: {_FIXED}"
    text = f"the environment of run {run.name} is kept until {_clock(until)}{limit}"
    field = "passed" if run.verdict == "Passed" else "failed"
    return Extension({field: format_duration(timedelta(seconds=seconds))}, text)


_FIXED = "spec.retention.maxLifetime can't change after creation"


def _clock(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).astimezone().strftime("%H:%M:%S")
