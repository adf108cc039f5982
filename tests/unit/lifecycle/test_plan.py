"""The state machine as tables: a run, what is seen of it, a moment; and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from seatrial.api.run import IntegrationRun
from seatrial.api.status import IntegrationRunStatus, Phase, Reason
from seatrial.api.times import format_time
from seatrial.facts.attempt import AttemptFacts, Container, Evidence, Pod, Termination
from seatrial.lifecycle.actions import (
    AddFinalizer,
    AfterStatus,
    BeforeStatus,
    CheckNamespace,
    CleanUp,
    CreateEnvironment,
    DeletePods,
    DeleteRun,
    GatherEvidence,
    Plan,
    RemoveFinalizer,
    StopTests,
)
from seatrial.lifecycle.ending import rejected
from seatrial.lifecycle.plan import created, plan
from tests.unit import builders as b

FRESH = b.run()
STARTED = b.started()
TESTING_LINE = {
    "queued": "2026-03-01T11:59:29Z", "started": format_time(b.at(-30)), "environmentReady": format_time(b.at(-6)),
    "firstTest": format_time(b.at(-5)),
}  # fmt: skip
HANDED_OVER = b.tests_pod(b.ended("collector", 0, '{"digest": "sha256:abc"}'), b.ended("tests", 0))
GONE = AttemptFacts(evidence=b.ARCHIVED)
HERE = b.facts(b.tests_pod())


def ended(
    verdict: str = "Passed", *, ago: float = 1, spec: dict[str, Any] | None = None, **status: Any
) -> IntegrationRun:
    """A run that has its verdict."""
    base: dict[str, Any] = {
        "phase": "CleaningUp",
        "verdict": verdict,
        "reason": "TestsPassed",
        "results": {"digest": "x"},
    }
    made = b.started(spec, **{**base, **status})
    line = made.status.timeline.model_copy(update={"verdict": format_time(b.at(-ago))})
    return made.model_copy(update={"status": made.status.model_copy(update={"timeline": line})})


@dataclass(frozen=True)
class Case:
    """What is there, and what the plan must say."""

    run: IntegrationRun
    seen: AttemptFacts = field(default_factory=lambda: GONE)
    does: tuple[type[BeforeStatus | AfterStatus], ...] = ()
    phase: str | None = None
    reason: str = ""
    due: float | None = None
    """Seconds from now at which to look again, where the test is about it."""


def succeeded(status: IntegrationRunStatus) -> tuple[str, str, str] | None:
    """The condition for those who know only Kubernetes: status, reason, message."""
    return next(((c.status, c.reason, c.message) for c in status.conditions if c.type == "Succeeded"), None)


CASES = {
    "new": Case(b.run(finalizers=[]), GONE, (AddFinalizer, CreateEnvironment)),
    "new, finalizer already there": Case(FRESH, GONE, (CreateEnvironment,)),
    "new, operator was killed in the burst": Case(FRESH, HERE, (CreateEnvironment,)),
    "cancelled before anything was made": Case(b.run({"cancel": True}), GONE, (), "Cancelled", "Cancelled"),
    "starting": Case(STARTED, HERE, (), "Starting"),
    "first test": Case(STARTED, b.facts(b.tests_pod(), **b.TESTING), (), "Testing"),
    "gates open, no test yet": Case(STARTED, b.facts(b.tests_pod(), gates_open=b.at(-1)), (), None),
    "passed": Case(STARTED, b.facts(b.tests_pod(), result=b.summary()), (CleanUp,), "CleaningUp", "TestsPassed"),
    "failed": Case(STARTED, b.facts(b.tests_pod(), result=b.summary("failed")), (CleanUp,), "CleaningUp", "TestsFailed"),
    "passed, kept": Case(
        b.started({"retention": {"passed": "10m"}}), b.facts(result=b.summary()), (), "Passed", "TestsPassed", 600,
    ),
    "failed is kept on its own": Case(
        b.started({"retention": {"passed": "10m"}}), b.facts(result=b.summary("failed")), (CleanUp,), "CleaningUp",
        "TestsFailed",
    ),
    "service lost": Case(
        STARTED, b.facts(b.pod("redis", "service", deleting=True)), (CleanUp,), "CleaningUp", "ServiceLost"
    ),
    "cancelled before the tests": Case(
        b.started({"cancel": True}), HERE, (CleanUp,), "CleaningUp", "Cancelled"
    ),
    "cancelled among the tests": Case(
        b.started({"cancel": True}), b.facts(b.tests_pod(), **b.TESTING), (StopTests,), "Collecting", "Cancelled", 15,
    ),
    "collecting, tests are ending": Case(
        ended("Cancelled", phase="Collecting", results=None), b.facts(b.tests_pod(deleting=True), **b.TESTING),
        (), "Collecting", due=14,
    ),
    "collected": Case(
        ended("Cancelled", phase="Collecting", results=None), b.facts(b.tests_pod(deleting=True), result=b.summary("died")),
        (CleanUp,), "CleaningUp",
    ),
    "collecting takes too long": Case(
        ended("Cancelled", ago=15, phase="Collecting", results=None), b.facts(b.tests_pod(), **b.TESTING),
        (CleanUp,), "CleaningUp",
    ),
    "environment deleted by somebody": Case(
        STARTED, b.facts(b.tests_pod(), namespace=b.namespace(terminating_since=b.NOW)), (), "CleaningUp", "EnvironmentLost"
    ),
    "migrations' pod gone": Case(
        b.started({"migrations": [{"name": "m", "image": "i", "command": ["c"]}]}), HERE, (CleanUp,), "CleaningUp", "EnvironmentLost"
    ),
    "migrations' pod gone when nobody needs it": Case(
        b.started({"migrations": [{"name": "m", "image": "i", "command": ["c"]}]}), b.facts(b.tests_pod(), **b.TESTING),
        (), "Testing",
    ),
    "tests' pod not there yet": Case(STARTED, b.facts(), (), "Starting"),
    "tests' pod gone before the first test": Case(STARTED, b.facts(pod_gone=True), (CleanUp,), "CleaningUp", "EnvironmentLost"),
    "ended from outside, the pod has not said by whom": Case(
        b.started(), b.facts(b.tests_pod(), result=b.summary("died", signal="SIGTERM"), received_at=b.at(-5)), (), "Starting", due=25,
    ),
    "ended from outside, the pod says by whom": Case(
        b.started(),
        b.facts(
            b.tests_pod(phase="Failed", reason="Evicted", message='Usage of EmptyDir volume "tmp" exceeds the limit "1Gi". '),
            result=b.summary("died", signal="SIGTERM"), received_at=b.at(-5),
        ),
        (CleanUp,), "CleaningUp", "Evicted",
    ),
    "ended from outside, the pod never says by whom": Case(
        b.started(ago=60), b.facts(b.tests_pod(), result=b.summary("died", signal="SIGTERM"), received_at=b.at(-30)), (CleanUp,),
        "CleaningUp", "TestProcessDied",
    ),
    "ended by itself": Case(
        b.started(), b.facts(b.tests_pod(), result=b.summary("died", signal="SIGSEGV"), received_at=b.NOW), (CleanUp,), "CleaningUp",
        "TestProcessDied",
    ),
    "node lost among the tests": Case(
        b.started(phase="Testing", timeline=TESTING_LINE), b.facts(b.tests_pod(disruption="DeletionByTaintManager", deleting=True)),
        (CleanUp,), "CleaningUp", "NodeLost",
    ),
    "environment gone": Case(STARTED, GONE, (CleanUp,), "CleaningUp", "EnvironmentLost"),
    "environment not seen yet": Case(b.started(ago=1), GONE, (), "Starting"),
    "tests' process not started in time": Case(
        b.started({"timeouts": {"environment": "10s"}}), b.facts(b.tests_pod(b.waiting("tests", "PodInitializing"))),
        (CleanUp,), "CleaningUp", "ServiceNotReady",
    ),
    "the launcher keeps the time first": Case(
        b.started({"timeouts": {"environment": "10s"}}), b.facts(b.tests_pod()), (), "Starting"
    ),
    "no result long after the time for the tests": Case(
        b.started({"timeouts": {"tests": "1s"}}, ago=400), b.facts(b.tests_pod(), gates_open=b.at(-390)),
        (CleanUp,), "CleaningUp", "TestTimeout",
    ),
    "the clock of the tests' node is behind": Case(
        b.started({"timeouts": {"tests": "5m"}}, ago=60), b.facts(b.tests_pod(), gates_open=b.at(-3600)),
        (), "Starting",
    ),
    "the clock of the kubelet is behind": Case(
        b.started(ago=60), b.facts(b.tests_pod(b.running("collector"), Container("tests", running_since=b.at(-7200)))), (), "Starting",
    ),
    "cancelled among the tests, by an operator that has not heard of their start": Case(
        b.started({"cancel": True}, phase="Testing", timeline=TESTING_LINE), b.facts(b.tests_pod()), (StopTests,), "Collecting",
    ),
    "an app that a test stops on purpose, after a restart of the operator": Case(
        b.started(phase="Testing", timeline=TESTING_LINE),
        b.facts(b.tests_pod(), b.pod("api", "app", b.waiting("api", "CrashLoopBackOff", previous=b.Termination(1)))), (), "Testing",
    ),
    "handed over, but the archive can't be asked yet": Case(
        STARTED, b.facts(HANDED_OVER, archive_error="refused", archive_silent_since=b.at(-80)), (), "Starting", due=10,
    ),
    "handed over, but the archive can't be asked for long": Case(
        STARTED, b.facts(HANDED_OVER, archive_error="refused", archive_silent_since=b.at(-90)), (CleanUp,), "CleaningUp",
        "ArchiveUnavailable",
    ),
    "tests' pod gone, and the archive can't be asked yet": Case(
        b.started(phase="Testing", timeline=TESTING_LINE),
        b.facts(archive_error="refused", archive_silent_since=b.at(-1)), (), "Testing",
    ),
    "lifetime over": Case(
        b.started(expiresAt=format_time(b.at(-1))), HERE, (CleanUp,), "CleaningUp", "RunTimeout",
    ),
    "a result counts even after the lifetime": Case(
        b.started(expiresAt=format_time(b.at(-1))), b.facts(result=b.summary()), (CleanUp,), "CleaningUp", "TestsPassed",
    ),
    "cleaning up": Case(ended(), b.facts(namespace=b.namespace(terminating_since=b.at(-3))), (), "CleaningUp", due=7),
    "clean-up was not begun": Case(ended(), b.facts(), (CleanUp,), "CleaningUp"),
    "cleaned up": Case(ended(), GONE, (), "Passed", due=604799),
    "cleaning up for long": Case(
        ended(), b.facts(namespace=b.namespace(terminating_since=b.at(-10))), (CheckNamespace,), "CleaningUp", due=10
    ),
    "cleaning up for long, with pods": Case(
        ended(), b.facts(b.tests_pod(deleting=True), namespace=b.namespace(terminating_since=b.at(-10))),
        (DeletePods, CheckNamespace), "CleaningUp", due=10,
    ),
    "stuck": Case(
        ended(), b.facts(namespace=b.namespace(terminating_since=b.at(-121), held_by="finalizer x")),
        (CheckNamespace,), "CleaningUp",
    ),
    "kept after the verdict": Case(ended(phase="Passed", spec={"retention": {"passed": "5s"}}), HERE, (), "Passed", due=4),
    "kept long enough": Case(ended(ago=6, phase="Passed", spec={"retention": {"passed": "5s"}}), HERE, (CleanUp,), "CleaningUp"),
    "kept no longer than its lifetime": Case(
        ended(phase="Passed", spec={"retention": {"passed": "5h"}}, expiresAt=format_time(b.NOW)), HERE, (CleanUp,), "CleaningUp"
    ),
    "deleted, environment there": Case(
        b.run(deletionTimestamp="2026-03-01T12:00:00Z"), HERE, (CleanUp,),
    ),
    "deleted, environment going": Case(
        b.run(deletionTimestamp="2026-03-01T12:00:00Z"), b.facts(namespace=b.namespace(terminating_since=b.NOW)), ()
    ),
    "deleted, environment gone": Case(b.run(deletionTimestamp="2026-03-01T12:00:00Z"), GONE, (RemoveFinalizer,)),
    "deleted, not ours any more": Case(b.run(deletionTimestamp="2026-03-01T12:00:00Z", finalizers=["other"]), HERE, ()),
}  # fmt: skip


def decide(run: IntegrationRun, seen: AttemptFacts, now: datetime = b.NOW) -> Plan:
    """The plan of a run."""
    return plan(run, seen, now)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_plan(case: Case) -> None:
    made = decide(case.run, case.seen)
    assert tuple(type(action) for action in (*made.before, *made.after)) == case.does
    if case.phase:
        assert made.status.phase == case.phase
    if case.reason:
        assert made.status.reason == case.reason
    if case.run.status.verdict is None and made.status.verdict is not None:
        passed = "True" if made.status.verdict == "Passed" else "False"
        assert succeeded(made.status) == (passed, made.status.reason, made.status.message)
        assert made.status.duration
    if case.due is not None:
        assert made.due is not None
        assert round((made.due - b.NOW).total_seconds()) == case.due


@pytest.mark.parametrize("case", [pytest.param(c, id=i) for i, c in CASES.items() if i != "environment gone"])
def test_the_same_look_again_changes_nothing(case: Case) -> None:
    first = decide(case.run, case.seen)
    repeated = decide(case.run.model_copy(update={"status": first.status}), case.seen)
    assert repeated.status == first.status
    assert repeated.events == ()


def test_a_verdict_never_changes() -> None:
    passed = ended("Passed")
    for seen in (
        b.facts(result=b.summary("failed")),
        b.facts(b.pod("redis", "service", b.ended("redis", 1))),
        b.facts(namespace=b.namespace(terminating_since=b.NOW)),
        GONE,
    ):
        assert decide(passed, seen).status.verdict == "Passed"
    assert decide(ended("Passed", spec={"cancel": True}), HERE).status.verdict == "Passed"


def test_runs_of_version_0_1_0_go_on() -> None:
    finalizers = ["seatrial.dev/reclaim"]
    assert decide(b.run(finalizers=finalizers), GONE).before == (CreateEnvironment(),)
    deleted = b.run(finalizers=finalizers, deletionTimestamp="2026-03-01T12:00:00Z")
    assert decide(deleted, GONE).after == (RemoveFinalizer(),)
    assert decide(ended(phase="Reclaiming"), GONE).status.phase == "Passed"


def test_an_environment_that_turns_up_late_is_cleaned_up_too() -> None:
    done = ended()
    cleaned_up = done.model_copy(update={"status": decide(done, GONE).status})
    assert decide(cleaned_up, HERE).after == (CleanUp(),)


def test_the_record_is_forgotten_when_its_time_is_over() -> None:
    record = ended(spec={"retention": {"record": "1h"}})
    gone = decide(record, GONE)
    kept = record.model_copy(update={"status": gone.status})
    assert decide(kept, GONE, b.at(3598)).after == ()
    assert decide(kept, GONE, b.at(3600)).after == (DeleteRun(),)


def test_a_passed_run_shows_its_numbers() -> None:
    status = decide(STARTED, b.facts(b.tests_pod(), result=b.summary(), evidence=None)).status
    assert status.tests_summary == "3/3"
    assert status.results is not None
    assert status.results.digest == "sha256:abc"
    assert status.timeline.first_test == format_time(b.at(-5))
    assert status.timeline.last_test == format_time(b.at(-1))
    assert {c.type: c.status for c in status.conditions} == {
        "EnvironmentReady": "True",
        "Succeeded": "True",
        "TestsFinished": "True",
        "ResultsArchived": "True",
    }


def test_what_a_cancelled_run_had_finished_is_kept() -> None:
    waiting = ended("Cancelled", phase="Collecting", results=None)
    status = decide(waiting, b.facts(b.tests_pod(deleting=True), result=b.summary("died"))).status
    assert (status.verdict, status.tests_summary) == ("Cancelled", "3/3")


def test_the_duration_is_from_the_creation_to_the_verdict() -> None:
    assert decide(STARTED, b.facts(result=b.summary()), b.at(91)).status.duration == "1m32s"
    assert decide(b.run({"cancel": True}), GONE).status.duration == "1s"


def test_until_the_verdict_the_condition_has_the_phase_as_its_reason() -> None:
    case = CASES["first test"]
    assert succeeded(decide(case.run, case.seen).status) == ("Unknown", "Testing", "the tests run")


def test_a_change_after_the_verdict_is_observed() -> None:
    """`kubectl wait` would wait for ever: it believes no condition about an older generation."""
    first = decide(STARTED, b.facts(b.tests_pod(), result=b.summary())).status
    metadata = STARTED.metadata.model_copy(update={"generation": 2})
    changed = STARTED.model_copy(update={"status": first, "metadata": metadata})
    status = decide(changed, HERE).status
    assert status.observed_generation == 2
    assert {c.observed_generation for c in status.conditions} == {2}
    assert [c.last_transition_time for c in status.conditions] == [c.last_transition_time for c in first.conditions]


def test_after_the_burst() -> None:
    status = created(FRESH, b.at(7200), b.NOW).status
    assert (status.phase, status.namespace) == (Phase.STARTING, FRESH.scope.namespace)
    assert status.expires_at == format_time(b.at(7200))
    assert status.timeline.queued == format_time(b.at(-1))
    assert succeeded(status) == ("Unknown", "Starting", "the environment starts")


def test_a_wait_within_the_second_of_creation_is_not_reported() -> None:
    line = created(FRESH, b.at(7200), b.at(-0.4)).status.timeline
    assert line.queued == line.started == format_time(b.at(-0.4))


def test_a_spec_that_can_not_be_started() -> None:
    made = rejected(FRESH, Reason.INVALID_SPEC, "tests.source.configMapRef.name: ConfigMap x is not there", b.NOW)
    assert made.status.verdict == "Errored"
    assert next((c.type, c.status) for c in made.status.conditions) == ("Accepted", "False")
    assert succeeded(made.status) == (
        "False",
        "InvalidSpec",
        "tests.source.configMapRef.name: ConfigMap x is not there",
    )
    assert made.after == (GatherEvidence(True),)
    after = FRESH.model_copy(update={"status": made.status})
    assert decide(after, GONE).after == (CleanUp(),)  # whatever the burst has left


def test_a_stuck_namespace_is_reported_with_what_holds_it() -> None:
    case = CASES["stuck"]
    status = decide(case.run, case.seen).status
    assert [(c.reason, "finalizer x" in c.message) for c in status.conditions] == [("NamespaceStuck", True)]


def test_a_lost_namespace_is_missed_only_after_a_while() -> None:
    early = replace(HERE, namespace=None)
    assert decide(b.started(ago=9), early).status.verdict is None
    assert decide(b.started(ago=10), early).status.reason == "EnvironmentLost"


@pytest.mark.parametrize("moment", [-1e10, 253402300799.0])
def test_a_time_that_can_not_be_one_does_not_keep_a_run_from_its_end(moment: float) -> None:
    summary = b.summary(firstTestAt=moment, lastTestEndedAt=moment, gatesOpenAt=moment)
    assert decide(STARTED, b.facts(result=summary)).status.reason == "TestsPassed"


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a time that is none": ({"firstTestAt": 1e300}, "firstTestAt"),
    "a time that is not a number": ({"lastTestEndedAt": float("nan")}, "lastTestEndedAt"),
    "more tests than there can be": ({"tests": {"total": 10**30}}, "tests.total"),
    "a service that is no object": ({"lost": ["x"]}, "lost[0]"),
}


@pytest.mark.parametrize(("strange", "path"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_result_that_can_not_be_read_ends_its_run_with_a_name(strange: dict[str, Any], path: str) -> None:
    status = decide(STARTED, b.facts(result=b.summary(**strange))).status
    assert (status.verdict, status.reason) == ("Errored", "ResultsMissing")
    assert f"can't be read (summary: {path}: " in status.message
    assert status.results is not None  # it is in the archive, to be looked at


FAILED = b.facts(b.tests_pod(), result=b.summary("failed"), evidence=None)
GOING = b.namespace(terminating_since=b.at(-1))


def away(since: float, tried: float) -> Evidence:
    return Evidence(error="refused", failing_since=b.at(since), tried=b.at(tried))


def collected_nothing(pytest_ended: float) -> Pod:
    """The tests' pod of a collector that found no archive."""
    tests = Container("tests", terminated=Termination(0, finished_at=b.at(pytest_ended)))
    return b.tests_pod(
        b.ended("collector", 1, '{"code":"archive-unavailable","message":"archive unavailable: refused"}'), tests
    )


EVIDENCE = {
    "failed": Case(STARTED, FAILED, (GatherEvidence,), "Collecting"),
    "failed, kept": Case(b.started({"retention": {"failed": "10m"}}), FAILED, (GatherEvidence,), "Failed"),
    "failed, none is wanted": Case(
        b.started({"retention": {"evidence": "Never"}}), FAILED, (CleanUp, GatherEvidence), "CleaningUp"
    ),
    "passed": Case(STARTED, b.facts(result=b.summary(), evidence=None), (CleanUp, GatherEvidence), "CleaningUp"),
    "passed, always wanted": Case(
        b.started({"retention": {"evidence": "Always"}}), b.facts(result=b.summary(), evidence=None), (GatherEvidence,), "Collecting"
    ),
    "gathered": Case(ended("Failed", phase="Collecting"), b.facts(), (CleanUp,), "CleaningUp"),
    "cancelled among the tests: what they left comes first": Case(
        b.started({"cancel": True}), b.facts(b.tests_pod(), **b.TESTING, evidence=None), (StopTests,), "Collecting"
    ),
    "cancelled before anything was made": Case(
        b.run({"cancel": True}), AttemptFacts(), (GatherEvidence,), "Cancelled",
    ),
    "environment deleted by somebody: what is left is read at once": Case(
        STARTED, b.facts(b.tests_pod(), namespace=GOING, evidence=None), (GatherEvidence,), "CleaningUp"
    ),
    "the operator was restarted while the environment ends": Case(
        ended("Failed"), b.facts(namespace=GOING, evidence=None), (GatherEvidence,), "CleaningUp"
    ),
    "and when it is gone": Case(ended("Failed"), AttemptFacts(), (GatherEvidence,), "CleaningUp"),
    "of a passed run that is no reason to wait": Case(ended(), AttemptFacts(), (GatherEvidence,), "Passed"),
    "archive away": Case(
        ended("Failed", phase="Collecting"), b.facts(evidence=away(-2, -2)), (), "Collecting", due=3
    ),
    "archive away, again": Case(
        ended("Failed", phase="Collecting"), b.facts(evidence=away(-12, -5)), (GatherEvidence,), "Collecting"
    ),
    "archive away for long": Case(
        ended("Failed", phase="Collecting"), b.facts(evidence=away(-90, -5)), (CleanUp,), "CleaningUp"
    ),
    "archive away for as long already when the verdict came": Case(
        ended("Errored", phase="Collecting"), b.facts(evidence=away(-2, -2), archive_silent_since=b.at(-92)), (CleanUp,),
        "CleaningUp",
    ),
    "archive away, as the collector has said": Case(
        ended("Errored", phase="Collecting"), b.facts(collected_nothing(-50), evidence=away(-2, -2)), (), "Collecting", due=3
    ),
    "archive away for long, as the collector has said": Case(
        ended("Errored", phase="Collecting"),
        b.facts(collected_nothing(-92), evidence=away(-2, -2), archive_silent_since=b.at(-3)), (CleanUp,), "CleaningUp",
    ),
    "refused": Case(
        ended("Failed", phase="Collecting"), b.facts(evidence=replace(away(0, 0), refused=True)), (CleanUp,), "CleaningUp"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", EVIDENCE.values(), ids=EVIDENCE.keys())
def test_evidence_comes_before_the_clean_up_and_after_the_verdict(case: Case) -> None:
    test_the_plan(case)


def test_a_passed_run_leaves_its_record_alone() -> None:
    assert decide(STARTED, b.facts(result=b.summary(), evidence=None)).after == (CleanUp(), GatherEvidence(False))


def test_what_became_of_the_evidence_is_reported_with_the_write_that_is_made_anyway() -> None:
    waiting = ended("Failed", phase="Collecting")
    planned = decide(waiting, b.facts())
    assert [(c.type, c.status) for c in planned.status.conditions] == [("EvidenceArchived", "True")]
    assert planned.events == ()

    lost = decide(waiting, b.facts(evidence=away(-90, -5)))
    (condition,) = lost.status.conditions
    assert (condition.status, condition.reason, condition.message.split(";")[0]) == (
        "False", "ArchiveUnavailable", "not archived: refused",
    )  # fmt: skip
    assert [event.reason for event in lost.events] == ["EvidenceLost"]
    repeated = decide(waiting.model_copy(update={"status": lost.status}), b.facts(evidence=away(-90, -5)))
    assert repeated.events == ()
    assert repeated.status == lost.status


def test_nothing_waits_for_evidence_when_the_run_itself_is_deleted() -> None:
    deleted = b.run(deletionTimestamp="2026-03-01T12:00:00Z")
    assert decide(deleted, b.facts(evidence=None)).after == (CleanUp(),)


LOST = b.summary("failed", lost=[{"name": "postgres", "error": "connection refused"}])
WITH_POSTGRES = b.started({"services": {"postgres": {}}})


def test_how_a_lost_service_ended_is_waited_for_but_not_long() -> None:
    def seen(received: float, *pods: Any) -> AttemptFacts:
        return b.facts(*pods, result=LOST, received_at=b.at(received))

    early = decide(WITH_POSTGRES, seen(-0.1, b.pod("postgres", "service")))
    assert early.status.verdict is None
    assert early.due == b.at(2.4)
    planned = decide(
        WITH_POSTGRES, seen(-0.1, b.pod("postgres", "service", b.ended("postgres", 137, reason="OOMKilled")))
    )
    assert planned.status.reason == "OutOfMemory"
    silent = decide(WITH_POSTGRES, seen(-2.5, b.pod("postgres", "service")))
    assert silent.status.reason == "ServiceLost"


def test_how_a_lost_app_ended_is_waited_for_as_well() -> None:
    """Its memory may have been the cause, and only its pod tells."""
    run = b.started({"apps": {"api": {"image": "i", "port": 80}}})
    planned = b.summary("failed", lost=[{"name": "api", "error": "connection refused"}])

    def seen(received: float, app: Any) -> AttemptFacts:
        return b.facts(b.pod("api", "app", app), result=planned, received_at=b.at(received))

    assert decide(run, seen(-0.1, b.running("api"))).status.verdict is None
    killed = b.running("api", previous=b.Termination(137, "OOMKilled", "", b.at(-0.1)))
    assert decide(run, seen(-0.1, killed)).status.reason == "OutOfMemory"
    assert decide(run, seen(-2.5, b.running("api"))).status.reason == "TestsFailed"


def test_a_test_that_was_running_till_the_end_belongs_to_the_time_of_the_tests() -> None:
    times = {
        "firstTestAt": b.at(-9).timestamp(),
        "lastTestEndedAt": b.at(-8).timestamp(),
        "endedAt": b.at(-1).timestamp(),
    }
    ended = decide(b.started(), b.facts(result=b.summary("failed", **times)))
    assert ended.status.timeline.last_test == format_time(b.at(-8))
    hung = decide(b.started(), b.facts(result=b.summary("timeout", running="t.py::test_c", **times)))
    assert hung.status.timeline.last_test == format_time(b.at(-1))
