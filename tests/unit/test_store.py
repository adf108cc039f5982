"""What the operator remembers: never an older version over a newer one, and nothing of runs that are gone."""

from __future__ import annotations

from typing import Any

from seatrial.observed import Result
from seatrial.store import Store
from tests.unit import builders as b

LABELS = {"seatrial.dev/run-uid": b.UID, "seatrial.dev/component": "postgres", "seatrial.dev/role": "service"}


def pod(version: int, phase: str = "Running") -> dict[str, Any]:
    metadata = {"name": "postgres", "uid": "p", "resourceVersion": str(version), "labels": LABELS}
    return {"metadata": metadata, "status": {"phase": phase}}


def namespace(version: int, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "st-x", "uid": "n", "resourceVersion": str(version), "labels": LABELS, **metadata}}


def test_an_older_version_never_replaces_a_newer_one() -> None:
    store = Store()
    store.put_run(b.body(status={"phase": "Testing"}, resourceVersion="12"))
    store.put_run(b.body(status={"phase": "Starting"}, resourceVersion="11"))
    assert store.runs["team-a", "orders"]["status"]["phase"] == "Testing"
    store.put_pod(pod(8, "Failed"))
    store.put_pod(pod(7, "Running"))
    assert [p.phase for p in store.pods(b.UID)] == ["Failed"]


def test_a_new_run_of_an_old_name_is_another_run() -> None:
    store = Store()
    store.put_run(b.body(resourceVersion="50"))
    store.put_run(b.body(uid="other", resourceVersion="3"))
    assert store.key_of("other") == ("team-a", "orders")
    assert store.key_of(b.UID) is None
    store.remove_run(b.body())  # the old one's deletion comes late
    assert store.key_of("other") == ("team-a", "orders")


def test_an_environment_is_known_longer_than_its_run() -> None:
    store = Store()
    store.put_run(b.body())
    store.put_namespace(namespace(5))
    store.remove_run(b.body())
    assert [n.name for n in store.environments()] == ["st-x"]
    store.remove_namespace(namespace(6))
    assert store.environments() == []


def test_the_archive_is_asked_about_runs_that_had_begun_before_the_operator() -> None:
    store = Store()
    store.put_run(b.body(status={"timeline": {"started": "2026-03-01T12:00:00Z"}}))
    assert store.must_ask_archive(b.UID)
    store.put_archive_answer(b.UID, "refused")
    assert store.must_ask_archive(b.UID)
    store.put_result(b.UID, Result("d", {}))
    assert not store.must_ask_archive(b.UID)

    fresh = Store()
    fresh.put_run(b.body())
    assert not fresh.must_ask_archive(b.UID)


def test_progress_is_news_once() -> None:
    store = Store()
    assert store.put_progress(b.UID, gates_open=1.0)
    assert not store.put_progress(b.UID, gates_open=2.0)
    assert store.put_progress(b.UID, first_test=3.0)
    assert store.observe(b.UID).progress.gates_open == 1.0
