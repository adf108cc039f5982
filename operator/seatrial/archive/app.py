"""The archive over HTTP: one application for uploads (environments and the operator reach it), one for reading (the operator and people do)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from seatrial import tokens

from .context import Archive
from .errors import authorize, broken, error_answer, http_error, refused
from .files import HEADERS, file_response
from .live import Event
from .model import ArchiveRule, Invalid, NotThere, SetKey, check_uid, digest_of
from .store import Result, Store
from .uploads import SET_PATHS, key_of, upload_routes

Handler = Callable[[Request], Awaitable[Response]]

_MAX_LISTED = 1_000


def upload_app(archive: Archive) -> Starlette:
    """Writes only, each with the token of its set."""
    return _app(*upload_routes(archive), Route("/healthz", _healthy))


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
        *(Route(f"{path}/manifest", bound(_get_manifest)) for path in SET_PATHS),
        *(Route(f"{path}/files/{{path:path}}", bound(_get_file)) for path in SET_PATHS),
        Route("/v1/feed", bound(_get_feed)),
        Route("/healthz", _healthy),
        Route("/readyz", bound(_ready)),
        Route("/metrics", bound(_get_metrics)),
    )


def _app(*routes: BaseRoute) -> Starlette:
    return Starlette(
        routes=routes,
        exception_handlers={ArchiveRule: refused, HTTPException: http_error, Exception: broken},
    )


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
    attempts: dict[int, Event] = {}
    names: Event = {"name": None, "namespace": None}
    for key in store.sets(uid):
        result = store.result(key)
        attempt = attempts.setdefault(key.attempt, {"attempt": key.attempt, "shards": [], "evidence": None})
        if key.shard is not None:
            attempt["shards"].append(_shard(key, result, brief))
        elif result is not None:
            attempt["evidence"] = {"digest": result.digest, "archivedAt": result.archived_at}
        if result is not None:
            run = result.summary if key.shard is None else result.summary["run"]
            names = {name: run.get(name) for name in names}
    return {"uid": uid, **names, "attempts": list(attempts.values())}


def _shard(key: SetKey, result: Result | None, brief: bool) -> Event:
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


async def _get_manifest(archive: Archive, request: Request) -> Response:
    body = await asyncio.to_thread(archive.store.manifest, key_of(request))
    return Response(body, media_type="application/json", headers={**HEADERS, "Seatrial-Digest": digest_of(body)})


async def _get_file(archive: Archive, request: Request) -> Response:
    return await file_response(archive.store, key_of(request), request.path_params["path"], request)


async def _get_live(archive: Archive, request: Request) -> Response:
    uid = check_uid(request.path_params["uid"])
    last_id = request.headers.get("Last-Event-ID")
    if archive.hub.nothing_new(uid, last_id):
        return Response(status_code=204)  # tells an EventSource not to come back
    stored = await asyncio.to_thread(archive.store.results, uid)
    return _stream(request, archive.hub.follow(uid, last_id, stored), "text/event-stream")


async def _get_feed(archive: Archive, request: Request) -> Response:
    authorize(request, tokens.feed_token(archive.key))
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
        return error_answer(
            503, f"the archive's volume can't be reached: {error.strerror}", "look at the volume of the archive"
        )
    return JSONResponse({"status": "ready"})


async def _get_metrics(archive: Archive, request: Request) -> Response:
    body = await asyncio.to_thread(generate_latest, archive.metrics.registry)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})
