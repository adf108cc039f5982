"""Bodies that come in: bounded in size and time, refused so that their senders see why, and counted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from seatrial.archive.model.errors import ArchiveRuleError, TooLargeError
from seatrial.archive.server.context import Archive
from seatrial.archive.server.errors import REFUSALS, TooSlowError, refused

log = logging.getLogger(__name__)

_DISCARDED_BYTES = 1024 * 1024  # read of a refused body whose sender has no right to what it names
_DISCARDING_SECONDS = 30.0

K = TypeVar("K")


class Body:
    """The body of a request, in pieces, and each piece only once."""

    def __init__(self, request: Request, idle_seconds: float, least_bytes_per_second: int) -> None:
        self._request = request
        self._idle_seconds = idle_seconds
        self._least_bytes_per_second = least_bytes_per_second
        self._waited = 0.0  # seconds, for the sender alone
        self._received = 0
        self._ended = False  # nothing more is to be read
        self.complete = False  # all of it was read

    async def chunks(self) -> AsyncIterator[bytes]:
        """What has not been read yet.

        Raises:
            TooSlowError: nothing came for a while.
            ClientDisconnect: the sender went away.
        """
        while not self._ended:
            if chunk := await self._next():
                yield chunk

    async def whole(self, limit: int) -> bytes:
        """All of it, if it is small enough to hold.

        Raises:
            TooLargeError: it isn't.
        """
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                raise TooLargeError(f"the body is larger than {limit} bytes", "send less at once")
        return bytes(body)

    async def discard(self, limit: int) -> None:
        """Reads what is left of a refused body, at most so many bytes for a few seconds.

        Else the connection would be reset while the sender still writes, and many senders would never see why.
        """
        try:
            async with asyncio.timeout(_DISCARDING_SECONDS):
                while not self._ended and limit > 0:
                    limit -= len(await self._next())
        except (TimeoutError, TooSlowError, ClientDisconnect):
            return  # it was refused anyway

    async def _next(self) -> bytes:
        patience = self._idle_seconds + self._received / self._least_bytes_per_second - self._waited
        began = time.monotonic()
        try:
            async with asyncio.timeout(min(self._idle_seconds, patience)):
                message = await self._request.receive()
            self._waited += time.monotonic() - began
        except TimeoutError as error:
            self._ended = True
            raise TooSlowError(f"too little came within {self._idle_seconds:.0f} s", "send it again") from error
        if message["type"] == "http.disconnect":
            self._ended = True
            raise ClientDisconnect
        self._ended = self.complete = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        self._received += len(chunk)
        return chunk


def receiving(
    archive: Archive,
    kind: str,
    admit: Callable[[Archive, Request], Awaitable[K]],
    handler: Callable[[Archive, Request, K, Body], Awaitable[tuple[str, Response]]],
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that takes a body, and counts what became of it.

    Args:
        archive: what it works with.
        kind: of the upload, for the metrics.
        admit: finds what the request is for; raises an ArchiveRuleError unless its sender may send that.
        handler: takes the body; returns what became of it, for the metrics, and the answer.
    """

    async def call(request: Request) -> Response:
        began = time.perf_counter()
        outcome = "error"
        body = Body(request, archive.settings.idle_seconds, archive.settings.least_bytes_per_second)
        rest = _DISCARDED_BYTES
        try:
            key = await admit(archive, request)
            rest = archive.settings.max_file_bytes
            outcome, response = await handler(archive, request, key, body)
            return response
        except ArchiveRuleError as error:
            outcome = REFUSALS[type(error)][1]
            await body.discard(rest)
            response = await refused(request, error)
            if not body.complete:  # else the connection would stay open for the rest
                response.headers["Connection"] = "close"
            return response
        except ClientDisconnect:
            outcome = "disconnected"
            log.warning("the sender went away", extra={"path": request.url.path})
            return Response(status_code=400)  # nobody reads it
        finally:
            archive.metrics.uploads.labels(kind, outcome).inc()
            archive.metrics.upload_seconds.labels(kind).observe(time.perf_counter() - began)

    return call


def outcome_of(created: bool) -> str:
    """What became of a body that was taken, for the metrics."""
    return "stored" if created else "unchanged"


def announced_of(request: Request) -> int:
    """How many bytes the body has, as its sender says; 0: they don't say."""
    length = request.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and len(length) < 19 else 0


def check_announced(request: Request, what: str, limit: int, setting: str) -> None:
    """Refuses a body that says it is larger than `limit` bytes, before it is read.

    Raises:
        TooLargeError: it says so.
    """
    length = announced_of(request)
    if length > limit:
        raise TooLargeError(f"{what} has {length} bytes, more than {limit}", f"make it smaller, or raise {setting}")
