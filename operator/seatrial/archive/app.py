"""The archive over HTTP: one application for uploads (environments reach it), one for reading (the operator and people do)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from seatrial import tokens

from .live import Event, Hub
from .metrics import Metrics
from .model import (
    ArchiveRule,
    Invalid,
    ShardKey,
    check_path,
    check_sha256,
    check_uid,
    digest_of,
    parse_object,
    shard_key,
)
from .settings import Settings
from .store import Conflict, Incomplete, NotThere, Result, Store, TooLarge, VolumeFull, WrongDigest

log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]

_SHARD = "/v1/runs/{uid}/attempts/{attempt}/shards/{shard}"
_MAX_LISTED = 1_000
_SWALLOWED_OF_STRANGERS = 1024 * 1024  # bytes

# Files are written by tests, so by anybody: nothing of them may run in a browser.
_FILE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-cache",
}
_SHOWN_AS = {
    ".json": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    **dict.fromkeys((".jsonl", ".log", ".md", ".txt", ".xml", ".yaml", ".yml"), "text/plain; charset=utf-8"),
}


class Unauthorized(ArchiveRule):
    """No token came with the request."""


class Forbidden(ArchiveRule):
    """The token is for something else."""


class TooSlow(ArchiveRule):
    """The body stopped coming."""


# Per rule: HTTP status and the outcome that the metrics count.
_REFUSALS: Mapping[type[ArchiveRule], tuple[int, str]] = {
    Invalid: (400, "invalid"),
    Unauthorized: (401, "unauthorized"),
    Forbidden: (403, "forbidden"),
    NotThere: (404, "not_found"),
    TooSlow: (408, "too_slow"),
    Conflict: (409, "conflict"),
    TooLarge: (413, "too_large"),
    WrongDigest: (422, "wrong_digest"),
    Incomplete: (422, "incomplete"),
    VolumeFull: (507, "volume_full"),
}


@dataclass(frozen=True)
class Archive:
    """What both applications work with."""

    settings: Settings
    key: bytes
    store: Store
    hub: Hub
    metrics: Metrics


def upload_app(archive: Archive) -> Starlette:
    """Writes only, each with the token of its shard."""
    return _app(
        Route(f"{_SHARD}/files/{{path:path}}", _upload(archive, "file", _put_file), methods=["PUT"]),
        Route(f"{_SHARD}/manifest", _upload(archive, "manifest", _put_manifest), methods=["PUT"]),
        Route(f"{_SHARD}/live", _upload(archive, "live", _post_live), methods=["POST"]),
        Route("/healthz", _healthy),
    )


def read_app(archive: Archive) -> Starlette:
    """Reading; only the feed asks for a token: who reaches this port is a matter of the cluster's network and API server."""

    def bound(handler: Callable[[Archive, Request], Awaitable[Response]]) -> Handler:
        async def call(request: Request) -> Response:
            return await handler(archive, request)

        return call

    return _app(
        Route("/v1/runs", bound(_list_runs)),
        Route("/v1/runs/{uid}", bound(_get_run)),
        Route("/v1/runs/{uid}/live", bound(_get_live)),
        Route(f"{_SHARD}/manifest", bound(_get_manifest)),
        Route(f"{_SHARD}/files/{{path:path}}", bound(_get_file)),
        Route("/v1/feed", bound(_get_feed)),
        Route("/healthz", _healthy),
        Route("/readyz", bound(_ready)),
        Route("/metrics", bound(_get_metrics)),
    )


def _app(*routes: Route) -> Starlette:
    return Starlette(
        routes=routes,
        exception_handlers={ArchiveRule: _refused, HTTPException: _http_error, Exception: _broken},
    )


# Errors


def _error(status: int, error: str, hint: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": error, "hint": hint}, status, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ArchiveRule)
    status, _ = _REFUSALS[type(error)]
    if status != 404:  # the operator and the command ask for what may not be there yet: no failure
        _log_failure(request, status, error.error)
    return _error(status, error.error, error.hint, {"WWW-Authenticate": "Bearer"} if status == 401 else None)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    _log_failure(request, error.status_code, error.detail)
    hint = {404: "see the archive's paths in the documentation", 405: "the path exists, with another method"}
    return _error(error.status_code, error.detail, hint.get(error.status_code, ""), error.headers)


async def _broken(request: Request, error: Exception) -> Response:  # the server logs the traceback itself
    return _error(500, f"the archive failed: {type(error).__name__}", "its log tells more; sending again is safe")


def _log_failure(request: Request, status: int, error: str) -> None:
    peer = request.client.host if request.client else None
    log.warning(
        "refused",
        extra={"method": request.method, "path": request.url.path, "status": status, "error": error, "peer": peer},
    )


# Uploads


class _Body:
    """The body of a request, in pieces, and each piece only once."""

    def __init__(self, request: Request, idle_seconds: float) -> None:
        self._request = request
        self._idle_seconds = idle_seconds
        self._ended = False  # nothing more is to be read
        self.complete = False  # all of it was read

    async def pieces(self) -> AsyncIterator[bytes]:
        """What has not been read yet.

        Raises:
            TooSlow: nothing came for a while.
            ClientDisconnect: the sender went away.
        """
        while not self._ended:
            if piece := await self._next():
                yield piece

    async def whole(self, limit: int) -> bytes:
        """All of it, if it is small enough to hold.

        Raises:
            TooLarge: it isn't.
        """
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) > limit:
                raise TooLarge(f"the body is larger than {limit} bytes", "send less at once")
        return bytes(body)

    async def swallow(self, limit: int) -> None:
        """Reads what is left of a refused body, and forgets it.

        Else the connection would be reset while the sender still writes, and many senders would never see why.
        """
        try:
            while not self._ended and limit > 0:
                limit -= len(await self._next())
        except (TooSlow, ClientDisconnect):
            return  # it was refused anyway

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._idle_seconds):
                message = await self._request.receive()
        except TimeoutError as error:
            self._ended = True
            raise TooSlow(f"nothing came for {self._idle_seconds:.0f} s", "send it again") from error
        if message["type"] == "http.disconnect":
            self._ended = True
            raise ClientDisconnect
        self._ended = self.complete = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece


UploadHandler = Callable[[Archive, Request, ShardKey, _Body], Awaitable[tuple[str, Response]]]


def _upload(archive: Archive, kind: str, handler: UploadHandler) -> Handler:
    """Checks the token, runs the handler, and counts what became of it."""

    async def call(request: Request) -> Response:
        began = time.perf_counter()
        outcome = "error"
        body = _Body(request, archive.settings.idle_seconds)
        swallow = _SWALLOWED_OF_STRANGERS
        try:
            key = _key(request)
            _authorize(request, tokens.upload_token(archive.key, key.uid, key.attempt, key.shard))
            swallow = archive.settings.max_file_bytes
            outcome, response = await handler(archive, request, key, body)
            return response
        except ArchiveRule as error:
            outcome = _REFUSALS[type(error)][1]
            await body.swallow(swallow)
            response = await _refused(request, error)
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


def _authorize(request: Request, token: str) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise Unauthorized("no token came with the request", "send Authorization: Bearer <token>")
    if not tokens.same(token, given.strip()):
        raise Forbidden("the token is not good for this", "each token is good for one run, attempt and shard alone")


async def _put_file(archive: Archive, request: Request, key: ShardKey, body: _Body) -> tuple[str, Response]:
    path = check_path(request.path_params["path"])
    sha256 = check_sha256(request.headers.get("Content-SHA256"))
    length, limit = request.headers.get("Content-Length", ""), archive.settings.max_file_bytes
    if length.isdecimal() and int(length) > limit:
        raise TooLarge(
            f"{path} has {length} bytes, more than {limit}", "make it smaller, or raise SEATRIAL_ARCHIVE_MAX_FILE"
        )
    stored = await archive.store.put_file(key, path, body.pieces(), sha256)
    if stored.created:
        archive.metrics.stored_bytes.inc(stored.size)
    answer = {"path": path, "size": stored.size, "sha256": sha256}
    return _said(stored.created), JSONResponse(answer, 201 if stored.created else 200)


async def _put_manifest(archive: Archive, request: Request, key: ShardKey, body: _Body) -> tuple[str, Response]:
    manifest = await body.whole(archive.settings.max_manifest_bytes)
    announced = request.headers.get("Content-SHA256")
    if announced is not None and digest_of(manifest) != f"sha256:{check_sha256(announced)}":
        raise WrongDigest("the manifest's bytes are not those that were announced", "send it again")
    sealed = await archive.store.put_manifest(key, manifest)
    if sealed.created:
        archive.hub.result(sealed.result)
        archive.metrics.result(sealed.result.summary)
        outcome = sealed.result.summary.get("outcome")
        log.info("result", extra={**asdict(key), "digest": sealed.result.digest, "outcome": outcome})
    return _said(sealed.created), JSONResponse({"digest": sealed.result.digest}, 201 if sealed.created else 200)


async def _post_live(archive: Archive, request: Request, key: ShardKey, body: _Body) -> tuple[str, Response]:
    lines = (await body.whole(archive.settings.max_live_bytes)).splitlines()
    events: list[Event] = [parse_object(line, "a line") for line in lines if line.strip()]
    if archive.store.is_sealed(key):
        raise Conflict(f"{key} is sealed: its manifest is stored", "events come before the manifest")
    archive.hub.events(key, events)
    return "stored", Response(status_code=204)


def _said(created: bool) -> str:
    return "stored" if created else "unchanged"


# Reading


async def _list_runs(archive: Archive, request: Request) -> Response:
    text = request.query_params.get("limit", "100")
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_LISTED:
        raise Invalid(f"limit={text!r} is not a number from 1 to {_MAX_LISTED}", "leave it out for the last 100 runs")
    uids = await asyncio.to_thread(archive.store.uids)
    runs = await asyncio.to_thread(lambda: [_run(archive.store, uid, brief=True) for uid in uids[: int(text)]])
    return JSONResponse({"runs": runs, "total": len(uids)})


async def _get_run(archive: Archive, request: Request) -> Response:
    run = await asyncio.to_thread(_run, archive.store, request.path_params["uid"], brief=False)
    if not run["attempts"]:
        raise NotThere(f"nothing is kept of run {run['uid']}", "it uploaded nothing yet, or its record has expired")
    return JSONResponse(run)


def _run(store: Store, uid: str, *, brief: bool) -> Event:
    """What is kept of a run; `brief`: of each summary only outcome and counts."""
    attempts: dict[int, list[Event]] = {}
    names: Event = {"name": None, "namespace": None}
    for key in store.shards(uid):
        result = store.result(key)
        attempts.setdefault(key.attempt, []).append(_shard(key, result, brief))
        if result is not None:
            run = result.summary["run"]
            names = {name: run.get(name) for name in names}
    return {
        "uid": uid,
        **names,
        "attempts": [{"attempt": attempt, "shards": shards} for attempt, shards in attempts.items()],
    }


def _shard(key: ShardKey, result: Result | None, brief: bool) -> Event:
    if result is None:
        return {"shard": key.shard, "complete": False, "digest": None, "archivedAt": None, "summary": None}
    summary = {name: result.summary.get(name) for name in ("outcome", "tests")} if brief else result.summary
    return {
        "shard": key.shard,
        "complete": True,
        "digest": result.digest,
        "archivedAt": result.archived_at,
        "summary": summary,
    }


def _key(request: Request) -> ShardKey:
    return shard_key(*(request.path_params[name] for name in ("uid", "attempt", "shard")))


async def _get_manifest(archive: Archive, request: Request) -> Response:
    body = await asyncio.to_thread(archive.store.manifest, _key(request))
    return Response(body, media_type="application/json", headers={**_FILE_HEADERS, "Seatrial-Digest": digest_of(body)})


async def _get_file(archive: Archive, request: Request) -> Response:
    path = await asyncio.to_thread(archive.store.file, _key(request), request.path_params["path"])
    shown_as = _SHOWN_AS.get(path.suffix.lower())
    return FileResponse(
        path,
        headers=_FILE_HEADERS,
        media_type=shown_as or "application/octet-stream",
        filename=path.name,
        content_disposition_type="inline" if shown_as else "attachment",
    )


async def _get_live(archive: Archive, request: Request) -> Response:
    uid = check_uid(request.path_params["uid"])
    last_id = request.headers.get("Last-Event-ID")
    if archive.hub.nothing_new(uid, last_id):
        return Response(status_code=204)  # tells an EventSource not to come back
    stored = await asyncio.to_thread(archive.store.results, uid)
    return _stream(request, archive.hub.follow(uid, last_id, stored), "text/event-stream")


async def _get_feed(archive: Archive, request: Request) -> Response:
    _authorize(request, tokens.feed_token(archive.key))
    return _stream(request, archive.hub.feed(), "application/x-ndjson")


def _stream(request: Request, messages: AsyncIterator[bytes], media_type: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter: no proxy may hold it back
    if request.method == "HEAD":
        return Response(media_type=media_type, headers=headers)
    return StreamingResponse(messages, media_type=media_type, headers=headers)


async def _healthy(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _ready(archive: Archive, request: Request) -> Response:
    try:
        await asyncio.to_thread(archive.store.space)
    except OSError as error:
        return _error(
            503, f"the archive's volume can't be reached: {error.strerror}", "look at the volume of the archive"
        )
    return JSONResponse({"status": "ready"})


async def _get_metrics(archive: Archive, request: Request) -> Response:
    body = await asyncio.to_thread(generate_latest, archive.metrics.registry)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})
