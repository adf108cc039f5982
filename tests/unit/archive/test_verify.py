"""What is damaged or lost in the archive is found and reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seatrial.archive.server.access.kubernetes import User
from tests.unit.archive.support import UID, Serve, Server, Uploads


async def lines(server: Server, path: str = "/v1/verify") -> list[dict[str, Any]]:
    answer = await server.read.get(path)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def place(server: Server, uploads: Uploads) -> Path:
    return (
        server.folder
        / "runs"
        / uploads.uid
        / str(uploads.attempt)
        / ("evidence" if uploads.shard is None else str(uploads.shard))
    )


async def answered(server: Server, uploads: Uploads) -> tuple[str, str]:
    """State and problems of this set, in the check of everything."""
    part = "evidence" if uploads.shard is None else str(uploads.shard)
    (one,) = (one for one in await lines(server) if (one.get("attempt"), one.get("part")) == (uploads.attempt, part))
    return one["state"], "; ".join(one["problems"])


async def test_what_is_whole_is_reported_and_what_is_not_complete(server: Server) -> None:
    await server.shard().whole({"a/b.bin": b"b"})
    await server.evidence().whole()
    await server.shard(attempt=2).put("output.log", b"so far")
    other = "11111111-2222-4333-8444-555555555555"
    await server.shard(other).whole()
    found = [(one.get("uid"), one.get("attempt"), one.get("part"), one["state"]) for one in await lines(server)]
    assert found == [
        (UID, 1, "0", "whole"),
        (UID, 1, "evidence", "whole"),
        (UID, 2, "0", "incomplete"),
        (other, 1, "0", "whole"),
        (None, None, None, "done"),
    ]
    assert [one["state"] for one in await lines(server, f"/v1/runs/{other}/verify")] == ["whole", "done"]


@pytest.mark.parametrize("kind", ["shard", "evidence"])
async def test_each_damage_is_reported_with_the_files_name(server: Server, kind: str) -> None:
    uploads = server.shard() if kind == "shard" else server.evidence()
    await uploads.whole({"a/same-size.bin": b"12345", "short.bin": b"12345", "lost.bin": b"12345"})
    files = place(server, uploads) / "files"
    (files / "a/same-size.bin").write_bytes(b"12346")
    (files / "short.bin").write_bytes(b"1234")
    (files / "lost.bin").unlink()
    assert await answered(server, uploads) == (
        "damaged",
        "a/same-size.bin has other bytes; short.bin has 4 bytes, not 5; lost.bin is missing",
    )


async def test_a_manifest_that_is_damaged_lost_or_exchanged_is_reported(server: Server) -> None:
    shards = [server.shard(shard=number) for number in range(3)]
    for shard in shards:
        await shard.whole()
    await server.caught_up()
    (place(server, shards[0]) / "manifest.json").write_bytes(b"{")
    (place(server, shards[1]) / "manifest.json").unlink()
    # Even a manifest that fits its files is noticed, when it is not the one that was sealed.
    body = (place(server, shards[2]) / "manifest.json").read_bytes()
    (place(server, shards[2]) / "manifest.json").write_bytes(body + b"\n")
    assert "the manifest is wrong at the body" in (await answered(server, shards[0]))[1]
    assert await answered(server, shards[1]) == ("damaged", "its manifest is missing")
    assert "not the one that was sealed" in (await answered(server, shards[2]))[1]


async def test_the_client_shows_each_set(server: Server) -> None:
    await server.shard().whole()
    async with server.client() as client:
        found = [one async for one in client.verify(None)]
        assert [(one["uid"], one["part"], one["state"]) for one in found] == [(UID, "0", "whole")]
        assert [one async for one in client.verify(UID)] == found


class Ann:
    """In the API server's place: may read team-a alone."""

    async def who(self, token: str) -> User:
        return User(token)

    async def may(self, user: User, verb: str, namespace: str | None) -> bool:
        return namespace == "team-a"

    async def namespace_uid(self, namespace: str) -> str | None:
        return None

    async def close(self) -> None:
        pass


async def test_who_may_not_read_all_can_not_have_all_verified(serve: Serve) -> None:
    async with serve(reviewer=Ann()) as server:
        await server.put_record()
        await server.put_record("theirs", namespace="team-b")
        paths = ("/v1/verify", f"/v1/runs/{UID}/verify", "/v1/runs/theirs/verify")
        statuses = [(await server.read.get(path, headers={"X-Seatrial-Token": "ann"})).status_code for path in paths]
        assert statuses == [403, 200, 404]


async def test_the_program_shows_the_same_beside_the_running_archive(server: Server, key_file: Path) -> None:
    def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"SEATRIAL_ARCHIVE_DIR": str(server.folder), "SEATRIAL_KEY_FILE": str(key_file)}
        command = [sys.executable, "-m", "seatrial.archive", "verify", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    await server.shard().whole({"a.bin": b"12345"})
    await server.caught_up()
    well = verify()
    assert (well.returncode, well.stdout) == (0, "1 whole, 0 damaged, 0 incomplete\n"), well.stderr
    (place(server, server.shard()) / "files" / "a.bin").unlink()
    damaged = verify("--run", UID)
    first, last = damaged.stdout.splitlines()
    assert (damaged.returncode, last) == (1, "0 whole, 1 damaged, 0 incomplete")
    assert json.loads(first)["problems"] == ["a.bin is missing"]
    wrong = verify("--run", "../x")
    assert (wrong.returncode, "is not the uid of a run" in wrong.stdout) == (1, True)
