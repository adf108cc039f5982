"""The archive's upload port, write only: environments and the operator, each set with its own token."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from seatrial import tokens
from seatrial.archive.model.errors import ArchiveRuleError, ConflictError, InvalidError, TooLargeError, WrongDigestError
from seatrial.archive.model.keys import EVIDENCE, SetKey, check_path, check_sha256, set_key
from seatrial.archive.model.manifest import digest_of
from seatrial.archive.model.summaries import parse_summary
from seatrial.archive.server.context import Archive
from seatrial.archive.server.errors import REFUSALS, TooSlowError, authorize, refused
from seatrial.archive.server.live.messages import messages_of, parse_events
from seatrial.archive.server.threads import in_thread
from seatrial_protocol.decode import ProtocolError

log = logging.getLogger(__name__)

_DISCARDED_BYTES = 1024 * 1024  # read of a refused body whose sender has no right to the set
_DISCARDING_SECONDS = 30.0
_EVENTS_AT_ONCE = 500


SHARD_PATH = "/v1/runs/{uid}/attempts/{attempt}/shards/{shard}"
SET_PATHS = (SHARD_PATH, f"/v1/runs/{{uid}}/attempts/{{attempt}}/{EVIDENCE}")
"""Where the two kinds of sets are, on both ports."""


def key_of(request: Request) -> SetKey:
    """The set that the request's path names.

    Raises:
        InvalidError: it can't be one.
    """
    path = request.path_params
    return set_key(path["uid"], path["attempt"], path.get("shard", EVIDENCE))


def upload_routes(archive: Archive) -> list[BaseRoute]:
    """The ways in."""
    file, manifest = _upload(archive, "file", _put_file), _upload(archive, "manifest", _put_manifest)
    return [
        *(Route(f"{path}/files/{{path:path}}", file, methods=["PUT"]) for path in SET_PATHS),
        *(Route(f"{path}/manifest", manifest, methods=["PUT"]) for path in SET_PATHS),
        Route(f"{SHARD_PATH}/live", _upload(archive, "live", _post_live), methods=["POST"]),
    ]


class _Body:
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


UploadHandler = Callable[[Archive, Request, SetKey, _Body], Awaitable[tuple[str, Response]]]


def _upload(archive: Archive, kind: str, handler: UploadHandler) -> Callable[[Request], Awaitable[Response]]:
    """Checks the token, runs the handler, and counts what became of it."""

    async def call(request: Request) -> Response:
        began = time.perf_counter()
        outcome = "error"
        body = _Body(request, archive.settings.idle_seconds, archive.settings.least_bytes_per_second)
        rest = _DISCARDED_BYTES
        try:
            key = key_of(request)
            authorize(request, _token(archive.key, key))
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


def _token(secret: bytes, key: SetKey) -> str:
    if key.shard is None:
        return tokens.evidence_token(secret, key.uid, key.attempt)
    return tokens.upload_token(secret, key.uid, key.attempt, key.shard)


async def _put_file(archive: Archive, request: Request, key: SetKey, body: _Body) -> tuple[str, Response]:
    path = check_path(request.path_params["path"])
    sha256 = check_sha256(request.headers.get("Content-SHA256"))
    length, limit = request.headers.get("Content-Length", ""), archive.settings.max_file_bytes
    if length.isdecimal() and int(length) > limit:
        raise TooLargeError(
            f"{path} has {length} bytes, more than {limit}", "make it smaller, or raise SEATRIAL_ARCHIVE_MAX_FILE"
        )
    stored = await archive.store.put_file(key, path, body.chunks(), sha256)
    if stored.created:
        archive.metrics.stored_bytes.inc(stored.size)
    answer = {"path": path, "size": stored.size, "sha256": sha256}
    return _outcome(stored.created), JSONResponse(answer, 201 if stored.created else 200)


async def _put_manifest(archive: Archive, request: Request, key: SetKey, body: _Body) -> tuple[str, Response]:
    manifest = await body.whole(archive.settings.max_manifest_bytes)
    announced = request.headers.get("Content-SHA256")
    if announced is not None and digest_of(manifest) != f"sha256:{check_sha256(announced)}":
        raise WrongDigestError("the manifest's bytes are not those that were announced", "send it again")
    sealed = await archive.store.put_manifest(key, manifest)
    if sealed.created:
        fields = {**asdict(key), "digest": sealed.result.digest}
        if key.shard is None:
            log.info("evidence", extra=fields)
        else:
            archive.hub.result(sealed.result)
            summary, problem = parse_summary(sealed.result.summary)
            archive.metrics.result(summary)
            log.info("result", extra=fields | {"outcome": summary.outcome if summary else problem})
        archive.ingest.sealed(key)  # after the operator received it: the verdict waits for nothing
    return _outcome(sealed.created), JSONResponse({"digest": sealed.result.digest}, 201 if sealed.created else 200)


async def _post_live(archive: Archive, request: Request, key: SetKey, body: _Body) -> tuple[str, Response]:
    received = await body.whole(archive.settings.max_live_bytes)
    if await in_thread(archive.store.is_sealed, key):
        raise ConflictError(f"{key} is sealed: its manifest is stored", "events come before the manifest")
    try:
        messages = await in_thread(lambda: messages_of(key, parse_events(received)))
    except ProtocolError as error:
        raise InvalidError(f"a line is no event: {error}", "send one event a line, as the protocol has it") from error
    for start in range(0, len(messages), _EVENTS_AT_ONCE):
        archive.hub.events(key, messages[start : start + _EVENTS_AT_ONCE])
        await asyncio.sleep(0)  # others have their turn
    return "stored", Response(status_code=204)


def _outcome(created: bool) -> str:
    return "stored" if created else "unchanged"
