from __future__ import annotations

import asyncio
import json
import os
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from seatrial import tokens
from seatrial.archive.client.client import ArchiveClient
from seatrial.archive.client.errors import ArchiveCorruptError, ArchiveRefusedError, ArchiveUnavailableError
from seatrial.archive.client.feed import FeedConnected, FeedLive, FeedLost, FeedResult, parse_feed
from seatrial.archive.client.live import LiveEvent
from seatrial.archive.server.live.limits import Limits
from seatrial_protocol.manifest import ManifestFile
from tests.unit.archive.support import KEY, UID, Serve, Server, sha256, summary

PROXY = "/api/v1/namespaces/seatrial-system/services/seatrial-archive:read/proxy"


async def test_a_result_with_its_manifest_and_summary(server: Server) -> None:
    digest = await server.shard().whole({"a.log": b"a"})
    async with server.client() as client:
        result = await client.result(UID, 1, 0)
        assert result is not None
        assert (result.digest, result.summary) == (digest, json.loads(summary()))
        assert [file.path for file in result.manifest.files] == ["summary.json", "a.log"]
        assert await client.manifest(UID, 1, 0) == (digest, result.manifest)


async def test_what_is_not_there_is_none(server: Server) -> None:
    await server.shard(shard=1).put("summary.json", summary(shard=1))
    async with server.client() as client:
        assert await client.run(UID[:-1]) is None
        assert await client.manifest(UID, 1, 0) is None
        assert await client.result(UID, 1, 1) is None


async def test_a_summary_that_was_changed_on_the_volume_is_noticed(server: Server) -> None:
    await server.shard().whole()
    path = next((server.folder / "runs").rglob("summary.json"))
    path.write_bytes(summary(outcome="passed", forged=True))
    async with server.client() as client:
        with pytest.raises(ArchiveCorruptError, match="not the one that its manifest vouches for"):
            await client.result(UID, 1, 0)


async def test_a_manifest_of_another_run_is_noticed(server: Server) -> None:
    await server.shard("a").whole()
    await server.shard("b").whole()
    runs = server.folder / "runs"
    (runs / "a/1/0/manifest.json").write_bytes((runs / "b/1/0/manifest.json").read_bytes())
    async with server.client() as client:
        with pytest.raises(ArchiveCorruptError, match="belongs to run 'b'"):
            await client.result("a", 1, 0)


async def test_files_are_brought_under_their_own_names(server: Server, tmp_path: Path) -> None:
    files = {
        "artifacts/50% of é (1)?#.bin": os.urandom(3_000_000),
        "artifacts/%2e%2e/x": b"x",
        "x" * 255: b"long",
        "empty": b"",
    }
    await server.shard().whole(files)
    async with server.client() as client:
        result = await client.result(UID, 1, 0)
        assert result is not None
        for file in result.manifest.files:
            await client.download(UID, 1, 0, file, tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {"summary.json", *files}
    assert all((tmp_path / "out" / path).read_bytes() == body for path, body in files.items())


async def test_a_damaged_file_gets_no_name(server: Server, tmp_path: Path) -> None:
    await server.shard().whole({"a.log": b"a"})
    async with server.client() as client:
        wrong = ManifestFile(path="a.log", size=1, sha256=sha256(b"b"))
        with pytest.raises(ArchiveCorruptError, match=r"a\.log"):
            await client.download(UID, 1, 0, wrong, tmp_path / "out")
        gone = ManifestFile(path="gone.log", size=1, sha256=sha256(b"b"))
        with pytest.raises(ArchiveRefusedError, match=r"no file gone\.log"):
            await client.download(UID, 1, 0, gone, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("path", ["../escaped", "/escaped", "a/../../escaped", "..\\escaped"])
async def test_no_name_leads_out_of_the_folder(server: Server, tmp_path: Path, path: str) -> None:
    async with server.client() as client:
        with pytest.raises(ArchiveCorruptError):
            await client.download(UID, 1, 0, ManifestFile(path=path, size=0, sha256="a" * 64), tmp_path / "out")


async def next_of(feed: Any, kind: type) -> Any:
    """The next event of this kind."""
    async with asyncio.timeout(300):
        async for event in feed:
            if isinstance(event, kind):
                return event
    raise AssertionError("the feed ended")


async def test_the_feed_shows_live_events_and_results(server: Server) -> None:
    async with server.client() as client, aclosing(client.feed()) as feed:
        assert await anext(feed) == FeedConnected()
        await server.shard().live({"event": "open", "t": 1.5})
        digest = await server.shard().whole()
        assert await anext(feed) == FeedLive(UID, 1, 0, {"event": "open", "t": 1.5})
        assert await anext(feed) == FeedResult(UID, 1, 0, digest, json.loads(summary()))


async def test_a_lost_feed_is_reported_and_opened_again(serve: Serve) -> None:
    async with serve() as server:
        port = server.read_port
        client = server.client()
        feed = client.feed()
        assert await anext(feed) == FeedConnected()
    assert isinstance(await anext(feed), FeedLost)
    async with serve(read_port=port) as server:
        assert await next_of(feed, FeedConnected) == FeedConnected()
        digest = await server.shard().whole()
        assert (await next_of(feed, FeedResult)).digest == digest
        await feed.aclose()
        await client.aclose()


async def test_a_reason_is_reported_once_however_often_it_is_tried(server: Server) -> None:
    asked = 0
    once_more = asyncio.Event()

    def refuse(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked == 3:
            once_more.set()
        return httpx.Response(503 if asked < 3 else 502, text="no endpoints")

    async with (
        ArchiveClient("http://archive", transport=httpx.MockTransport(refuse)) as client,
        aclosing(client.feed()) as feed,
    ):
        first, second = await anext(feed), await anext(feed)
    assert isinstance(first, FeedLost)
    assert isinstance(second, FeedLost)
    assert "HTTP 503" in first.reason
    assert "HTTP 502" in second.reason
    assert once_more.is_set()


async def test_a_reason_is_reported_again_after_the_feed_was_open() -> None:
    def hello(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text='{"type":"hello"}\n')

    transport = httpx.MockTransport(hello)
    async with ArchiveClient("http://archive", transport=transport) as client, aclosing(client.feed()) as feed:
        lost = FeedLost("the archive ended it")
        assert [await anext(feed) for _ in range(4)] == [FeedConnected(), lost, FeedConnected(), lost]


async def test_a_feed_with_a_wrong_token_shows_why(server: Server) -> None:
    async with server.client("wrong") as client, aclosing(client.feed()) as feed:
        lost = await anext(feed)
    assert isinstance(lost, FeedLost)
    assert "the token is not good for this" in lost.reason


def test_kinds_of_a_later_archive_are_passed_over() -> None:
    assert parse_feed('{"type":"ping"}') is None
    assert parse_feed('{"type":"later","x":1}') is None


@pytest.mark.parametrize("line", ["", "<html>", "[]", "null", "{}", '{"type":"live"}', '{"type":"result","uid":"a"}'])
def test_what_is_no_line_of_a_feed(line: str) -> None:
    with pytest.raises(ArchiveUnavailableError, match="not the archive's feed"):
        parse_feed(line)


# Following a run


START = {"t": 1.0, "event": "start", "id": "a"}


async def test_a_run_is_followed_to_its_result(server: Server) -> None:
    shard = server.shard()
    async with server.client() as client, aclosing(client.live(UID)) as live:
        await shard.live({"event": "start", "id": "a"})
        first = await anext(live)
        assert isinstance(first, LiveEvent)
        assert (first.name, first.attempt, first.shard, first.event) == ("start", 1, 0, START)
        await shard.live({"event": "phase", "id": "a", "when": "call", "outcome": "failed", "text": "a\n\nb: c"})
        digest = await shard.whole()
        rest = [event async for event in live]
    assert [event.name for event in rest] == ["phase", "result"]
    assert rest[0].event["text"] == "a\n\nb: c"
    assert rest[1].event["digest"] == digest


async def test_following_goes_on_where_it_was_after_the_stream_broke(server: Server) -> None:
    class Breaking(httpx.AsyncHTTPTransport):
        """Ends each stream after its first event."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await super().handle_async_request(request)
            stream = response.stream

            async def first() -> Any:
                try:
                    async for chunk in stream:  # type: ignore[union-attr]
                        yield chunk
                        if b"data: " in chunk:
                            return
                finally:
                    await stream.aclose()  # type: ignore[union-attr]

            return httpx.Response(response.status_code, headers=response.headers, content=first())

    shard = server.shard()
    await shard.live(*({"event": "start", "id": f"{n}"} for n in range(3)))
    await shard.whole()
    async with server.client(transport=Breaking()) as client:
        events = [event.event.get("id", event.name) async for event in client.live(UID)]
    assert events == ["0", "1", "2", "result"]


async def test_following_gives_up_when_the_archive_stays_away() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    async with ArchiveClient("http://archive", transport=httpx.MockTransport(away)) as client:
        with pytest.raises(ArchiveUnavailableError, match="connection refused"):
            async for _ in client.live(UID, patience_seconds=0):
                pass


async def test_pings_keep_a_quiet_stream_open(serve: Serve) -> None:
    async with serve(Limits(ping_seconds=0.02)) as server, server.client() as client:
        shard = server.shard()
        await shard.live({"event": "start", "id": "a"})
        async with aclosing(client.live(UID)) as live:
            await anext(live)
            await shard.whole()
            assert (await anext(live)).name == "result"


async def test_a_base_url_with_a_path_and_headers_of_its_own(server: Server, tmp_path: Path) -> None:
    """As through the API server's service proxy."""
    direct = httpx.AsyncHTTPTransport()

    class Proxy(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert request.headers["Authorization"] == "Bearer of-the-kubeconfig"
            raw = request.url.raw_path.decode()
            assert raw.startswith(PROXY + "/v1/"), raw
            url = f"http://127.0.0.1:{server.read_port}{raw.removeprefix(PROXY)}"
            headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"authorization"]
            return await direct.handle_async_request(httpx.Request(request.method, url, headers=headers))

        async def aclose(self) -> None:
            await direct.aclose()

    await server.shard().whole({"artifacts/a b.log": b"a"})
    # The API server keeps the one for itself, and passes the other on.
    headers = {"Authorization": "Bearer of-the-kubeconfig", "X-Seatrial-Token": tokens.feed_token(KEY)}
    async with ArchiveClient(f"https://kubernetes:6443{PROXY}", transport=Proxy(), headers=headers) as client:
        result = await client.result(UID, 1, 0)
        assert result is not None
        file = result.manifest.file("artifacts/a b.log")
        assert file is not None
        assert (await client.download(UID, 1, 0, file, tmp_path)).read_bytes() == b"a"
        assert [event.name async for event in client.live(UID)] == ["result"]


STATUS = {"kind": "Status", "status": "Failure", "message": 'services "seatrial-archive" not found', "code": 404}


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (httpx.Response(404, json=STATUS), ArchiveUnavailableError, "seatrial-archive"),
        (
            httpx.Response(503, json=STATUS | {"message": "no endpoints available"}),
            ArchiveUnavailableError,
            "no endpoints",
        ),
        (httpx.Response(403, json=STATUS | {"message": "forbidden"}), ArchiveRefusedError, "forbidden"),
        (
            httpx.Response(500, json={"error": "broken", "hint": "see its log"}),
            ArchiveUnavailableError,
            r"broken \(see its log\)",
        ),
        (httpx.Response(400, json={"error": "bad", "hint": ""}), ArchiveRefusedError, "bad"),
        (httpx.Response(302, text="login"), ArchiveUnavailableError, "HTTP 302"),
        (httpx.Response(200, text="<html>"), ArchiveUnavailableError, "not the archive"),
    ],
)
async def test_no_answer_of_somebody_else_is_taken_for_nothing_there(
    answer: httpx.Response, error: type[Exception], message: str
) -> None:
    """A wrong "there is no result" would be a wrong verdict."""
    async with ArchiveClient("http://archive", transport=httpx.MockTransport(lambda _: answer)) as client:
        with pytest.raises(error, match=message):
            await client.run(UID)


async def test_an_archive_that_is_away_is_unavailable() -> None:
    async with ArchiveClient("http://127.0.0.1:1") as client:
        with pytest.raises(ArchiveUnavailableError, match="can't be reached"):
            await client.result(UID, 1, 0)
