"""The real operator (kopf, work queue, client) against an API in this process: whole runs, and their faults."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from seatrial.api.names import environment_namespace
from seatrial.api.times import format_time
from seatrial.archive.client.feed import FeedResult
from seatrial.controller.provision import PARALLEL_ENVIRONMENTS
from seatrial.facts.attempt import ShardRef
from seatrial.kube.errors import UnavailableError
from tests.api.kube import Write, failure
from tests.api.world import SPEC, World, living, orphan
from tests.unit import builders

WRITES_OF_A_RUN = 31
"""The API writes of a run with three services, one migration and two apps; the budget is 40."""


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with living(tmp_path, monkeypatch) as made:
        yield made


async def test_a_run_from_apply_to_nothing_left(world: World) -> None:
    await world.apply()
    await world.until(world.settled, "cleaned up")
    run = world.run()
    assert run is not None
    assert (run.status.phase, run.status.verdict, run.status.tests_summary) == ("Passed", "Passed", "3/3")
    assert world.kube.left_over() == {}
    assert len(world.kube.writes) <= WRITES_OF_A_RUN, "the table of faults knows fewer writes"
    reasons = [event["reason"] for event in world.kube.all("events")]
    assert reasons == ["EnvironmentCreated", "TestsStarted", "Passed"]


async def test_nothing_is_read_while_a_run_goes_on(world: World) -> None:
    await world.until(lambda: world.application and world.application.listed, "ready")
    before = len(world.kube.reads)
    await world.apply()
    await world.until(world.settled, "cleaned up")
    assert world.kube.reads[before:] == []


async def test_a_pass_without_a_change_costs_nothing(world: World) -> None:
    await world.apply()
    await world.until(world.settled, "cleaned up")
    app, key = world.application, ("team-a", "orders")
    assert app is not None
    await world.until(lambda: app.cache.runs[key]["status"]["timeline"].get("cleanedUp"), "seen")
    requests = (len(world.kube.writes), len(world.kube.reads))
    await app.run_pass(key)
    assert (len(world.kube.writes), len(world.kube.reads)) == requests


async def test_two_runs_of_one_name_in_two_namespaces(world: World) -> None:
    await asyncio.gather(world.apply(namespace="team-a"), world.apply(namespace="team-b"))
    for namespace in ("team-a", "team-b"):
        await world.until(lambda ns=namespace: world.settled(namespace=ns), namespace)
    assert world.kube.left_over() == {}


async def test_a_name_of_253_characters(world: World) -> None:
    name = "a" * 253
    await world.apply(name)
    await world.until(lambda: world.settled(name), "cleaned up")
    assert world.kube.left_over() == {}


async def test_a_missing_config_map_is_reported_with_its_path(world: World) -> None:
    await world.apply(tests={"source": {"configMapRef": {"name": "absent"}}})
    await world.until(world.settled, "cleaned up")
    run = world.run()
    assert run is not None
    assert run.status.reason == "InvalidSpec"
    assert "tests.source.configMapRef.name" in run.status.message
    assert world.kube.all("namespaces") == []


async def test_a_spec_that_only_the_models_refuse(world: World) -> None:
    await world.kube.put(
        "integrationruns", {"metadata": {"name": "old", "namespace": "team-a"}, "spec": {"tests": {"x": 1}}}
    )

    def ended() -> bool:
        body = world.kube.one("integrationruns", "old", "team-a") or {}
        return (body.get("status") or {}).get("reason") == "InvalidSpec"

    await world.until(ended, "refused")


async def test_cancel(world: World) -> None:
    world.hold_tests = True
    await world.apply()
    await world.until(lambda: world.kube.one("pods", "tests-0-x", world.run().scope.namespace), "tests")  # type: ignore[union-attr]
    await world.kube.change("integrationruns", "orders", "team-a", {"spec": {"cancel": True}})
    await world.until(world.settled, "cleaned up")
    run = world.run()
    assert run is not None
    assert (run.status.verdict, run.status.reason) == ("Cancelled", "Cancelled")
    assert world.kube.left_over() == {}


async def test_a_lost_service_ends_the_run(world: World) -> None:
    world.hold_tests = True
    await world.apply()
    await world.until(lambda: (run := world.run()) and run.status.phase == "Starting", "started")
    environment = world.run().scope.namespace  # type: ignore[union-attr]
    await world.until(lambda: world.kube.one("pods", "postgres", environment), "postgres")
    await world.kube.remove("pods", "postgres", environment)
    dead = {"containerStatuses": [{"name": "postgres", "state": {"terminated": {"exitCode": 137}}}], "phase": "Failed"}
    await world.kube.put(
        "pods",
        {
            "metadata": {
                "name": "postgres", "namespace": environment,
                "labels": {
                    "app.kubernetes.io/managed-by": "seatrial", "seatrial.dev/component": "postgres",
                    "seatrial.dev/role": "service",
                    "seatrial.dev/run-uid": world.run().metadata.uid,  # type: ignore[union-attr]
                },
            },
            "status": dead,
        },
    )  # fmt: skip
    await world.until(world.settled, "cleaned up")
    assert world.run().status.verdict == "Errored"  # type: ignore[union-attr]
    assert "postgres" in world.run().status.message  # type: ignore[union-attr]


async def test_an_orphaned_environment_is_deleted_and_nothing_else(world: World) -> None:
    await world.kube.put("namespaces", orphan("labelled", key=b"x" * 32))
    await world.kube.put("namespaces", orphan("st-orphan"))
    await world.kube.put(
        "namespaces", {"metadata": {"name": "bystander", "labels": {"app.kubernetes.io/managed-by": "helm"}}}
    )
    await world.until(lambda: world.kube.one("namespaces", "st-orphan") is None, "orphan deleted")
    assert world.kube.one("namespaces", "bystander") is not None
    assert world.kube.one("namespaces", "labelled") is not None  # it bears our labels, but the operator never made it


async def test_no_secret_goes_into_a_namespace_that_only_bears_the_labels_of_the_environment(world: World) -> None:
    name = environment_namespace("orders", builders.UID, 1)
    await world.kube.put("namespaces", orphan(name, builders.UID, key=b"x" * 32))
    await world.kube.put(
        "integrationruns",
        {"metadata": {"name": "orders", "namespace": "team-a", "uid": builders.UID}, "spec": copy.deepcopy(SPEC)},
    )
    await world.until(lambda: (run := world.run()) is not None and run.status.verdict, "verdict")
    status = world.run().status  # type: ignore[union-attr]
    assert (status.reason, status.message) == (
        "EnvironmentLost",
        f"namespace {name} belongs to somebody else; rename the run",
    )
    assert world.kube.all("secrets") == []


async def test_a_foreign_namespace_with_the_name_of_the_environment_is_left_alone(world: World) -> None:
    name = environment_namespace("orders", builders.UID, 1)
    await world.kube.put("namespaces", {"metadata": {"name": name, "labels": {"team": "b"}}})
    await world.kube.put(
        "integrationruns",
        {"metadata": {"name": "orders", "namespace": "team-a", "uid": builders.UID}, "spec": copy.deepcopy(SPEC)},
    )
    await world.until(world.settled, "ended")
    assert world.run().status.reason == "EnvironmentLost"  # type: ignore[union-attr]
    await world.kube.remove("integrationruns", "orders", "team-a")
    await world.until(lambda: world.run() is None, "gone")
    assert "deletionTimestamp" not in world.kube.one("namespaces", name)["metadata"]  # type: ignore[index]


async def test_a_pod_of_somebody_else_that_bears_the_labels_of_a_run_ends_nothing(world: World) -> None:
    world.hold_tests = True
    uid = await world.apply()
    await world.until(lambda: (run := world.run()) and run.status.phase == "Starting", "started")
    dead = {"containerStatuses": [{"name": "postgres", "state": {"terminated": {"exitCode": 1}}}], "phase": "Failed"}
    labels = {
        "app.kubernetes.io/managed-by": "seatrial", "seatrial.dev/run-uid": uid, "seatrial.dev/component": "postgres",
        "seatrial.dev/role": "service",
    }  # fmt: skip
    forged = {"metadata": {"name": "postgres", "namespace": "team-b", "labels": labels}, "status": dead}
    await world.kube.put("pods", forged)
    world.hold_tests = False
    await world.until(world.settled, "cleaned up")
    assert world.run().status.reason == "TestsPassed"  # type: ignore[union-attr]


async def test_watches_that_must_begin_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.lifecycle.clean_up.NAMESPACE_CHECK", timedelta(0))
    world.hold_tests = True
    await world.apply()
    await world.until(lambda: (run := world.run()) and run.status.phase == "Starting", "started")
    await world.kube.forget_history()
    world.hold_tests = False
    await world.until(world.settled, "cleaned up")
    assert world.run().status.verdict == "Passed"  # type: ignore[union-attr]


async def test_what_a_watch_did_not_tell_is_noticed(world: World) -> None:
    world.hold_tests = True
    await world.apply()
    await world.until(lambda: (run := world.run()) and run.status.phase == "Starting", "started")
    app, environment = world.application, world.run().scope.namespace  # type: ignore[union-attr]
    assert app is not None
    handle, app.on_pod = app.on_pod, lambda kind, body: None  # type: ignore[method-assign]
    ghost = {"metadata": {"name": "ghost", "namespace": environment, "uid": "ghost", "labels": {}}}
    handle(
        None, {**ghost, "metadata": {**ghost["metadata"], "labels": {"seatrial.dev/run-uid": world.run().metadata.uid}}}
    )  # type: ignore[union-attr]
    assert await app.housekeeper.resync() == 1
    assert "ghost" not in {pod.name for pod in app.cache.pods(world.run().scope)}  # type: ignore[union-attr]


async def test_pods_of_a_namespace_that_is_going_do_not_take_their_grace_period(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.lifecycle.clean_up.NAMESPACE_CHECK", timedelta(0))
    world.hold_tests = True
    await world.apply()
    environment = await world.until(lambda: (run := world.run()) and run.status.namespace, "started")
    world.kube.end_namespaces = False
    await world.kube.remove("namespaces", environment)  # as if an operator had ended between this and the pods
    await world.until(lambda: world.kube.all("pods", environment) == [], "pods deleted")
    await world.kube.end_namespace(environment)
    await world.until(world.settled, "cleaned up")


async def test_the_tests_pod_deleted_before_the_first_test(world: World) -> None:
    world.hold_tests = True
    await world.apply()
    environment = await world.until(lambda: (run := world.run()) and run.status.namespace, "started")
    await world.until(lambda: world.kube.one("pods", "tests-0-x", environment), "tests")
    await world.kube.remove("jobs", "tests", environment)
    await world.kube.remove("pods", "tests-0-x", environment)
    await world.until(world.settled, "cleaned up")
    status = world.run().status  # type: ignore[union-attr]
    assert (status.reason, "the tests' pod was deleted" in status.message) == ("EnvironmentLost", True)


@pytest.mark.parametrize("phase", ["Starting", "Testing"])
async def test_a_run_deleted_on_its_way(world: World, phase: str) -> None:
    world.hold_tests = True
    uid = await world.apply()
    await world.until(lambda: (run := world.run()) and run.status.phase == "Starting", "started")
    if phase == "Testing":
        assert world.application is not None
        now = datetime.now(UTC)
        world.application.cache.put_progress(ShardRef(uid, 1, 0), gates_open=now, first_test=now)
        world.application.wake(uid)
        await world.until(lambda: (run := world.run()) and run.status.phase == "Testing", "testing")
    await world.kube.remove("integrationruns", "orders", "team-a")
    await world.until(lambda: world.run() is None, "gone")
    await world.until(lambda: world.kube.left_over() == {}, "nothing left over")


@pytest.mark.parametrize("resource", ["namespaces", "services", "jobs"])
async def test_a_run_that_goes_in_spite_of_its_finalizer_leaves_no_environment(world: World, resource: str) -> None:
    assert world.application is not None

    async def nothing() -> int:
        return 0

    world.application.housekeeper.sweep = nothing  # type: ignore[method-assign]
    gone = False

    async def lose_the_run(write: Write, when: str) -> None:
        nonlocal gone
        if not gone and when == "after" and (write.method, write.resource) == ("POST", resource):
            gone = True
            await world.kube.lose("integrationruns", "orders", "team-a")

    world.kube.fault = lose_the_run
    await world.apply()
    await world.until(lambda: gone and world.run() is None, "gone")
    await world.until(lambda: world.kube.left_over() == {}, "nothing left over")


class Once:
    """A fault at the n-th write of the run, once."""

    def __init__(self, world: World, index: int, kind: str) -> None:
        self.world, self.index, self.kind = world, index, kind
        self.happened = False
        self.crash = asyncio.Event()

    async def __call__(self, write: Write, when: str) -> web.StreamResponse | None:
        name, _, wanted = self.kind.partition(" ")
        if write.index != self.index or when != wanted or self.happened:
            return None
        self.happened = True
        match name:
            case "crash":
                self.crash.set()
                await asyncio.sleep(3600)  # no reply ever: the operator is dead by then
            case "deleted":
                await self.world.kube.remove("integrationruns", "orders", "team-a")
                return None
        return {
            "429": failure(429, "TooManyRequests"),
            "500": failure(500, "InternalError"),
            "conflict": failure(409, "Conflict"),
            "lost": failure(503, "ServiceUnavailable"),
        }[name]


KINDS = ("crash before", "crash after", "429 before", "500 before", "lost after", "deleted before")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("index", range(WRITES_OF_A_RUN))
async def test_a_fault_at_any_write_changes_nothing_in_the_end(world: World, index: int, kind: str) -> None:
    fault = Once(world, index, kind)
    world.kube.fault = fault
    await world.apply()
    gone_too = kind == "deleted before"

    def done() -> bool:
        return fault.crash.is_set() or world.settled() or (gone_too and fault.happened)

    await world.until(done, f"{kind} write {index}")
    if fault.crash.is_set():
        await world.kill()
        await world.start()
        await world.until(world.settled, f"{kind} write {index}, after the restart")
    assert fault.happened
    if gone_too:
        await world.until(lambda: world.run() is None, "gone")
    else:
        run = world.run()
        assert run is not None
        assert (run.status.verdict, run.status.reason) == ("Passed", "TestsPassed"), run.status.message
    await world.until(lambda: world.kube.left_over() == {}, "nothing left over")


async def test_the_archive_can_not_be_asked(world: World) -> None:
    world.hold_tests = True
    await world.apply()
    environment = await world.until(lambda: (run := world.run()) and run.status.namespace, "started")
    world.archive.down = True
    ended: dict[str, Any] = {"exitCode": 1, "message": '{"error": "archive unavailable: connection refused"}'}
    statuses = [
        {"name": "collector", "state": {"terminated": ended}},
        {"name": "tests", "state": {"terminated": {"exitCode": 0}}},
    ]
    await world.until(lambda: world.kube.one("pods", "tests-0-x", environment), "tests")
    await world.kube.change("pods", "tests-0-x", environment, {"status": {"containerStatuses": statuses}})
    await world.until(world.settled, "cleaned up")
    assert world.run().status.reason == "ArchiveUnavailable"  # type: ignore[union-attr]


async def test_an_environment_that_can_not_be_created_ends_the_run(world: World) -> None:
    async def no_temporal(write: Write, when: str) -> web.StreamResponse | None:
        is_it = (write.method, write.resource, write.name) == ("POST", "pods", "temporal")
        return failure(500, "InternalError", "webhook w failed") if is_it and when == "before" else None

    world.hold_tests = True
    world.kube.fault = no_temporal
    await world.apply(timeouts={"environment": "1s"})
    await world.until(world.settled, "ended")
    status = world.run().status  # type: ignore[union-attr]
    assert (status.verdict, status.reason) == ("Errored", "RunTimeout")
    assert "webhook w failed" in status.message
    assert world.kube.left_over() == {}


async def test_a_verdict_is_reported_although_its_environment_can_not_be_deleted_at_once(world: World) -> None:
    failed = False

    async def once(write: Write, when: str) -> web.StreamResponse | None:
        nonlocal failed
        if failed or when != "before" or (write.method, write.resource) != ("DELETE", "namespaces"):
            return None
        failed = True
        return failure(500, "InternalError")

    world.kube.fault = once
    await world.apply()
    await world.until(world.settled, "cleaned up")
    assert [event["reason"] for event in world.kube.all("events")] == ["EnvironmentCreated", "TestsStarted", "Passed"]


async def test_a_run_that_is_cancelled_while_it_waits_for_its_turn_creates_nothing(world: World) -> None:
    assert await world.until(lambda: world.application, "operator")
    slots = world.application.run_pass.provisioner._slots  # type: ignore[union-attr]
    for _ in range(PARALLEL_ENVIRONMENTS):
        await slots.acquire()
    await world.apply()
    await world.until(lambda: (run := world.run()) and run.metadata.finalizers, "finalizer")
    await world.kube.change("integrationruns", "orders", "team-a", {"spec": {"cancel": True}})
    key = ("team-a", "orders")
    await world.until(lambda: world.application.cache.runs[key]["spec"].get("cancel"), "seen")  # type: ignore[union-attr]
    for _ in range(PARALLEL_ENVIRONMENTS):
        slots.release()
    await world.until(world.settled, "ended")
    assert world.run().status.verdict == "Cancelled"  # type: ignore[union-attr]
    assert not [write for write in world.kube.writes if write.resource == "namespaces"]


async def test_a_verdict_that_another_operator_has_written_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.hold_tests = True
    uid = await world.apply()
    await world.until(lambda: (run := world.run()) and run.status.phase == "Starting", "started")
    app, key = world.application, ("team-a", "orders")
    assert app is not None
    theirs = {"verdict": "Failed", "reason": "TestsFailed", "timeline": {"verdict": format_time(datetime.now(UTC))}}
    ask = world.archive.result

    async def slowly(*of: Any) -> Any:
        await world.kube.change("integrationruns", "orders", "team-a", {"status": theirs})
        await world.until(lambda: app.cache.runs[key]["status"].get("verdict"), "seen")
        return await ask(*of)

    monkeypatch.setattr(world.archive, "result", slowly)
    world.archive.results[uid] = builders.summary()
    app.cache.ask_archive(world.run().scope)  # type: ignore[union-attr]
    app.wake(uid)
    await world.until(world.settled, "cleaned up")
    assert world.run().status.verdict == "Failed"  # type: ignore[union-attr]


async def test_an_environment_does_not_outlive_its_lease_whatever_happens_to_its_run(world: World) -> None:
    world.hold_tests = True

    async def no_status(write: Write, when: str) -> web.StreamResponse | None:
        is_it = (write.method, write.resource) == ("PATCH", "integrationruns") and started.is_set()
        return failure(403, "Forbidden") if is_it and when == "before" else None

    started = asyncio.Event()
    world.kube.fault = no_status
    await world.apply(retention={"maxLifetime": "3s"})
    await world.until(lambda: (run := world.run()) and run.status.phase == "Starting", "started")
    started.set()
    await world.until(lambda: world.kube.left_over() == {}, "cleaned up")


async def test_a_status_that_is_refused_is_written_without_its_details(world: World) -> None:
    refused = 0

    async def no_failures(write: Write, when: str) -> web.StreamResponse | None:
        nonlocal refused
        if when == "after" or not (write.body.get("status") or {}).get("failures"):
            return None
        refused += 1
        return failure(422, "Invalid", "status.failures[0].id: Too long")

    world.kube.fault = no_failures
    world.summary = lambda: builders.summary("failed")
    await world.apply()
    await world.until(world.settled, "cleaned up")
    status = world.run().status  # type: ignore[union-attr]
    assert (status.verdict, status.reason, status.failures) == ("Failed", "TestsFailed", ())
    assert "status.failures[0].id: Too long" in status.message
    assert refused == 1
    assert world.application.metrics.status_refused._value.get() == 1  # type: ignore[union-attr]


async def test_a_run_that_no_watch_delivered_is_found(world: World) -> None:
    app = await world.until(lambda: world.application, "operator")
    await world.until(lambda: app.listed, "ready")
    body = builders.body(copy.deepcopy(SPEC), finalizers=[], resourceVersion="1")
    world.kube._objects["integrationruns", "team-a", "orders"] = body  # without a word to the watches
    assert await app.housekeeper.resync() == 1
    app.wake(builders.UID)
    app.queue.start()
    await world.until(world.settled, "cleaned up")


async def test_an_eviction_that_is_reported_after_the_result(world: World) -> None:
    world.hold_tests = True
    uid = await world.apply()
    environment = await world.until(lambda: (run := world.run()) and run.status.namespace, "started")
    await world.until(lambda: world.kube.one("pods", "tests-0-x", environment), "tests")
    world.archive.results[uid] = builders.summary("died", signal="SIGTERM", running="t.py::test_fill")
    world.archive.publish(FeedResult(uid, 1, 0, "sha256:x", world.archive.results[uid]))
    app = world.application
    assert app is not None
    await world.until(lambda: app.cache.attempt(world.run().scope).shard.result, "seen")
    app.wake(uid)
    evicted = {
        "phase": "Failed",
        "reason": "Evicted",
        "message": 'Usage of EmptyDir volume "tmp" exceeds the limit "1Gi". ',
    }
    await world.kube.change("pods", "tests-0-x", environment, {"status": evicted})
    await world.until(world.settled, "cleaned up")
    status = world.run().status  # type: ignore[union-attr]
    assert status.reason == "Evicted"
    assert 'the limit "1Gi"' in status.message
    assert "spec.tests.resources.limits.ephemeral-storage" in status.message


async def test_many_orphans_cost_one_look_at_the_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app = await world.until(lambda: world.application, "operator")
    await world.until(lambda: app.listed, "ready")
    app._swept = math.inf  # nobody else looks
    for i in range(5):
        app.cache.put_namespace(await world.kube.put("namespaces", orphan(f"st-{i}", f"gone-{i}")))
    listed, ask = [], app.housekeeper._cluster.list

    async def counted(kind: Any, *of: Any, **options: Any) -> Any:
        listed.append(kind.plural)
        return await ask(kind, *of, **options)

    monkeypatch.setattr(app.housekeeper._cluster, "list", counted)
    assert await app.housekeeper.sweep() == 5
    assert listed == ["integrationruns"]


async def test_what_is_counted_for_a_run_is_forgotten_with_it(world: World) -> None:
    await world.apply(retention={"record": "0s"})
    await world.until(lambda: world.run() is None and world.kube.left_over() == {}, "forgotten")
    app = world.application
    assert app is not None
    await world.until(lambda: not app.cache.runs, "seen")
    app.housekeeper.count()
    assert app.metrics._writes == {}


async def test_an_operator_is_ready_when_it_knows_all_that_there_is(world: World) -> None:
    first = await world.until(lambda: world.application, "operator")
    await world.kill()
    world.hold_tests = True
    await world.apply()
    await world.start()
    app = await world.until(lambda: world.application is not first and world.application, "the next operator")
    await world.until(lambda: app.listed, "ready")
    assert ("team-a", "orders") in app.cache.runs
    assert app.failure() == ""


async def test_a_failed_run(world: World) -> None:
    world.summary = lambda: builders.summary("failed")
    await world.apply()
    await world.until(world.settled, "cleaned up")
    run = world.run()
    assert run is not None
    assert (run.status.verdict, run.status.tests_summary) == ("Failed", "2/3")
    assert run.status.failures[0].id == "t.py::test_b"


async def test_an_api_server_that_was_away_is_noticed_with_its_first_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All runs go on at once, however long the next try of each would have waited."""
    monkeypatch.setattr("seatrial.controller.work_queue.FIRST_RETRY", 3600.0)
    monkeypatch.setattr("seatrial.controller.work_queue.LONGEST_UNANSWERED", 3600.0)
    monkeypatch.setattr("seatrial.controller.provision.GRANT_SECONDS", 0.0)
    app = await world.until(lambda: world.application, "operator")
    await world.until(lambda: app.listed, "ready")
    failed: set[str] = set()
    request = app.run_pass._cluster.request

    async def unanswered(method: str, path: str, *of: Any, **options: Any) -> Any:
        if "orders-" in path:
            failed.add(path)
        raise UnavailableError("the API server gave no answer: connection refused")

    monkeypatch.setattr(app.run_pass._cluster, "request", unanswered)
    names = [f"orders-{number}" for number in range(3)]
    for name in names:
        await world.apply(name)
    await world.until(lambda: len(failed) == len(names) and not app.queue._running, "all failed")
    monkeypatch.setattr(app.run_pass._cluster, "request", request)
    await world.apply("another")  # the watch is there again
    await world.until(lambda: all(world.settled(name) for name in names), "all went on")


async def test_the_status_says_what_an_environment_waits_for(world: World) -> None:
    world.hold_tests = True
    await world.apply()
    environment = await world.until(lambda: (run := world.run()) and run.status.namespace, "started")
    await world.until(lambda: world.kube.one("pods", "postgres", environment), "postgres")

    def waits() -> str:
        return next(c.message for c in world.run().status.conditions if c.type == "Succeeded")  # type: ignore[union-attr]

    assert waits() == "the environment starts"
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: cpu"}
    await world.kube.change("pods", "postgres", environment, {"status": {"conditions": [unscheduled]}})
    await world.until(lambda: waits() == "waits for a node: postgres", "said so")
    await world.kube.change("pods", "postgres", environment, {"status": {"conditions": []}})
    await world.until(lambda: waits() == "the environment starts", "went on")
