"""Many shards that end in the same moment."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.unit.archive.minio import MinIO
from tests.unit.archive.support import Process, Server, Uploads, connected, manifest, sha256

SHARDS = 200
BODY = os.urandom(5_000_000)
PIECE = 262_144
MOST_KIB = 300 * 1024


def memory_kib(process: Process) -> int:
    """The most that it ever took."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]


async def upload(server: Server, number: int) -> str:
    async with server.lone_shard(number) as shard:
        return await whole(shard)


async def whole(shard: Uploads) -> str:
    """As `Uploads.whole`, but the large file is sent piece by piece, as from a disk."""

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(BODY), PIECE):
            yield BODY[at : at + PIECE]

    files = shard.vital | {"trace.bin": BODY}
    for path, body in files.items():
        sent = False
        while not sent:  # as a collector does when this machine is so busy that it falls silent for a minute
            with suppress(httpx.TransportError):
                answer = await shard.put(path, chunks(), DIGEST) if body is BODY else await shard.put(path, body)
                sent = answer.status_code != 408
        assert answer.status_code in (200, 201), answer.text
    answer = await shard.seal(manifest(files))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["digest"])


DIGEST = sha256(BODY)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["folder", "minio"])
async def test_two_hundred_shards_of_five_megabytes_at_once(
    where: str, spawn: Callable[..., Process], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    environment = {}
    if where == "minio":
        minio: MinIO = request.getfixturevalue("minio")
        environment = minio.environment | {"SEATRIAL_ARCHIVE_BUCKET": minio.url()}
    process = spawn(**environment)
    ports = await asyncio.to_thread(process.wait_for, "listening")
    async with connected(ports["uploadPort"], ports["readPort"], tmp_path / "archive") as server:
        idle, began = memory_kib(process), time.monotonic()
        digests = await asyncio.gather(*(upload(server, number) for number in range(SHARDS)))
        seconds, most = time.monotonic() - began, memory_kib(process)
        print(
            f"\n{where}: {SHARDS} shards of 5 MB in {seconds:.1f} s ({SHARDS * 5 / seconds:.0f} MB/s); "
            f"memory {idle // 1024} MiB idle, {most // 1024} MiB at most"
        )
        for number, digest in enumerate(digests):
            shard = server.shard(shard=number)
            answer = await server.read.get(f"{shard.path}/manifest")
            assert answer.headers["Seatrial-Digest"] == digest
            assert sha256((await server.read.get(f"{shard.path}/files/trace.bin")).content) == DIGEST
    assert most < MOST_KIB
