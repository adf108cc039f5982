"""One file of a set, as far as it can be shown."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from seatrial.archive.model.errors import InvalidError, NotFoundError
from seatrial.archive.model.keys import check_path, set_key
from seatrial.archive.model.manifest import parse_manifest
from seatrial.archive.server.pages.addresses import root, time_parameter
from seatrial.archive.server.pages.files import files, text_page
from seatrial.archive.server.pages.site import Site
from seatrial.archive.server.pages.views import FileView

_PAGE_LINES = 1_000


async def file(site: Site, request: Request) -> Response:
    """Its lines, or the picture."""
    found = await site.readable(request)
    attempt, part = (request.path_params[name] for name in ("attempt", "part"))
    key, path = set_key(found.uid, attempt, part), check_path(request.path_params["path"])
    body = await asyncio.to_thread(site.files.manifest, key)
    row = next((row for row in files(key, parse_manifest(body, key)) if row.path == path), None)
    if row is None:
        raise NotFoundError(f"there is no file {path}", "the run's page lists its files")
    given = request.query_params
    text, first = given.get("text", ""), given.get("line", "").strip()
    if first and not (first.isdecimal() and len(first) < 10):
        raise InvalidError(f"line={first[:60]!r} is not a line number", "use 1 or more")
    at = time_parameter(given.get("at", ""), datetime.now(UTC), "at")
    shown, cut = None, 0
    if not row.picture:
        content, cut = await asyncio.to_thread(site.read, key, path)
        since = at.timestamp() if at else None
        shown = await asyncio.to_thread(text_page, content, int(first or 1), _PAGE_LINES, text, since)
    download = root(request.url.path) + row.download
    view = FileView(
        found, key.attempt, key.part, path, row.size, download, row.picture, shown, text=text, first=first, cut=cut
    )
    return site.renderer.page(request, view)
