"""`seatrial open`: the archive on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import webbrowser
from collections.abc import AsyncIterator

import httpx
import pytest

from seatrial.cli.open import relaying
from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import Servers


class Pieces(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"one "
        await asyncio.sleep(0)
        yield b"two"


def archive(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/away":
        raise httpx.ConnectError("no pod of the archive is ready")
    asked = {"X-Asked": f"{request.method} {request.url.raw_path.decode()} {request.headers.get('Range')}"}
    return httpx.Response(206, headers={**asked, "Content-Type": "text/x-odd", "Connection": "close"}, stream=Pieces())


def test_a_port_that_is_taken(seatrial: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert seatrial("open", "--no-browser", "--port", str(taken.getsockname()[1])) == 4
    assert "can't be opened: Address already in use" in seatrial.err


async def test_requests_and_answers_pass_through() -> None:
    async with relaying(httpx.MockTransport(archive), 0) as address, httpx.AsyncClient(base_url=address) as browser:
        answer = await browser.get("/runs/u1/test?id=a%2Fb%5B1%5D", headers={"Range": "bytes=0-6"})
        assert (answer.status_code, answer.text, answer.headers["Content-Type"]) == (206, "one two", "text/x-odd")
        assert answer.headers["X-Asked"] == "GET /runs/u1/test?id=a%2Fb%5B1%5D bytes=0-6"
        assert (await browser.post("/runs")).status_code == 405
        answer = await browser.get("/away")
        assert (answer.status_code, "no pod of the archive is ready" in answer.text) == (502, True)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1:1", ""])
async def test_only_what_is_meant_for_it_is_answered(host: str) -> None:
    async with relaying(httpx.MockTransport(archive), 0) as address, httpx.AsyncClient(base_url=address) as browser:
        assert (await browser.get("/", headers={"Host": host})).status_code == 421
        port = address.rpartition(":")[2]
        assert (await browser.get("/", headers={"Host": f"localhost:{port}"})).status_code == 206


def test_the_command_says_where_and_ends_when_it_is_interrupted(
    seatrial: Command, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[httpx.Response] = []

    def browser(address: str) -> bool:
        opened.append(httpx.get(address, trust_env=False))
        threading.Timer(0, os.kill, (os.getpid(), signal.SIGINT)).start()
        return True

    servers.keep({"output.log": b"2 passed"})
    monkeypatch.setattr(webbrowser, "open", browser)
    assert seatrial("open") == 0
    assert seatrial.out.startswith("http://127.0.0.1:")
    (page,) = opened
    assert page.status_code == 200
    assert "pr-1" in page.text
