"""Runs: lists, one run, what happens in it now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from seatrial.archive.model.errors import NotFoundError
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.questions import RunFilter
from seatrial.archive.model.runs import Attempt, RunDetail, RunPage, Shard, Timeline, complete_shard
from seatrial.archive.server.access.routes import AnyReader, ReadableRun, while_readable
from seatrial.archive.server.api.common import (
    Cursor,
    Labels,
    Limit,
    Verdict,
    answer,
    archive_of,
    aware,
    candidates_of,
    pairs,
    stream,
)
from seatrial.archive.server.sets.results import CompleteSet

router = APIRouter()


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
    history = archive_of(request).history
    namespaces = await who.namespaces(await candidates_of(request, namespace))
    wanted = RunFilter(
        namespaces=namespaces,
        namespace_uids=None if namespaces is None else await who.uids(namespaces),
        namespace=namespace,
        name=name,
        verdict=verdict,
        reason=reason,
        labels=pairs(label),
        since=aware(since),
        until=aware(until),
        active=active,
        text=text,
        image=image,
    )
    return answer(await asyncio.to_thread(history.runs.page, wanted, limit, cursor))


@router.get("/v1/runs/{uid}", response_model=RunDetail)
async def get_run(request: Request, uid: ReadableRun) -> Response:
    """One run: its record, its attempts, what is complete of each."""
    archive = archive_of(request)

    def read() -> RunDetail | None:
        run = archive.history.runs.get(uid)
        return run and with_stored(run, [(key, archive.store.result(key)) for key in archive.store.sets(uid)])

    run = await asyncio.to_thread(read)
    if run is None:
        raise NotFoundError(f"nothing is kept of run {uid}", "it sent nothing yet, or has expired")
    return answer(run)


def with_stored(run: RunDetail, stored: Sequence[tuple[SetKey, CompleteSet | None]]) -> RunDetail:
    """The run with the shards that the store has by now: a result is there a moment before the history knows it."""
    known = {attempt.attempt: attempt for attempt in run.attempts}
    ingested = {
        (attempt.attempt, shard.shard, shard.digest): shard for attempt in run.attempts for shard in attempt.shards
    }
    found: dict[int, list[Shard]] = {}
    for key, result in stored:
        shards = found.setdefault(key.attempt, [])
        if key.shard is None:
            continue
        if result is None:
            shards.append(Shard(key.shard, complete=False, digest=None, archived_at=None, summary=None))
        else:
            archived_at = datetime.fromtimestamp(result.archived_at, UTC)
            new = complete_shard(key.shard, result.digest, archived_at, result.summary)
            shards.append(ingested.get((key.attempt, key.shard, result.digest), new))
    return replace(
        run,
        attempts=tuple(
            replace(known.get(number) or _unknown_attempt(number), shards=tuple(found.get(number, ())))
            for number in sorted(known.keys() | found.keys())
        ),
    )


def _unknown_attempt(number: int) -> Attempt:
    return Attempt(number, None, "", "", "", "", Timeline(), (), (), None)


@router.get("/v1/runs/{uid}/live")
async def follow(request: Request, uid: ReadableRun) -> Response:
    """What happens in a run now, as server-sent events, until its result."""
    archive, last_id = archive_of(request), request.headers.get("Last-Event-ID")
    if archive.hub.nothing_new(uid, last_id):
        return Response(status_code=204)  # an EventSource does not reconnect then
    stored = await asyncio.to_thread(archive.store.results, uid)
    messages = while_readable(request, uid, archive.hub.follow(uid, last_id, stored))
    return stream(request, messages, "text/event-stream")
