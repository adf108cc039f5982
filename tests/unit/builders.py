"""Objects for tests, with only what the test is about spelled out."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from seatrial.api.names import FINALIZER
from seatrial.api.run import IntegrationRun
from seatrial.api.times import format_time
from seatrial.facts.attempt import (
    AttemptFacts,
    Container,
    Evidence,
    Namespace,
    Pod,
    ShardFacts,
    Termination,
    newest_pod_of,
)
from seatrial.facts.result import Result, result_of
from seatrial_protocol.termination import TerminationMessage

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
UID = "0f5a2b1c-0000-4000-8000-000000000001"


def at(seconds: float) -> datetime:
    """So many seconds after the tests' present moment."""
    return NOW + timedelta(seconds=seconds)


def body(spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """A run as the API server gives it (with the schema's defaults left to the models)."""
    return {
        "apiVersion": "seatrial.dev/v1alpha1",
        "kind": "IntegrationRun",
        "metadata": {
            "name": "orders", "namespace": "team-a", "uid": UID, "generation": 1, "resourceVersion": "10",
            "creationTimestamp": "2026-03-01T11:59:59Z", "finalizers": [FINALIZER], **metadata,
        },
        "spec": {"tests": {"image": "orders-tests:1"}, **(spec or {})},
        "status": status or {},
    }  # fmt: skip


def run(spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **metadata: Any) -> IntegrationRun:
    """A parsed run."""
    return IntegrationRun.parse(body(spec, status, **metadata))


def started(spec: dict[str, Any] | None = None, *, ago: float = 30, **status: Any) -> IntegrationRun:
    """A run whose environment was created `ago` seconds before now."""
    made = run(spec)
    base = {
        "phase": "Starting",
        "namespace": made.scope.namespace,
        "expiresAt": format_time(at(7200 - ago)),
        "timeline": {"queued": "2026-03-01T11:59:59Z", "started": format_time(at(-ago))},
    }
    return run(spec, {**base, **status})


def namespace(**more: Any) -> Namespace:
    """The environment's namespace."""
    base: dict[str, Any] = {"name": run().scope.namespace, "uid": "ns-1", "run_uid": UID, "created": at(-30)}
    return Namespace(**{**base, **more})


def running(name: str, **more: Any) -> Container:
    """A container that runs."""
    return Container(name, running_since=at(-20), **more)


def ended(name: str, exit_code: int, message: str = "", reason: str = "Error", **more: Any) -> Container:
    """A container that has ended; its message may be one of a launcher or a collector."""
    return Container(name, terminated=termination(exit_code, message, reason), **more)


def termination(exit_code: int, message: str = "", reason: str = "Error") -> Termination:
    """How a container ended, read as the operator reads it."""
    parsed = TerminationMessage.find(message)
    return Termination(exit_code, reason, parsed.message if parsed else message, code=parsed.code if parsed else "")


def waiting(name: str, reason: str, message: str = "", **more: Any) -> Container:
    """A container that is not started."""
    return Container(name, waiting=reason, waiting_message=message, **more)


def pod(component: str, role: str, *containers: Container, **more: Any) -> Pod:
    """A pod; without containers, one that runs."""
    base: dict[str, Any] = {"phase": "Running", "node": "node-1", "created": at(-30)}
    made = containers or (running(component),)
    return Pod(
        name=component, uid=f"pod-{component}", component=component, role=role, containers=made, **{**base, **more}
    )


def tests_pod(*containers: Container, **more: Any) -> Pod:
    """The pod of the tests."""
    return pod("tests", "tests", *(containers or (running("collector"), running("tests"))), **more)


def summary(outcome: str = "passed", **more: Any) -> dict[str, Any]:
    """What a collector tells of a shard."""
    counts = {"total": 3, "passed": 3, "failed": 0, "errors": 0, "skipped": 0, "flaky": 0}
    if outcome == "failed":
        counts |= {"passed": 2, "failed": 1}
    base: dict[str, Any] = {
        "outcome": outcome, "complete": outcome in ("passed", "failed"),
        "exitCode": {"passed": 0, "failed": 1}.get(outcome),
        "signal": None, "oomKilled": False, "running": None, "lost": [], "notReady": [], "tests": counts,
        "failures": [{"id": "t.py::test_b", "catalogueId": None,
                      "message": "assert 1 == 2"}] if outcome == "failed" else [],
        "slowest": [{"id": "t.py::test_a", "seconds": 0.5}], "firstTestAt": at(-5).timestamp(),
        "lastTestEndedAt": at(-1).timestamp(), "gatesOpenAt": at(-6).timestamp(), "run": {"uid": UID}, "attempt": 1,
        "shard": 0,
    }  # fmt: skip
    return {**base, **more}


def result_from(summary: dict[str, Any]) -> Result:
    """A shard's result, read as the operator reads it."""
    return result_of("sha256:abc", summary, NOW)


def facts(
    *pods: Pod, result: dict[str, Any] | None = None, received_at: datetime | None = None, **more: Any
) -> AttemptFacts:
    """An environment that is there, with these pods; its evidence is archived. Fields of its shard are taken too."""
    base: dict[str, Any] = {"namespace": namespace(), "evidence": ARCHIVED}
    of_shard = {name: more.pop(name) for name in tuple(more) if name in {each.name for each in fields(ShardFacts)}}
    found = replace(result_from(result), received_at=received_at) if result is not None else None
    shard = ShardFacts(pod=newest_pod_of(0, pods), result=found, **of_shard)
    return AttemptFacts(pods=pods, shards=(shard,), **{**base, **more})


ARCHIVED = Evidence("sha256:evidence", 7)
TESTING = {"gates_open": at(-6), "first_test": at(-5)}
"""Facts of a shard whose tests have begun."""
