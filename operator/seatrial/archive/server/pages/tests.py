"""The tests of an attempt: the list, and one of them."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from seatrial.archive.model.errors import NotFoundError
from seatrial.archive.server.history.counts import counts_of
from seatrial.archive.server.pages.beside import logs_address, moment_of
from seatrial.archive.server.pages.colours import colours
from seatrial.archive.server.pages.questions import TestsQuestion, number_parameter
from seatrial.archive.server.pages.site import Site, attempt_of
from seatrial.archive.server.pages.views import TestsView, TestView

_PAGE_TESTS = 100
_LINES_ALONE = 2_000  # of all components


async def tests(site: Site, request: Request) -> Response:
    """The list, filtered as the address says."""
    found = await site.readable(request)
    attempt = attempt_of(found, request.query_params.get("attempt"))
    asked = TestsQuestion.of(request.query_params, attempt.attempt if attempt else None)
    cursor = request.query_params.get("cursor") or None
    page = await asyncio.to_thread(site.history.tests.page, found.uid, asked.filter(), _PAGE_TESTS, cursor, asked.order)
    shards = attempt.shards if attempt else ()
    counts = counts_of(shard.facts for shard in shards)
    numbers = tuple(shard.shard for shard in shards)
    return site.renderer.page(request, TestsView(found, counts, numbers, page, asked, first_page=cursor is None))


async def test(site: Site, request: Request) -> Response:
    """One test, with the texts of its failures and what was logged meanwhile."""
    found = await site.readable(request)
    attempt = attempt_of(found, request.query_params.get("attempt"))
    test_id = request.query_params.get("id", "")
    number = attempt.attempt if attempt else found.attempt
    shard = number_parameter(request.query_params, "shard")
    row = await asyncio.to_thread(site.history.tests.get, found.uid, number, test_id, shard)
    if row is None or attempt is None:
        raise NotFoundError(f"attempt {number} of the run has no test {test_id[:200]}", "see the list of its tests")

    def view() -> TestView:
        with site.logs_of(found.uid, attempt) as logs:
            moment = moment_of(row, logs, _LINES_ALONE)
            return TestView(found, row, len(attempt.shards) > 1, moment, logs_address(row), colours(list(logs)))

    return site.renderer.page(request, await asyncio.to_thread(view))
