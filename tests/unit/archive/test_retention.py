from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from seatrial.archive.model.errors import UnavailableError
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.questions import RunFilter
from seatrial.archive.server.history.database import database_url
from seatrial.archive.server.history.history import History
from seatrial.archive.server.history.keeping import Kept
from seatrial.archive.server.metrics import Metrics, unattached
from seatrial.archive.server.retention import (
    FORGOTTEN_SECONDS,
    YOUNG_SECONDS,
    Limits,
    Retention,
    changed_before,
    choose,
)
from seatrial.archive.server.sets.store import Store
from seatrial.archive.server.storage import Storage
from seatrial.archive.server.storage.bucket import Bucket
from seatrial.archive.server.storage.folder import Folder
from tests.unit.archive.history_cases import put
from tests.unit.archive.support import manifest, sha256, summary

DAY = 86_400.0
NOW = 1_000 * DAY


def old(uid: str, days: float, size: int = 10, active: bool = False) -> Kept:
    return Kept(uid, size, NOW - days * DAY, active)


@pytest.mark.parametrize(
    ("kept", "limits", "expected"),
    [
        ([], Limits(DAY, 1), {}),
        ([old("a", 2), old("b", 0.5)], Limits(DAY, 0), {"a": "age"}),
        ([old("a", 2), old("b", 900)], Limits(0, 0), {}),
        ([old("a", 1), old("b", 2), old("c", 3)], Limits(0, 20), {"c": "size"}),
        ([old("a", 1), old("b", 2), old("c", 3)], Limits(0, 19), {"c": "size", "b": "size"}),
        ([old("a", 1), old("b", 2), old("c", 3)], Limits(2.5 * DAY, 15), {"c": "age", "b": "size"}),
        # What takes nothing makes no room.
        ([old("a", 1), old("b", 2, size=0)], Limits(0, 5), {"a": "size"}),
        # A run that is young or active stays, however much there is; the next one goes instead.
        ([Kept("a", 10, NOW - YOUNG_SECONDS + 1, False), old("b", 3, active=True)], Limits(1, 1), {}),
        ([old("a", 3, active=True), old("b", 1)], Limits(DAY * 2, 15), {"b": "size"}),
        # One that waits for a verdict for ever is not active any more.
        ([Kept("a", 10, NOW - FORGOTTEN_SECONDS - 1, True)], Limits(DAY, 0), {"a": "age"}),
    ],
)
def test_what_goes(kept: list[Kept], limits: Limits, expected: dict[str, str]) -> None:
    total = sum(run.size for run in kept)
    assert choose(kept, limits, NOW, total) == expected
    assert list(choose(reversed(kept), limits, NOW, total)) == list(expected)
    before = changed_before(limits, NOW, total)
    assert all(before is not None and run.changed < before for run in kept if run.uid in expected)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(database_url("", tmp_path))
    made.migrate()
    yield made
    made.close()


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return Folder(tmp_path / "archive") if request.param == "folder" else Bucket(MemoryStore(), "memory://")


@pytest.fixture
def store(storage: Storage, tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "archive", storage, 2**20)
    opened.open()
    yield opened
    opened.close()


async def whole(store: Store, history: History, uid: str, size: int = 100, shards: int = 2) -> None:
    """A run with results that is over."""

    async def chunks(body: bytes) -> AsyncIterator[bytes]:
        yield body

    for shard in range(shards):
        key = SetKey(uid, 1, shard)
        files = {"summary.json": summary(uid, 1, shard), "a/b/big.bin": b"x" * size}
        for path, body in files.items():
            await store.put_file(key, path, chunks(body), sha256(body))
        sealed = await store.put_manifest(key, manifest(files, uid))
        described = {"run": {"uid": uid, "name": "pr-1", "namespace": "team-a"}, "outcome": "passed"}
        history.intake.end_set(
            history.intake.begin_set(key, sealed.result.digest, datetime.now(UTC), store.size(key), described)
        )
    put(history, uid, verdict="Passed")


def shown(history: History) -> set[str]:
    return {run.uid for run in history.runs.page(RunFilter(), 100).runs}


def retention(
    store: Store,
    history: History,
    seconds: float = 0,
    size: int = 0,
    later: float = 2 * DAY,
    metrics: Metrics | None = None,
    settled: bool = True,
) -> Retention:
    limits = Limits(seconds, size)
    return Retention(store, history, limits, metrics or unattached(), lambda: settled, lambda: time.time() + later)


def values(metrics: Metrics) -> dict[str, float]:
    wanted = ("seatrial_archive_runs", "seatrial_archive_kept_bytes", "seatrial_archive_deleted_runs_total")
    samples = (sample for family in metrics.registry.collect() for sample in family.samples)
    return {"/".join((one.name, *one.labels.values())): one.value for one in samples if one.name in wanted}


async def test_a_run_that_is_too_old_goes_with_all_that_is_of_it(
    store: Store, history: History, tmp_path: Path
) -> None:
    await whole(store, history, "a")
    metrics = unattached()
    await retention(store, history, seconds=3 * DAY, metrics=metrics).hold()
    assert (shown(history), store.uids()) == ({"a"}, ["a"])
    assert values(metrics)["seatrial_archive_runs"] == 1
    assert values(metrics)["seatrial_archive_kept_bytes"] > 200
    await retention(store, history, seconds=DAY, metrics=metrics).hold()
    assert (shown(history), store.uids(), store.usage("a")) == (set(), [], (0, 0.0))
    assert values(metrics) == {
        "seatrial_archive_runs": 0,
        "seatrial_archive_kept_bytes": 0,
        "seatrial_archive_deleted_runs_total/age": 1,
    }
    assert list((tmp_path / "archive").rglob("a")) == []


async def test_the_oldest_goes_when_there_is_too_much(store: Store, history: History) -> None:
    for uid in "abc":
        await whole(store, history, uid, size=10_000)
        put(history, uid, verdict="Passed")
    assert [run.uid for run in history.keeping.least_recent(time.time() + DAY, 10)] == ["a", "b", "c"]
    await retention(store, history, size=50_000).hold()
    assert shown(history) == set(store.uids()) == {"b", "c"}


async def test_what_is_active_or_young_stays(store: Store, history: History) -> None:
    await whole(store, history, "young")
    await retention(store, history, seconds=1, later=YOUNG_SECONDS - 60).hold()
    assert shown(history) == {"young"}
    await whole(store, history, "active")
    put(history, "active", verdict=None)
    await retention(store, history, seconds=DAY).hold()
    assert shown(history) == set(store.uids()) == {"active"}


async def test_what_the_history_does_not_know_goes_too(store: Store, history: History) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"

    await store.put_file(SetKey("lost", 1, 0), "output.log", chunks(), sha256(b"x"))
    await retention(store, history, seconds=DAY, settled=False).hold()  # the history may still get to it
    await retention(store, history, seconds=3 * DAY).hold()
    assert store.uids() == ["lost"]
    metrics = unattached()
    await retention(store, history, size=1, metrics=metrics).hold()
    assert values(metrics)["seatrial_archive_kept_bytes"] == 1
    await retention(store, history, seconds=DAY).hold()
    assert store.uids() == []


async def test_an_upload_that_has_just_made_its_folder_stays(
    store: Store, history: History, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "archive" / "runs" / "coming" / "1" / "0" / "files").mkdir(parents=True)
    with caplog.at_level("INFO"):
        await retention(store, history, seconds=DAY).hold()
    assert "removed" not in caplog.text


async def test_the_storage_is_asked_about_what_goes_and_nothing_else(
    store: Store, storage: Storage, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    for uid in ("old", "stays"):
        await whole(store, history, uid, size=10_000)
    later = [2 * DAY]
    holding = Retention(store, history, Limits(0, 50_000), unattached(), lambda: True, lambda: time.time() + later[0])
    asked: list[str] = []

    def noted(work: Any) -> Any:
        def call(name: Any, *rest: Any) -> Any:
            asked.extend([name] if isinstance(name, str) else name)
            return work(name, *rest)

        return call

    await holding.hold()
    for method in ("add", "find", "chunks", "entries", "folders", "remove"):
        monkeypatch.setattr(storage, method, noted(getattr(storage, method)))
    await holding.hold()
    assert asked == []
    await whole(store, history, "new", size=10_000)
    asked.clear()
    await holding.hold()
    assert shown(history) == {"stays", "new"}
    assert {name.split("/")[1] for name in asked} == {"old"}
    later[0] += 1.1 * DAY
    await holding.hold()
    assert "runs" in asked


async def test_more_runs_than_are_looked_at_together(store: Store, history: History) -> None:
    for number in range(250):
        put(history, f"u{number}", verdict=None if number < 120 else "Passed")
    await retention(store, history, seconds=DAY).hold()
    assert history.keeping.uids() == [f"u{number}" for number in range(120)]


async def test_a_run_of_which_only_the_record_is_there_goes_by_age(store: Store, history: History) -> None:
    put(history, "u", verdict="Cancelled")
    await retention(store, history, size=1).hold()
    assert shown(history) == {"u"}
    await retention(store, history, seconds=DAY).hold()
    assert shown(history) == set()


@pytest.mark.parametrize("step", range(6))
async def test_ended_at_any_step_nothing_is_shown_by_half_and_the_next_pass_ends_it(
    store: Store, storage: Storage, history: History, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    for uid in "ab":
        await whole(store, history, uid)
    steps = iter(range(6))

    def dies(work: Any) -> Any:
        def call(*args: Any) -> Any:
            if next(steps) == step:
                raise UnavailableError("gone", "")
            return work(*args)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(store, "remove_some", dies(store.remove_some))
        patch.setattr(history.keeping, "mark_deleted", dies(history.keeping.mark_deleted))
        patch.setattr(history.keeping, "forget", dies(history.keeping.forget))
        with suppress(UnavailableError):
            await retention(store, history, seconds=DAY).hold()
    for uid in shown(history):  # whole
        assert [store.verify(key) for key in store.sets(uid)] == [[], []]
    await retention(store, history, seconds=DAY).hold()
    assert (shown(history), store.uids(), history.keeping.marked_deleted()) == (set(), [], [])
