"""Answers the kubelet's probes: whether the operator lives, and whether it has listed all that there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

_REQUEST_BYTES = 8 * 1024
_REQUEST_SECONDS = 5.0


@asynccontextmanager
async def serving(
    port: int,
    failure: Callable[[], str],
    ready: Callable[[], bool],
    host: str = "0.0.0.0",  # noqa: S104
) -> AsyncIterator[int]:
    """Serves `/healthz` and `/readyz` in this event loop, so a loop that is stuck does not answer.

    Each connection carries one request: that is all a probe needs, so no HTTP server is.

    Args:
        port: where; 0 for any free port.
        failure: says what is so wrong that the process must be started anew; empty when nothing is.
        ready: whether the operator has begun its work.
        host: the address to listen at.

    Yields:
        The port.

    Raises:
        OSError: when the port is taken.
    """

    def answer(path: str) -> tuple[HTTPStatus, str]:
        match path:
            case "/healthz":
                wrong = failure()
                return (HTTPStatus.INTERNAL_SERVER_ERROR, wrong) if wrong else (HTTPStatus.OK, "ok")
            case "/readyz" if ready():
                return HTTPStatus.OK, "ok"
            case "/readyz":
                return HTTPStatus.SERVICE_UNAVAILABLE, "not all is listed yet"
        return HTTPStatus.NOT_FOUND, "there are /healthz and /readyz"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
                status, text = answer(words[1] if len(words) == 3 else "")
                writer.write(_response(status, text))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError):
            pass  # not a request; nobody waits for an answer
        finally:
            writer.close()

    server = await asyncio.start_server(serve, host, port, limit=_REQUEST_BYTES)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _response(status: HTTPStatus, text: str) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
