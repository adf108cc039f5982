"""What the routes of the API share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from seatrial.archive.model.errors import InvalidError, NotFoundError
from seatrial.archive.model.json import to_json_bytes
from seatrial.archive.server.access.routes import AnyReader
from seatrial.archive.server.context import Archive

MAX_LISTED = 1_000


Limit = Annotated[int, Query(ge=1, le=MAX_LISTED)]


Cursor = Annotated[str | None, Query(description="`nextCursor` of the page before.")]


Labels = Annotated[list[str], Query(alias="label", description="`key=value`; several must all be there.")]


Verdict = Literal["Passed", "Failed", "Errored", "Cancelled"]


def archive_of(request: Request) -> Archive:
    """The archive of this application."""
    archive: Archive = request.app.state.archive
    return archive


def answer(view: Any) -> Response:
    """A view as JSON."""
    return Response(to_json_bytes(view), media_type="application/json")


def stream(request: Request, messages: AsyncIterator[bytes], media_type: str) -> Response:
    """An answer that goes on until its end or the reader's."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter: no proxy may hold it back
    if request.scope.get("head"):
        return Response(media_type=media_type, headers=headers)
    return StreamingResponse(messages, media_type=media_type, headers=headers)


def pairs(label: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Labels as keys and values.

    Raises:
        InvalidError: one is not `key=value`.
    """
    pairs = [text.partition("=") for text in label]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise InvalidError(
                "label must be key=value", "such as label=team=shop; several are given one after the other"
            )
    return tuple((key, value) for key, _, value in pairs)


def aware(moment: datetime | None) -> datetime | None:
    """The moment in UTC, unless it says otherwise."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


async def candidates_of(request: Request, namespace: str | None) -> frozenset[str]:
    """The namespaces that a question is about."""
    if namespace is not None:
        return frozenset({namespace})
    return await asyncio.to_thread(archive_of(request).history.runs.namespaces)


async def check_namespace(who: AnyReader, namespace: str) -> frozenset[str] | None:
    """The uids of this namespace, as `Reader.uids` gives them.

    Raises:
        NotFoundError: the reader may not see its runs.
    """
    if not await who.may_read(namespace):
        raise NotFoundError(
            f"nothing is kept of namespace {namespace}", "no run sent anything yet, or it is not yours to see"
        )
    return await who.uids([namespace])
