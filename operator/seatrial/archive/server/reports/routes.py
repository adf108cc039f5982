"""The reports of a run over HTTP."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from seatrial.archive.model.errors import NotFoundError
from seatrial.archive.model.json import to_json_bytes
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.report import Report
from seatrial.archive.model.runs import RunDetail
from seatrial.archive.server.access.routes import ReadableRun
from seatrial.archive.server.context import Archive
from seatrial.archive.server.files import HEADERS
from seatrial.archive.server.reports import gather, markdown, merge

_AT_ONCE = 2  # merging keeps a processor busy
_CHUNK_BYTES = 256 * 1024

Number = Annotated[
    int | None,
    Query(ge=0, lt=2**31, description="Only this attempt, as if it were the whole run; else the last one: it judges."),
]

router = APIRouter(prefix="/v1/runs/{uid}", tags=["reports"])
_merging = asyncio.Semaphore(_AT_ONCE)


@router.get("/report.json", response_class=Response, responses={200: {"content": {"application/json": {}}}})
async def report_json(uid: ReadableRun, request: Request, attempt: Number = None) -> Response:
    """The essence of a run: its diagnosis, what the evidence says, the tests that failed, were flaky, or slow."""
    return Response(to_json_bytes(await _report(uid, request, attempt)), headers=HEADERS, media_type="application/json")


@router.get("/summary.md", response_class=PlainTextResponse)
async def summary_md(uid: ReadableRun, request: Request, attempt: Number = None) -> Response:
    """The same in Markdown for a pull request's comment or a CI job's summary; at most 60,000 characters."""
    return PlainTextResponse(markdown.summary(await _report(uid, request, attempt)), headers=HEADERS)


@router.get("/junit.xml", response_class=Response, responses={200: {"content": {"application/xml": {}}}})
async def junit_xml(
    uid: ReadableRun,
    request: Request,
    attempt: Number = None,
    strict: bool = Query(default=False, description="Only what the schema of Jenkins' xUnit plugin has"),
) -> Response:
    """JUnit XML of all shards of one attempt, the last one if none is given."""
    return await _merged(uid, request, "xunit" if strict else "junit", "application/xml", attempt)


@router.get("/ctrf.json", response_class=Response, responses={200: {"content": {"application/json": {}}}})
async def ctrf_json(uid: ReadableRun, request: Request, attempt: Number = None) -> Response:
    """CTRF (https://ctrf.io) of all shards of one attempt, the last one if none is given."""
    return await _merged(uid, request, "ctrf", "application/json", attempt)


@router.get("/coverage.xml", response_class=Response, responses={200: {"content": {"application/xml": {}}}})
async def coverage_xml(uid: ReadableRun, request: Request, attempt: Number = None) -> Response:
    """Coverage in Cobertura's format: the lines that ran in any shard of one attempt, the last one if none is given."""
    archive: Archive = request.app.state.archive
    async with _merging:
        stream = await asyncio.to_thread(_coverage, archive, uid, attempt)
    return StreamingResponse(stream, headers=HEADERS, media_type="application/xml")


def _coverage(archive: Archive, uid: str, attempt: int | None) -> Iterator[bytes]:
    last = _run(archive, uid, attempt).last
    keys = [SetKey(uid, last.attempt, shard) for shard in gather.measured(last)] if last else []
    if not keys:
        raise NotFoundError("no coverage was measured", "ask for it with spec.tests.coverage: true")
    if len(keys) == 1:
        return archive.store.chunks(keys[0], gather.COVERAGE)
    return iter([gather.coverage(archive.store, keys).xml()])


async def _report(uid: str, request: Request, attempt: int | None) -> Report:
    archive: Archive = request.app.state.archive
    return await asyncio.to_thread(_read, archive, uid, attempt)


def _read(archive: Archive, uid: str, attempt: int | None) -> Report:
    return gather.report(archive.history, archive.store, _run(archive, uid, attempt), attempt)


def _run(archive: Archive, uid: str, attempt: int | None) -> RunDetail:
    run = archive.history.runs.get(uid)
    if run is None:
        raise NotFoundError(f"nothing is kept of run {uid}", "it sent nothing yet, has expired, or is not yours to see")
    return run if attempt is None else gather.as_of(run, attempt)


async def _merged(uid: str, request: Request, form: merge.Form, media_type: str, attempt: int | None) -> Response:
    archive: Archive = request.app.state.archive
    async with _merging:
        file, size = await asyncio.to_thread(_written, archive, uid, form, attempt)
    headers = {**HEADERS, "Content-Length": str(size)}
    return StreamingResponse(_chunks(file), headers=headers, media_type=media_type)


def _written(archive: Archive, uid: str, form: merge.Form, attempt: int | None) -> tuple[BinaryIO, int]:
    """The merged report as an open file without a name: not in memory, and nothing stays after a crash."""
    path = Path(archive.settings.folder) / "incoming" / secrets.token_hex(16)
    try:
        run = _run(archive, uid, attempt)
        number = run.last.attempt if run.last else run.attempt
        report = gather.report(archive.history, archive.store, run, number)
        merge.write(path, form, report, gather.parts(archive.store, uid, number))
        file = path.open("rb")
    finally:
        for left in (path, path.with_name(f"{path.name}.cases")):
            with suppress(FileNotFoundError):
                left.unlink()
    return file, os.fstat(file.fileno()).st_size


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
