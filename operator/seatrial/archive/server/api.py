"""The archive's REST API for reading, described at /openapi.json. Everything asks who the reader is (see `access`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic.dataclasses import dataclass
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from seatrial import tokens
from seatrial.archive.model.errors import InvalidError, NotFoundError
from seatrial.archive.model.json import CONFIG, to_json_bytes
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.manifest import digest_of, parse_manifest, parse_object
from seatrial.archive.model.questions import RunFilter, TestFilter, TestOrder
from seatrial.archive.model.record import parse_record
from seatrial.archive.model.runs import Attempt, RunDetail, RunPage, Shard, Timeline
from seatrial.archive.model.tests import DurationRow, FlakyTest, TestHistory, TestPage, TestRow
from seatrial.archive.server.access.routes import AnyReader, ReadableRun
from seatrial.archive.server.context import Archive
from seatrial.archive.server.errors import authorize, error_answer
from seatrial.archive.server.files import HEADERS, file_response, shown_as
from seatrial.archive.server.sets.results import Result
from seatrial.archive.server.uploads import SET_PATHS, key_of

router = APIRouter()

MAX_LISTED = 1_000
_MAX_RECORD_BYTES = 16 * 1024 * 1024

Limit = Annotated[int, Query(ge=1, le=MAX_LISTED)]
Cursor = Annotated[str | None, Query(description="`nextCursor` of the page before.")]
Labels = Annotated[list[str], Query(alias="label", description="`key=value`; several must all be there.")]
Verdict = Literal["Passed", "Failed", "Errored", "Cancelled"]


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
    """The files of one shard of one attempt, or of its evidence. The set's manifest is at `{path}/manifest`, a file at `{path}/files/...`."""

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


def _archive(request: Request) -> Archive:
    archive: Archive = request.app.state.archive
    return archive


def _answer(view: Any) -> Response:
    return Response(to_json_bytes(view), media_type="application/json")


# Runs


@router.get("/v1/runs", response_model=RunPage)
async def list_runs(
    request: Request,
    who: AnyReader,
    namespace: str | None = None,
    name: str | None = None,
    verdict: Verdict | None = None,
    reason: str | None = None,
    label: Labels = [],  # noqa: B006 - FastAPI makes a new one for each request
    since: datetime | None = None,
    until: datetime | None = None,
    active: bool | None = None,
    text: str | None = None,
    image: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Runs, the newest first."""
    history = _archive(request).history
    wanted = RunFilter(
        namespaces=await who.namespaces(await _candidates(request, namespace)),
        namespace=namespace,
        name=name,
        verdict=verdict,
        reason=reason,
        labels=_pairs(label),
        since=_aware(since),
        until=_aware(until),
        active=active,
        text=text,
        image=image,
    )
    return _answer(await asyncio.to_thread(history.runs.page, wanted, limit, cursor))


@router.get("/v1/runs/{uid}", response_model=RunDetail)
async def get_run(request: Request, uid: ReadableRun) -> Response:
    """One run: its record, its attempts, what is complete of each."""
    archive = _archive(request)

    def read() -> RunDetail | None:
        run = archive.history.runs.get(uid)
        return run and with_stored(run, [(key, archive.store.result(key)) for key in archive.store.sets(uid)])

    run = await asyncio.to_thread(read)
    if run is None:
        raise NotFoundError(f"nothing is kept of run {uid}", "it told nothing yet, or has expired")
    return _answer(run)


def with_stored(run: RunDetail, stored: Sequence[tuple[SetKey, Result | None]]) -> RunDetail:
    """The run with the shards that the store has by now: a result is there a moment before the history knows it."""
    found: dict[int, list[Shard]] = {}
    for key, result in stored:
        shards = found.setdefault(key.attempt, [])
        if key.shard is None:
            continue
        if result is None:
            shards.append(Shard(key.shard, complete=False, digest=None, archived_at=None, summary=None))
        else:
            archived_at = datetime.fromtimestamp(result.archived_at, UTC)
            shards.append(Shard(key.shard, True, result.digest, archived_at, result.summary))
    known = {attempt.attempt: attempt for attempt in run.attempts}
    return replace(
        run,
        attempts=tuple(
            replace(known.get(number) or _unheard_of(number), shards=tuple(found.get(number, ())))
            for number in sorted(known.keys() | found.keys())
        ),
    )


def _unheard_of(number: int) -> Attempt:
    return Attempt(number, None, "", "", "", "", Timeline(), (), (), None)


@router.put("/v1/runs/{uid}/record", include_in_schema=False)
async def put_record(request: Request, uid: str) -> Response:
    """What the operator tells of a run, each time that its status has changed."""
    archive = _archive(request)
    authorize(request, tokens.feed_token(archive.key))
    length = request.headers.get("Content-Length", "")
    if not length.isdecimal() or int(length) > _MAX_RECORD_BYTES:
        raise InvalidError(f"the record has {length or 'an unknown number of'} bytes", f"at most {_MAX_RECORD_BYTES}")
    record = parse_record(parse_object(await request.body(), "the record"), uid)
    await asyncio.to_thread(archive.history.intake.put_record, record)
    return Response(status_code=204)


@router.get("/v1/runs/{uid}/files", response_model=StoredFiles)
async def list_files(request: Request, uid: ReadableRun) -> Response:
    """All files of a run, by set."""
    archive = _archive(request)

    def read() -> StoredFiles:
        sealed = [key for key in archive.store.sets(uid) if archive.store.is_sealed(key)]
        return StoredFiles(tuple(_stored_set(key, archive.store.manifest(key)) for key in sealed))

    return _answer(await asyncio.to_thread(read))


def _stored_set(key: SetKey, manifest: bytes) -> StoredSet:
    part = "evidence" if key.shard is None else f"shards/{key.shard}"
    files = tuple(
        StoredFile(file.path, file.size, file.sha256, shown_as(file.path) or "application/octet-stream")
        for file in parse_manifest(manifest, key).files
    )
    path = f"/v1/runs/{key.uid}/attempts/{key.attempt}/{part}"
    return StoredSet(key.attempt, key.shard, path, digest_of(manifest), files)


async def get_manifest(request: Request, uid: ReadableRun) -> Response:
    """What a complete set consists of: its files with their digests."""
    body = await asyncio.to_thread(_archive(request).store.manifest, key_of(request))
    return Response(body, media_type="application/json", headers={**HEADERS, "Seatrial-Digest": digest_of(body)})


async def get_file(request: Request, uid: ReadableRun, path: str) -> Response:
    """One file; Range is understood."""
    return await file_response(_archive(request).store, key_of(request), path, request)


for _number, _path in enumerate(SET_PATHS):
    _of = ("shard", "evidence")[_number]
    router.get(f"{_path}/manifest", operation_id=f"get_manifest_of_{_of}")(get_manifest)
    router.get(f"{_path}/files/{{path:path}}", operation_id=f"get_file_of_{_of}")(get_file)


@router.get("/v1/runs/{uid}/live")
async def follow(request: Request, uid: ReadableRun) -> Response:
    """What happens in a run now, as server-sent events, until its result."""
    archive, last_id = _archive(request), request.headers.get("Last-Event-ID")
    if archive.hub.nothing_new(uid, last_id):
        return Response(status_code=204)  # tells an EventSource not to come back
    stored = await asyncio.to_thread(archive.store.results, uid)
    return _stream(request, archive.hub.follow(uid, last_id, stored), "text/event-stream")


# Tests


@router.get("/v1/runs/{uid}/tests", response_model=TestPage)
async def list_tests(
    request: Request,
    uid: ReadableRun,
    outcome: Annotated[str | None, Query(description="An outcome of pytest, or `bad`, or `flaky`.")] = None,
    text: Annotated[str | None, Query(description="Part of the test's id.")] = None,
    attempt: Annotated[int | None, Query(ge=0, lt=2**31, description="The last one that has results.")] = None,
    order: TestOrder = "bad-first",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The tests of one attempt of a run."""
    wanted = TestFilter(outcome, text, attempt)
    return _answer(await asyncio.to_thread(_archive(request).history.tests.page, uid, wanted, limit, cursor, order))


@router.get("/v1/runs/{uid}/attempts/{attempt}/test", response_model=TestRow)
async def get_test(
    request: Request,
    uid: ReadableRun,
    attempt: int,
    test_id: Annotated[str, Query(alias="id", description="pytest's node id.")],
) -> Response:
    """One test, with the texts of its failures."""
    test = await asyncio.to_thread(_archive(request).history.tests.get, uid, attempt, test_id)
    if test is None:
        raise NotFoundError(
            "this attempt has no such test", "the id is pytest's node id, as the list of tests gives it"
        )
    return _answer(test)


@router.get("/v1/tests/history", response_model=TestHistory)
async def get_test_history(
    request: Request,
    who: AnyReader,
    namespace: str,
    test_id: Annotated[str, Query(alias="id", description="pytest's node id.")],
    limit: Limit = 100,
) -> Response:
    """How one test went in the last runs of a namespace."""
    await _check_namespace(who, namespace)
    return _answer(await asyncio.to_thread(_archive(request).history.tests.history, namespace, test_id, limit))


@router.get("/v1/tests/flaky", response_model=list[FlakyTest])
async def list_flaky(
    request: Request,
    who: AnyReader,
    namespace: str | None = None,
    since: Annotated[datetime | None, Query(description="14 days ago, if it is not given.")] = None,
    limit: Limit = 50,
) -> Response:
    """Tests that passed and failed while nothing had changed, the flakiest first."""
    candidates = await _candidates(request, namespace)
    namespaces = await who.namespaces(candidates)
    if namespace is not None and namespaces is None:
        namespaces = frozenset({namespace})
    begin = _aware(since) or datetime.now(UTC) - timedelta(days=14)
    found = await asyncio.to_thread(_archive(request).history.statistics.flaky, namespaces, begin, limit)
    return _answer(tuple(found))


@router.get("/v1/tests/durations", response_model=list[DurationRow])
async def list_durations(
    request: Request,
    who: AnyReader,
    namespace: str,
    name: str | None = None,
    label: Labels = [],  # noqa: B006
    runs: Annotated[int, Query(ge=1, le=100, description="So many of the newest runs are looked at.")] = 10,
) -> Response:
    """How long each test takes when it passes, the longest first."""
    await _check_namespace(who, namespace)
    found = await asyncio.to_thread(
        _archive(request).history.statistics.durations, namespace, name, _pairs(label), runs
    )
    return _answer(tuple(found))


async def _candidates(request: Request, namespace: str | None) -> frozenset[str]:
    """The namespaces that a question is about."""
    if namespace is not None:
        return frozenset({namespace})
    return await asyncio.to_thread(_archive(request).history.runs.namespaces)


async def _check_namespace(who: AnyReader, namespace: str) -> None:
    if not await who.may_read(namespace):
        raise NotFoundError(
            f"nothing is kept of namespace {namespace}", "no run told anything yet, or it is not yours to see"
        )


def _pairs(label: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in label]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise InvalidError(
                "label must be key=value", "such as label=team=shop; several are given one after the other"
            )
    return tuple((key, value) for key, _, value in pairs)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


# For the operator and for monitoring


@router.get("/v1/feed", include_in_schema=False)
async def feed(request: Request) -> Response:
    """What the operator acts upon, of all runs."""
    archive = _archive(request)
    authorize(request, tokens.feed_token(archive.key))
    return _stream(request, archive.hub.feed(), "application/x-ndjson")


@router.get("/healthz", include_in_schema=False)
async def healthy() -> Response:
    """Whether the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", include_in_schema=False)
async def ready(request: Request) -> Response:
    """Whether results can be taken. The history is not needed for that: what it misses now, it gets later."""
    try:
        await asyncio.to_thread(_archive(request).store.space)
    except OSError as error:
        return error_answer(
            503, f"the archive's volume can't be reached: {error.strerror}", "look at the volume of the archive"
        )
    return JSONResponse({"status": "ready"})


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    body = await asyncio.to_thread(generate_latest, _archive(request).metrics.registry)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _stream(request: Request, messages: AsyncIterator[bytes], media_type: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter: no proxy may hold it back
    if request.scope.get("head"):
        return Response(media_type=media_type, headers=headers)
    return StreamingResponse(messages, media_type=media_type, headers=headers)
