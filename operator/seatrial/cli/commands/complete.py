"""What a shell completes: names of runs and of components. Silent, and not for long: a shell waits for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from seatrial.cli.errors import CliError

if TYPE_CHECKING:
    from seatrial.cli.connect import Session

PATIENCE_SECONDS = 3.0
"""The cluster has to answer within."""
T = TypeVar("T")


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the runs in the namespace, the newest first."""

    async def ask(session: Session) -> list[str]:
        from seatrial.kube.kinds import RUN

        found = await session.cluster.list(RUN, session.namespace)
        newest_first = sorted(found, key=lambda run: str(run["metadata"].get("creationTimestamp")), reverse=True)
        return [str(run["metadata"]["name"]) for run in newest_first]

    return [name for name in _answer(context, ask) if name.startswith(incomplete)]


def components(context: typer.Context, incomplete: str) -> list[str]:
    """The components of the run that the command line names."""
    name = context.params.get("run")
    if not isinstance(name, str):
        return []

    async def ask(session: Session) -> list[str]:
        from seatrial.cli.runs import find

        return (await find(session, name)).components

    return [found for found in _answer(context, ask) if found.startswith(incomplete)]


def _answer(context: typer.Context, ask: Callable[[Session], Awaitable[list[str]]]) -> list[str]:
    import asyncio

    from seatrial.cli.connect import Target, connect
    from seatrial.kube.errors import ClusterError

    async def session_of() -> list[str]:
        async with connect(target) as session, asyncio.timeout(PATIENCE_SECONDS):
            return await ask(session)

    given = {**(context.parent.params if context.parent else {})}
    given |= {name: value for name, value in context.params.items() if value is not None}
    target = Target(given.get("kubeconfig"), given.get("kube_context"), given.get("namespace"))
    try:
        return asyncio.run(session_of())
    except (ClusterError, CliError, TimeoutError, OSError):
        return []
