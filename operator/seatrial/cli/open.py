"""`seatrial open`: the archive's pages in a browser, as the user of the kubeconfig.

A server on this machine passes the browser's requests on, as all of the command's own requests go. It asks nobody who
they are, so it answers only to 127.0.0.1, and only to requests that are meant for it: a page of the web can have its
own name stand for 127.0.0.1, and would otherwise read results through the user's browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import webbrowser
from collections.abc import AsyncIterator, Iterator

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from seatrial.cli.connect import Session
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.output import Out
from seatrial.cli.run import Run
from seatrial.cli.runs import find
from seatrial.kube.errors import NotFoundError
from seatrial.kube.kinds import RUN
from seatrial.kube.service import content_headers

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_LAST_WORDS_SECONDS = 1


async def show(session: Session, out: Out, name: str | None, port: int, browse: bool) -> Exit:
    """Serves until it is interrupted.

    Args:
        session: cluster and archive.
        out: says where.
        name: of the run to show; None: the list of all.
        port: of this machine; 0: any free one.
        browse: whether to open a browser.

    Raises:
        CliError: there is no such run, or the port can't be opened.
        ArchiveError: the archive can't be read.
    """
    path = f"/runs/{await _uid(session, name)}" if name else "/"
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with relaying(session.transport, port) as address:
        out.line((f"{address}{path}", "bold"))
        out.line(("Ctrl-C ends it", "dim"))
        if browse:
            await asyncio.to_thread(webbrowser.open, f"{address}{path}")
        await stop.wait()
    return Exit.PASSED


async def _uid(session: Session, name: str) -> str:
    try:
        return Run.of(await session.cluster.get(RUN, name, session.namespace)).uid
    except NotFoundError:
        if uid := await session.archive.find(session.namespace, name):
            return uid
        return (await find(session, name)).uid  # says what there is


@contextlib.asynccontextmanager
async def relaying(transport: httpx.AsyncBaseTransport, port: int) -> AsyncIterator[str]:
    """Serves the archive on this machine while the context is open; gives the address.

    Raises:
        CliError: the port can't be opened.
    """
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise CliError(f"port {port} can't be opened: {error.strerror}", hint="leave --port out") from error
    with listening:
        here = f"127.0.0.1:{listening.getsockname()[1]}"
        app = Starlette(routes=[Route("/{path:path}", _Relay(transport, here).answer)])
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=_LAST_WORDS_SECONDS,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://{here}"
        finally:
            server.should_exit = True
            await serving


class _Relay:
    def __init__(self, transport: httpx.AsyncBaseTransport, here: str) -> None:
        self._transport = transport
        self._names = (here, here.replace("127.0.0.1", "localhost"))

    async def answer(self, request: Request) -> Response:
        if request.headers.get("Host") not in self._names:
            return PlainTextResponse(f"this is for {self._names[0]} alone", 421)
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        asked = httpx.Request(
            request.method,
            f"http://archive{path}",
            headers=dict(request.headers),
            extensions={"timeout": _TIMEOUT.as_dict()},
        )
        try:
            answer = await self._transport.handle_async_request(asked)
        except httpx.TransportError as error:
            return PlainTextResponse(f"the archive can't be reached: {error}", 502)
        return StreamingResponse(_chunks(answer), answer.status_code, content_headers(answer.headers))


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    assert isinstance(answer.stream, httpx.AsyncByteStream)
    try:
        async for chunk in answer.stream:
            yield chunk
    finally:
        await answer.aclose()


class _Server(uvicorn.Server):
    """Leaves the signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
