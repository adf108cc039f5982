"""A real Chromium in front of the pages."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seatrial import tokens
from seatrial.archive.server.access.kubernetes import User
from seatrial.archive.server.serve import running
from seatrial.archive.server.settings import Settings
from tests.pages import demo

T = TypeVar("T")

PREFIX = "/api/v1/namespaces/seatrial-system/services/seatrial-archive:read/proxy"
KEY = b"k" * 32


class Nobody:
    """The API server that knows no token; those who test come over the loopback interface."""

    async def who(self, token: str) -> User | None:
        return None

    async def may(self, user: User, verb: str, namespace: str | None) -> bool:
        return False

    async def namespace_uid(self, namespace: str) -> str | None:
        return None

    async def close(self) -> None:
        pass


@dataclass
class Site:
    """A real archive and what feeds it: the operator and the collectors."""

    base: str
    proxy: str
    """An address whose prefix the archive never sees, as with the API server's proxy."""
    upload: httpx.Client
    read: httpx.Client

    def record(self, run: demo.Run) -> None:
        """The operator tells of the run."""
        authorization = {"Authorization": f"Bearer {tokens.feed_token(KEY)}"}
        answer = self.read.put(f"/v1/runs/{run.uid}/record", json=run.record, headers=authorization)
        assert answer.status_code == 204, answer.text

    def live(self, run: demo.Run, *events: dict[str, Any]) -> None:
        """The collector of shard 0 tells what happens."""
        body = "".join(json.dumps(event) + "\n" for event in events)
        self._send("POST", run, "0", "live", body.encode())

    def results(self, run: demo.Run) -> None:
        """All sets of the run are uploaded."""
        for part, files in run.sets.items():
            for path, body in files.items():
                self._send("PUT", run, part, f"files/{quote(path)}", body)
            self._send("PUT", run, part, "manifest", demo.manifest(run, part))

    def add(self, *runs: demo.Run) -> None:
        """Runs that are over, and in the history."""
        for run in runs:
            self.record(run)
            self.results(run)
        for uid in {run.uid for run in runs}:
            self._wait_for_history([run for run in runs if run.uid == uid])

    def _send(self, method: str, run: demo.Run, part: str, what: str, body: bytes) -> None:
        key = run.key(part)
        where = "evidence" if key.shard is None else f"shards/{part}"
        token = (
            tokens.evidence_token(KEY, run.uid, key.attempt)
            if key.shard is None
            else tokens.upload_token(KEY, run.uid, key.attempt, key.shard)
        )
        headers = {"Authorization": f"Bearer {token}", "Content-SHA256": hashlib.sha256(body).hexdigest()}
        address = f"/v1/runs/{run.uid}/attempts/{key.attempt}/{where}/{what}"
        answer = self.upload.request(method, address, content=body, headers=headers)
        assert answer.is_success, answer.text

    def _wait_for_history(self, attempts: list[demo.Run]) -> None:
        run = attempts[-1]
        shards = [files for one in attempts for part, files in one.sets.items() if part != "evidence"]
        ended = sum(files["events.jsonl"].count(b'"event": "end"') for files in shards)
        skipped = sum(len(json.loads(files["summary.json"]).get("skippedFiles", ())) for files in shards)
        until = time.monotonic() + 60
        while self.read.get(f"/v1/runs/{run.uid}/tests?limit=1").json().get("total") != ended + skipped:
            assert time.monotonic() < until, f"the tests of {run.record['name']} never came into the history"
            time.sleep(0.05)


def in_a_thread(serving: Callable[[], AbstractAsyncContextManager[T]]) -> tuple[T, Callable[[], None]]:
    """What the context gives, served by a loop of its own, and what ends it."""
    started: Future[tuple[T, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def main() -> None:
        async with serving() as given:
            stop = asyncio.Event()
            started.set_result((given, asyncio.get_running_loop(), stop))
            await stop.wait()

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    given, loop, stop = started.result(60)

    def end() -> None:
        loop.call_soon_threadsafe(stop.set)
        thread.join()

    return given, end


@asynccontextmanager
async def proxy(target: str) -> AsyncIterator[str]:
    """Passes on what comes under PREFIX, without the prefix."""
    async with httpx.AsyncClient(base_url=target) as client:

        async def forward(request: Request) -> Response:
            path = request.url.path.removeprefix(PREFIX)
            answer = await client.get(path, params=request.query_params, headers={"Host": "localhost"})
            kept = {
                name: value for name, value in answer.headers.items() if name not in ("content-length", "connection")
            }
            return Response(answer.content, answer.status_code, kept)

        app = Starlette(routes=[Route(f"{PREFIX}/{{path:path}}", forward)])
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{PREFIX}"
        server.should_exit = True
        await task


@contextmanager
def archive(folder: Path) -> Iterator[Site]:
    """A real archive, and a proxy before it."""
    (folder / "key").write_bytes(KEY)
    settings = Settings(
        folder=folder / "data", key_file=folder / "key", host="127.0.0.1", upload_port=0, read_port=0, stop_seconds=1
    )
    ports, stop = in_a_thread(lambda: running(settings, reviewer=Nobody()))
    base, upload = (f"http://127.0.0.1:{port}" for port in (ports.read_port, ports.upload_port))
    prefixed, stop_proxy = in_a_thread(lambda: proxy(base))
    with httpx.Client(base_url=upload, timeout=60) as sender, httpx.Client(base_url=base, timeout=60) as asker:
        try:
            yield Site(base, prefixed, sender, asker)
        finally:  # their threads would keep a process alive that failed
            stop_proxy()
            stop()


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium.

    Raises:
        LookupError: there is none, and none can be installed.
    """
    found = subprocess.run([Path(__file__).parent / "chromium"], capture_output=True, text=True, check=False)
    if found.returncode:
        raise LookupError(found.stderr.strip().splitlines()[-1])
    with sync_playwright() as playwright:
        # Tests run as root in containers, where Chromium's own sandbox can't be set up.
        started = playwright.chromium.launch(executable_path=found.stdout.strip(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with archive(tmp_path_factory.mktemp("archive")) as served:
        served.add(*demo.everything(datetime.now(UTC)))
        yield served


@pytest.fixture(scope="module")  # its event loop would be in the way of every asynchronous test that comes later
def chromium() -> Iterator[Browser]:
    with ExitStack() as stack:
        try:
            started = stack.enter_context(browser())
        except LookupError as error:
            pytest.skip(str(error))
        yield started


Open = Callable[..., Page]


@contextmanager
def windows(chromium: Browser, site: Site, complaints: list[str]) -> Iterator[Open]:
    """Opens addresses, each in a window of its own. At the end the browser may not have complained of anything."""
    opened = []

    def open_one(address: str, **options: Any) -> Page:
        context = chromium.new_context(base_url=site.base, **options)
        opened.append(context)
        page = context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(address)
        return page

    yield open_one
    for context in opened:
        context.close()
    assert complaints == []


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: errors and warnings on its console, among them what it refused, and dialogs."""
    return []


@pytest.fixture
def open_page(chromium: Browser, site: Site, complaints: list[str]) -> Iterator[Open]:
    with windows(chromium, site, complaints) as opening:
        yield opening
