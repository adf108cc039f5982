"""The state machine of a run, pure: (run, facts, now) -> what to do and what the status becomes. Nothing else decides.

    Pending -> Starting -> Testing -> [Collecting] -> CleaningUp -> Passed | Failed | Errored | Cancelled

A plan is made from cluster state alone, so a restarted operator goes on where the last one was.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from seatrial.api.names import OWN_FINALIZERS
from seatrial.api.run import IntegrationRun
from seatrial.api.status import ConditionType, Phase, Reason, Verdict
from seatrial.api.times import format_time, parse_time
from seatrial.facts.attempt import AttemptFacts
from seatrial.lifecycle.actions import (
    AddFinalizer,
    BeforeStatus,
    CleanUp,
    CreateEnvironment,
    Event,
    Plan,
    RemoveFinalizer,
)
from seatrial.lifecycle.clean_up import NAMESPACE_CHECK, after_verdict, await_namespace
from seatrial.lifecycle.conditions import with_generation
from seatrial.lifecycle.draft import Draft
from seatrial.lifecycle.ending import end
from seatrial.lifecycle.waiting import waits_for
from seatrial.verdict.deadlines import next_deadline
from seatrial.verdict.diagnose import diagnose
from seatrial.verdict.diagnosis import Diagnosis


def plan(run: IntegrationRun, facts: AttemptFacts, now: datetime) -> Plan:
    """What to do about a run now.

    Args:
        run: as the API server has it.
        facts: what is known of its current attempt.
        now: the present moment, with time zone.
    """
    facts = _with_recorded_progress(run, facts)
    if run.metadata.deletion_timestamp is not None:
        return _deleted(run, facts, now)
    if run.status.verdict is not None:
        status = with_generation(run.status, run.metadata.generation)
        return after_verdict(run.model_copy(update={"status": status}), facts, now)
    if run.spec.cancel:
        return end(run, facts, Diagnosis(Verdict.CANCELLED, Reason.CANCELLED, "cancelled by spec.cancel"), now)
    started = parse_time(run.status.timeline.started)
    if started is None:
        finalizer: tuple[BeforeStatus, ...] = () if _is_held(run) else (AddFinalizer(),)
        return Plan(run.status, before=(*finalizer, CreateEnvironment()))
    if diagnosis := diagnose(run, facts, now, started):
        return end(run, facts, diagnosis, now)
    return _under_way(run, facts, now, started)


def _is_held(run: IntegrationRun) -> bool:
    """Whether the run has our finalizer."""
    return not OWN_FINALIZERS.isdisjoint(run.metadata.finalizers)


def _with_recorded_progress(run: IntegrationRun, facts: AttemptFacts) -> AttemptFacts:
    """The facts with the progress that the status records: a restarted operator has not received it itself."""
    line, shard = run.status.timeline, facts.shard
    known = replace(
        shard,
        gates_open=shard.gates_open or parse_time(line.environment_ready),
        first_test=shard.first_test or parse_time(line.first_test),
    )
    return replace(facts, shards=(known, *facts.shards[1:]))


def _deleted(run: IntegrationRun, facts: AttemptFacts, now: datetime) -> Plan:
    """The run is being deleted: its environment goes first."""
    if not _is_held(run):
        return Plan(run.status)
    if facts.namespace is None:
        return Plan(run.status, after=(RemoveFinalizer(),))
    if facts.namespace.terminating_since is None:
        return Plan(run.status, after=(CleanUp(),), due=now + NAMESPACE_CHECK)
    return await_namespace(run.status, facts, facts.namespace.terminating_since, now)


def _under_way(run: IntegrationRun, facts: AttemptFacts, now: datetime, started: datetime) -> Plan:
    draft, events = Draft.of(run, now), tuple[Event, ...]()
    first_test = facts.shard.first_test
    if draft.status.phase is not Phase.TESTING and first_test is not None:  # one write for ready and testing
        draft = draft.ready(facts.shard).stamp(first_test=first_test).set(phase=Phase.TESTING)
        events = (Event("Normal", "TestsStarted", "The first test has started"),)
    phase = draft.status.phase
    draft = draft.condition(ConditionType.SUCCEEDED, "Unknown", phase or Phase.STARTING, waits_for(facts, phase))
    return Plan(draft.status, due=next_deadline(run, facts, started, now), events=events)


def created(run: IntegrationRun, expires_at: datetime, now: datetime) -> Plan:
    """The status after the burst: the environment's objects are all there."""
    made = parse_time(run.metadata.creation_timestamp)
    # a creation time has no fractions: within its second there is no wait to be shown
    queued = made if made is not None and now - made >= timedelta(seconds=1) else now
    draft = (
        Draft.of(run, now)
        .set(
            phase=Phase.STARTING,
            namespace=run.scope.namespace,
            expires_at=format_time(expires_at),
            observed_generation=run.metadata.generation,
        )
        .stamp(queued=queued, started=now)
        .condition(ConditionType.SUCCEEDED, "Unknown", Phase.STARTING, waits_for(AttemptFacts(), Phase.STARTING))
        .condition(ConditionType.ACCEPTED, "True", "Valid")
    )
    event = Event("Normal", "EnvironmentCreated", f"Created environment {draft.status.namespace}")
    return Plan(draft.status, events=(event,))


def delayed(run: IntegrationRun, why: str, now: datetime) -> Plan:
    """The environment can't be created yet: the status says why, and the next pass tries again."""
    text = f"waits for the API server: {why}"
    draft = Draft.of(run, now).set(phase=run.status.phase or Phase.PENDING)
    return Plan(draft.condition(ConditionType.SUCCEEDED, "Unknown", Phase.PENDING, text).status)
