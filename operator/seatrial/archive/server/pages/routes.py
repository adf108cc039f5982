"""The pages' addresses, relative in pages: they work behind `kubectl port-forward` and any proxy's prefix."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seatrial.archive.model.errors import NotFoundError
from seatrial.archive.server.access.readers import Reader
from seatrial.archive.server.errors import REFUSALS, UnauthorizedError
from seatrial.archive.server.history.history import History
from seatrial.archive.server.pages import file, lists, logs, run, sign_in, tests
from seatrial.archive.server.pages.render import HEADERS
from seatrial.archive.server.pages.site import Files, Page, Site
from seatrial.archive.server.pages.views import ErrorView

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_PAGES: Mapping[str, Page] = {
    "/": lists.runs,
    "/runs/{uid}": run.run,
    "/runs/{uid}/tests": tests.tests,
    "/runs/{uid}/test": tests.test,
    "/runs/{uid}/logs": logs.logs,
    "/runs/{uid}/again.yaml": run.manifest_file,
    "/runs/{uid}/files/{attempt}/{part}/{path:path}": file.file,
    "/tests": lists.test_history,
    "/flaky": lists.flaky,
    "/sign-in": sign_in.form,
}


def page_routes(history: History, files: Files, reader: Callable[[Request], Awaitable[Reader]]) -> list[Route]:
    """The routes of all pages over one history and its files, to be put behind those of the API."""
    site = Site(history, files, reader)
    return [
        *(Route(path, _guarded(site, page)) for path, page in _PAGES.items()),
        Route("/sign-in", _guarded(site, sign_in.sign_in), methods=["POST"]),
        Route("/sign-out", _guarded(site, sign_in.sign_out), methods=["POST"]),
        Route("/static/{name}", _guarded(site, _static_file)),
    ]


def _guarded(site: Site, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """The page, or what is wrong as a page; with the headers that every page has."""

    async def call(request: Request) -> Response:
        try:
            response = await page(site, request)
        except UnauthorizedError:
            response = sign_in.to_sign_in(request)
        except tuple(REFUSALS) as error:
            status, _ = REFUSALS[type(error)]
            title = "Not found" if status == 404 else "That does not work"
            response = site.renderer.page(request, ErrorView(status, title, error.error, error.hint), status)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return call


async def _static_file(site: Site, request: Request) -> Response:
    name = request.path_params["name"]
    if name not in site.renderer.static:
        raise NotFoundError("there is no such file", "")
    # Pages ask for it with its version, so what a browser has is always right.
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(site.renderer.static[name], headers=headers, media_type=_TYPES[Path(name).suffix])
