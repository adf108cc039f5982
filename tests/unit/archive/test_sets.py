"""What holds wherever the bytes lie: write-once, digests checked, a set whole or not there."""

from __future__ import annotations

import asyncio
import os

import pytest
from obstore.store import MemoryStore

from seatrial.archive.server.storage import Storage
from seatrial.archive.server.storage.bucket import Bucket
from tests.unit.archive.minio import MinIO
from tests.unit.archive.support import UID, Server, manifest, record, sha256, stored, summary


@pytest.fixture(params=["folder", "memory", "minio"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Storage | None:
    if request.param == "folder":
        return None
    if request.param == "memory":
        return Bucket(MemoryStore(), "memory://")
    minio: MinIO = request.getfixturevalue("minio")
    for name, value in minio.environment.items():
        monkeypatch.setenv(name, value)
    return Bucket.at(minio.url())


async def test_a_result_is_uploaded_and_read_back(server: Server) -> None:
    shard = server.shard()
    files = {"summary.json": summary(), "artifacts/deep/down/trace.bin": os.urandom(700_000), "empty.log": b""}
    files |= dict.fromkeys(("a b/50% (1).txt", "größe/測試.log", ".hidden", "a*b~#[]{}^|<>`?&=+;:@,'$!"), b"named")
    for path, body in files.items():
        answer = await shard.put(path, body)
        assert (answer.status_code, answer.json()) == (201, {"path": path, "size": len(body), "sha256": sha256(body)})
    sealing = await shard.seal(manifest(files))
    assert (sealing.status_code, sealing.json()) == (201, {"digest": f"sha256:{sha256(manifest(files))}"})
    for path, body in files.items():
        assert await stored(server, shard, path) == body
    assert (await server.read.get(f"{shard.path}/manifest")).content == manifest(files)
    assert server.incoming() == []


async def test_the_same_again_is_no_error(server: Server) -> None:
    shard = server.shard()
    assert [(await shard.put("summary.json", summary())).status_code for _ in range(2)] == [201, 200]
    body = manifest({"summary.json": summary()})
    first, repeated = await shard.seal(body), await shard.seal(body)
    assert (first.status_code, repeated.status_code) == (201, 200)
    assert first.json() == repeated.json()
    # A sender that missed the answer to the manifest may begin anew.
    assert (await shard.put("summary.json", summary())).status_code == 200


async def test_what_is_stored_stays(server: Server) -> None:
    shard = server.shard()
    await shard.put("summary.json", summary())
    answer = await shard.put("summary.json", summary(outcome="failed"))
    assert answer.status_code == 409
    assert "stored with other bytes" in answer.json()["error"]
    assert await stored(server, shard, "summary.json") == summary()


async def test_nothing_of_a_sealed_shard_changes(server: Server) -> None:
    shard = server.shard()
    await shard.whole()
    refused = [
        await shard.put("late.log", b"late"),
        await shard.put("summary.json", b"other"),
        await shard.seal(manifest({"summary.json": summary(), "late.log": b"late"})),
        await shard.live({"event": "start", "id": "late"}),
    ]
    assert [answer.status_code for answer in refused] == [409, 409, 422, 409]
    assert await stored(server, shard, "late.log") is None
    # The same files in another manifest: also another result.
    other = await shard.seal(manifest({"summary.json": summary()}) + b"\n")
    assert (other.status_code, "another manifest" in other.json()["error"]) == (409, True)


async def test_other_shards_and_attempts_stay_open_when_one_is_sealed(server: Server) -> None:
    await server.shard().whole()
    await server.shard(shard=1).whole()
    await server.shard(attempt=2).whole()


async def test_a_file_called_manifest_is_a_file(server: Server) -> None:
    shard = server.shard()
    await shard.whole({"manifest": b"m", "manifest.json": b"{}", "files/x": b"x"})
    assert await stored(server, shard, "manifest.json") == b"{}"
    assert (await server.read.get(f"{shard.path}/manifest")).json()["schema"] == 1


async def test_evidence_is_a_set_of_its_attempt(server: Server) -> None:
    evidence = server.evidence()
    files = evidence.vital | {"logs/orders.log": b"2026-01-01T00:00:00Z started\n"}
    digest = await evidence.whole(files)
    for path, body in files.items():
        assert await stored(server, evidence, path) == body
    answer = await server.read.get(f"{evidence.path}/manifest")
    assert (answer.content, answer.headers["Seatrial-Digest"]) == (manifest(files), digest)
    assert (await evidence.put("late.log", b"late")).status_code == 409
    # It needs no results, and results come after it all the same.
    sets = (await server.read.get(f"/v1/runs/{UID}/files")).json()["sets"]
    assert [(one["attempt"], one["shard"], one["digest"]) for one in sets] == [(1, None, digest)]
    await server.shard().whole()
    await server.evidence(attempt=2).whole()


async def test_evidence_without_the_record_of_its_run_is_refused(server: Server) -> None:
    evidence = server.evidence()
    await evidence.put("logs/orders.log", b"started")
    assert (await evidence.seal(manifest({"logs/orders.log": b"started"}))).status_code == 400
    foreign = record(attempt=2)
    await evidence.put("run.json", foreign)
    answer = await evidence.seal(manifest({"run.json": foreign}))
    assert (answer.status_code, "run.json says" in answer.json()["error"]) == (400, True)


async def test_bytes_that_were_not_announced_are_not_kept(server: Server) -> None:
    shard = server.shard()
    answer = await shard.put("a.log", b"damaged", digest=sha256(b"sent"))
    assert answer.status_code == 422
    assert sha256(b"damaged") in answer.json()["error"]
    assert await stored(server, shard, "a.log") is None
    assert server.incoming() == []
    assert (await shard.put("a.log", b"sent")).status_code == 201


async def test_a_manifest_is_taken_when_all_it_names_is_there(server: Server) -> None:
    shard = server.shard()
    await shard.put("summary.json", summary())
    await shard.put("short.log", b"12")
    await shard.put("other.log", b"one")
    wanted = {"summary.json": summary(), "missing.log": b"m", "short.log": b"123", "other.log": b"two"}
    answer = await shard.seal(manifest(wanted))
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert "missing.log is missing" in error
    assert "short.log has 2 bytes, not 3" in error
    assert "other.log has other bytes" in error
    assert "summary.json" not in error
    assert (await server.read.get(f"{shard.path}/manifest")).status_code == 404
    # Nothing is lost by it: the right manifest is still taken.
    right = {"summary.json": summary(), "short.log": b"12", "other.log": b"one"}
    assert (await shard.seal(manifest(right))).status_code == 201


async def test_many_problems_of_a_manifest_are_counted(server: Server) -> None:
    answer = await server.shard().seal(manifest({f"{n}": b"x" for n in range(30)} | {"summary.json": summary()}))
    assert "and 11 more" in answer.json()["error"]


@pytest.mark.parametrize("body", [summary(shard=1), summary(attempt=2), summary(uid="other"), b"[]", b"not json"])
async def test_a_manifest_with_a_summary_of_something_else_is_refused(server: Server, body: bytes) -> None:
    shard = server.shard()
    await shard.put("summary.json", body)
    answer = await shard.seal(manifest({"summary.json": body}))
    assert (answer.status_code, "summary.json" in answer.json()["error"]) == (400, True)
    assert (await server.read.get(f"{shard.path}/manifest")).status_code == 404


async def test_a_damaged_manifest_is_refused_when_its_digest_was_announced(server: Server) -> None:
    shard = server.shard()
    await shard.put("summary.json", summary())
    body = manifest({"summary.json": summary()})
    for announced, status in ((sha256(b"other"), 422), (sha256(body), 201)):
        headers = shard.authorization | {"Content-SHA256": announced}
        assert (await server.upload.put(f"{shard.path}/manifest", content=body, headers=headers)).status_code == status


async def test_of_many_that_send_the_same_file_at_once_one_stores_it(server: Server) -> None:
    body = os.urandom(300_000)
    answers = await asyncio.gather(*(server.shard().put("a.bin", body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]


async def test_of_many_that_send_different_files_under_one_name_one_wins(server: Server) -> None:
    bodies = [bytes([n]) * 300_000 for n in range(20)]
    answers = await asyncio.gather(*(server.shard().put("a.bin", body) for body in bodies))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [201] + [409] * 19
    assert await stored(server, server.shard(), "a.bin") == bodies[statuses.index(201)]


async def test_a_large_file_is_as_whole_and_as_final_as_a_small_one(server: Server) -> None:
    """A bucket takes it in parts."""
    body, other = os.urandom(20_000_000), os.urandom(20_000_000)
    shard = server.shard()
    answers = await asyncio.gather(shard.put("large.bin", body), shard.put("large.bin", body))
    assert sorted(answer.status_code for answer in answers) == [200, 201]
    assert (await shard.put("large.bin", other)).status_code == 409
    assert await stored(server, shard, "large.bin") == body
    part = await server.read.get(f"{shard.path}/files/large.bin", headers={"Range": "bytes=9000000-13000000"})
    assert (part.status_code, part.content) == (206, body[9_000_000:13_000_001])
    await shard.whole({"small.bin": b"small"} | shard.vital)
    files = shard.vital | {"small.bin": b"small"}
    assert (await shard.seal(manifest(files))).status_code == 200


async def test_of_many_manifests_at_once_one_wins(server: Server) -> None:
    shard = server.shard()
    await shard.put("summary.json", summary())
    bodies = [manifest({"summary.json": summary()}) + b" " * n for n in range(20)]
    answers = await asyncio.gather(*(shard.seal(body) for body in bodies))
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [201] + [409] * 19
    assert (await server.read.get(f"{shard.path}/manifest")).content == bodies[statuses.index(201)]


async def test_a_file_is_whole_or_refused_when_the_manifest_comes_at_the_same_time(server: Server) -> None:
    for number in range(10):
        shard = server.shard(shard=number)
        await shard.put("summary.json", summary(shard=number))
        sealing, *files = await asyncio.gather(
            shard.seal(manifest({"summary.json": summary(shard=number)})),
            *(shard.put(f"{n}.log", b"x") for n in range(5)),
        )
        assert sealing.status_code == 201
        for n, answer in enumerate(files):
            assert answer.status_code in (201, 409)
            assert await stored(server, shard, f"{n}.log") == (b"x" if answer.status_code == 201 else None)


async def test_two_hundred_shards_at_once(server: Server) -> None:
    async def send(number: int) -> str:
        async with server.lone_shard(number) as shard:
            return await shard.whole({"a.log": f"{number}".encode()})

    digests = await asyncio.gather(*(send(number) for number in range(200)))
    sets = (await server.read.get(f"/v1/runs/{UID}/files")).json()["sets"]
    found = {one["shard"]: one["digest"] for one in sets}
    assert found == dict(enumerate(digests))
    shards = [server.shard(shard=number) for number in range(200)]
    assert [await stored(server, shard, "a.log") for shard in shards] == [f"{n}".encode() for n in range(200)]
