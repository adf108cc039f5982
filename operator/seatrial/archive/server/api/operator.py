"""For the operator: records in, the feed out."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from seatrial import tokens
from seatrial.archive.model.errors import InvalidError
from seatrial.archive.model.manifest import parse_object
from seatrial.archive.model.record import parse_record
from seatrial.archive.server.api.common import (
    archive_of,
    stream,
)
from seatrial.archive.server.errors import authorize

router = APIRouter()

_MAX_RECORD_BYTES = 16 * 1024 * 1024


@router.put("/v1/runs/{uid}/record", include_in_schema=False)
async def put_record(request: Request, uid: str) -> Response:
    """The operator's record of a run, sent at each change of its status."""
    archive = archive_of(request)
    authorize(request, tokens.feed_token(archive.key))
    length = request.headers.get("Content-Length", "")
    if not length.isdecimal() or int(length) > _MAX_RECORD_BYTES:
        raise InvalidError(f"the record has {length or 'an unknown number of'} bytes", f"at most {_MAX_RECORD_BYTES}")
    record = parse_record(parse_object(await request.body(), "the record"), uid)
    await asyncio.to_thread(archive.history.intake.put_record, record)
    return Response(status_code=204)


@router.get("/v1/feed", include_in_schema=False)
async def feed(request: Request) -> Response:
    """What the operator acts upon, of all runs."""
    archive = archive_of(request)
    authorize(request, tokens.feed_token(archive.key))
    return stream(request, archive.hub.feed(), "application/x-ndjson")
