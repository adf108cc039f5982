"""The way to the archive: through an API server, with the cluster's own client. The server here is a real one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from aiohttp import web

from seatrial.archive.client.errors import ArchiveCorruptError, ArchiveRefusedError, ArchiveUnavailableError
from seatrial.cli.connect import ARCHIVE, Target, connect
from seatrial.kube.service import ServiceTransport
from seatrial_protocol.manifest import ManifestFile

PROXY = "/api/v1/namespaces/seatrial-system/services/seatrial-archive:read/proxy"
HEX = "0f" * 32
SHARD = f"{PROXY}/v1/runs/u1/attempts/1/shards/0"
PODS = "/api/v1/namespaces/seatrial-system/pods"
Serve = Callable[..., Awaitable[Target]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts an API server that answers some paths; gives the way to it."""
    runners = []

    async def start(
        routes: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]], user: str = "{token: secret}"
    ) -> Target:
        app = web.Application()
        for path, handler in routes.items():
            app.router.add_get(path, handler)
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        config = tmp_path / "kubeconfig"
        config.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": yaml.safe_load(user)}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}}],
        }))  # fmt: skip
        return Target(kubeconfig=str(config))

    yield start
    for runner in runners:
        await runner.cleanup()


def answer(status: int, body: object) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    return handler


async def test_live_events_come_with_the_users_credentials(serve: Serve) -> None:
    seen: list[tuple[str | None, str | None]] = []

    async def live(request: web.Request) -> web.StreamResponse:
        seen.append((request.headers.get("Authorization"), request.headers.get("X-Seatrial-Token")))
        if request.headers.get("Last-Event-ID") == "b-1":
            return web.Response(status=204)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        data = json.dumps({"attempt": 1, "shard": 0, "event": {"event": "open", "seconds": 1.5}})
        await response.write(f"retry: 2000\n\n: ping\n\nid: b-1\nevent: open\ndata: {data}\n\n".encode())
        return response

    target = await serve({f"{PROXY}/v1/runs/u1/live": live})
    async with connect(target) as session:
        events = [event async for event in session.archive.live("u1")]
        assert session.namespace == "team-a"
    assert [(event.name, event.event["seconds"]) for event in events] == [("open", 1.5)]
    assert seen == [("Bearer secret", "secret")] * 2  # the API server keeps the one and passes on the other


async def test_files_come_whole_or_not_at_all(serve: Serve, tmp_path: Path) -> None:
    body = bytes(range(256)) * 4096

    async def file(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    target = await serve({f"{SHARD}/files/artifacts/a b.bin": file})
    right = ManifestFile(path="artifacts/a b.bin", size=len(body), sha256=hashlib.sha256(body).hexdigest())
    wrong = ManifestFile(path="artifacts/a b.bin", size=len(body), sha256="0" * 64)
    async with connect(target) as session:
        assert (await session.archive.download("u1", 1, 0, right, tmp_path / "r")).read_bytes() == body
        with pytest.raises(ArchiveCorruptError):
            await session.archive.download("u1", 1, 0, wrong, tmp_path / "w")
    assert [path for path in (tmp_path / "w").rglob("*") if path.is_file()] == []


async def test_a_missing_file_differs_from_a_closed_route(serve: Serve) -> None:
    forbidden = {"kind": "Status", "reason": "Forbidden", "message": "services/proxy is forbidden", "code": 403}
    absent = {"kind": "Status", "reason": "ServiceUnavailable", "message": "no endpoints available", "code": 503}
    target = await serve({
        f"{PROXY}/v1/runs/unknown": answer(404, {"error": "nothing is kept of run unknown", "hint": ""}),
        f"{PROXY}/v1/runs/forbidden": answer(403, forbidden),
        f"{PROXY}/v1/runs/down": answer(503, absent),
    })  # fmt: skip
    async with connect(target) as session:
        assert await session.archive.run("unknown") is None
        with pytest.raises(ArchiveRefusedError, match="services/proxy is forbidden"):
            await session.archive.run("forbidden")
        with pytest.raises(ArchiveUnavailableError, match="no endpoints available"):
            await session.archive.run("down")


async def test_an_api_server_that_is_gone(serve: Serve) -> None:
    target = await serve({})
    config = Path(str(target.kubeconfig))
    config.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", config.read_text()))
    async with connect(target) as session:
        with pytest.raises(ArchiveUnavailableError, match="can't be reached"):
            await session.archive.run("u1")


# With a client certificate, which can be shown to nobody but the API server


def pods(ready: str = "True") -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    pod = {"metadata": {"name": "archive-1"}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}
    return answer(200, {"items": [pod]})


def forwarding(port: int | None, failure: str = "") -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """As the kubelet forwards a port: each message begins with its channel, each channel with the port's number."""

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.query["ports"] == "8081"
        socket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await socket.prepare(request)
        for channel in (0, 1):
            await socket.send_bytes(bytes([channel, 0x91, 0x1F]))
        if port is None:
            await socket.send_bytes(b"\x01" + failure.encode())
            await socket.close()
            return socket
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def back() -> None:
            while data := await reader.read(1000):
                await socket.send_bytes(b"\x00" + data)
            await socket.close()

        task = asyncio.create_task(back())
        async for message in socket:
            assert message.data[0] == 0
            writer.write(message.data[1:])
        writer.close()
        await task
        return socket

    return handler


async def test_a_port_is_forwarded_for_who_has_a_certificate(serve: Serve, tmp_path: Path) -> None:
    body, seen = bytes(range(256)) * 4096, list[tuple[str | None, str | None]]()

    async def file(request: web.Request) -> web.StreamResponse:
        seen.append((request.headers.get("Host"), request.headers.get("X-Seatrial-Token")))
        return web.Response(body=body)

    archive = web.Application()
    archive.router.add_get("/v1/runs/u1/attempts/1/shards/0/files/a.bin", file)
    runner = web.AppRunner(archive)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target = await serve({PODS: pods(), f"{PODS}/archive-1/portforward": forwarding(runner.addresses[0][1])}, user="{}")
    right = ManifestFile(path="a.bin", size=len(body), sha256=hashlib.sha256(body).hexdigest())
    async with connect(target) as session:
        for folder in ("1", "2"):
            found = await session.archive.download("u1", 1, 0, right, tmp_path / folder)
            assert found.read_bytes() == body
    assert seen == [("localhost", None)] * 2  # the archive answers to everybody who can forward its port
    await runner.cleanup()


async def test_a_bundle_goes_through_a_forwarded_port(serve: Serve, tmp_path: Path) -> None:
    body, came, sent = bytes(range(256)) * 4096, list[bytes](), list[int]()

    async def put(request: web.Request) -> web.StreamResponse:
        came.append(await request.read())
        return web.json_response({}, status=201)

    archive = web.Application(client_max_size=2 * len(body))
    archive.router.add_get(f"/v1/namespaces/a/bundles/{HEX}", answer(404, {"error": "there is none", "hint": ""}))
    archive.router.add_put(f"/v1/namespaces/a/bundles/{HEX}", put)
    runner = web.AppRunner(archive)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target = await serve({PODS: pods(), f"{PODS}/archive-1/portforward": forwarding(runner.addresses[0][1])}, user="{}")
    (tmp_path / "bundle").write_bytes(body)
    async with connect(target) as session:
        await session.archive.put_bundle("a", HEX, tmp_path / "bundle", sent.append)
    assert (came, sent[-1]) == ([body], len(body))
    await runner.cleanup()


@pytest.mark.parametrize(
    ("routes", "error", "message"),
    [
        ({PODS: answer(200, {"items": []})}, ArchiveUnavailableError, "no pod of seatrial-archive is ready"),
        ({PODS: pods("False")}, ArchiveUnavailableError, "no pod of seatrial-archive is ready"),
        ({PODS: answer(403, {"message": "pods is forbidden"})}, ArchiveRefusedError, "pods is forbidden"),
        (
            {PODS: pods(), f"{PODS}/archive-1/portforward": answer(403, {"message": "no"})},
            ArchiveRefusedError,
            "no port of archive-1 can be reached",
        ),
        (
            {PODS: pods(), f"{PODS}/archive-1/portforward": forwarding(None, "connection refused")},
            ArchiveUnavailableError,
            "connection refused",
        ),
    ],
)
async def test_a_port_that_is_not_forwarded(
    serve: Serve, routes: dict[str, Any], error: type[Exception], message: str
) -> None:
    target = await serve(routes, user="{}")
    async with connect(target) as session:
        with pytest.raises(error, match=message):
            await session.archive.run("u1")


class Tunnel:
    """A cluster that forwards to an archive which sends without end, and sends more when its reader closes."""

    def __init__(self) -> None:
        self.read = asyncio.Event()
        self.reader: asyncio.Task[None] | None = None

    async def token(self) -> None:
        return None

    async def list(self, *_: object, **__: object) -> list[dict[str, Any]]:
        conditions = [{"type": "Ready", "status": "True"}]
        return [{"metadata": {"name": "archive-1"}, "status": {"conditions": conditions}}]

    async def forward(
        self, namespace: str, pod: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nfirst")
        await self.read.wait()
        for _ in range(9):
            await asyncio.sleep(0)  # until it waits for more
        assert self.reader is not None
        writer.write(b"second")
        asyncio.get_running_loop().call_soon(self.reader.cancel)
        await reader.read()


async def test_who_goes_away_while_more_comes_leaves_no_error_behind() -> None:
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    tunnel = Tunnel()

    async def read() -> None:
        answer = await transport.handle_async_request(httpx.Request("GET", "http://archive/v1/runs/u1/live"))
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        try:
            async for piece in answer.stream:
                assert piece == b"first"
                tunnel.read.set()
        finally:
            await answer.aclose()

    async with ServiceTransport(tunnel, ARCHIVE) as transport:  # type: ignore[arg-type]
        tunnel.reader = asyncio.create_task(read())
        await asyncio.wait([tunnel.reader])
        assert tunnel.reader.cancelled()
    assert unhandled == []
