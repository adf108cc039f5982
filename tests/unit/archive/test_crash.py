from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial import tokens
from seatrial.archive import __main__ as program
from seatrial.archive.server.history.database import database_url
from seatrial.archive.server.history.history import History
from tests.unit.archive.minio import MinIO
from tests.unit.archive.support import KEY, UID, Process, Server, Uploads, connected, manifest, sha256, summary

Spawn = Callable[..., Process]


def head(shard: Uploads, path: str, body: bytes) -> bytes:
    return (
        f"PUT {shard.path}/{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {shard.token}\r\n"
        f"Content-SHA256: {sha256(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()


async def until_some(folder: Path, size: int) -> None:
    async with asyncio.timeout(300):
        while sum(file.stat().st_size for file in folder.iterdir()) < size:
            await asyncio.sleep(0.005)


async def test_killed_in_the_middle_of_an_upload_nothing_of_it_is_there(spawn: Spawn, tmp_path: Path) -> None:
    body = os.urandom(2_000_000)
    first = spawn()
    ports = await asyncio.to_thread(first.wait_for, "listening")
    async with connected(ports["uploadPort"], ports["readPort"], tmp_path / "archive") as server:
        shard = server.shard()
        assert (await shard.put("before.bin", body)).status_code == 201
        _, writer = await asyncio.open_connection("127.0.0.1", server.upload_port)
        writer.write(head(shard, "files/during.bin", body) + body[:1_500_000])
        await until_some(server.folder / "incoming", 1_000_000)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        writer.close()

    second = spawn()
    ports = await asyncio.to_thread(second.wait_for, "listening")
    assert {"message": "removed uploads that an earlier end interrupted", "files": 1}.items() <= second.lines[0].items()
    async with connected(ports["uploadPort"], ports["readPort"], tmp_path / "archive") as server:
        shard = server.shard()
        assert server.incoming() == []
        assert (await server.read.get(f"{shard.path}/files/before.bin")).content == body
        assert (await server.read.get(f"{shard.path}/files/during.bin")).status_code == 404
        # The sender tries again; what was stored before is recognised though nobody remembers its digest.
        assert (await shard.put("before.bin", body)).status_code == 200
        assert (await shard.put("before.bin", b"other")).status_code == 409
        assert (await shard.put("during.bin", body)).status_code == 201
        await shard.put("summary.json", summary())
        files = {"summary.json": summary(), "before.bin": body, "during.bin": body}
        assert (await shard.seal(manifest(files))).status_code == 201


@pytest.fixture(params=["folder", "minio"])
def place(request: pytest.FixtureRequest) -> dict[str, str]:
    """Where the bytes are, by the settings."""
    if request.param == "folder":
        return {}
    minio: MinIO = request.getfixturevalue("minio")
    return minio.environment | {"SEATRIAL_ARCHIVE_BUCKET": minio.url()}


@pytest.mark.parametrize("moment", range(4))
async def test_killed_at_any_moment_each_set_is_complete_or_not_there(
    spawn: Spawn, tmp_path: Path, place: dict[str, str], moment: int
) -> None:
    """What got 201 is there after the restart, and every complete set is whole. All can be sent a second time."""
    answered: dict[str, str] = {}
    first = spawn(**place)
    ports = await asyncio.to_thread(first.wait_for, "listening")

    def sets(server: Server) -> dict[str, tuple[Uploads, dict[str, bytes]]]:
        """Results of 20 shards, evidence of 5 attempts; files that a bucket takes in parts."""
        some = [server.shard(shard=number) for number in range(20)] + [server.evidence(attempt=n) for n in range(1, 6)]
        large = 9_000_000 if place else 1_000_000
        sizes = [large if number % 8 == 7 else 300_000 for number in range(len(some))]
        return {
            one.path: (one, {"a.bin": one.path.encode() * (size // 64)}) for one, size in zip(some, sizes, strict=True)
        }

    async with connected(ports["uploadPort"], ports["readPort"], tmp_path / "archive") as server:

        async def upload(uploads: Uploads, files: dict[str, bytes]) -> None:
            answered[uploads.path] = await uploads.whole(files)
            if len(answered) == 1 + 6 * moment:
                first.process.send_signal(signal.SIGKILL)

        await asyncio.gather(*(upload(*one) for one in sets(server).values()), return_exceptions=True)
    assert first.process.wait() == -signal.SIGKILL
    assert answered

    second = spawn(**place)
    ports = await asyncio.to_thread(second.wait_for, "listening")
    async with (
        connected(ports["uploadPort"], ports["readPort"], tmp_path / "archive") as server,
        server.client() as client,
    ):
        assert server.incoming() == []
        for path, (uploads, files) in sets(server).items():
            found = await client.manifest(uploads.uid, uploads.attempt, uploads.shard)
            if path in answered:
                assert found is not None
                assert found[0] == answered[path]
            if found is not None:
                for file in found[1].files:
                    await client.download(
                        uploads.uid, uploads.attempt, uploads.shard, file, tmp_path / "out" / path[1:]
                    )
            for name, body in (uploads.vital | files).items():
                assert (await uploads.put(name, body)).status_code in (200, 201)
            assert (await uploads.seal(manifest(uploads.vital | files))).status_code == (200 if found else 201)
        assert {one["state"] async for one in client.verify(None)} == {"whole"}


async def test_a_removal_that_a_crash_interrupted_is_ended_at_the_next_start(spawn: Spawn, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    first = spawn()
    ports = await asyncio.to_thread(first.wait_for, "listening")
    async with connected(ports["uploadPort"], ports["readPort"], folder) as server:
        await server.put_record(verdict="Passed")
        await server.shard().whole({"a.bin": b"a"})
        await server.put_record("stays")
        await server.shard("stays").whole()
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    history = History(database_url("", folder))
    history.keeping.mark_deleted([UID])
    history.close()
    (folder / "runs" / UID / "1" / "0" / "manifest.json").unlink()

    second = spawn()
    ports = await asyncio.to_thread(second.wait_for, "listening")
    async with connected(ports["uploadPort"], ports["readPort"], folder) as server:
        assert [run["uid"] for run in (await server.read.get("/v1/runs")).json()["runs"]] == ["stays"]
        await asyncio.to_thread(second.wait_for, "removed a run from the archive")
        assert [one.name for one in (folder / "runs").iterdir()] == ["stays"]


async def test_asked_to_end_it_lets_uploads_finish_and_ends_streams(spawn: Spawn, tmp_path: Path) -> None:
    body = os.urandom(500_000)
    process = spawn()
    ports = await asyncio.to_thread(process.wait_for, "listening")
    async with connected(ports["uploadPort"], ports["readPort"], tmp_path / "archive") as server:
        shard = server.shard()
        authorization = {"Authorization": f"Bearer {tokens.feed_token(KEY)}"}
        async with server.read.stream("GET", "/v1/feed", headers=authorization) as feed:
            lines = feed.aiter_lines()
            assert json.loads(await anext(lines)) == {"type": "hello"}
            reader, writer = await asyncio.open_connection("127.0.0.1", server.upload_port)
            writer.write(head(shard, "files/a.bin", body) + body[:300_000])
            await until_some(server.folder / "incoming", 1)
            process.process.send_signal(signal.SIGTERM)
            assert [line async for line in lines] == []
            writer.write(body[300_000:])
            assert (await reader.readline()).startswith(b"HTTP/1.1 201")
            writer.close()
    assert await asyncio.to_thread(process.process.wait) == 0
    stored = tmp_path / "archive" / "runs" / UID / "1" / "0" / "files" / "a.bin"
    assert stored.read_bytes() == body


async def test_memory_does_not_grow_with_the_file(spawn: Spawn, tmp_path: Path) -> None:
    process = spawn()
    ports = await asyncio.to_thread(process.wait_for, "listening")

    def peak_kib() -> int:
        status = Path(f"/proc/{process.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]

    async with connected(ports["uploadPort"], ports["readPort"], tmp_path / "archive") as server:
        await server.shard().put("small.bin", b"x" * 1_000_000)
        before = peak_kib()
        answer = await server.shard().put("large.bin", b"x" * 100_000_000)
        assert answer.status_code == 201
        assert peak_kib() - before < 20_000


async def test_a_folder_is_used_by_one_archive_at_a_time(spawn: Spawn) -> None:
    first = spawn()
    await asyncio.to_thread(first.wait_for, "listening")
    second = spawn()
    line = await asyncio.to_thread(second.wait_for, "can't run")
    assert "another archive uses" in line["message"]
    assert second.process.wait() == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SEATRIAL_ARCHIVE_DIR": ""}, "SEATRIAL_ARCHIVE_DIR is not set"),
        ({"SEATRIAL_KEY_FILE": ""}, "SEATRIAL_KEY_FILE is not set"),
        ({"SEATRIAL_KEY_FILE": "/nowhere"}, "the key file /nowhere can't be read"),
        ({"SEATRIAL_ARCHIVE_DIR": "/proc/nowhere"}, "/proc/nowhere"),
        ({"SEATRIAL_ARCHIVE_MAX_FILE": "many"}, "'many' is not a size"),
        ({"SEATRIAL_ARCHIVE_KEEP": "30d"}, "'30d' is not a duration: use for example 720h"),
        ({"SEATRIAL_ARCHIVE_KEEP_BYTES": "-1"}, "'-1' is not a size"),
        ({"SEATRIAL_ARCHIVE_BUCKET": "http://bucket"}, "is no bucket: use s3://bucket/prefix"),
        ({"SEATRIAL_ARCHIVE_READ_PORT": "70000"}, "'70000' is not a port"),
    ],
)
def test_what_is_set_wrong_is_reported(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    changes: dict[str, str],
    message: str,
) -> None:
    """In this process, which saves a start each; other tests here see a real process's line and exit status."""
    for name, value in (environment | changes).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["seatrial.archive"])
    monkeypatch.setattr(program, "log_as_json", lambda *_, **__: None)
    assert program.main() == 1
    assert caplog.messages[-1].startswith("the archive can't run: ")
    assert message in caplog.messages[-1]


def test_a_port_that_is_taken_is_reported(spawn: Spawn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = spawn(SEATRIAL_ARCHIVE_UPLOAD_PORT=port).wait_for("can't run")
    assert f"port {port} can't be opened: Address already in use" in line["message"]
