"""A part that is ready and whose address answers nothing is told from one that is not up."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from seatrial.facts.attempt import Container, Pod
from seatrial.verdict.diagnosis import Diagnosis
from seatrial.verdict.pods import from_pods
from seatrial.verdict.result import from_result
from tests.unit import builders as b

SPEC: dict[str, Any] = {
    "services": {"postgres": {}, "minio": {}},
    "apps": {"api": {"image": "i", "port": 80}},
    "tests": {"image": "i"},
}
RUN = b.run(SPEC)
SILENT = {"name": "postgres", "error": "no connection within 1s", "code": "address-silent"}
REFUSED = {"name": "postgres", "error": "connection refused"}
MINIO = b.pod("minio", "service", ready=True, ready_at=b.at(-300))


def postgres(ready_at: datetime | None) -> Pod:
    return b.pod("postgres", "service", ready=ready_at is not None, ready_at=ready_at)


def after_gates(part: dict[str, str], ready_at: datetime | None) -> Diagnosis | None:
    """What the tests' gate says about one part, whose pod has been ready since then."""
    facts = b.facts(
        postgres(ready_at), MINIO, b.tests_pod(), result=b.summary("gate-timeout", notReady=[part]), received_at=b.NOW
    )
    assert facts.shard.result is not None
    return from_result(RUN, facts, facts.shard.result)


def test_a_ready_service_whose_address_is_silent() -> None:
    found = after_gates(SILENT, b.at(-290))
    assert found is not None
    assert found.reason == "ServiceNetworkBroken"
    assert found.message.startswith(
        "postgres is ready, but its address answers nothing (no connection within 1s); the cluster's network for "
        "Services is broken: look at kube-proxy"
    )
    assert found.message.endswith("(node node-1)")


@pytest.mark.parametrize(
    ("part", "ready_at"),
    [(REFUSED, b.at(-290)), (SILENT, None), (SILENT, b.at(-19))],
    ids=["refused", "not ready", "ready for a moment"],
)
def test_a_service_that_may_not_be_up(part: dict[str, str], ready_at: datetime | None) -> None:
    found = after_gates(part, ready_at)
    assert found is not None
    assert found.reason == "ServiceNotReady"


@pytest.mark.parametrize(
    ("code", "ready_at", "reason"),
    [
        ("address-silent", b.at(-290), "ServiceNetworkBroken"),
        ("address-silent", None, "ServiceNotReady"),
        ("gates-timed-out", b.at(-290), "ServiceNotReady"),
    ],
)
@pytest.mark.parametrize(("component", "role"), [("migrations", "migrations"), ("api", "app")])
def test_a_launcher_that_gave_up(component: str, role: str, code: str, ready_at: datetime | None, reason: str) -> None:
    left = json.dumps({"code": code, "message": "not ready after 300s: postgres"}, separators=(",", ":"))
    end = replace(b.termination(75, left), finished_at=b.NOW)
    waiting = b.pod(component, role, Container(component, terminated=end))
    found = from_pods(RUN, b.facts(postgres(ready_at), MINIO, waiting, b.tests_pod()), patient=False)
    assert found is not None
    assert found.reason == reason
    assert "not ready after 300s: postgres" in found.message
