"""A namespace whose share of the archive is full can't store more, all others can."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from seatrial.archive.client.client import ArchiveClient
from seatrial.archive.client.errors import ArchiveQuotaExceededError
from seatrial.archive.model.errors import UnavailableError
from seatrial.archive.model.keys import SetKey
from seatrial.archive.server.history.database import database_url
from seatrial.archive.server.history.history import History
from seatrial.archive.server.history.shares import Holder
from seatrial.archive.server.retention import Limits, Retention
from seatrial.archive.server.settings import Settings
from seatrial.archive.server.shares import Shares
from seatrial_protocol.termination import Code
from seatrial_runner.upload import QuotaExceededError, RefusedError, Source, Uploader
from tests.unit.archive.support import Serve, Server, manifest, sha256
from tests.unit.archive.test_bundles import ANN, BOB, Team, put

SHARE = 100_000
BIG = b"x" * 60_000
OURS, THEIRS = Holder("team-a", "uid-a"), Holder("team-b", "uid-b")


@pytest.fixture
async def server(serve: Serve) -> AsyncIterator[Server]:
    async with serve(reviewer=Team(), share_bytes=SHARE) as started:
        await records(started)
        yield started


async def records(server: Server) -> None:
    for uid, namespace in (("ours", "team-a"), ("more", "team-a"), ("theirs", "team-b")):
        await server.put_record(uid, namespace=namespace, namespaceUid=f"uid-{namespace[-1]}")


async def statuses(server: Server, uid: str, *bodies: bytes) -> list[int]:
    shard = server.shard(uid)
    return [(await shard.put(f"{sha256(body)[:8]}.bin", body)).status_code for body in bodies]


async def test_a_full_share_refuses_its_namespace_and_nobody_else(server: Server) -> None:
    assert await statuses(server, "ours", BIG) == [201]
    refused = await server.shard("more").put("a.bin", BIG)
    assert refused.status_code == 507
    assert refused.json()["code"] == Code.ARCHIVE_QUOTA_EXCEEDED
    assert "namespace team-a takes 58.6 KiB of the archive, of at most 97.7 KiB" in refused.json()["error"]
    assert "archive.share" in refused.json()["hint"]
    assert await statuses(server, "theirs", BIG) == [201]
    assert (await put(server, BIG, "team-a", ANN)).status_code == 507
    assert (await put(server, b"y" * 30_000, "team-b", BOB)).status_code == 201
    assert (await put(server, b"z" * 30_000, "team-b", BOB)).status_code == 507
    assert await statuses(server, "more", b"x" * 30_000) == [201]  # what still fits
    assert server.incoming() == []


async def test_what_is_stored_already_is_no_news_to_a_full_share(server: Server) -> None:
    """A collector sends again what it got no answer for."""
    shard = server.shard("ours")
    files = shard.vital | {"a.bin": BIG}
    await shard.whole({"a.bin": BIG})
    assert [(await shard.put(path, body)).status_code for path, body in files.items()] == [200, 200]
    assert (await shard.put("a.bin", b"o" * 60_000)).status_code == 507


async def test_a_body_without_a_length_is_refused_while_it_comes(server: Server) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 10_000

    answer = await server.shard("ours").put("a.bin", pieces(), digest=sha256(b"x" * 110_000))
    assert answer.status_code == 507
    assert server.incoming() == []
    assert await statuses(server, "ours", BIG) == [201]  # nothing of it is held on to


async def test_of_many_uploads_at_once_no_more_are_stored_than_fit(server: Server) -> None:
    bodies = [bytes([number]) * 30_000 for number in range(10)]
    uploads = [server.shard("ours", shard=number).put("a.bin", body) for number, body in enumerate(bodies)]
    found = [answer.status_code for answer in await asyncio.gather(*uploads)]
    assert set(found) == {201, 507}
    assert found.count(201) <= 3
    assert server.archive is not None
    await server.archive.shares.save()
    assert server.archive.history.shares.taken(OURS) <= SHARE


async def test_what_a_share_holds_is_known_after_a_restart(serve: Serve) -> None:
    """Also of results that never got a manifest."""
    for status in (201, 507):
        async with serve(reviewer=Team(), share_bytes=SHARE) as server:
            await records(server)
            assert await statuses(server, "ours" if status == 201 else "more", BIG) == [status]
            assert await statuses(server, "theirs", str(status).encode()) == [201]


async def test_a_lost_history_counts_what_is_complete(serve: Serve, settings: Settings) -> None:
    async with serve(reviewer=Team(), share_bytes=SHARE) as server:
        await records(server)
        await server.shard("ours").whole({"a.bin": BIG})
    for path in settings.folder.glob("history.sqlite*"):
        path.unlink()
    async with serve(reviewer=Team(), share_bytes=SHARE) as server:
        await records(server)
        await server.caught_up()
        assert await statuses(server, "more", BIG) == [507]


async def test_retention_makes_room(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.archive.server.shares._FULL_SECONDS", 0.0)
    async with serve(reviewer=Team(), share_bytes=SHARE) as server:
        await records(server)
        await server.put_record("ours", namespace="team-a", namespaceUid="uid-a", verdict="Passed", phase="Passed")
        await server.shard("ours").whole({"a.bin": BIG})
        await server.caught_up()
        assert await statuses(server, "more", BIG) == [507]
        archive = server.archive
        assert archive is not None
        await archive.shares.save()
        removing = Retention(
            archive.store, archive.history, Limits(1, 0), archive.metrics, lambda: True, lambda: time.time() + 1e5
        )
        await removing.hold()
        assert archive.store.uids() == []
        assert await statuses(server, "more", BIG) == [201]


async def test_a_namespace_made_anew_has_a_share_of_its_own(server: Server) -> None:
    assert await statuses(server, "ours", BIG) == [201]
    await server.put_record("anew", namespace="team-a", namespaceUid="uid-anew")
    assert await statuses(server, "anew", BIG) == [201]


async def test_results_say_nothing_about_whose_share_they_take(server: Server) -> None:
    """Tests wrote the summary: it may name any namespace."""
    lying = server.shard("unrecorded")
    body = json.dumps({"schema": 1, "run": {"uid": "unrecorded", "name": "x", "namespace": "team-b"}, "attempt": 1,
                       "shard": 0, "outcome": "passed", "tests": {}}).encode()  # fmt: skip
    await lying.put("summary.json", body)
    await lying.put("a.bin", BIG)
    await lying.seal(manifest({"summary.json": body, "a.bin": BIG}, "unrecorded"))
    await server.caught_up()
    assert server.archive is not None
    assert server.archive.history.shares.taken(THEIRS) == 0
    assert await statuses(server, "theirs", BIG) == [201]


async def test_without_a_share_nobody_is_refused(serve: Serve) -> None:
    async with serve(reviewer=Team(), share_bytes=0) as server:
        await records(server)
        assert await statuses(server, "ours", BIG, BIG + b"y", BIG + b"z") == [201] * 3


async def test_results_are_taken_while_the_history_is_away(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*given: object) -> int:
        raise UnavailableError("the history can't be used")

    assert server.archive is not None
    shares = server.archive.history.shares
    with monkeypatch.context() as patch:
        for method in ("holder", "add", "taken"):
            patch.setattr(shares, method, away)
        assert await statuses(server, "ours", BIG, BIG + b"y") == [201] * 2
    await server.archive.shares.save()
    assert shares.taken(OURS) == 2 * len(BIG) + 1


async def test_a_history_that_does_not_answer_holds_up_no_upload(
    history_of: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.archive.server.shares._PATIENCE_SECONDS", 0.01)
    released = asyncio.Event()
    shares = Shares(history_of, 100)

    async def hung(*given: object) -> int:
        await released.wait()
        return 90

    monkeypatch.setattr("seatrial.archive.server.shares.in_thread", hung)
    async with shares.room(OURS, 50) as room:
        room.take(50)
    shares.stored(OURS, 50)
    with pytest.raises(Exception, match="50 B of the archive"):
        async with shares.room(OURS, 60):
            pass
    released.set()
    await asyncio.gather(*shares._asking.values())
    with pytest.raises(Exception, match="140 B of the archive"):
        async with shares.room(OURS, 1):
            pass


@pytest.fixture
def history_of(tmp_path: Path) -> Iterator[History]:
    made = History(database_url("", tmp_path))
    made.migrate()
    yield made
    made.close()


async def test_the_collector_and_the_client_know_a_full_share(server: Server, tmp_path: Path) -> None:
    assert await statuses(server, "ours", BIG) == [201]
    uploads = server.shard("more")
    uploader = Uploader(f"http://127.0.0.1:{server.upload_port}", uploads.token, "more", 1, 0)
    with pytest.raises(QuotaExceededError, match=r"takes 58\.6 KiB") as raised:
        await asyncio.to_thread(partial(uploader.put_file, "a.bin", Source.of(BIG)))
    assert isinstance(raised.value, RefusedError)
    uploader.close()
    bundle = tmp_path / "bundle"
    bundle.write_bytes(os.urandom(60_000))
    async with ArchiveClient(f"http://127.0.0.1:{server.read_port}", headers=ANN) as client:
        with pytest.raises(ArchiveQuotaExceededError, match=r"archive\.share"):
            await client.put_bundle("team-a", sha256(bundle.read_bytes()), bundle)


async def test_what_is_taken_is_the_larger_of_both_counts(server: Server) -> None:
    assert server.archive is not None
    shares, intake = server.archive.history.shares, server.archive.history.intake
    assert shares.add({"ours": 10, "nobody": 5}) == {"nobody"}
    assert (shares.taken(OURS), shares.taken(THEIRS)) == (10, 0)
    intake.begin_set(SetKey("ours", 1, 0), "sha256:x", datetime.now(UTC), 30, {})
    assert shares.taken(OURS) == 30
    shares.add({"ours": 40})
    assert shares.taken(OURS) == 50
