"""The logs of an attempt's components on one time axis."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from seatrial.archive.server.pages import moments
from seatrial.archive.server.pages.addresses import time_parameter
from seatrial.archive.server.pages.colours import colours
from seatrial.archive.server.pages.questions import LogsQuestion
from seatrial.archive.server.pages.site import Site, attempt_of
from seatrial.archive.server.pages.views import LogsView

_PAGE_LINES = 500


async def logs(site: Site, request: Request) -> Response:
    """The lines, filtered as the address says."""
    found = await site.readable(request)
    given = request.query_params
    attempt = attempt_of(found, given.get("attempt"))
    number = attempt.attempt if attempt else None
    text = given.get("text", "").strip()
    asked = LogsQuestion(number, given.get("since", ""), text, tuple(given.getlist("component")))
    since = time_parameter(asked.since.strip(), datetime.now(UTC), "since")

    def view() -> LogsView:
        with site.logs_of(found.uid, attempt) as logs:
            chosen = tuple(name for name in asked.component if name in logs) or tuple(logs)
            wanted = {name: logs[name] for name in chosen}
            moment = moments.page(wanted, since.timestamp() if since else 0.0, _PAGE_LINES, text)
            return LogsView(found, moment, asked, tuple(logs), chosen, colours(list(logs)))

    return site.renderer.page(request, await asyncio.to_thread(view))
