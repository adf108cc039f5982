"""Readers as FastAPI's dependencies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from seatrial.archive.model.errors import NotFoundError, UnavailableError
from seatrial.archive.model.keys import check_uid
from seatrial.archive.server.access.readers import Access, Everything, Reader
from seatrial.archive.server.errors import UnauthorizedError


async def reader(request: Request) -> Reader:
    """Who makes this request; for FastAPI's Depends.

    Raises:
        UnauthorizedError, UnavailableError: see Access.
    """
    access: Access = request.app.state.archive.access
    return await access.reader(request)


AnyReader = Annotated[Reader, Depends(reader)]


async def readable_run(uid: str, request: Request, who: AnyReader) -> str:
    """The uid of the path, of a run that the reader may see; for FastAPI's Depends.

    Raises:
        InvalidError: it can't be one.
        NotFoundError: there is no such run, or none that this reader may see: the answer does not show which.
    """
    check_uid(uid)
    history = request.app.state.archive.history
    if isinstance(who, Everything):
        # a result may be read before the history has it, and while the history is away
        there = True
        with suppress(UnavailableError):
            there = not await asyncio.to_thread(history.keeping.is_deleted, uid)
    else:
        namespace = await asyncio.to_thread(history.runs.namespace, uid)
        there = namespace is not None and await who.may_read(*namespace)
    if not there:
        raise NotFoundError(f"nothing is kept of run {uid}", "it sent nothing yet, has expired, or is not yours to see")
    return uid


ReadableRun = Annotated[str, Depends(readable_run)]


async def while_readable(request: Request, uid: str, messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The messages of a run's stream for as long as its reader may see the run.

    That is asked again after a while, at the next message; a stream that has nothing to say sends pings.
    """
    access: Access = request.app.state.archive.access
    due = time.monotonic() + access.recheck_seconds
    async with aclosing(messages):  # type: ignore[type-var]
        async for message in messages:
            if time.monotonic() >= due:
                try:
                    await readable_run(uid, request, await access.reader(request))
                except (UnauthorizedError, NotFoundError, UnavailableError):
                    return
                due = time.monotonic() + access.recheck_seconds
            yield message
