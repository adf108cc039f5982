"""Answers the kubelet's probes: whether the operator lives, and whether it knows all that there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serving(
    port: int,
    trouble: Callable[[], str],
    ready: Callable[[], bool],
    host: str = "0.0.0.0",  # noqa: S104
) -> AsyncIterator[int]:
    """Serves `/healthz` and `/readyz` in this event loop, so a loop that is stuck does not answer.

    Args:
        port: where; 0 for any free port.
        trouble: says what is so wrong that the process must be started anew; empty when nothing is.
        ready: whether the operator has begun its work.
        host: the address to listen at.

    Yields:
        The port.

    Raises:
        OSError: when the port is taken.
    """

    async def live(_: web.Request) -> web.Response:
        wrong = trouble()
        return web.Response(status=500 if wrong else 200, text=wrong or "ok")

    async def readiness(_: web.Request) -> web.Response:
        return web.Response(text="ok") if ready() else web.Response(status=503, text="not all is listed yet")

    app = web.Application()
    app.add_routes([web.get("/healthz", live), web.get("/readyz", readiness)])
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
