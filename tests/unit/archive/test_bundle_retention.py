"""Bundles go when nobody used them for long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from seatrial.archive.model.bundles import BundleKey
from seatrial.archive.model.errors import NotFoundError, UnavailableError
from seatrial.archive.server.bundles.retention import LOOK_SECONDS, BundleRetention
from seatrial.archive.server.bundles.store import Bundles
from seatrial.archive.server.history.database import database_url
from seatrial.archive.server.history.history import History
from seatrial.archive.server.metrics import Metrics, unattached
from seatrial.archive.server.sets.store import Store
from seatrial.archive.server.storage import Storage
from seatrial.archive.server.storage.bucket import Bucket
from seatrial.archive.server.storage.folder import Folder
from tests.unit.archive.support import Serve, sha256
from tests.unit.archive.test_bundles import Team, fetch, has, put

DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000 * DAY

    def __call__(self) -> float:
        return self.now


class Kept:
    """Bundles with their retention, at a time that the test sets."""

    def __init__(self, store: Store, history: History) -> None:
        self.clock, self.store, self.history, self.metrics = Clock(), store, history, unattached()
        self.start()

    def start(self) -> None:
        """As a new process: nothing is in memory."""
        self.bundles = Bundles(self.store, self.history.bundles, 2**20, self.clock)
        self.retention = BundleRetention(self.bundles, self.history.bundles, 14 * DAY, self.metrics, self.clock)

    async def put(self, body: bytes, namespace_uid: str = "uid-a") -> BundleKey:
        async def chunks() -> AsyncIterator[bytes]:
            yield body

        key = BundleKey(namespace_uid, sha256(body))
        await self.bundles.put(key, chunks())
        await self.bundles.close()
        return key

    async def has(self, key: BundleKey) -> bool:
        try:
            await self.bundles.find(key)
        except NotFoundError:
            return False
        await self.bundles.close()
        return True


@pytest.fixture(params=["folder", "bucket"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    storage: Storage = Folder(tmp_path) if request.param == "folder" else Bucket(MemoryStore(), "memory://")
    store, history = Store(tmp_path, storage, 2**20), History(database_url("", tmp_path))
    store.open()
    history.migrate()
    yield Kept(store, history)
    history.close()
    store.close()


def values(metrics: Metrics) -> list[float]:
    wanted = ("seatrial_archive_bundles", "seatrial_archive_bundle_bytes", "seatrial_archive_deleted_bundles_total")
    found = {one.name: one.value for family in metrics.registry.collect() for one in family.samples}
    return [found[name] for name in wanted]


async def test_what_nobody_used_for_long_goes(kept: Kept) -> None:
    used, unused = await kept.put(b"used"), await kept.put(b"unused")
    await kept.retention.hold()
    assert values(kept.metrics) == [2, 10, 0]
    kept.clock.now += 13 * DAY
    assert await kept.has(used)
    kept.clock.now += 2 * DAY
    await kept.retention.hold()
    assert kept.bundles.stored() == {used: 4}
    assert values(kept.metrics) == [1, 4, 1]
    assert not await kept.has(unused)
    assert await kept.put(b"unused") == unused
    assert await kept.has(unused)


async def test_the_same_bundle_of_another_namespace_goes_by_its_own_use(kept: Kept) -> None:
    first, second = await kept.put(b"same", "uid-a"), await kept.put(b"same", "uid-b")
    kept.clock.now += 13 * DAY
    assert await kept.has(second)
    kept.clock.now += 2 * DAY
    await kept.retention.hold()
    assert (await kept.has(first), await kept.has(second)) == (False, True)


async def test_uses_are_known_after_a_restart(kept: Kept) -> None:
    key = await kept.put(b"used")
    kept.clock.now += 13 * DAY
    await kept.has(key)
    kept.start()
    kept.clock.now += 2 * DAY
    await kept.retention.hold()
    assert await kept.has(key)
    kept.clock.now += 15 * DAY
    kept.start()
    await kept.retention.hold()
    assert not await kept.has(key)


async def test_a_use_that_is_not_written_down_yet_counts(kept: Kept) -> None:
    key = await kept.put(b"used")
    kept.clock.now += 15 * DAY
    await kept.has(key)
    kept.history.bundles.used(key, 4, 0.0)  # as if it were not
    await kept.retention.hold()
    assert await kept.has(key)


async def test_bundles_that_the_history_lost_are_as_if_used_now(kept: Kept) -> None:
    key = await kept.put(b"lost")
    kept.history.bundles.forget(key)
    kept.start()
    kept.clock.now += 100 * DAY
    await kept.retention.hold()
    assert values(kept.metrics) == [1, 4, 0]
    kept.clock.now += max(15 * DAY, LOOK_SECONDS)
    await kept.retention.hold()
    assert not await kept.has(key)


async def test_bundles_come_and_go_while_the_history_is_away(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*given: object) -> None:
        raise UnavailableError("the history can't be used")

    with monkeypatch.context() as patch:
        patch.setattr(kept.history.bundles, "used", away)
        key = await kept.put(b"new")
        assert await kept.has(key)
    assert kept.history.bundles.total() == (0, 0)
    assert await kept.has(key)  # now it is written down
    assert kept.history.bundles.total() == (1, 3)


async def test_fetches_are_counted_and_uses_written_down_by_the_server(serve: Serve) -> None:
    async with serve(reviewer=Team()) as server:
        await put(server)
        await has(server)
        await fetch(server)
        await fetch(server, Range="bytes=10-")
        await fetch(server, sha256(b"another"))
        metrics = (await server.read.get("/metrics")).text
        assert 'seatrial_archive_bundle_fetches_total{what="whole"} 1.0' in metrics
        assert 'seatrial_archive_bundle_fetches_total{what="part"} 1.0' in metrics
        assert 'seatrial_archive_uploads_total{kind="bundle",outcome="stored"} 1.0' in metrics
        assert server.archive is not None
        history = server.archive.history
        await server.archive.bundles.close()
        assert history.bundles.total() == (1, 3_000_000)
