"""The verdict: written once, never changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from seatrial.api.run import IntegrationRun
from seatrial.api.scalars import format_duration
from seatrial.api.status import ConditionType, IntegrationRunStatus, Reason, Verdict
from seatrial.api.times import parse_time
from seatrial.facts.attempt import AttemptFacts
from seatrial.lifecycle.actions import Event, Plan
from seatrial.lifecycle.clean_up import after_verdict
from seatrial.lifecycle.draft import Draft
from seatrial.verdict.diagnosis import Diagnosis, errored
from seatrial_protocol.text import shorten


def end(run: IntegrationRun, facts: AttemptFacts, diagnosis: Diagnosis, now: datetime) -> Plan:
    """The run ends. Clean-up begins in the same pass unless something is kept."""
    passed, archived = diagnosis.verdict is Verdict.PASSED, facts.shard.result is not None
    succeeded: Literal["True", "False"] = "True" if passed else "False"
    finished: Literal["True", "False"] = "True" if archived else "False"
    draft = (
        Draft.of(run, now)
        .results(facts.shard.result)
        .set(
            verdict=diagnosis.verdict,
            reason=diagnosis.reason,
            message=diagnosis.message,
            duration=_duration(run, now),
            observed_generation=run.metadata.generation,
        )
        .condition(ConditionType.SUCCEEDED, succeeded, diagnosis.reason, diagnosis.message)
        .ready(facts.shard)
        .stamp(verdict=now)
        .condition(ConditionType.TESTS_FINISHED, finished, diagnosis.reason)
        .condition(ConditionType.RESULTS_ARCHIVED, finished, "Archived" if archived else "NoResult")
    )
    text = f"{diagnosis.reason}: {diagnosis.message}"
    event = Event("Normal" if passed else "Warning", str(diagnosis.verdict), text)
    following = after_verdict(run.model_copy(update={"status": draft.status}), facts, now)
    return replace(following, events=(event, *following.events))


def _duration(run: IntegrationRun, now: datetime) -> str:
    """How long the user has waited, to the second."""
    since = parse_time(run.status.timeline.queued) or parse_time(run.metadata.creation_timestamp) or now
    return format_duration(timedelta(seconds=max(0, round((now - since).total_seconds()))))


def rejected(run: IntegrationRun, reason: Reason, message: str, now: datetime) -> Plan:
    """The environment can't be made: the run ends, whatever is there already is cleaned up."""
    draft = Draft.of(run, now).set(namespace=run.scope.namespace)
    if reason is Reason.INVALID_SPEC:
        draft = draft.condition(ConditionType.ACCEPTED, "False", reason, message)
    return end(run.model_copy(update={"status": draft.status}), AttemptFacts(), errored(reason, message), now)


def reduced(status: IntegrationRunStatus, refusal: str) -> IntegrationRunStatus:
    """A status that the API server refused, without what it does not need and what others have written."""
    refused = f"details are left out, the API server refused them: {shorten(refusal, 300)}"
    text = f"{shorten(status.message, 300)} ({refused})"
    return status.model_copy(
        update={
            "message": text.encode("ascii", "replace").decode() if status.message else "",
            "conditions": tuple(c.model_copy(update={"message": ""}) for c in status.conditions),
            "tests": None,
            "tests_summary": "",
            "failures": (),
            "slowest": (),
        }
    )
