"""The diagnosis of what a real cluster and a real archive have said of each cause; `record.py` made these files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.api.run import IntegrationRun
from seatrial.api.status import Reason
from seatrial.api.times import parse_time
from seatrial.facts.attempt import AttemptFacts, Evidence
from seatrial.facts.objects import pod_of
from seatrial.lifecycle.plan import plan
from tests.unit import builders as b
from tests.unit.verdict.record import CASES, FIXTURES

RECORDED = sorted(FIXTURES.glob("*.json"))
NOT_RECORDED = {
    Reason.INVALID_SPEC, Reason.QUOTA_EXCEEDED,  # before there is anything to look at
    Reason.BUNDLE_MISSING, Reason.BUNDLE_BROKEN,  # test_diagnose.py
    Reason.SERVICE_NETWORK_BROKEN,  # test_service_network.py
    Reason.ARCHIVE_QUOTA_EXCEEDED,  # tests/unit/archive/test_shares.py
    Reason.RESULTS_MISSING,  # the collector is broken for it
    Reason.RESULTS_INCONSISTENT,  # tests/unit/runner/test_forged.py
    Reason.NAMESPACE_STUCK,  # no verdict
    Reason.INTERNAL_ERROR,  # a bug of the operator
}  # fmt: skip


def run_of(found: dict[str, Any]) -> IntegrationRun:
    observed = found["observed"]
    known = ("queued", "started") if found["summary"] else ("queued", "started", "environmentReady", "firstTest")
    line = {k: v for k, v in observed["timeline"].items() if k in known}
    status = {
        "phase": "Starting",
        "namespace": observed["namespace"],
        "expiresAt": observed["expiresAt"],
        "timeline": line,
    }
    spec = {**found["spec"], "cancel": found["meanwhile"] == "cancel"}
    return b.run(spec, status, name=found["case"], uid=found["uid"], creationTimestamp=found["created"])


def seen(found: dict[str, Any]) -> AttemptFacts:
    ending = parse_time(found["observed"]["timeline"]["verdict"]) if found["meanwhile"] == "delete-namespace" else None
    summary = found["summary"]
    in_time = found["meanwhile"] not in ("cancel", "delete-namespace")
    return b.facts(
        *(pod_of(pod) for pod in found["pods"]),
        namespace=b.namespace(name=found["observed"]["namespace"], terminating_since=ending),
        result=summary if summary and in_time else None,
        evidence=Evidence("sha256:recorded"),
    )


@pytest.mark.parametrize("path", RECORDED, ids=[path.stem for path in RECORDED])
def test_the_message_has_the_true_cause_and_a_next_step(path: Path) -> None:
    found = json.loads(path.read_text())
    verdict_at = parse_time(found["observed"]["timeline"]["verdict"])
    assert verdict_at is not None
    observed = plan(run_of(found), seen(found), verdict_at).status
    assert observed.reason == found["expect"], observed.message
    assert len(observed.message) <= 1000
    if observed.verdict == "Errored":
        assert any(word in observed.message for word in STEPS), observed.message


STEPS = ("; see ", "raise ", "start the run again", "check ", "`seatrial ", "it needs ", "write less", "ask for less",
         "arguments", "allow it", "or set ")  # fmt: skip


def test_every_cause_is_recorded() -> None:
    assert {path.stem for path in RECORDED} == set(CASES)
    assert {case.reason for case in CASES.values()} == set(Reason) - NOT_RECORDED


@pytest.mark.parametrize("path", RECORDED, ids=[path.stem for path in RECORDED])
def test_no_fixture_names_a_machine(path: Path) -> None:
    assert "/root/" not in path.read_text()
