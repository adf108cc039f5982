"""After the verdict: collect what is left, gather evidence, delete the environment, in time forget the record.

The steps are asked in order, and the first that has something to do makes the plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from seatrial.api.policy import EvidenceWhen
from seatrial.api.run import IntegrationRun
from seatrial.api.scalars import format_duration
from seatrial.api.status import ConditionType, IntegrationRunStatus, Phase, Reason, Verdict
from seatrial.api.times import parse_time
from seatrial.facts.attempt import AttemptFacts, Namespace
from seatrial.lifecycle.actions import (
    EVIDENCE_LOST,
    AfterStatus,
    CheckNamespace,
    CleanUp,
    DeletePods,
    DeleteRun,
    Event,
    GatherEvidence,
    Plan,
    StopTests,
)
from seatrial.lifecycle.conditions import is_true
from seatrial.lifecycle.draft import Draft
from seatrial.verdict.deadlines import archive_silent_since
from seatrial.verdict.pods import disrupted

COLLECT_LIMIT = timedelta(seconds=15)
"""How long a cancelled run's collector may take to deliver what has finished."""
EVIDENCE_RETRY = timedelta(seconds=5)
"""Between two tries to archive evidence."""
NAMESPACE_CHECK = timedelta(seconds=10)
"""A namespace goes within six seconds; after this long the cluster is asked, and then every so often."""
STUCK_AFTER = timedelta(minutes=2)
"""When a namespace that is being deleted is reported as stuck."""


@dataclass(frozen=True)
class _EvidenceStep:
    """What there is to do about evidence."""

    settled: bool
    """It is archived or given up."""
    gather: tuple[AfterStatus, ...] = ()
    due: datetime | None = None


@dataclass(frozen=True)
class _Stage:
    """Where a run is after its verdict: all that the steps look at."""

    run: IntegrationRun
    facts: AttemptFacts
    now: datetime
    verdict_at: datetime
    draft: Draft
    whole: bool
    """All of the evidence is wanted, not the record alone."""
    evidence: _EvidenceStep

    @property
    def status(self) -> IntegrationRunStatus:
        """The status, with what every step keeps."""
        return self.draft.status

    @property
    def final(self) -> Phase:
        """The phase that the run ends with."""
        assert self.status.verdict is not None
        return Phase(self.status.verdict)

    @property
    def going(self) -> Namespace | None:
        """The namespace, if it is being deleted."""
        namespace = self.facts.namespace
        return namespace if namespace is not None and namespace.terminating_since is not None else None

    @property
    def gone(self) -> bool:
        """Whether there is no environment (any more)."""
        if self.facts.namespace is not None:
            return False
        return not self.status.namespace or self.status.phase in (Phase.CLEANING_UP, self.final)

    @property
    def kept_until(self) -> datetime:
        """Until when the environment is kept."""
        retention = self.run.spec.retention
        passed = self.status.verdict is Verdict.PASSED
        kept = self.verdict_at + (retention.passed if passed else retention.failed)
        expires = parse_time(self.status.expires_at)
        return min(kept, expires) if expires else kept


def after_verdict(run: IntegrationRun, facts: AttemptFacts, now: datetime) -> Plan:
    """The plan of a run that has its verdict."""
    stage = _stage(run, facts, now)
    for step in (_forget, _collect, _gather_first, _confirm_gone, _await_namespace, _keep):
        if (found := step(stage)) is not None:
            return found
    draft, events = _with_evidence(stage)
    after = (CleanUp(), *stage.evidence.gather)
    return Plan(draft.set(phase=Phase.CLEANING_UP).status, after=after, due=now + NAMESPACE_CHECK, events=events)


def _stage(run: IntegrationRun, facts: AttemptFacts, now: datetime) -> _Stage:
    draft = Draft.of(run, now)
    verdict_at = parse_time(run.status.timeline.verdict)
    assert verdict_at is not None
    result = facts.shard.result
    if run.status.results is None and result is not None:  # delivered after a cancel: evidence, not verdict
        draft = draft.results(result).condition(ConditionType.RESULTS_ARCHIVED, "True", "Archived")
    whole = _wants_evidence(run) and (facts.namespace is not None or run.status.namespace != "")
    return _Stage(run, facts, now, verdict_at, draft, whole, _evidence(draft, facts, now, whole))


def _forget(stage: _Stage) -> Plan | None:
    """The environment is cleaned up: in time the record goes too."""
    if not is_true(stage.status.conditions, ConditionType.CLEANED_UP):
        return None
    due = stage.verdict_at + stage.run.spec.retention.record
    if stage.facts.namespace is not None and stage.going is None:  # made by a request whose answer was lost
        return Plan(stage.status, after=(CleanUp(),), due=due)
    return Plan(stage.status, after=(DeleteRun(),) if stage.now >= due else (), due=due)


def _collect(stage: _Stage) -> Plan | None:
    """The collector of a cancelled run may deliver what has finished."""
    limit = stage.verdict_at + COLLECT_LIMIT
    if stage.status.results is not None or stage.going or stage.gone or stage.now >= limit:
        return None
    if not _collector_works(stage.facts):
        return None
    pod = stage.facts.shard.pod
    stop = () if pod is None or pod.deleting else (StopTests(),)
    return Plan(stage.draft.set(phase=Phase.COLLECTING).status, after=stop, due=limit)


def _collector_works(facts: AttemptFacts) -> bool:
    """Whether the collector runs beside tests that have begun, so that there is something to deliver."""
    shard = facts.shard
    if shard.pod is not None and (found := disrupted(shard.pod)) and found.reason is Reason.NODE_LOST:
        return False  # what its status says is old
    return shard.collector is not None and shard.collector.running_since is not None and shard.first_test is not None


def _gather_first(stage: _Stage) -> Plan | None:
    """Evidence that is wanted comes before anything is deleted."""
    if not stage.whole or stage.evidence.settled:
        return None
    if stage.gone:
        phase = stage.status.phase
    elif stage.going:
        phase = Phase.CLEANING_UP
    else:
        phase = stage.final if stage.now < stage.kept_until else Phase.COLLECTING
    return Plan(stage.draft.set(phase=phase).status, after=stage.evidence.gather, due=stage.evidence.due)


def _confirm_gone(stage: _Stage) -> Plan | None:
    """The namespace is gone: the run is cleaned up."""
    if not stage.gone:
        return None
    draft, events = _with_evidence(stage)
    draft = draft.stamp(cleaned_up=stage.now).set(phase=stage.final)
    draft = draft.condition(ConditionType.CLEANED_UP, "True", "NamespaceDeleted")
    due = stage.verdict_at + stage.run.spec.retention.record
    return Plan(draft.status, after=stage.evidence.gather, due=due, events=events)


def _await_namespace(stage: _Stage) -> Plan | None:
    """The namespace is being deleted."""
    namespace = stage.going
    if namespace is None or namespace.terminating_since is None:
        return None
    draft = stage.draft.set(phase=Phase.CLEANING_UP)
    if stage.now >= namespace.terminating_since + STUCK_AFTER:
        held = namespace.held_by or "the namespace controller does not say what holds it"
        limit = format_duration(STUCK_AFTER)
        text = f"namespace {namespace.name} is being deleted for more than {limit}: {held}"
        draft = draft.condition(ConditionType.CLEANED_UP, "False", Reason.NAMESPACE_STUCK, text)
    found = await_namespace(draft.status, stage.facts, namespace.terminating_since, stage.now)
    return replace(found, after=(*found.after, *stage.evidence.gather))


def await_namespace(
    status: IntegrationRunStatus, facts: AttemptFacts, terminating_since: datetime, now: datetime
) -> Plan:
    """The plan while a namespace is being deleted: after a while the cluster is asked."""
    due = terminating_since + NAMESPACE_CHECK
    if now < due:
        return Plan(status, due=due)
    pods: tuple[AfterStatus, ...] = (DeletePods(),) if facts.pods else ()
    return Plan(status, after=(*pods, CheckNamespace()), due=now + NAMESPACE_CHECK)


def _keep(stage: _Stage) -> Plan | None:
    """The environment is kept for a while."""
    if stage.now >= stage.kept_until:
        return None
    draft, events = _with_evidence(stage)
    due = min(stage.kept_until, stage.evidence.due or stage.kept_until)
    return Plan(draft.set(phase=stage.final).status, after=stage.evidence.gather, due=due, events=events)


def _wants_evidence(run: IntegrationRun) -> bool:
    match run.spec.retention.evidence:
        case EvidenceWhen.ALWAYS:
            return True
        case EvidenceWhen.NEVER:
            return False
    return run.status.verdict is not Verdict.PASSED


def _evidence(draft: Draft, facts: AttemptFacts, now: datetime, whole: bool) -> _EvidenceStep:
    """What there is to do about the evidence."""
    found = facts.evidence
    if draft.has(ConditionType.EVIDENCE_ARCHIVED):
        return _EvidenceStep(settled=True)
    if found is None:
        return _EvidenceStep(settled=False, gather=(GatherEvidence(whole),))
    if found.digest or found.refused or found.failing_since is None or found.tried is None:
        return _EvidenceStep(settled=True)
    # an archive that is silent for long already is not waited for once more
    silent_since = min(found.failing_since, archive_silent_since(facts) or found.failing_since)
    if now >= silent_since + facts.archive_patience:
        return _EvidenceStep(settled=True)
    due = found.tried + EVIDENCE_RETRY
    if now >= due:
        return _EvidenceStep(settled=False, gather=(GatherEvidence(whole),))
    return _EvidenceStep(settled=False, due=due)


def _with_evidence(stage: _Stage) -> tuple[Draft, tuple[Event, ...]]:
    """The status with what became of the evidence, for a write that is made anyway."""
    found, kind = stage.facts.evidence, ConditionType.EVIDENCE_ARCHIVED
    if found is None or stage.draft.has(kind):
        return stage.draft, ()
    if found.digest:
        reason, files = ("Archived", f"{found.files} files") if stage.whole else ("RecordOnly", "")
        return stage.draft.condition(kind, "True", reason, files), ()
    message = f"not archived: {found.error}; check the archive before the next run"
    draft = stage.draft.condition(kind, "False", "Refused" if found.refused else "ArchiveUnavailable", message)
    lost = Event("Warning", EVIDENCE_LOST, f"Logs and states of the environment are {message}")
    return draft, (lost,) if stage.whole else ()
