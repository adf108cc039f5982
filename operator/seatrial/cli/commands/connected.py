"""The frame of each command: connection, errors, exit status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import typer

from seatrial.cli.errors import CliError, Exit

if TYPE_CHECKING:
    from seatrial.cli.connect import Session, Target
    from seatrial.cli.output import Out


class NobodyReadsError(Exception):
    """Standard output is closed. Not an OSError: Typer would end with 1, which here means that tests failed."""


def connected(target: Target, work: Callable[[Session, Out], Awaitable[int]]) -> None:
    """Connects, does the work, and ends with its exit status (`Exit`, or that of a command in a pod)."""
    import asyncio

    from seatrial.archive.client.errors import ArchiveError
    from seatrial.cli.connect import connect, explain
    from seatrial.cli.output import Out
    from seatrial.kube.errors import ClusterError

    out = Out()

    async def session_of() -> int:
        async with connect(target) as session:
            return await work(session, out)

    try:
        code = asyncio.run(session_of())
    except BrokenPipeError as error:
        raise NobodyReadsError from error
    except ClusterError as error:
        raise CliError(error.message, code=Exit.INFRASTRUCTURE) from error
    except ArchiveError as error:
        raise CliError(explain(error), code=Exit.INFRASTRUCTURE) from error
    if code:
        raise typer.Exit(int(code))
