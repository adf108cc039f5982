"""A real Chromium in front of the pages."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from seatrial.archive.files import HEADERS, shown_as
from seatrial.archive.history.database import database_url
from seatrial.archive.history.queries import History
from seatrial.archive.live import Hub, Limits
from seatrial.archive.model import set_key
from seatrial.archive.pages.routes import Pages
from tests.pages import demo

PREFIX = "/api/v1/namespaces/seatrial-system/services/seatrial-archive:read/proxy"


class Everybody:
    async def may_read(self, namespace: str) -> bool:
        return True

    async def namespaces(self, candidates: Iterable[str]) -> frozenset[str] | None:
        return None


async def everybody(request: Request) -> Everybody:
    return Everybody()


@dataclass
class Site:
    """The pages, served, with what lies behind them."""

    base: str
    history: History
    files: demo.Memory
    hub: Hub
    loop: asyncio.AbstractEventLoop

    def add(self, *runs: demo.Run) -> None:
        demo.fill(self.history, self.files, list(runs))

    def on_loop(self, what: Callable[..., Any], *args: Any) -> None:
        """The hub belongs to the server's loop."""
        done: Future[None] = Future()

        def call() -> None:
            what(*args)
            done.set_result(None)

        self.loop.call_soon_threadsafe(call)
        done.result(10)


def serve(app: ASGIApp) -> tuple[str, Callable[[], None]]:
    """Serves in a thread; the address, and what ends it."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return f"http://127.0.0.1:{listening.getsockname()[1]}", stop


def behind_prefix(app: ASGIApp) -> ASGIApp:
    """As the API server's proxy does it: what is behind it never sees the prefix."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX + "/"):
            path = scope["path"].removeprefix(PREFIX)
            scope = scope | {"path": path, "raw_path": scope["raw_path"].removeprefix(PREFIX.encode())}
        await app(scope, receive, send)

    return call


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    history = History(database_url("", tmp_path_factory.mktemp("archive")))
    history.migrate()
    files, hub = demo.Memory(), Hub(Limits())
    loops: list[asyncio.AbstractEventLoop] = []

    async def file(request: Request) -> Response:
        uid, attempt, shard, path = (
            request.path_params.get(name, "evidence") for name in ("uid", "attempt", "shard", "path")
        )
        body = b"".join(files.chunks(set_key(uid, attempt, shard), path))
        disposition = "inline" if shown_as(path) else "attachment"
        media_type = shown_as(path) or "application/octet-stream"
        return Response(body, headers=HEADERS | {"Content-Disposition": disposition}, media_type=media_type)

    async def live(request: Request) -> Response:
        return StreamingResponse(events(request.path_params["uid"]), media_type="text/event-stream")

    async def events(uid: str) -> AsyncIterator[bytes]:
        loops.append(asyncio.get_running_loop())
        async for message in hub.follow(uid, None, []):
            yield message

    async def healthy(request: Request) -> Response:
        loops.append(asyncio.get_running_loop())
        return Response()

    v1 = "/v1/runs/{uid}/attempts/{attempt}"
    app = Starlette(
        routes=[
            Route(v1 + "/shards/{shard}/files/{path:path}", file),
            Route(v1 + "/evidence/files/{path:path}", file),
            Route("/v1/runs/{uid}/live", live),
            Route("/healthz", healthy),
            *Pages(history, files, everybody).routes(),
        ]
    )
    base, stop = serve(behind_prefix(app))
    assert httpx.get(f"{base}/healthz").status_code == 200
    served = Site(base, history, files, hub, loops[0])
    served.add(*demo.everything(datetime.now(UTC)))
    yield served
    served.on_loop(hub.close)
    stop()
    history.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    found = subprocess.run([Path(__file__).parent / "chromium"], capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(found.stderr.strip().splitlines()[-1])
    with sync_playwright() as playwright:
        # Tests run as root in containers, where Chromium's own sandbox can't be set up.
        browser = playwright.chromium.launch(executable_path=found.stdout.strip(), args=["--no-sandbox"])
        yield browser
        browser.close()


Open = Callable[..., Page]


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: errors and warnings on its console, among them what it refused, and dialogs."""
    return []


@pytest.fixture
def open_page(chromium: Browser, site: Site, complaints: list[str]) -> Iterator[Open]:
    """Opens an address in a window of its own. At the end the browser may not have complained of anything."""
    windows = []

    def open_one(address: str, **options: Any) -> Page:
        context = chromium.new_context(base_url=site.base, **options)
        windows.append(context)
        page = context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(address)
        return page

    yield open_one
    for context in windows:
        context.close()
    assert complaints == []
