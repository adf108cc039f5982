"""The record of a run, as the operator writes it and the archive reads it."""

from __future__ import annotations

import json

from seatrial.api.times import parse_time
from seatrial.archive.model.record import parse_record
from seatrial.evidence.record import record, spec_hash
from seatrial.masking.forms import forms
from seatrial.masking.masker import Masker
from tests.unit import builders as b

POSTGRES = b.pod(
    "postgres", "service", b.running("postgres", image="pg:17", image_id="pg@sha256:1"), ready_at=b.at(-19)
)
CRASHED = b.pod(
    "api",
    "app",
    b.waiting("api", "CrashLoopBackOff", previous=b.Termination(137, "OOMKilled", "", b.at(-2), b.at(-9)), restarts=3),
)


def test_everything_that_is_known() -> None:
    body = b.body(
        {"env": [{"name": "A_TOKEN", "value": "canary-1"}]},
        {"phase": "Errored", "verdict": "Errored", "reason": "X", "message": "said canary-1",
         "timeline": {"started": "2026-03-01T12:00:00Z", "verdict": None},
         "namespace": "st-orders-x", "results": {"digest": "sha256:d"}},
        labels={"team": "a"}, annotations={"seatrial.dev/started-by": "ada", "seatrial.dev/link": "https://ci/1"},
        managedFields=[{"manager": "kubectl-client-side-apply"}],
    )  # fmt: skip
    made = record(body, [CRASHED, POSTGRES], Masker(forms(["canary-1"])))
    assert "canary-1" not in str(made)
    parsed = parse_record(json.loads(json.dumps(made.to_json())), b.UID)
    assert parsed == made
    assert (parsed.verdict, parsed.digest, parsed.environment, parsed.labels) == (
        "Errored",
        "sha256:d",
        "st-orders-x",
        {"team": "a"},
    )
    assert parsed.started_by.model_dump() == {
        "by": "ada",
        "program": "kubectl-client-side-apply",
        "link": "https://ci/1",
    }
    postgres, api = parsed.components
    assert (postgres.image_id, postgres.started_at, postgres.ready_at, postgres.exit_code) == (
        "pg@sha256:1", b.at(-20), b.at(-19), None,
    )  # fmt: skip
    assert (api.ended, api.exit_code, api.restarts, api.started_at, api.ended_at) == (
        "OOMKilled",
        137,
        3,
        b.at(-9),
        b.at(-2),
    )


def test_a_finished_run_without_known_pods_has_no_components() -> None:
    assert "components" not in record(b.body(), [], Masker()).to_json()


def test_a_run_that_was_deleted_before_its_verdict_is_over() -> None:
    made = record(b.body(status={"phase": "Testing"}), [], Masker(), deleted=True)
    assert (made.phase, made.verdict) == ("Deleted", None)
    ended = record(b.body(status={"phase": "Passed", "verdict": "Passed"}), [], Masker(), deleted=True)
    assert ended.phase == "Passed"


def test_equal_specs_have_equal_hashes_and_retention_does_not_count() -> None:
    assert spec_hash({"a": 1, "b": 2}) == spec_hash({"b": 2, "a": 1, "cancel": True, "retention": {"failed": "1h"}})
    assert spec_hash({"a": 1}) != spec_hash({"a": 2})


def test_times_are_rfc_3339() -> None:
    (component,) = record(b.body(), [POSTGRES], Masker()).to_json()["components"]
    assert component["createdAt"].endswith("Z")
    assert parse_time(component["createdAt"]) == b.at(-30)
