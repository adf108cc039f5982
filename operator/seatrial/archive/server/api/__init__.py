"""The archive's REST API for reading, described at /openapi.json. Everything asks who the reader is (see `access`)."""

from __future__ import annotations

from fastapi import APIRouter

from seatrial.archive.server.api import files, monitoring, operator, runs, tests

router = APIRouter()
for _part in (runs, files, tests, operator, monitoring):
    router.include_router(_part.router)
