"""Pages over many runs: the list of runs, flaky tests, the history of a test."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from seatrial.archive.model.errors import InvalidError, NotFoundError
from seatrial.archive.server.pages.addresses import time_parameter
from seatrial.archive.server.pages.questions import RunQuestion
from seatrial.archive.server.pages.site import Site
from seatrial.archive.server.pages.trend import trend
from seatrial.archive.server.pages.views import FlakyView, HistoryView, RunsView

_PAGE_RUNS = 50
_HISTORY_POINTS, _FLAKY_TESTS = 100, 100


async def runs(site: Site, request: Request) -> Response:
    """Runs, the newest first."""
    reader = await site.reader(request)
    labels = [label for text in request.query_params.getlist("label") for label in text.split()]
    asked = RunQuestion.of(request.query_params, labels)
    known = await asyncio.to_thread(site.history.runs.namespaces)
    mine = await reader.namespaces(known)
    uids = None if mine is None else await reader.uids(mine)
    cursor = request.query_params.get("cursor") or None
    page = await asyncio.to_thread(
        site.history.runs.page, asked.filter(mine, uids, datetime.now(UTC)), _PAGE_RUNS, cursor
    )
    names = tuple(sorted(known if mine is None else mine))
    return site.renderer.page(request, RunsView(page, asked, names, first_page=cursor is None))


async def flaky(site: Site, request: Request) -> Response:
    """Tests that passed and failed while nothing had changed."""
    reader = await site.reader(request)
    namespace = request.query_params.get("namespace", "").strip()
    since = request.query_params.get("since") or "7d"
    at = time_parameter(since, datetime.now(UTC), "since")
    assert at is not None
    known = await asyncio.to_thread(site.history.runs.namespaces)
    mine = await reader.namespaces(known)
    uids = None if mine is None else await reader.uids(mine)
    names = known if mine is None else mine
    wanted = names & {namespace} if namespace else mine
    tests = await asyncio.to_thread(site.history.statistics.flaky, wanted, at, _FLAKY_TESTS, uids)
    return site.renderer.page(request, FlakyView(tuple(tests), namespace, tuple(sorted(names)), since))


async def test_history(site: Site, request: Request) -> Response:
    """How one test went lately."""
    reader = await site.reader(request)
    namespace, test_id = (request.query_params.get(name, "") for name in ("namespace", "id"))
    if not namespace or not test_id:
        raise InvalidError("the address lacks namespace or id", "follow the link of a test")
    if not await reader.may_read(namespace):
        raise NotFoundError(
            f"there is no namespace {namespace}", "the archive has no run of it, or you may not read it"
        )
    uids = await reader.uids([namespace])
    history = await asyncio.to_thread(site.history.tests.history, namespace, test_id, _HISTORY_POINTS, uids)
    return site.renderer.page(request, HistoryView(history, trend(history)))
