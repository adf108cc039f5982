"""How long things may take, and what is waited for before a verdict: moments, computed from facts and the present."""

from __future__ import annotations

from datetime import datetime, timedelta

from seatrial.api import labels
from seatrial.api.run import IntegrationRun
from seatrial.api.times import parse_time
from seatrial.facts.attempt import AttemptFacts
from seatrial.verdict.result import archive_unavailable, awaits_terminations
from seatrial_protocol.summary import Outcome

LAUNCHER_GRACE = timedelta(seconds=15)
"""The launcher keeps the limits itself and names what was missing; the operator steps in this much later."""
APPEARANCE = timedelta(seconds=10)
"""A pod that is not seen this long after its creation is missing, not late."""
REGISTRY_PATIENCE = timedelta(seconds=20)
"""How long a registry that fails is given."""
EVICTION_PATIENCE = timedelta(seconds=30)
"""How long the status of the tests' pod is waited for when somebody ended pytest. It comes after the result: after an
eviction 14 s were measured."""
TERMINATION_PATIENCE = timedelta(seconds=2.5)
"""How long the pod of a service or an app that the tests have lost may take to show how it ended: the cause, not its
consequence."""


def expected_pods(run: IntegrationRun, facts: AttemptFacts, started: datetime, now: datetime) -> tuple[str, ...]:
    """The bare pods that must be there by now."""
    if now < started + APPEARANCE:
        return ()
    preparing = run.spec.migrations and facts.shard.gates_open is None
    return (*run.spec.services, *((labels.MIGRATIONS,) if preparing else ()))


def limit_of(run: IntegrationRun, facts: AttemptFacts, started: datetime) -> tuple[datetime, bool]:
    """When the operator itself ends the run, and whether the tests' process has been started.

    What comes from the tests' node has the time of its clock. Where that is behind, the time would be over too early,
    so what this operator's own clock says is the least: the launcher ends the tests in time, this is for when it can't.
    """
    timeouts, shard = run.spec.timeouts, facts.shard
    if shard.gates_open is not None:
        return max(shard.gates_open, started + timeouts.environment) + timeouts.tests + 2 * LAUNCHER_GRACE, True
    if shard.tests is not None and (shard.tests.running_since or shard.tests.terminated):
        since = max(shard.tests.running_since or started, started)
        return since + timeouts.environment + timeouts.tests + 2 * LAUNCHER_GRACE, True
    return started + timeouts.environment + LAUNCHER_GRACE, False


def explained_by(facts: AttemptFacts, now: datetime) -> datetime:
    """Until when to wait for pods to show who ended pytest, a service or an app; now if they do or nobody did."""
    result, pod = facts.shard.result, facts.shard.pod
    if result is None or result.received_at is None or result.summary is None:
        return now
    if awaits_terminations(facts):
        return result.received_at + TERMINATION_PATIENCE
    if result.summary.signal != "SIGTERM":
        return now
    if result.summary.outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.TIMEOUT):
        return now
    if pod is None or pod.deleting or pod.disruption or pod.phase in ("Failed", "Succeeded"):
        return now
    return result.received_at + EVICTION_PATIENCE


def archive_silent_since(facts: AttemptFacts) -> datetime | None:
    """Since when the archive can't be reached, as the operator noticed, or the collector, which begins to send when
    pytest has ended.
    """
    shard = facts.shard
    noticed = [shard.archive_silent_since]
    if shard.tests and shard.tests.terminated and archive_unavailable(shard):
        noticed.append(shard.tests.terminated.finished_at)
    return min((since for since in noticed if since is not None), default=None)


def archive_patience_ends(facts: AttemptFacts, now: datetime) -> datetime:
    """Until when an archive that can't be asked is waited for; not at all if it can be asked."""
    silent = facts.shard.archive_silent_since
    return silent + facts.archive_patience if silent is not None else now


def next_deadline(run: IntegrationRun, facts: AttemptFacts, started: datetime, now: datetime) -> datetime:
    """When a run under way must be looked at again although nothing happens."""
    limit, _ = limit_of(run, facts, started)
    expires = parse_time(run.status.expires_at)
    later = (
        started + APPEARANCE,
        started + REGISTRY_PATIENCE,
        archive_patience_ends(facts, now),
        explained_by(facts, now),
    )
    return min(limit, *([expires] if expires else []), *(moment for moment in later if now < moment))
