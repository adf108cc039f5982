"""Tests: of a run, over time, flaky ones, durations."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from seatrial.archive.model.errors import NotFoundError
from seatrial.archive.model.questions import TestFilter, TestOrder
from seatrial.archive.model.tests import DurationRow, FlakyTest, TestHistory, TestPage, TestRow
from seatrial.archive.server.access.routes import AnyReader, ReadableRun
from seatrial.archive.server.api.common import (
    Cursor,
    Labels,
    Limit,
    answer,
    archive_of,
    aware,
    candidates_of,
    check_namespace,
    pairs,
)

router = APIRouter()


@router.get("/v1/runs/{uid}/tests", response_model=TestPage)
async def list_tests(
    request: Request,
    uid: ReadableRun,
    outcome: Annotated[str | None, Query(description="An outcome of pytest, or `bad`, or `flaky`.")] = None,
    text: Annotated[str | None, Query(description="Part of the test's id.")] = None,
    attempt: Annotated[int | None, Query(ge=0, lt=2**31, description="The last one that has results.")] = None,
    shard: Annotated[int | None, Query(ge=0, lt=2**31, description="All shards, if it is not given.")] = None,
    order: TestOrder = "bad-first",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The tests of one attempt of a run."""
    wanted = TestFilter(outcome, text, attempt, shard)
    return answer(await asyncio.to_thread(archive_of(request).history.tests.page, uid, wanted, limit, cursor, order))


@router.get("/v1/runs/{uid}/attempts/{attempt}/test", response_model=TestRow)
async def get_test(
    request: Request,
    uid: ReadableRun,
    attempt: int,
    test_id: Annotated[str, Query(alias="id", description="pytest's node id.")],
    shard: Annotated[int | None, Query(ge=0, lt=2**31, description="The last one that ran it.")] = None,
) -> Response:
    """One test, with the texts of its failures."""
    test = await asyncio.to_thread(archive_of(request).history.tests.get, uid, attempt, test_id, shard)
    if test is None:
        raise NotFoundError(
            "this attempt has no such test", "the id is pytest's node id, as the list of tests gives it"
        )
    return answer(test)


@router.get("/v1/tests/history", response_model=TestHistory)
async def get_test_history(
    request: Request,
    who: AnyReader,
    namespace: str,
    test_id: Annotated[str, Query(alias="id", description="pytest's node id.")],
    limit: Limit = 100,
) -> Response:
    """How one test went in the last runs of a namespace."""
    uids = await check_namespace(who, namespace)
    return answer(await asyncio.to_thread(archive_of(request).history.tests.history, namespace, test_id, limit, uids))


@router.get("/v1/tests/flaky", response_model=list[FlakyTest])
async def list_flaky(
    request: Request,
    who: AnyReader,
    namespace: str | None = None,
    since: Annotated[datetime | None, Query(description="14 days ago, if it is not given.")] = None,
    limit: Limit = 50,
) -> Response:
    """Tests that passed and failed while nothing had changed, the flakiest first."""
    candidates = await candidates_of(request, namespace)
    namespaces = await who.namespaces(candidates)
    uids = None if namespaces is None else await who.uids(namespaces)
    if namespace is not None and namespaces is None:
        namespaces = frozenset({namespace})
    begin = aware(since) or datetime.now(UTC) - timedelta(days=14)
    found = await asyncio.to_thread(archive_of(request).history.statistics.flaky, namespaces, begin, limit, uids)
    return answer(tuple(found))


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
    uids = await check_namespace(who, namespace)
    found = await asyncio.to_thread(
        archive_of(request).history.statistics.durations, namespace, name, pairs(label), runs, uids
    )
    return answer(tuple(found))
