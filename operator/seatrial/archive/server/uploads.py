"""The archive's upload port, write only: environments and the operator, each set with its own token."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from seatrial import tokens
from seatrial.archive.model.errors import ConflictError, InvalidError, QuotaExceededError, WrongDigestError
from seatrial.archive.model.keys import EVIDENCE, SetKey, check_path, check_sha256, set_key
from seatrial.archive.model.manifest import digest_of
from seatrial.archive.model.summaries import parse_summary
from seatrial.archive.server.context import Archive
from seatrial.archive.server.errors import authorize
from seatrial.archive.server.live.messages import messages_of, parse_events
from seatrial.archive.server.receiving import Body, announced_of, check_announced, outcome_of, receiving
from seatrial.archive.server.threads import in_thread
from seatrial_protocol.decode import ProtocolError

log = logging.getLogger(__name__)

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
    file, manifest = _taking(archive, "file", _put_file), _taking(archive, "manifest", _put_manifest)
    return [
        *(Route(f"{path}/files/{{path:path}}", file, methods=["PUT"]) for path in SET_PATHS),
        *(Route(f"{path}/manifest", manifest, methods=["PUT"]) for path in SET_PATHS),
        Route(f"{SHARD_PATH}/live", _taking(archive, "live", _post_live), methods=["POST"]),
    ]


UploadHandler = Callable[[Archive, Request, SetKey, Body], Awaitable[tuple[str, Response]]]


def _taking(archive: Archive, kind: str, handler: UploadHandler) -> Callable[[Request], Awaitable[Response]]:
    return receiving(archive, kind, _admit, handler)


async def _admit(archive: Archive, request: Request) -> SetKey:
    key = key_of(request)
    authorize(request, _token(archive.key, key))
    return key


def _token(secret: bytes, key: SetKey) -> str:
    if key.shard is None:
        return tokens.evidence_token(secret, key.uid, key.attempt)
    return tokens.upload_token(secret, key.uid, key.attempt, key.shard)


async def _put_file(archive: Archive, request: Request, key: SetKey, body: Body) -> tuple[str, Response]:
    path = check_path(request.path_params["path"])
    sha256 = check_sha256(request.headers.get("Content-SHA256"))
    check_announced(request, path, archive.settings.max_file_bytes, "SEATRIAL_ARCHIVE_MAX_FILE")
    holder = await archive.shares.holder(key.uid)
    try:
        async with archive.shares.room(holder, announced_of(request)) as room:
            stored = await archive.store.put_file(key, path, room.metered(body.chunks()), sha256)
    except QuotaExceededError:
        found = await in_thread(archive.store.stored, key, path, sha256)
        if found is None:
            raise
        await body.discard(archive.settings.max_file_bytes)
        stored = found
    if stored.created:
        archive.metrics.stored_bytes.inc(stored.size)
        archive.shares.stored(holder, stored.size, key.uid)
    answer = {"path": path, "size": stored.size, "sha256": sha256}
    return outcome_of(stored.created), JSONResponse(answer, 201 if stored.created else 200)


async def _put_manifest(archive: Archive, request: Request, key: SetKey, body: Body) -> tuple[str, Response]:
    manifest = await body.whole(archive.settings.max_manifest_bytes)
    announced = request.headers.get("Content-SHA256")
    if announced is not None and digest_of(manifest) != f"sha256:{check_sha256(announced)}":
        raise WrongDigestError("the manifest's bytes are not those that were announced", "send it again")
    holder = await archive.shares.holder(key.uid)
    sealed = await archive.store.put_manifest(key, manifest)  # its files are here: it is what makes them of use
    if sealed.created:
        archive.shares.stored(holder, len(manifest), key.uid)
        fields = {**asdict(key), "digest": sealed.result.digest}
        if key.shard is None:
            log.info("evidence", extra=fields)
        else:
            archive.hub.result(sealed.result)
            summary, problem = parse_summary(sealed.result.summary)
            archive.metrics.result(summary)
            log.info("result", extra=fields | {"outcome": summary.outcome if summary else problem})
        archive.ingest.sealed(key)  # after the operator received it: the verdict waits for nothing
    return outcome_of(sealed.created), JSONResponse({"digest": sealed.result.digest}, 201 if sealed.created else 200)


async def _post_live(archive: Archive, request: Request, key: SetKey, body: Body) -> tuple[str, Response]:
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
