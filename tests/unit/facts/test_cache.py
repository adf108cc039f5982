"""What the operator remembers: never an older version over a newer one, and nothing of runs that are gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from seatrial.facts.attempt import ShardFacts, ShardRef
from seatrial.facts.cache import FactsCache
from seatrial.facts.result import Result
from tests.unit import builders as b

LABELS = {
    "app.kubernetes.io/managed-by": "seatrial", "seatrial.dev/run-uid": b.UID,
    "seatrial.dev/component": "postgres", "seatrial.dev/role": "service",
}  # fmt: skip
SCOPE = b.run().scope
ENVIRONMENT = SCOPE.namespace
SHARD = ShardRef(b.UID, 1, 0)


def pod(version: int, phase: str = "Running", **more: Any) -> dict[str, Any]:
    metadata = {
        "name": "postgres", "namespace": ENVIRONMENT, "uid": "p", "resourceVersion": str(version), "labels": LABELS,
        **more,
    }  # fmt: skip
    return {"metadata": metadata, "status": {"phase": phase}}


def namespace(version: int, **metadata: Any) -> dict[str, Any]:
    base = {"name": ENVIRONMENT, "uid": "n", "resourceVersion": str(version), "labels": LABELS}
    return {"metadata": {**base, **metadata}}


def test_an_older_version_never_replaces_a_newer_one() -> None:
    store = FactsCache()
    store.put_run(b.body(status={"phase": "Testing"}, resourceVersion="12"))
    store.put_run(b.body(status={"phase": "Starting"}, resourceVersion="11"))
    assert store.runs["team-a", "orders"]["status"]["phase"] == "Testing"
    store.put_pod(pod(8, "Failed"))
    store.put_pod(pod(7, "Running"))
    assert [p.phase for p in store.pods(SCOPE)] == ["Failed"]


def test_labels_alone_make_no_environment() -> None:
    store = FactsCache(is_signed=lambda body: "signed" in body["metadata"])
    store.put_run(b.body(resourceVersion="1"))
    assert store.put_namespace(namespace(2)) == ""
    assert (store.attempt(SCOPE).namespace, store.environments()) == (None, [])
    assert store.names()["namespaces"] == {"n"}  # what the watch delivered is known, so that nobody waits for it
    assert store.put_namespace(namespace(3, signed=True)) == b.UID
    assert [found.uid for found in store.environments()] == ["n"]


def test_the_uid_of_a_runs_namespace_is_known_while_it_is_there() -> None:
    store = FactsCache()
    assert store.namespace_uid("team-a") == ""
    first = namespace(1, name="team-a", uid="first", labels={"team": "a"})
    second = namespace(3, name="team-a", uid="second", labels={})
    assert store.put_namespace(first) == ""
    assert store.namespace_uid("team-a") == "first"
    store.put_namespace(second)
    store.remove_namespace(first)  # comes late
    assert store.namespace_uid("team-a") == "second"
    store.remove_namespace(second)
    assert store.namespace_uid("team-a") == ""
    assert store.names()["namespaces"] == set()


def test_an_environment_of_version_0_1_is_known_by_the_status_of_its_run() -> None:
    store = FactsCache(is_signed=lambda body: False)
    store.put_namespace(namespace(2))
    store.put_run(b.body(status={"phase": "Testing", "namespace": ENVIRONMENT}, resourceVersion="3"))
    assert store.attempt(SCOPE).namespace is not None
    assert len(store.environments()) == 1


def test_a_new_run_of_an_old_name_is_another_run() -> None:
    store = FactsCache()
    store.put_run(b.body(resourceVersion="50"))
    store.put_run(b.body(uid="other", resourceVersion="3"))
    assert store.key_of("other") == ("team-a", "orders")
    assert store.key_of(b.UID) is None
    store.remove_run(b.body())  # the old one's deletion comes late
    assert store.key_of("other") == ("team-a", "orders")


def test_an_answer_that_comes_late_brings_no_run_back() -> None:
    store = FactsCache()
    store.put_run(b.body(resourceVersion="5"))
    store.update_run(b.body(status={"phase": "Testing"}, resourceVersion="6"))
    assert store.runs["team-a", "orders"]["status"]["phase"] == "Testing"
    store.remove_run(b.body())
    store.update_run(b.body(resourceVersion="7"))
    assert store.runs == {}
    store.put_run(b.body(uid="successor", resourceVersion="8"))
    store.update_run(b.body(resourceVersion="9"))
    assert store.key_of("successor") == ("team-a", "orders")
    assert store.runs["team-a", "orders"]["metadata"]["uid"] == "successor"


def test_an_environment_is_known_longer_than_its_run() -> None:
    store = FactsCache()
    store.put_run(b.body())
    store.put_namespace(namespace(5))
    store.remove_run(b.body())
    assert [n.name for n in store.environments()] == [ENVIRONMENT]
    store.remove_namespace(namespace(6))
    assert store.environments() == []


def test_the_archive_is_asked_about_runs_that_had_begun_before_the_operator() -> None:
    store = FactsCache()
    store.put_run(b.body(status={"timeline": {"started": "2026-03-01T12:00:00Z"}}))
    assert store.must_ask_archive(SHARD)
    store.put_archive_answer(SHARD, "refused", b.NOW)
    assert store.must_ask_archive(SHARD)
    store.put_archive_answer(SHARD, "refused", b.at(5))
    assert store.attempt(SCOPE).shard.archive_silent_since == b.NOW
    store.put_result(SHARD, Result("d", {}))
    assert store.attempt(SCOPE).shard.archive_silent_since is None
    assert not store.must_ask_archive(SHARD)

    fresh = FactsCache()
    fresh.put_run(b.body())
    assert not fresh.must_ask_archive(SHARD)


def test_progress_is_news_once() -> None:
    store = FactsCache()
    assert store.put_progress(SHARD, gates_open=b.at(1))
    assert not store.put_progress(SHARD, gates_open=b.at(2))
    assert store.put_progress(SHARD, first_test=b.at(3))
    assert store.attempt(SCOPE).shard.gates_open == b.at(1)


def test_it_is_known_that_the_tests_pod_was_there() -> None:
    store = FactsCache()
    store.put_run(b.body())
    tests = {"labels": {**LABELS, "seatrial.dev/role": "tests"}}
    store.put_pod(pod(4, namespace="team-b", uid="forged", **tests))
    store.remove_pod(pod(5, namespace="team-b", uid="forged", **tests))
    store.put_pod(pod(6))
    store.remove_pod(pod(7))
    store.put_pod(pod(8, **tests))
    assert not store.attempt(SCOPE).shard.pod_gone
    store.remove_pod(pod(9, **tests))
    assert store.attempt(SCOPE).shard.pod_gone


def test_labels_alone_make_nothing_a_part_of_an_environment() -> None:
    store = FactsCache()
    store.put_pod(pod(5, "Failed", namespace="team-b", uid="forged"))  # comes before the run
    store.put_run(b.body())
    store.put_namespace(namespace(6))
    store.put_namespace(namespace(9, name="team-b", uid="other", deletionTimestamp="2026-03-01T12:00:00Z"))
    store.put_pod(pod(7))
    seen = store.attempt(SCOPE)
    assert seen.namespace is not None
    assert (seen.namespace.uid, seen.namespace.terminating_since) == ("n", None)
    assert [p.uid for p in seen.pods] == ["p"]
    store.remove_namespace(namespace(10, name="team-b", uid="other"))
    assert store.attempt(SCOPE) == seen


def test_what_comes_late_of_a_run_that_is_gone_is_not_kept() -> None:
    store = FactsCache()
    store.put_run(b.body())
    store.put_namespace(namespace(5))
    store.put_pod(pod(6))
    store.remove_namespace(namespace(7))
    store.remove_run(b.body())
    store.put_pod(pod(8, "Failed"))
    store.remove_pod(pod(9, "Failed"))
    store.must_ask_archive(SHARD)
    store.attempt(SCOPE)
    assert store.names() == {"runs": set(), "namespaces": set(), "pods": set()}
    assert store._facts == {}


def test_a_late_result_of_one_attempt_does_not_judge_the_next() -> None:
    store = FactsCache()
    store.put_run(b.body(status={"attempt": 2}))
    late = Result("sha256:late", {})
    assert store.put_progress(SHARD, gates_open=b.at(1), first_test=b.at(2))
    store.put_result(SHARD, late)
    scope = store.scope(b.UID)
    assert scope is not None
    assert scope.attempt == 2
    assert store.attempt(scope).shard == ShardFacts()
    assert store.attempt(SCOPE).shard.result == late


def test_evidence_and_pods_belong_to_their_attempt() -> None:
    store = FactsCache()
    store.put_run(b.body())
    store.put_pod(pod(5))
    store.put_evidence(SCOPE, b.ARCHIVED)
    second = replace(SCOPE, attempt=2)
    assert (store.attempt(SCOPE).evidence, len(store.all_pods(SCOPE))) == (b.ARCHIVED, 1)
    assert (store.attempt(second).evidence, store.all_pods(second)) == (None, ())


def test_a_result_of_another_shard_is_not_that_of_the_first() -> None:
    store = FactsCache()
    store.put_run(b.body())
    store.put_result(replace(SHARD, shard=1), Result("sha256:other", {}))
    assert store.attempt(SCOPE).shard.result is None
