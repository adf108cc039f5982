"""Files of runs, by set."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic.dataclasses import dataclass
from starlette.requests import Request
from starlette.responses import Response

from seatrial.archive.model.json import CONFIG
from seatrial.archive.model.keys import SetKey, set_path
from seatrial.archive.model.manifest import digest_of, parse_manifest
from seatrial.archive.server.access.routes import ReadableRun
from seatrial.archive.server.api.common import (
    answer,
    archive_of,
)
from seatrial.archive.server.files import HEADERS, file_response, shown_as
from seatrial.archive.server.uploads import SET_PATHS, key_of

router = APIRouter()


@dataclass(frozen=True, config=CONFIG)
class StoredFile:
    """A file of a set."""

    path: str
    size: int
    """In bytes."""
    sha256: str
    type: str
    """As it is sent: what no browser may show is `application/octet-stream`."""


@dataclass(frozen=True, config=CONFIG)
class StoredSet:
    """Files of one shard or of an attempt's evidence; manifest: `{path}/manifest`, a file: `{path}/files/...`."""

    attempt: int
    shard: int | None
    """None: the evidence."""
    path: str
    digest: str
    files: tuple[StoredFile, ...]


@dataclass(frozen=True, config=CONFIG)
class StoredFiles:
    """All complete sets of a run."""

    sets: tuple[StoredSet, ...]


@router.get("/v1/runs/{uid}/files", response_model=StoredFiles)
async def list_files(request: Request, uid: ReadableRun) -> Response:
    """All files of a run, by set."""
    archive = archive_of(request)

    def read() -> StoredFiles:
        sealed = [key for key in archive.store.sets(uid) if archive.store.is_sealed(key)]
        return StoredFiles(tuple(_stored_set(key, archive.store.manifest(key)) for key in sealed))

    return answer(await asyncio.to_thread(read))


def _stored_set(key: SetKey, manifest: bytes) -> StoredSet:
    files = tuple(
        StoredFile(file.path, file.size, file.sha256, shown_as(file.path) or "application/octet-stream")
        for file in parse_manifest(manifest, key).files
    )
    return StoredSet(key.attempt, key.shard, f"/v1/{set_path(key)}", digest_of(manifest), files)


async def get_manifest(request: Request, uid: ReadableRun) -> Response:
    """What a complete set consists of: its files with their digests."""
    body = await asyncio.to_thread(archive_of(request).store.manifest, key_of(request))
    return Response(body, media_type="application/json", headers={**HEADERS, "Seatrial-Digest": digest_of(body)})


async def get_file(request: Request, uid: ReadableRun, path: str) -> Response:
    """One file; Range is understood."""
    return await file_response(archive_of(request).store, key_of(request), path, request)


for _number, _path in enumerate(SET_PATHS):
    _of = ("shard", "evidence")[_number]
    router.get(f"{_path}/manifest", operation_id=f"get_manifest_of_{_of}")(get_manifest)
    router.get(f"{_path}/files/{{path:path}}", operation_id=f"get_file_of_{_of}")(get_file)
