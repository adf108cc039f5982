"""The archive's two applications: uploads (from environments and the operator) and reading (operator, people)."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from seatrial import __version__
from seatrial.archive.model.errors import ArchiveRuleError
from seatrial.archive.server import api, verify
from seatrial.archive.server.bundles.routes import people_routes, pods_routes
from seatrial.archive.server.context import Archive
from seatrial.archive.server.errors import broken, error_answer, http_error, refused
from seatrial.archive.server.pages.routes import page_routes
from seatrial.archive.server.reports.routes import router as reports
from seatrial.archive.server.uploads import upload_routes


def upload_app(archive: Archive) -> Starlette:
    """Sets come in, bundles go out, each with a token of its own."""
    return Starlette(
        routes=[*upload_routes(archive), *pods_routes(archive), Route("/healthz", _healthy)],
        exception_handlers={ArchiveRuleError: refused, HTTPException: http_error, Exception: broken},
    )


def read_app(archive: Archive) -> ASGIApp:
    """The API and the pages."""
    app = FastAPI(
        title="Seatrial's archive",
        description="Results of runs and their history. Send a token of the cluster: `Authorization: Bearer ...`, or "
        "`X-Seatrial-Token: ...` where the API server's service proxy is in between.",
        version=__version__,
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        exception_handlers={
            ArchiveRuleError: refused,
            HTTPException: http_error,
            RequestValidationError: _invalid,
            Exception: broken,
        },
    )
    app.state.archive = archive
    app.include_router(api.router)
    app.include_router(verify.router())
    app.include_router(reports)
    app.router.routes.extend(people_routes(archive))
    app.router.routes.extend(page_routes(archive.history, archive.store, archive.access.reader))
    return _Heads(app)


class _Heads:
    """Answers HEAD as GET; the server leaves the body out. What would stream for long looks for `head` in the scope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "head": True}
        await self._app(scope, receive, send)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where, what = ".".join(str(part) for part in first["loc"][1:]), first.get("input")
    return error_answer(400, f"{where}={what!r:.100}: {first['msg']}", "/openapi.json describes what may be asked")


async def _healthy(request: Request) -> Response:
    return JSONResponse({"status": "ok"})
