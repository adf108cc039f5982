"""For probes and for monitoring."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from seatrial.archive.server.api.common import (
    archive_of,
)
from seatrial.archive.server.errors import error_answer

router = APIRouter()


@router.get("/healthz", include_in_schema=False)
async def healthy() -> Response:
    """Whether the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", include_in_schema=False)
async def ready(request: Request) -> Response:
    """Whether results can be taken. The history is not needed for that: what it misses now, it gets later."""
    try:
        await asyncio.to_thread(archive_of(request).store.space)
    except OSError as error:
        return error_answer(
            503, f"the archive's volume can't be reached: {error.strerror}", "look at the volume of the archive"
        )
    return JSONResponse({"status": "ready"})


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    body = await asyncio.to_thread(generate_latest, archive_of(request).metrics.registry)
    return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})
