from __future__ import annotations

import asyncio
import errno
import http.client
import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from seatrial import tokens
from tests.unit.archive.support import KEY, UID, Serve, Server, Uploads, record, sha256, stored, summary


@pytest.mark.parametrize("first", ["a", "a/b"])
async def test_a_name_is_a_file_or_a_folder(server: Server, first: str) -> None:
    shard = server.shard()
    second = "a/b" if first == "a" else "a"
    assert (await shard.put(first, b"first")).status_code == 201
    answer = await shard.put(second, b"second")
    assert (answer.status_code, "both a file and a folder" in answer.json()["error"]) == (409, True)
    assert await stored(server, shard, first) == b"first"


@pytest.mark.parametrize("digest", [None, "", "zz", "A" * 64])
async def test_a_digest_must_be_announced(server: Server, digest: str | None) -> None:
    shard = server.shard()
    headers = shard.authorization | ({"Content-SHA256": digest} if digest is not None else {})
    answer = await server.upload.put(f"{shard.path}/files/a", content=b"a", headers=headers)
    assert (answer.status_code, "Content-SHA256" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Basic " + tokens.upload_token(KEY, UID, 1, 0), 401),
        ("Bearer wrong", 403),
        ("Bearer " + tokens.upload_token(KEY, UID, 1, 0)[:-1], 403),
        ("Bearer " + tokens.upload_token(KEY, UID, 1, 1), 403),
        ("Bearer " + tokens.upload_token(KEY, UID, 2, 0), 403),
        ("Bearer " + tokens.upload_token(KEY, UID[:-1] + "f", 1, 0), 403),
        ("Bearer " + tokens.feed_token(KEY), 403),
        ("bearer " + tokens.upload_token(KEY, UID, 1, 0), 201),
    ],
)
async def test_a_token_is_good_for_its_shard_alone(server: Server, header: str | None, status: int) -> None:
    shard = server.shard()
    headers = {"Content-SHA256": sha256(b"a")} | ({"Authorization": header} if header is not None else {})
    files = f"{shard.path}/files/a"
    assert (await server.upload.put(files, content=b"a", headers=headers)).status_code == status
    if status != 201:
        for method, path in (("PUT", "manifest"), ("POST", "live")):
            answer = await server.upload.request(method, f"{shard.path}/{path}", content=b"{}", headers=headers)
            assert answer.status_code == status
            assert set(answer.json()) == {"error", "hint"}
        assert await stored(server, shard, "a") is None


async def test_a_token_of_a_shard_is_no_good_for_evidence_nor_the_other_way_round(server: Server) -> None:
    of_shard, of_evidence = server.shard().token, server.evidence().token
    assert (await server.evidence(token=of_shard).put("run.json", record())).status_code == 403
    assert (await server.evidence(attempt=2, token=of_evidence).put("run.json", record())).status_code == 403
    assert (await server.shard(token=of_evidence).put("summary.json", summary())).status_code == 403


async def test_the_upload_port_gives_nothing_away(server: Server) -> None:
    shard = server.shard()
    await shard.whole()
    for path in ("/v1/runs", f"/v1/runs/{UID}", "/v1/feed", "/metrics", f"{shard.path}/files/../manifest"):
        assert (await server.upload.get(path, headers=shard.authorization)).status_code in (404, 405)
    for path in (f"{shard.path}/files/summary.json", f"{shard.path}/manifest"):
        assert (await server.upload.get(path, headers=shard.authorization)).status_code == 405
        assert (await server.read.put(path, headers=shard.authorization)).status_code == 405


def raw_put(port: int, path: str, token: str) -> tuple[int, dict[str, Any]]:
    """A PUT whose path goes out as it is: httpx would tidy it up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest("PUT", path, skip_accept_encoding=True)
        connection.putheader("Authorization", f"Bearer {token}")
        connection.putheader("Content-SHA256", sha256(b"x"))
        connection.putheader("Content-Length", "1")
        connection.endheaders(b"x")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "..",
        "../manifest.json",
        "../../../../../escaped",
        "%2e%2e/%2e%2e/escaped",
        "..%2f..%2fescaped",
        "a/%2e%2e/%2e%2e/escaped",
        "/escaped",
        "%2fescaped",
        "//escaped",
        "a%00b",
        "a%0ab",
        "a%1bb",
        "a%5cb",
        "a%ffb",
        "%ed%a0%80",
        "a/",
        "./a",
        "a" * 256,
        "/".join(["a" * 200] * 6),
    ],
)
async def test_no_name_leads_out_of_the_shard(server: Server, tmp_path: Path, path: str) -> None:
    before = set(server.folder.rglob("*"))
    shard = server.shard()
    status, answer = await asyncio.to_thread(raw_put, server.upload_port, f"{shard.path}/files/{path}", shard.token)
    assert status in (400, 404), answer
    assert answer["error"]
    assert set(server.folder.rglob("*")) == before
    assert list(tmp_path.rglob("*escaped*")) == []


@pytest.mark.parametrize("path", ["runs/../x", "runs/%2e%2e", "runs/a%2fb", "runs/a%0a", "runs/é"])
async def test_no_uid_leads_out_of_the_folder(server: Server, path: str) -> None:
    status, _ = await asyncio.to_thread(
        raw_put, server.upload_port, f"/v1/{path.replace('é', '%c3%a9')}/attempts/1/shards/0/files/a", "token"
    )
    assert status in (400, 403, 404)
    assert not (server.folder / "runs").exists()


async def endless(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 1000


async def test_a_file_larger_than_allowed_is_refused_whether_it_says_so_or_not(serve: Serve) -> None:
    async with serve(max_file_bytes=10_000) as server:
        shard = server.shard()
        assert (await shard.put("fits.bin", b"x" * 10_000)).status_code == 201
        refused = await shard.put("big.bin", b"x" * 10_001)
        unsaid = await shard.put("big.bin", endless(11), digest=sha256(b"x" * 11_000))
        for answer in (refused, unsaid):
            assert answer.status_code == 413
            assert "SEATRIAL_ARCHIVE_MAX_FILE" in answer.json()["hint"]
        assert server.incoming() == []


async def test_other_bodies_are_bounded_too(serve: Serve) -> None:
    async with serve(max_manifest_bytes=100, max_live_bytes=100) as server:
        shard = server.shard()
        assert (await shard.seal(b" " * 101)).status_code == 413
        assert (await shard.live({"event": "x" * 100})).status_code == 413


def sent_whole_then_read(port: int, request: bytes) -> bytes:
    """As many clients do it: they look at the answer only after the last byte of the body."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        return connection.recv(1000)


async def test_a_refusal_reaches_a_sender_that_is_still_sending(server: Server) -> None:
    """Without it the sender would report a broken connection, and try again in vain."""
    body = b"x" * 20_000_000
    request = f"PUT {server.shard().path}/files/.. HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
    head = f"{request}Authorization: Bearer {server.shard().token}\r\n\r\n".encode()
    answer = await asyncio.to_thread(sent_whole_then_read, server.upload_port, head + body)
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_of_the_body_of_a_stranger_little_is_read(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.upload_port)
    head = f"PUT {server.shard().path}/files/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n"
    writer.write(head.encode() + b"x" * 2_000_000)
    assert await reader.readline() == b"HTTP/1.1 401 Unauthorized\r\n"
    writer.close()


async def test_a_full_volume_is_reported_and_leaves_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    shard = server.shard()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        answer = await shard.put("a.log", b"a")
    assert answer.status_code == 507
    assert answer.json() == {
        "error": "the archive's volume is full",
        "hint": "delete old runs or enlarge the volume of the archive, then send this again",
    }
    assert server.incoming() == []
    assert (await shard.put("a.log", b"a")).status_code == 201


@pytest.fixture
def small_volume(tmp_path: Path) -> AsyncIterator[Path]:
    folder = tmp_path / "volume"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_a_really_full_volume(serve: Serve, small_volume: Path) -> None:
    async with serve(folder=small_volume) as server:
        shard = server.shard()
        assert (await shard.put("big.bin", os.urandom(2**21))).status_code == 507
        assert list((small_volume / "incoming").iterdir()) == []
        await shard.whole()  # what is small still fits


def unfinished(shard: Uploads, body: bytes, length: int) -> bytes:
    """A PUT of a.bin that announces more bytes than it brings."""
    return (
        f"PUT {shard.path}/files/a.bin HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {shard.token}\r\n"
        f"Content-SHA256: {sha256(b'')}\r\nContent-Length: {length}\r\n\r\n"
    ).encode() + body


async def test_a_sender_that_falls_silent_is_ended(serve: Serve) -> None:
    async with serve(idle_seconds=0.05) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.upload_port)
        # little enough to come in one piece: of a body that is still on its way, the end is a reset
        writer.write(unfinished(server.shard(), b"x" * 1_000, 1_000_000))
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"hint":"send it again"' in answer
        assert server.incoming() == []


async def test_a_sender_that_goes_away_leaves_nothing(server: Server) -> None:
    shard = server.shard()
    _, writer = await asyncio.open_connection("127.0.0.1", server.upload_port)
    writer.write(unfinished(shard, b"x" * 500_000, 1_000_000))
    await writer.drain()
    await until(lambda: len(server.incoming()) == 1)
    writer.close()
    await until(lambda: server.incoming() == [])
    assert await stored(server, shard, "a.bin") is None


async def until(true: Any) -> None:
    async with asyncio.timeout(300):
        while not true():
            await asyncio.sleep(0.005)
