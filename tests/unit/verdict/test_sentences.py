"""No decision depends on prose: with every sentence of launcher, collector and operator changed, nothing moves."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.api.times import parse_time
from seatrial.lifecycle.plan import plan
from seatrial_protocol.termination import TerminationMessage
from tests.unit import builders as b
from tests.unit.lifecycle.test_plan import CASES, EVIDENCE, Case, decide
from tests.unit.verdict.test_recorded import RECORDED, run_of, seen

NONSENSE = "colourless green ideas sleep furiously"


def garbled_pod(pod: dict[str, Any]) -> dict[str, Any]:
    """A pod whose launchers and collector say something else."""
    garbled = copy.deepcopy(pod)
    status = garbled.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        for state in (container.get("state") or {}, container.get("lastState") or {}):
            ended = state.get("terminated") or {}
            if (found := TerminationMessage.find(ended.get("message") or "")) is not None:
                ended["message"] = replace(found, message=NONSENSE).encode().decode()
    return garbled


def garbled_summary(summary: dict[str, Any] | None) -> dict[str, Any] | None:
    """A summary whose sentences say something else."""
    if summary is None:
        return None
    parts = {name: [{**part, "error": NONSENSE} for part in summary.get(name) or ()] for name in ("lost", "notReady")}
    return {**summary, **parts, "error": NONSENSE if summary.get("error") else None, "notes": [NONSENSE]}


@pytest.mark.parametrize("path", RECORDED, ids=[path.stem for path in RECORDED])
def test_other_sentences_of_launcher_and_collector_move_no_verdict(path: Path) -> None:
    recorded = json.loads(path.read_text())
    verdict_at = parse_time(recorded["observed"]["timeline"]["verdict"])
    assert verdict_at is not None
    garbled = {
        **recorded,
        "pods": [garbled_pod(pod) for pod in recorded["pods"]],
        "summary": garbled_summary(recorded["summary"]),
    }
    meant, found = (plan(run_of(each), seen(each), verdict_at) for each in (recorded, garbled))
    assert (found.status.verdict, found.status.reason) == (meant.status.verdict, meant.status.reason)
    assert (found.before, found.after, found.due) == (meant.before, meant.after, meant.due)


@pytest.mark.parametrize(
    "case", [*CASES.values(), *EVIDENCE.values()], ids=[*CASES, *(f"evidence: {n}" for n in EVIDENCE)]
)
def test_other_sentences_of_the_operator_move_no_plan(case: Case) -> None:
    """The status holds the operator's own sentences, the facts those of the archive's client."""
    status = case.run.status
    conditions = tuple(c.model_copy(update={"message": NONSENSE}) for c in status.conditions)
    status = status.model_copy(update={"message": NONSENSE, "conditions": conditions})
    facts = case.seen
    if facts.shard.archive_error:
        facts = replace(facts, shards=(replace(facts.shard, archive_error=NONSENSE),))
    if facts.evidence is not None and facts.evidence.error:
        facts = replace(facts, evidence=replace(facts.evidence, error=NONSENSE))
    meant, found = decide(case.run, case.seen), decide(case.run.model_copy(update={"status": status}), facts)
    assert (found.status.phase, found.status.verdict, found.status.reason) == (
        meant.status.phase, meant.status.verdict, meant.status.reason,
    )  # fmt: skip
    assert (found.before, found.after, found.due) == (meant.before, meant.after, meant.due)
    assert [event.reason for event in found.events] == [event.reason for event in meant.events]


def test_the_garbling_garbles() -> None:
    pod = {"status": {"containerStatuses": [{"state": {"terminated": {
        "message": TerminationMessage("gates-timed-out", "not ready after 5m").encode().decode()}}}]}}  # fmt: skip
    assert NONSENSE in json.dumps(garbled_pod(pod))
    assert "gates-timed-out" in json.dumps(garbled_pod(pod))
    summary = garbled_summary(b.summary("died", error="killed", lost=[{"name": "postgres", "error": "refused"}]))
    assert summary is not None
    assert (summary["error"], summary["lost"]) == (NONSENSE, [{"name": "postgres", "error": NONSENSE}])
