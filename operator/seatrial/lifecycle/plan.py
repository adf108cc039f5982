"""The state machine of a run, pure: (run, facts, now) -> what to do and what the status becomes. Nothing else decides.

    Pending -> Starting -> Testing -> [Collecting] -> CleaningUp -> Passed | Failed | Errored | Cancelled

A plan is made from cluster state alone, so a restarted operator goes on where the last one was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from seatrial.api import labels
from seatrial.api.names import OWN_FINALIZERS
from seatrial.api.policy import EvidenceWhen
from seatrial.api.run import IntegrationRun
from seatrial.api.scalars import format_duration
from seatrial.api.status import (
    ConditionType,
    FailureNote,
    IntegrationRunStatus,
    Phase,
    Reason,
    Results,
    SlowTest,
    TestCounts,
    Verdict,
)
from seatrial.api.times import format_time, moment_of, parse_time
from seatrial.facts.attempt import AttemptFacts
from seatrial.lifecycle.conditions import is_true, upsert, with_generation
from seatrial.verdict.diagnose import (
    Diagnosis,
    archive_silent_since,
    ends_to_hear_of,
    errored,
    from_pods,
    from_result,
    not_started,
    taken_away,
    without_result,
)

LAUNCHER_GRACE = timedelta(seconds=15)
"""The launcher keeps the limits itself and names what was missing; the operator steps in this much later."""
COLLECT_LIMIT = timedelta(seconds=15)
"""How long a cancelled run's collector may take to hand over what has finished."""
EVIDENCE_RETRY = timedelta(seconds=5)
"""Between two tries to archive evidence."""
SETTLE = timedelta(seconds=10)
"""A pod that is not seen this long after its creation is missing, not late."""
LOOK_AFTER = timedelta(seconds=10)
"""A namespace goes within six seconds; after this long the cluster is asked, and then every so often."""
STUCK_AFTER = timedelta(minutes=2)
"""When a namespace that is being deleted is reported as stuck."""
EXPLANATION = timedelta(seconds=30)
"""How long the word of the tests' pod is waited for when somebody ended pytest. It comes after the result: after an eviction
14 s were measured.
"""
HEARSAY = timedelta(seconds=2.5)
"""How long the pod of a service or an app that the tests have lost may take to tell how it ended: the cause, not its consequence."""
IMAGE_PATIENCE = timedelta(seconds=20)
"""How long a registry's passing trouble is tolerated."""


EVIDENCE_LOST = "EvidenceLost"
"""The note that says that evidence could not be archived."""


@dataclass(frozen=True)
class AddFinalizer:
    """Keep the run until its environment is gone."""


@dataclass(frozen=True)
class RemoveFinalizer:
    """Let the deleted run go, once a look at the cluster shows no environment."""


@dataclass(frozen=True)
class CreateEnvironment:
    """Create everything, in one burst."""


@dataclass(frozen=True)
class StopTests:
    """Ask the tests to end, so that what has finished is still collected."""


@dataclass(frozen=True)
class CleanUp:
    """Delete the namespace and, in the same moment, its pods."""


@dataclass(frozen=True)
class DeletePods:
    """Delete at once the pods of a namespace that is going: somebody else has deleted it, or an operator that ended in
    between, and pods may take as long as their grace period.
    """


@dataclass(frozen=True)
class GatherEvidence:
    """Bring to the archive what the environment tells; with `whole` false, the run's record alone."""

    whole: bool


@dataclass(frozen=True)
class LookAtNamespace:
    """Ask the cluster whether the namespace is still there: a watch that began anew does not tell what went meanwhile."""


@dataclass(frozen=True)
class DeleteRun:
    """The record has been kept long enough."""


Action = (
    AddFinalizer
    | RemoveFinalizer
    | CreateEnvironment
    | StopTests
    | GatherEvidence
    | CleanUp
    | DeletePods
    | LookAtNamespace
    | DeleteRun
)


@dataclass(frozen=True)
class Note:
    """A Kubernetes Event to be written: on transitions only."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Plan:
    """What to do, in this order; then the status to write, if it differs; then when to look again."""

    status: IntegrationRunStatus
    actions: tuple[Action, ...] = ()
    due: datetime | None = None
    notes: tuple[Note, ...] = field(default=())


def _stamp(status: IntegrationRunStatus, **moments: datetime | str | None) -> IntegrationRunStatus:
    texts = {k: format_time(v) if isinstance(v, datetime) else v for k, v in moments.items()}
    return status.model_copy(update={"timeline": status.timeline.model_copy(update=texts)})


def _condition(
    run: IntegrationRun,
    status: IntegrationRunStatus,
    now: datetime,
    kind: ConditionType,
    value: Literal["True", "False", "Unknown"],
    reason: str,
    message: str = "",
) -> IntegrationRunStatus:
    conditions = upsert(status.conditions, kind, value, reason, message, now=now, generation=run.metadata.generation)
    return status.model_copy(update={"conditions": conditions})


def _counts(told: Mapping[str, Any]) -> TestCounts:
    """The numbers of tests, bounded to what an integer of the status can hold."""
    return TestCounts.model_validate({name: max(0, min(int(count), 2**31 - 1)) for name, count in told.items()})


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((m for m in moments if m is not None), default=None)


# --- beginning -------------------------------------------------------------------------------------------------------


def created(run: IntegrationRun, expires_at: datetime, now: datetime) -> Plan:
    """The status after the burst: the environment's objects are all there."""
    status = run.status.model_copy(
        update={
            "phase": Phase.STARTING,
            "namespace": run.scope.namespace,
            "expires_at": format_time(expires_at),
            "observed_generation": run.metadata.generation,
        }
    )
    made = parse_time(run.metadata.creation_timestamp)
    # a creation time has no fractions: within its second there was no wait that could be told
    queued = made if made is not None and now - made >= timedelta(seconds=1) else now
    status = _stamp(status, queued=queued, started=now)
    status = _condition(run, status, now, ConditionType.SUCCEEDED, "Unknown", Phase.STARTING, "the environment starts")
    status = _condition(run, status, now, ConditionType.ACCEPTED, "True", "Valid")
    note = Note("Normal", "EnvironmentCreated", f"Created environment {status.namespace}")
    return Plan(status, notes=(note,))


def rejected(run: IntegrationRun, reason: Reason, message: str, now: datetime) -> Plan:
    """The environment can't be made: the run ends, whatever is there already is cleaned up."""
    status = run.status.model_copy(update={"namespace": run.scope.namespace})
    if reason is Reason.INVALID_SPEC:
        status = _condition(run, status, now, ConditionType.ACCEPTED, "False", reason, message)
    return _end(run.model_copy(update={"status": status}), AttemptFacts(), errored(reason, message), now)


def reduced(status: IntegrationRunStatus, refused: str) -> IntegrationRunStatus:
    """A status that the API server refused for this reason, without what it does not need and what others have written."""
    told = f"{status.message[:300]} (details are left out, the API server refused them: {refused[:300]})"
    return status.model_copy(
        update={
            "message": told.encode("ascii", "replace").decode() if status.message else "",
            "conditions": tuple(c.model_copy(update={"message": ""}) for c in status.conditions),
            "tests": None,
            "tests_summary": "",
            "failures": (),
            "slowest": (),
        }
    )


# --- end -------------------------------------------------------------------------------------------------------------


def _with_results(status: IntegrationRunStatus, run: IntegrationRun, facts: AttemptFacts) -> IntegrationRunStatus:
    """The status with the counts, failures and times of the result, if there is one."""
    result = facts.shard.result
    if result is None:
        return status
    summary = result.summary
    counts = _counts(summary.get("tests") or {})
    failures = [
        FailureNote(
            id=str(f.get("id")), catalogue_id=f.get("catalogueId") or "", message=str(f.get("message") or "")[:300]
        )
        for f in list(summary.get("failures") or ())[:20]
    ]
    slowest = [
        SlowTest(id=str(s.get("id")), seconds=f"{float(s.get('seconds') or 0):.3f}")
        for s in list(summary.get("slowest") or ())[:5]
    ]
    status = status.model_copy(
        update={
            "tests": counts,
            "tests_summary": f"{counts.passed}/{counts.total}",
            "failures": tuple(failures),
            "slowest": tuple(slowest),
            "results": Results(url=f"/v1/runs/{run.metadata.uid}", digest=result.digest),
        }
    )
    return _stamp(
        status,
        first_test=moment_of(summary.get("firstTestAt")) or status.timeline.first_test,
        # a test that was running till the end has none of its own
        last_test=moment_of(summary.get("endedAt" if summary.get("running") else "lastTestEndedAt")),
    )


def _end(run: IntegrationRun, facts: AttemptFacts, diagnosis: Diagnosis, now: datetime) -> Plan:
    """The verdict: written once, never changed. Clean-up begins in the same pass unless something is kept."""
    status = _with_results(run.status, run, facts)
    finished = facts.shard.result is not None
    status = status.model_copy(
        update={
            "verdict": diagnosis.verdict,
            "reason": diagnosis.reason,
            "message": diagnosis.message,
            "duration": _duration(run, now),
            "observed_generation": run.metadata.generation,
        }
    )
    succeeded: Literal["True", "False"] = "True" if diagnosis.verdict is Verdict.PASSED else "False"
    status = _condition(run, status, now, ConditionType.SUCCEEDED, succeeded, diagnosis.reason, diagnosis.message)
    status = _stamp(_ready(run, status, facts, now), verdict=now)
    status = _condition(
        run, status, now, ConditionType.TESTS_FINISHED, "True" if finished else "False", diagnosis.reason
    )
    status = _condition(
        run, status, now, ConditionType.RESULTS_ARCHIVED, "True" if finished else "False",
        "Archived" if finished else "NoResult",
    )  # fmt: skip
    note = Note(
        "Normal" if diagnosis.verdict is Verdict.PASSED else "Warning",
        str(diagnosis.verdict),
        f"{diagnosis.reason}: {diagnosis.message}",
    )
    after = _after_verdict(run.model_copy(update={"status": status}), facts, now)
    return Plan(after.status, after.actions, after.due, (note, *after.notes))


def _duration(run: IntegrationRun, now: datetime) -> str:
    """How long the user has waited, to the second."""
    since = parse_time(run.status.timeline.queued) or parse_time(run.metadata.creation_timestamp) or now
    return format_duration(timedelta(seconds=max(0, round((now - since).total_seconds()))))


def _kept_until(run: IntegrationRun) -> datetime:
    """Until when the environment is kept after the verdict."""
    verdict_at = parse_time(run.status.timeline.verdict)
    assert verdict_at is not None
    retention = run.spec.retention
    kept = verdict_at + (retention.passed if run.status.verdict is Verdict.PASSED else retention.failed)
    expires = parse_time(run.status.expires_at)
    return min(kept, expires) if expires else kept


def _after_verdict(run: IntegrationRun, facts: AttemptFacts, now: datetime) -> Plan:
    """The verdict stands: give everything back, in time forget the record."""
    status = run.status
    assert status.verdict is not None
    verdict_at = parse_time(status.timeline.verdict)
    assert verdict_at is not None
    final = Phase(status.verdict)
    namespace = facts.namespace
    if status.results is None and facts.shard.result is not None:  # handed over after a cancel: evidence, not verdict
        status = _with_results(status, run, facts)
        status = _condition(run, status, now, ConditionType.RESULTS_ARCHIVED, "True", "Archived")
    if is_true(status.conditions, ConditionType.CLEANED_UP):
        forget = verdict_at + run.spec.retention.record
        if namespace is not None and namespace.terminating_since is None:  # made by a request whose answer was lost
            return Plan(status, (CleanUp(),), forget)
        return Plan(status, (DeleteRun(),) if now >= forget else (), forget)
    if namespace is None and not status.namespace:  # ended before anything was created
        namespace_gone = True
    else:
        namespace_gone = namespace is None and status.phase in (Phase.CLEANING_UP, final)
    ending = namespace is not None and namespace.terminating_since is not None
    pod = facts.shard.pod
    collecting = status.results is None and pod is not None and _collector_works(facts)
    if collecting and not ending and not namespace_gone and now < verdict_at + COLLECT_LIMIT:
        stop = () if pod is None or pod.deleting else (StopTests(),)
        return Plan(status.model_copy(update={"phase": Phase.COLLECTING}), stop, verdict_at + COLLECT_LIMIT)
    kept_until = _kept_until(run)
    whole = _wants_evidence(run) and (namespace is not None or status.namespace != "")
    over, gather, again = _evidence(status, facts, now, whole)
    if whole and not over:  # nothing is deleted before
        at_once = status.phase if namespace_gone else Phase.CLEANING_UP if ending else Phase.COLLECTING
        phase = final if now < kept_until and not ending and not namespace_gone else at_once
        return Plan(status.model_copy(update={"phase": phase}), gather, again)
    told, notes = _with_evidence(run, status, facts, now, whole)
    if namespace_gone:
        told = _stamp(told, cleaned_up=now).model_copy(update={"phase": final})
        told = _condition(run, told, now, ConditionType.CLEANED_UP, "True", "NamespaceDeleted")
        return Plan(told, gather, verdict_at + run.spec.retention.record, notes)
    if namespace is not None and namespace.terminating_since is not None:
        status = status.model_copy(update={"phase": Phase.CLEANING_UP})
        if now >= namespace.terminating_since + STUCK_AFTER:
            held = namespace.held_by or "the namespace controller does not say what holds it"
            status = _condition(
                run, status, now, ConditionType.CLEANED_UP, "False", Reason.NAMESPACE_STUCK,
                f"namespace {namespace.name} is being deleted for more than {format_duration(STUCK_AFTER)}: {held}",
            )  # fmt: skip
        going = _await_end(status, facts, namespace.terminating_since, now)
        return replace(going, actions=(*going.actions, *gather))
    if now < kept_until:
        return Plan(told.model_copy(update={"phase": final}), gather, _earliest(kept_until, again), notes)
    return Plan(told.model_copy(update={"phase": Phase.CLEANING_UP}), (CleanUp(), *gather), now + LOOK_AFTER, notes)


def _wants_evidence(run: IntegrationRun) -> bool:
    match run.spec.retention.evidence:
        case EvidenceWhen.ALWAYS:
            return True
        case EvidenceWhen.NEVER:
            return False
    return run.status.verdict is not Verdict.PASSED


def _evidence(
    status: IntegrationRunStatus, facts: AttemptFacts, now: datetime, whole: bool
) -> tuple[bool, tuple[Action, ...], datetime | None]:
    """Whether the evidence is archived or given up, what is to be done about it, and when to look again."""
    found = facts.evidence
    if any(c.type == ConditionType.EVIDENCE_ARCHIVED for c in status.conditions):
        return True, (), None
    if found is None:
        return False, (GatherEvidence(whole),), None
    if found.digest or found.refused or found.failing_since is None or found.tried is None:
        return True, (), None
    silent_since = min(found.failing_since, archive_silent_since(facts) or found.failing_since)  # waited for once
    if now >= silent_since + facts.archive_patience:
        return True, (), None
    again = found.tried + EVIDENCE_RETRY
    return (False, (GatherEvidence(whole),), None) if now >= again else (False, (), again)


def _with_evidence(
    run: IntegrationRun, status: IntegrationRunStatus, facts: AttemptFacts, now: datetime, whole: bool
) -> tuple[IntegrationRunStatus, tuple[Note, ...]]:
    """The status with what became of the evidence, for a write that is made anyway."""
    found = facts.evidence
    if found is None or any(c.type == ConditionType.EVIDENCE_ARCHIVED for c in status.conditions):
        return status, ()
    kind = ConditionType.EVIDENCE_ARCHIVED
    if found.digest:
        reason, files = ("Archived", f"{found.files} files") if whole else ("RecordOnly", "")
        return _condition(run, status, now, kind, "True", reason, files), ()
    message = f"not archived: {found.error}; check the archive before the next run"
    status = _condition(run, status, now, kind, "False", "Refused" if found.refused else "ArchiveUnavailable", message)
    return status, (
        Note("Warning", EVIDENCE_LOST, f"Logs and states of the environment are {message}"),
    ) if whole else ()


def _await_end(status: IntegrationRunStatus, facts: AttemptFacts, terminating_since: datetime, now: datetime) -> Plan:
    look_at = terminating_since + LOOK_AFTER
    if now < look_at:
        return Plan(status, due=look_at)
    left: tuple[Action, ...] = (DeletePods(),) if facts.pods else ()
    return Plan(status, (*left, LookAtNamespace()), now + LOOK_AFTER)


def _collector_works(facts: AttemptFacts) -> bool:
    """Whether the collector runs beside tests that have begun, so that there is something to hand over."""
    pod = facts.shard.pod
    if pod is not None and (taken := taken_away(pod)) and taken.reason is Reason.NODE_LOST:
        return False  # its last word is old
    collector = facts.shard.collector
    return collector is not None and collector.running_since is not None and facts.shard.first_test is not None


# --- under way -------------------------------------------------------------------------------------------------------


def _expected(run: IntegrationRun, facts: AttemptFacts, started: datetime, now: datetime) -> tuple[str, ...]:
    if now < started + SETTLE:
        return ()
    preparing = run.spec.migrations and facts.shard.gates_open is None
    return (*run.spec.services, *((labels.MIGRATIONS,) if preparing else ()))


def _limits(run: IntegrationRun, facts: AttemptFacts, started: datetime) -> tuple[datetime, bool]:
    """When the operator itself ends the run, and whether the tests' process has been started.

    What the tests' node tells is told by its clock. Where that is behind, the time would be over too early, so what
    this operator's own clock says is the least: the launcher ends the tests in time, this is for when it can't.
    """
    timeouts = run.spec.timeouts
    opened = facts.shard.gates_open
    if opened is not None:
        return max(opened, started + timeouts.environment) + timeouts.tests + 2 * LAUNCHER_GRACE, True
    container = facts.shard.tests
    if container is not None and (container.running_since or container.terminated):
        since = max(container.running_since or started, started)
        return since + timeouts.environment + timeouts.tests + 2 * LAUNCHER_GRACE, True
    return started + timeouts.environment + LAUNCHER_GRACE, False


def _diagnosis(run: IntegrationRun, facts: AttemptFacts, now: datetime, started: datetime) -> Diagnosis | None:
    """How the run has ended, if it has."""
    if facts.shard.result is not None:
        if now < _explained_by(run, facts, now):
            return None
        return from_result(run, facts, facts.shard.result)
    expires = parse_time(run.status.expires_at)
    if expires is not None and now >= expires:
        limit = format_duration(run.spec.retention.max_lifetime)
        return errored(
            Reason.RUN_TIMEOUT,
            f"the environment reached retention.maxLifetime={limit} before the tests ended; raise it, or run fewer tests at once",
        )
    namespace = facts.namespace
    if namespace is not None and namespace.terminating_since is not None:
        gone = f"namespace {namespace.name} was deleted while the run needed it; start the run again"
        return errored(Reason.ENVIRONMENT_LOST, gone)
    if namespace is None and now >= started + SETTLE:
        gone = f"namespace {run.status.namespace} is gone while the run needed it; start the run again"
        return errored(Reason.ENVIRONMENT_LOST, gone)
    patient = now < started + IMAGE_PATIENCE
    if found := from_pods(run, facts, patient=patient, expected=_expected(run, facts, started, now)):
        return found
    seen = facts.shard.gates_open is not None
    may_be_over = facts.shard.pod is not None or facts.shard.pod_gone or (seen and now >= started + SETTLE)
    if may_be_over and (found := without_result(facts, patient=now < _patient_until(facts, now))):
        return found
    limit_at, tests_started = _limits(run, facts, started)
    if now >= limit_at:
        if not tests_started:
            return not_started(facts)
        return errored(
            Reason.TEST_TIMEOUT,
            f"no result within timeouts.tests={format_duration(run.spec.timeouts.tests)} and the time to collect it; "
            "set tests.perTestTimeout to fail a test that hangs, or raise timeouts.tests",
        )
    return None


def _explained_by(run: IntegrationRun, facts: AttemptFacts, now: datetime) -> datetime:
    """Until when pods are waited for to say who ended pytest, a service or an app; not at all if they have, or nobody did."""
    result, pod = facts.shard.result, facts.shard.pod
    if result is None or result.received_at is None:
        return now
    if ends_to_hear_of(facts):
        return result.received_at + HEARSAY
    if result.summary.get("signal") != "SIGTERM":
        return now
    if result.summary.get("outcome") in ("passed", "failed", "timeout"):
        return now
    if pod is None or pod.deleting or pod.disruption or pod.phase in ("Failed", "Succeeded"):
        return now
    return result.received_at + EXPLANATION


def _patient_until(facts: AttemptFacts, now: datetime) -> datetime:
    """Until when an archive that can't be asked is waited for; not at all if it can be asked."""
    silent = facts.shard.archive_silent_since
    return silent + facts.archive_patience if silent is not None else now


def _ready(
    run: IntegrationRun, status: IntegrationRunStatus, facts: AttemptFacts, now: datetime
) -> IntegrationRunStatus:
    told = facts.shard.result.summary.get("gatesOpenAt") if facts.shard.result else None
    opened = facts.shard.gates_open or moment_of(told)
    if opened is None:
        return status
    status = _stamp(status, environment_ready=opened)
    return _condition(run, status, now, ConditionType.ENVIRONMENT_READY, "True", "AllReady")


def _under_way(run: IntegrationRun, facts: AttemptFacts, now: datetime, started: datetime) -> Plan:
    status = run.status
    notes: tuple[Note, ...] = ()
    first_test = facts.shard.first_test
    if status.phase is not Phase.TESTING and first_test is not None:  # one write for ready and testing: moments apart
        status = _ready(run, status, facts, now)
        status = _stamp(status, first_test=first_test).model_copy(update={"phase": Phase.TESTING})
        status = _condition(run, status, now, ConditionType.SUCCEEDED, "Unknown", Phase.TESTING, "the tests run")
        notes = (Note("Normal", "TestsStarted", "The first test has started"),)
    limit, _ = _limits(run, facts, started)
    later = [
        started + SETTLE,
        started + IMAGE_PATIENCE,
        _patient_until(facts, now),
        _explained_by(run, facts, now),
    ]
    due = _earliest(limit, parse_time(status.expires_at), *(moment for moment in later if now < moment))
    return Plan(status, due=due, notes=notes)


def _with_recorded_progress(run: IntegrationRun, facts: AttemptFacts) -> AttemptFacts:
    """The facts with the progress that the status records: an operator that was restarted has not received it itself."""
    line, shard = run.status.timeline, facts.shard
    known = replace(
        shard,
        gates_open=shard.gates_open or parse_time(line.environment_ready),
        first_test=shard.first_test or parse_time(line.first_test),
    )
    return replace(facts, shards=(known, *facts.shards[1:]))


def plan(run: IntegrationRun, facts: AttemptFacts, now: datetime) -> Plan:
    """What to do about a run now.

    Args:
        run: as the API server has it.
        facts: what there is of its environment and results.
        now: the present moment, with time zone.
    """
    status = run.status
    held = not OWN_FINALIZERS.isdisjoint(run.metadata.finalizers)
    facts = _with_recorded_progress(run, facts)
    if run.metadata.deletion_timestamp is not None:
        if not held:
            return Plan(status)
        if facts.namespace is None:
            return Plan(status, (RemoveFinalizer(),))
        if facts.namespace.terminating_since is None:
            return Plan(status, (CleanUp(),), now + LOOK_AFTER)
        return _await_end(status, facts, facts.namespace.terminating_since, now)
    if status.verdict is not None:
        status = with_generation(status, run.metadata.generation)
        return _after_verdict(run.model_copy(update={"status": status}), facts, now)
    started = parse_time(status.timeline.started)
    if run.spec.cancel:
        return _end(run, facts, Diagnosis(Verdict.CANCELLED, Reason.CANCELLED, "cancelled by spec.cancel"), now)
    if started is None:
        actions: tuple[Action, ...] = (CreateEnvironment(),)
        return Plan(status, actions if held else (AddFinalizer(), *actions))
    if diagnosis := _diagnosis(run, facts, now, started):
        return _end(run, facts, diagnosis, now)
    return _under_way(run, facts, now, started)
