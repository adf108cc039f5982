"""Verifies the archive: reads every byte of the sets and compares with manifests and history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from fastapi import APIRouter
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from seatrial.archive.model.errors import ConflictError, NotFoundError
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.manifest import digest_of
from seatrial.archive.server.access.routes import AnyReader, ReadableRun
from seatrial.archive.server.context import Archive
from seatrial.archive.server.errors import ForbiddenError
from seatrial.archive.server.history.history import History
from seatrial.archive.server.sets.store import Store


class State(StrEnum):
    """How a set is."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    INCOMPLETE = "incomplete"
    """It was never sealed: its upload goes on, or ended early."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one set."""

    uid: str
    attempt: int
    part: str
    state: State
    problems: list[str]


def check(store: Store, history: History, uids: Iterable[str]) -> Iterator[Checked]:
    """Reads all sets of these runs, and tells of each; of those too that the history knows and the store lost.
    Blocking.

    Raises:
        UnavailableError: the storage or the history can't be reached.
    """
    for uid in uids:
        known = _known(history, uid)
        keys = sorted(known.keys() | set(store.sets(uid)), key=lambda key: (key.attempt, key.part))
        found = [_check(store, key, known.get(key)) for key in keys]
        if any(one.state is State.DAMAGED for one in found) and history.runs.get(uid) is None and known:
            continue  # retention removed it meanwhile
        yield from found


def _check(store: Store, key: SetKey, digest: str | None) -> Checked:
    try:
        found = digest_of(store.manifest(key))
        problems = store.verify(key)
        if digest not in (None, found):
            problems = [f"the manifest is not the one that was sealed: it has {found}, not {digest}", *problems]
        state = State.DAMAGED if problems else State.WHOLE
    except NotFoundError:
        state = State.INCOMPLETE if digest is None else State.DAMAGED
        problems = [] if digest is None else ["its manifest is missing"]
    return Checked(key.uid, key.attempt, key.part, state, problems)


def _known(history: History, uid: str) -> dict[SetKey, str]:
    """The digests under which the history took the run's sets."""
    run = history.runs.get(uid)
    known = {}
    for attempt in run.attempts if run else ():
        for shard in attempt.shards:
            if shard.digest:
                known[SetKey(uid, attempt.attempt, shard.shard)] = shard.digest
        if attempt.evidence:
            known[SetKey(uid, attempt.attempt, None)] = attempt.evidence.digest
    return known


def all_runs(store: Store, history: History) -> list[str]:
    """The uids of all runs that the store or the history has. Blocking."""
    return sorted({*store.uids(), *history.keeping.uids()} - {*history.keeping.marked_deleted()})


def as_line(checked: Checked) -> bytes:
    """As the API and the program print it: a line of JSON."""
    return json.dumps(asdict(checked)).encode() + b"\n"


def router() -> APIRouter:
    """The ways to ask for it. One check at a time: it reads everything."""
    routes, one = APIRouter(), asyncio.Lock()

    def answer(archive: Archive, uids: Iterable[str]) -> Response:
        if one.locked():
            raise ConflictError("the archive is being verified already", "wait until that has ended")

        async def lines() -> AsyncIterator[bytes]:
            async with one:
                async for checked in iterate_in_threadpool(check(archive.store, archive.history, uids)):
                    yield as_line(checked)
                yield b'{"state":"done"}\n'  # else who reads could take a broken answer for a good one

        return StreamingResponse(lines(), media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})

    @routes.get("/v1/verify")
    async def verify(request: Request, who: AnyReader) -> Response:
        """Reads everything: a JSON line for each set, at last `{"state": "done"}`. Only for those who may read all."""
        archive: Archive = request.app.state.archive
        if await who.namespaces(()) is not None:
            raise ForbiddenError("you may not read all namespaces", "give a run, or ask who may")
        return answer(archive, await asyncio.to_thread(all_runs, archive.store, archive.history))

    @routes.get("/v1/runs/{uid}/verify")
    async def verify_run(request: Request, uid: ReadableRun) -> Response:
        """Reads all sets of one run again, see /v1/verify."""
        return answer(request.app.state.archive, [uid])

    return routes
