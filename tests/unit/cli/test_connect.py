"""The way to the archive: through an API server's service proxy, with the cluster's own client. The server here is a real one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from seatrial.archive.model import ManifestFile
from seatrial.archive_client import ArchiveCorrupt, ArchiveRefused, ArchiveUnavailable
from seatrial.cli.connect import Target, connect

PROXY = "/api/v1/namespaces/seatrial-system/services/seatrial-archive:read/proxy"
SHARD = f"{PROXY}/v1/runs/u1/attempts/1/shards/0"
Serve = Callable[[dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]], Awaitable[Target]]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts an API server that answers some paths; gives the way to it."""
    runners = []

    async def start(routes: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]) -> Target:
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
            "users": [{"name": "u", "user": {"token": "secret"}}],
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
    seen: list[str | None] = []

    async def live(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
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
    assert seen == ["Bearer secret", "Bearer secret"]


async def test_files_come_whole_or_not_at_all(serve: Serve, tmp_path: Path) -> None:
    body = bytes(range(256)) * 4096

    async def file(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body)

    target = await serve({f"{SHARD}/files/artifacts/a b.bin": file})
    right = ManifestFile(path="artifacts/a b.bin", size=len(body), sha256=hashlib.sha256(body).hexdigest())
    wrong = ManifestFile(path="artifacts/a b.bin", size=len(body), sha256="0" * 64)
    async with connect(target) as session:
        assert (await session.archive.download("u1", 1, 0, right, tmp_path / "r")).read_bytes() == body
        with pytest.raises(ArchiveCorrupt):
            await session.archive.download("u1", 1, 0, wrong, tmp_path / "w")
    assert [path for path in (tmp_path / "w").rglob("*") if path.is_file()] == []


async def test_what_the_archive_does_not_have_is_told_from_a_way_that_is_closed(serve: Serve) -> None:
    forbidden = {"kind": "Status", "reason": "Forbidden", "message": "services/proxy is forbidden", "code": 403}
    absent = {"kind": "Status", "reason": "ServiceUnavailable", "message": "no endpoints available", "code": 503}
    target = await serve({
        f"{PROXY}/v1/runs/unknown": answer(404, {"error": "nothing is kept of run unknown", "hint": ""}),
        f"{PROXY}/v1/runs/forbidden": answer(403, forbidden),
        f"{PROXY}/v1/runs/down": answer(503, absent),
    })  # fmt: skip
    async with connect(target) as session:
        assert await session.archive.run("unknown") is None
        with pytest.raises(ArchiveRefused, match="services/proxy is forbidden"):
            await session.archive.run("forbidden")
        with pytest.raises(ArchiveUnavailable, match="no endpoints available"):
            await session.archive.run("down")


async def test_an_api_server_that_is_gone(serve: Serve) -> None:
    target = await serve({})
    config = Path(str(target.kubeconfig))
    config.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", config.read_text()))
    async with connect(target) as session:
        with pytest.raises(ArchiveUnavailable, match="can't be reached"):
            await session.archive.run("u1")
