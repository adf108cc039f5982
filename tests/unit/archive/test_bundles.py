"""Bundles: who may put and fetch them, and what a tenant can't do with them."""

from __future__ import annotations

import asyncio
import http.client
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from obstore.store import MemoryStore

from seatrial import tokens
from seatrial.archive.server.storage import Storage
from seatrial.archive.server.storage.bucket import Bucket
from tests.unit.archive.support import KEY, Serve, Server, sha256
from tests.unit.archive.test_access import Fake

ANN = {"Authorization": "Bearer ann"}
BOB = {"Authorization": "Bearer bob"}
BODY = random.Random(1).randbytes(3_000_000)
HEX = sha256(BODY)


class Team(Fake):
    """Ann may create runs in team-a, bob in team-b; each may read both."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens |= {"bob"}
        self.creators = {("ann", "team-a"), ("bob", "team-b")}
        self.namespaces = {"team-a": "uid-a", "team-b": "uid-b"}

    async def may(self, user: object, verb: str, namespace: str | None) -> bool:
        return verb == "get" or (getattr(user, "name", ""), namespace) in self.creators


@pytest.fixture
def team() -> Team:
    return Team()


@pytest.fixture(params=["folder", "bucket"])
def backend(request: pytest.FixtureRequest) -> Storage | None:
    return None if request.param == "folder" else Bucket(MemoryStore(), "memory://")


@pytest.fixture
async def server(serve: Serve, team: Team) -> AsyncIterator[Server]:
    async with serve(reviewer=team) as started:
        yield started


def path_of(digest: str = HEX, namespace: str = "team-a") -> str:
    return f"/v1/namespaces/{namespace}/bundles/{digest}"


async def put(
    server: Server, body: bytes = BODY, namespace: str = "team-a", who: dict[str, str] = ANN, digest: str = ""
) -> httpx.Response:
    headers = who | {"Content-SHA256": digest or sha256(body)}
    return await server.read.put(path_of(digest or sha256(body), namespace), content=body, headers=headers)


async def fetch(server: Server, digest: str = HEX, namespace: str = "team-a", **more: str) -> httpx.Response:
    """As a launcher does."""
    token = tokens.bundle_token(KEY, namespace, digest)
    return await server.upload.get(path_of(digest, namespace), headers={"Authorization": f"Bearer {token}"} | more)


async def has(server: Server, digest: str = HEX, namespace: str = "team-a", who: dict[str, str] = ANN) -> int:
    return (await server.read.head(path_of(digest, namespace), headers=who)).status_code


async def test_what_was_put_is_fetched(server: Server) -> None:
    assert (await has(server), (await fetch(server)).status_code) == (404, 404)
    first, second = await put(server), await put(server)
    assert (first.status_code, first.json()) == (201, {"digest": f"sha256:{HEX}", "size": len(BODY)})
    assert second.status_code == 200
    assert await has(server) == 200
    answer = await fetch(server)
    assert (answer.status_code, answer.headers["Content-Length"], answer.content) == (200, str(len(BODY)), BODY)
    assert server.incoming() == []


async def test_a_download_goes_on_where_it_broke(server: Server) -> None:
    await put(server)
    part = await fetch(server, Range="bytes=2999990-")
    assert (part.status_code, part.content) == (206, BODY[2_999_990:])
    assert part.headers["Content-Range"] == f"bytes 2999990-2999999/{len(BODY)}"
    assert (await fetch(server, Range=f"bytes={len(BODY)}-")).status_code == 416


async def test_other_bytes_are_refused_under_a_digest(server: Server) -> None:
    """Whether the bundle is there or not."""
    for _ in range(2):
        refused = await put(server, b"others", digest=HEX)
        assert (refused.status_code, "announced was" in refused.json()["error"]) == (422, True)
        assert (await put(server)).status_code in (200, 201)
        assert (await fetch(server)).content == BODY
    assert server.incoming() == []


async def test_another_tenants_bundle_is_as_one_that_is_not_there(server: Server) -> None:
    await put(server)
    nobodys = sha256(b"nobody's")
    for digest in (HEX, nobodys):  # in their own namespace, with their own right and token
        assert await has(server, digest, "team-b", BOB) == 404
    theirs, none = await fetch(server, HEX, "team-b"), await fetch(server, nobodys, "team-b")
    assert (theirs.status_code, theirs.text.replace(HEX, nobodys)) == (404, none.text)
    assert theirs.headers.keys() == none.headers.keys()
    assert (await put(server, namespace="team-b", who=BOB)).status_code == 201  # as if it were new
    for digest in (HEX, nobodys):  # in another's namespace
        assert await has(server, digest, "team-a", BOB) == 403
        assert (await server.read.get(path_of(digest), headers=BOB)).status_code == 403
    stolen = await put(server, namespace="team-a", who=BOB)
    assert (stolen.status_code, "may not create runs" in stolen.json()["error"]) == (403, True)


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (None, 401),
        ("wrong", 403),
        (tokens.bundle_token(KEY, "team-a", HEX)[:-1], 403),
        (tokens.bundle_token(KEY, "team-b", HEX), 403),
        (tokens.bundle_token(KEY, "team-a", sha256(b"another")), 403),
        (tokens.upload_token(KEY, "uid-a", 1, 0), 403),
        (tokens.feed_token(KEY), 403),
        ("ann", 403),  # one of the cluster: it is good for the other port
        (tokens.bundle_token(KEY, "team-a", HEX), 200),
    ],
)
async def test_a_token_is_good_for_one_bundle_alone(server: Server, token: str | None, status: int) -> None:
    await put(server)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    assert (await server.upload.get(path_of(), headers=headers)).status_code == status
    if token is not None and status == 403 and token != "ann" and token != tokens.feed_token(KEY):
        assert (await server.read.get(path_of(), headers=headers)).status_code == 401
    assert (await server.upload.put(path_of(), content=BODY, headers=headers)).status_code == 405


async def test_a_namespace_made_anew_has_no_bundle_of_its_predecessor(server: Server, team: Team) -> None:
    await put(server)
    assert await has(server) == 200
    team.namespaces["team-a"] = "uid-new"
    assert (await has(server), (await fetch(server)).status_code) == (404, 404)
    assert (await put(server)).status_code == 201
    del team.namespaces["team-a"]
    assert (await has(server), (await fetch(server)).status_code) == (404, 404)


async def test_nothing_is_kept_where_namespaces_can_not_be_told_apart(server: Server, team: Team) -> None:
    team.namespaces["team-a"] = None
    answer = await put(server)
    assert (answer.status_code, "let its account get namespaces" in answer.json()["hint"]) == (503, True)
    assert (await fetch(server)).status_code == 503


def raw(port: int, method: str, path: str, token: str) -> int:
    """The path goes out as it is: httpx would tidy it up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body=BODY[:10], headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status
    finally:
        connection.close()


TRICKS = (
    *(path_of(digest) for digest in ("", "..", "../x", "%2e%2e", "..%2f..%2fx", HEX.upper(), HEX[:-1], HEX + "0")),
    *(path_of(digest) for digest in (f"{HEX}%0a", f"{HEX}%00", f"{HEX}.tar.gz", f"sha256:{HEX}", f"{HEX}/x")),
    *(path_of(namespace=name) for name in ("", "..", "%2e%2e", "a%2fb", "Team-A", "team-a%0a", "-a", "a" * 64)),
    *(path_of(namespace=name) for name in ("../namespaces/team-a", "%c3%a9", "*", "team-a?", "team-a#")),
)


async def test_no_name_leads_elsewhere(server: Server, team: Team) -> None:
    team.creators |= {("ann", name) for name in ("", "..", "Team-A", "-a", "*", "a" * 64)}
    before = set(server.folder.rglob("*"))
    for path in TRICKS:
        for port, token in ((server.read_port, "ann"), (server.upload_port, tokens.bundle_token(KEY, "team-a", HEX))):
            for method in ("GET", "HEAD", "PUT"):
                status = await asyncio.to_thread(raw, port, method, path, token)
                assert status in (400, 403, 404, 405), (method, path)
    assert set(server.folder.rglob("*")) == before


async def endless(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 1_000


async def test_a_bundle_larger_than_allowed_is_refused_whether_it_says_so_or_not(serve: Serve, team: Team) -> None:
    async with serve(reviewer=team, max_bundle_bytes=10_000) as server:
        assert (await put(server, b"x" * 10_000)).status_code == 201
        said = await put(server, b"x" * 10_001)
        digest = sha256(b"x" * 11_000)
        unsaid = await server.read.put(path_of(digest), content=endless(11), headers=ANN)
        for answer in (said, unsaid):
            assert answer.status_code == 413
            assert "SEATRIAL_ARCHIVE_MAX_BUNDLE" in answer.json()["hint"]
        assert server.incoming() == []


def half(body: bytes, length: int) -> bytes:
    """A PUT that announces more bytes than it brings."""
    head = f"PUT {path_of()} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ann\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


async def test_a_body_that_is_shorter_than_announced_leaves_nothing(server: Server) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.read_port)
    writer.write(half(BODY[:500_000], len(BODY)))
    await until(lambda: len(server.incoming()) == 1)
    writer.close()
    await until(lambda: server.incoming() == [])
    assert await has(server) == 404


async def test_a_body_that_stops_coming_is_ended(serve: Serve, team: Team) -> None:
    async with serve(reviewer=team, idle_seconds=0.05) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.read_port)
        writer.write(half(BODY[:1_000], len(BODY)))
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert server.incoming() == []


async def test_of_a_strangers_body_little_is_read(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.read_port)
    head = f"PUT {path_of()} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer bob\r\nContent-Length: 1000000000\r\n\r\n"
    writer.write(head.encode() + b"x" * 2_000_000)
    assert await reader.readline() == b"HTTP/1.1 403 Forbidden\r\n"
    writer.close()


async def test_of_many_uploads_at_once_one_stores_it(server: Server) -> None:
    answers = await asyncio.gather(*(put(server) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert (await fetch(server)).content == BODY
    assert server.incoming() == []


async def test_many_may_fetch_at_once(server: Server) -> None:
    await put(server)
    answers = await asyncio.gather(*(fetch(server) for _ in range(40)))
    assert all(answer.content == BODY for answer in answers)


async def test_readers_that_went_away_hold_nothing(server: Server) -> None:
    body = random.Random(2).randbytes(20_000_000)  # more than waits in the sockets
    await put(server, body)
    token = tokens.bundle_token(KEY, "team-a", sha256(body))
    head = f"GET {path_of(sha256(body))} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"
    assert server.archive is not None
    bundles = server.archive.bundles
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.upload_port)
        writer.write(head.encode())
        await reader.readline()
        await until(lambda: bundles.readers == 1)
        writer.transport.abort()
        await until(lambda: bundles.readers == 0)


async def test_a_bundle_is_there_after_a_restart(serve: Serve, team: Team, tmp_path: Path) -> None:
    async with serve(reviewer=team) as server:
        await put(server)
    async with serve(reviewer=team) as server:
        assert await has(server) == 200
        assert (await fetch(server)).content == BODY


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(300):
        while not true():
            await asyncio.sleep(0.005)
