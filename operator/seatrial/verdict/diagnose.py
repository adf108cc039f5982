"""Why a run ended: pure functions from what is known to verdict, reason and one line for people.

The first cause wins over its consequences: a lost service comes before the tests that failed because of it. No
decision depends on the wording of a message of ours; Kubernetes' own wordings are all in `kubernetes.py`.
"""

from __future__ import annotations

from datetime import datetime

from seatrial.api.run import IntegrationRun
from seatrial.api.scalars import format_duration
from seatrial.api.status import Reason
from seatrial.api.times import parse_time
from seatrial.facts.attempt import AttemptFacts
from seatrial.verdict.deadlines import (
    APPEARANCE,
    REGISTRY_PATIENCE,
    archive_patience_ends,
    expected_pods,
    explained_by,
    limit_of,
)
from seatrial.verdict.diagnosis import Diagnosis, errored
from seatrial.verdict.pods import from_pods, not_started
from seatrial.verdict.result import from_result, without_result


def diagnose(run: IntegrationRun, facts: AttemptFacts, now: datetime, started: datetime) -> Diagnosis | None:
    """How the run has ended, if it has.

    Args:
        run: the run, which has no verdict.
        facts: what is known of its attempt.
        now: the present.
        started: when the environment's objects were created.
    """
    if facts.shard.result is not None:
        return None if now < explained_by(facts, now) else from_result(run, facts, facts.shard.result)
    return (
        _environment_over(run, facts, now, started)
        or from_pods(
            run,
            facts,
            patient=now < started + REGISTRY_PATIENCE,
            expected=expected_pods(run, facts, started, now),
        )
        or _tests_over(run, facts, now, started)
        or _time_over(run, facts, now, started)
    )


def _environment_over(run: IntegrationRun, facts: AttemptFacts, now: datetime, started: datetime) -> Diagnosis | None:
    expires, namespace = parse_time(run.status.expires_at), facts.namespace
    if expires is not None and now >= expires:
        limit = format_duration(run.spec.retention.max_lifetime)
        return errored(
            Reason.RUN_TIMEOUT,
            f"the environment reached retention.maxLifetime={limit} before the tests ended; raise it, or run fewer "
            "tests at once",
        )
    if namespace is not None and namespace.terminating_since is not None:
        gone = f"namespace {namespace.name} was deleted while the run needed it; start the run again"
        return errored(Reason.ENVIRONMENT_LOST, gone)
    if namespace is None and now >= started + APPEARANCE:
        gone = f"namespace {run.status.namespace} is gone while the run needed it; start the run again"
        return errored(Reason.ENVIRONMENT_LOST, gone)
    return None


def _tests_over(run: IntegrationRun, facts: AttemptFacts, now: datetime, started: datetime) -> Diagnosis | None:
    shard = facts.shard
    late = shard.gates_open is not None and now >= started + APPEARANCE
    if shard.pod is None and not shard.pod_gone and not late:
        return None
    return without_result(run, facts, patient=now < archive_patience_ends(facts, now))


def _time_over(run: IntegrationRun, facts: AttemptFacts, now: datetime, started: datetime) -> Diagnosis | None:
    limit, tests_started = limit_of(run, facts, started)
    if now < limit:
        return None
    if not tests_started:
        return not_started(facts)
    return errored(
        Reason.TEST_TIMEOUT,
        f"no result within timeouts.tests={format_duration(run.spec.timeouts.tests)} and the time to collect it; "
        "set tests.perTestTimeout to fail a test that hangs, or raise timeouts.tests",
    )
