"""What is in the archive after a run that did not pass, by the real operator against an API in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from seatrial.api.times import parse_time
from seatrial.environment import secrets
from seatrial.settings import Settings
from tests.api.evidence import ENVIRONMENT_KEY, KEY
from tests.api.world import World, living
from tests.unit import builders

CANARY = "canary-in-the-spec"


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with living(tmp_path, monkeypatch) as made:
        await made.kube.put(
            "nodes", {"metadata": {"name": "node-1"}, "status": {"images": ["others'"], "conditions": []}}
        )
        yield made


def condition(world: World) -> Any:
    run = world.run()
    assert run is not None
    return next((c for c in run.status.conditions if c.type == "EvidenceArchived"), None)


async def test_a_failed_run_leaves_all_of_it_without_a_secret(world: World) -> None:
    world.summary = lambda: builders.summary("failed")
    env = [{"name": "APP_TOKEN", "value": CANARY}]
    world.hold_tests = True
    uid = await world.apply(env=env)
    run = await world.until(lambda: (found := world.run()) and found.status.phase == "Starting" and found, "started")
    known = secrets.derived(run.scope, run.spec, Settings(key=KEY, environment_key=ENVIRONMENT_KEY)) | secrets.own(
        run.spec
    )
    assert len(known) > 3
    world.kube.logs |= {
        "tests": "\n".join([*(f"using {value}" for value in sorted(known)), "KeyError: 'S3_BUCKET'"]),
        "collector": "KeyError: 'OF_OURS'",
    }
    world.hold_tests = False
    await world.until(world.settled, "cleaned up")

    files = world.kept.files[uid]
    assert {
        "run.json",
        "pods.json",
        "jobs.json",
        "events.json",
        "nodes.json",
        "hints.json",
        "logs/tests.log",
        "logs/tests.collector.log",
    } <= set(files)
    assert sorted(file["path"] for file in json.loads(world.kept.manifests[uid])["files"]) == sorted(files)
    everywhere = {**files, "record": json.dumps(world.kept.records[uid]).encode(),
                  "events": json.dumps(world.kube.all("events")).encode(),
                  "status": json.dumps(world.kube.one("integrationruns", "orders", "team-a")["status"]).encode()}  # type: ignore[index]  # fmt: skip
    assert [
        (where, value) for where, content in everywhere.items() for value in known if value.encode() in content
    ] == []
    assert files["logs/tests.log"].startswith(b"2026-03-01T12:00:00.123456789Z using ***\n")
    assert world.kept.json(uid, "run.json")["verdict"] == "Failed"
    assert [hint["title"] for hint in world.kept.json(uid, "hints.json")] == ["variable S3_BUCKET is not set"]
    assert "images" not in world.kept.json(uid, "nodes.json")[0]["status"]
    assert "managedFields" not in files["pods.json"].decode()
    assert (condition(world).status, condition(world).reason) == ("True", "Archived")


async def test_a_passed_run_leaves_its_record_alone(world: World) -> None:
    tenant = await world.kube.put("namespaces", {"metadata": {"name": "team-a"}})
    uid = await world.apply()
    await world.until(world.settled, "cleaned up")
    await world.until(lambda: world.kept.records[uid][-1]["timeline"].get("cleanedUp"), "kept to the end")
    assert set(world.kept.files[uid]) == {"run.json"}
    assert uid in world.kept.manifests
    assert condition(world).status == "True"
    phases = [record["phase"] for record in world.kept.records[uid]]
    assert world.kept.records[uid][-1]["namespaceUid"] == tenant["metadata"]["uid"]
    assert phases[-1] == "Passed"
    components = world.kept.records[uid][-1]["components"]
    assert {"tests", "postgres"} <= {component["name"] for component in components}


async def test_an_operator_that_is_killed_while_it_gathers_is_followed_by_one_that_ends_it(world: World) -> None:
    world.summary = lambda: builders.summary("failed")
    uid = await world.apply()
    await world.until(lambda: "pods.json" in world.kept.files.get(uid, {}) or world.settled(), "gathering")
    await world.kill()
    world.kube.logs["tests"] = "another log by now\n"
    await world.start()
    await world.until(world.settled, "cleaned up")
    assert uid in world.kept.manifests
    assert condition(world).status == "True"
    assert world.kube.left_over() == {"nodes": 1}


async def test_an_archive_that_is_away_delays_little_and_is_reported(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seatrial.settings.Settings.archive_patience", timedelta(seconds=0.5))
    monkeypatch.setattr("seatrial.lifecycle.clean_up.EVIDENCE_RETRY", timedelta(seconds=0.1))
    await world.kill()
    await world.start()  # with these settings
    world.summary, world.kept.down = lambda: builders.summary("failed"), True
    uid = await world.apply()
    await world.until(world.settled, "cleaned up all the same")
    assert (condition(world).status, condition(world).reason) == ("False", "ArchiveUnavailable")
    assert "EvidenceLost" in [event["reason"] for event in world.kube.all("events")]
    app = world.application
    assert app is not None
    assert app.metrics.registry.get_sample_value("seatrial_evidence_lost_total") == 1
    world.kept.down = False  # and the record is not lost: it has waited
    await world.until(lambda: uid in world.kept.records, "the record")


async def test_the_verdict_waits_for_no_evidence(world: World) -> None:
    world.summary, world.kept.down = lambda: builders.summary("failed"), True
    await world.apply()
    run = await world.until(lambda: (found := world.run()) and found.status.verdict and found, "verdict")
    assert run.status.phase == "Collecting"
    world.kept.down = False
    await world.until(world.settled, "cleaned up")
    line = world.run().status.timeline  # type: ignore[union-attr]
    verdict, cleaned_up = parse_time(line.verdict), parse_time(line.cleaned_up)
    assert verdict is not None
    assert cleaned_up is not None
    assert cleaned_up > verdict


async def test_a_log_that_does_not_come_is_not_waited_for_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.evidence.gather.SECONDS", 0.5)
    world.summary, world.kube.silent = lambda: builders.summary("failed"), {"tests"}
    uid = await world.apply()
    await world.until(world.settled, "cleaned up")
    assert "logs/tests.collector.log" in world.kept.files[uid]
    assert "logs/tests.log" not in world.kept.files[uid]
    assert any("not everything could be read" in note for note in world.kept.json(uid, "notes.json"))
    assert uid in world.kept.manifests


async def test_a_lost_node_is_not_asked_for_logs(world: World) -> None:
    conditions = [{"type": "Ready", "status": "Unknown"}]
    await world.kube.put("nodes", {"metadata": {"name": "node-1"}, "status": {"conditions": conditions}})
    world.summary, world.kube.silent = lambda: builders.summary("failed"), {"tests", "collector"}
    uid = await world.apply()
    await world.until(world.settled, "cleaned up")
    assert [path for path in world.kept.files[uid] if path.startswith("logs/")] == []
    assert any("node-1 does not answer" in note for note in world.kept.json(uid, "notes.json"))


async def test_pods_that_are_gone_are_reported_as_they_were_known_last(world: World) -> None:
    world.hold_tests = True
    uid = await world.apply()
    await world.until(lambda: (run := world.run()) and run.status.phase == "Starting", "started")
    scope = world.run().scope  # type: ignore[union-attr]
    environment = scope.namespace
    await world.until(lambda: world.kube.one("pods", "postgres", environment), "postgres")
    app = world.application
    assert app is not None
    await world.until(lambda: "postgres" in {pod.component for pod in app.cache.pods(scope)}, "known")
    await world.kube.remove("pods", "postgres", environment)
    await world.until(lambda: "postgres" not in {pod.component for pod in app.cache.pods(scope)}, "missed")
    await world.kube.change("integrationruns", "orders", "team-a", {"spec": {"cancel": True}})
    await world.until(world.settled, "cleaned up")
    (postgres,) = [pod for pod in world.kept.json(uid, "pods.json") if pod["metadata"]["name"] == "postgres"]
    assert postgres["metadata"]["annotations"] == {"seatrial.dev/gone": "as it was last seen"}
    assert any("postgres" in note for note in world.kept.json(uid, "notes.json"))


async def test_a_run_that_is_deleted_is_reported_as_deleted(world: World) -> None:
    world.hold_tests = True
    uid = await world.apply()
    await world.until(lambda: (run := world.run()) and run.status.phase == "Starting", "started")
    await world.kube.remove("integrationruns", "orders", "team-a")
    await world.until(lambda: world.kept.records[uid][-1]["phase"] == "Deleted", "seen")


async def test_after_a_restart_all_runs_are_reported_again(world: World) -> None:
    uid = await world.apply()
    await world.until(world.settled, "cleaned up")
    await world.kill()
    world.kept.records.clear()
    await world.start()
    await world.until(lambda: uid in world.kept.records, "sent again")
    assert "components" not in world.kept.records[uid][-1]


async def test_many_failing_runs_at_once(world: World) -> None:
    world.summary = lambda: builders.summary("failed")
    uids = await asyncio.gather(*(world.apply(f"orders-{i}") for i in range(12)))
    for i in range(12):
        await world.until(lambda name=f"orders-{i}": world.settled(name), f"orders-{i}", seconds=60)
    assert set(uids) <= set(world.kept.manifests)
