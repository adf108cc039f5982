"""Each cause told from its signs, and the first cause before its consequences."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from seatrial.facts.attempt import AttemptFacts
from seatrial.verdict.diagnosis import Diagnosis
from seatrial.verdict.excerpt import last_line
from seatrial.verdict.pods import from_pods, not_started
from seatrial.verdict.result import from_result, without_result
from tests.unit import builders as b

SPEC: dict[str, Any] = {
    "services": {"postgres": {}, "minio": {}},
    "apps": {"api": {"image": "i", "port": 80}},
    "code": {"digest": f"sha256:{'0' * 64}", "mountPath": "/app"},
    "tests": {"image": "i", "markers": "p0"},
}
POSTGRES, API = b.pod("postgres", "service", ready=True), b.pod("api", "app")
PULL = 'rpc error: failed to pull "x:1": x:1: not found'
REFUSED = {"name": "postgres", "error": "connection refused"}
NO_BUNDLE = (
    f"the archive has no bundle sha256:{'0' * 64} for namespace team-a (never uploaded there, or not used for long); "
    "`seatrial run FILE` with code.local uploads it"
)
CHECK = "check the archive (kubectl get pods -l app.kubernetes.io/component=archive -A) and start the run again"


def launcher(code: str, message: str = "m") -> str:
    """What a launcher leaves when it gives up."""
    return json.dumps({"code": code, "message": message}, separators=(",", ":"))


@dataclass(frozen=True)
class Case:
    """What is seen and what it means."""

    seen: AttemptFacts
    reason: str | None
    message: str = ""
    patient: bool = False


PODS = {
    "nothing wrong": Case(b.facts(POSTGRES, API, b.tests_pod()), None),
    "service dies at start": Case(
        b.facts(b.pod("postgres", "service", b.ended("postgres", 1, "no space\ninit SQL failed: syntax error"))),
        "ServiceNotReady",
        'postgres ended while it was starting (exit 1: init SQL failed: syntax error); see `seatrial '
        'logs orders postgres`',
    ),
    "service dies later": Case(
        b.facts(b.pod("postgres", "service", b.ended("postgres", 137, "")), **b.TESTING),
        "ServiceLost",
        'postgres ended while the run needed it (ended by signal 9, by somebody or for using more '
        'memory than its limit); start the run again, and if it is killed again raise '
        'spec.services.postgres.resources.limits.memory',
    ),
    "service out of memory": Case(
        b.facts(b.pod("minio", "service", b.ended("minio", 137, reason="OOMKilled"))),
        "OutOfMemory",
        'minio used more memory than its limit and was killed; raise '
        'spec.services.minio.resources.limits.memory',
    ),
    "service's pod deleted": Case(
        b.facts(b.pod("postgres", "service", deleting=True)), "ServiceLost", 'postgres: its pod was deleted while the run needed it; start the run again',
    ),
    "evicted": Case(
        b.facts(b.pod("minio", "service", reason="Evicted", message="The node was low on memory")), "Evicted",
        'minio: it was evicted, node node-1 (The node was low on memory); start the run again',
    ),
    "wrote too much, by its container's limit": Case(
        b.facts(
            b.tests_pod(reason="Evicted", message='Container tests exceeded its local ephemeral storage limit "4Gi". ')
        ),
        "Evicted",
        'tests wrote more to its disk than it may and was ended (Container tests exceeded its local '
        'ephemeral storage limit "4Gi".); write less, or raise '
        'spec.tests.resources.limits.ephemeral-storage',
    ),
    "wrote too much, in a container beside the tests": Case(
        b.facts(
            b.tests_pod(reason="Evicted", message='Container collector exceeded its local ephemeral storage limit "1Gi". ')
        ),
        "Evicted",
        'tests/collector wrote more to its disk than it may and was ended (Container collector exceeded '
        'its local ephemeral storage limit "1Gi".); write less, or raise '
        'spec.tests.resources.limits.ephemeral-storage',
    ),
    "wrote too much, by its volume's limit": Case(
        b.facts(
            b.pod("minio", "service", reason="Evicted", message='Usage of EmptyDir volume "data" exceeds the limit "2Gi". ')
        ),
        "Evicted",
        'minio wrote more to its disk than it may and was ended (Usage of EmptyDir volume "data" '
        'exceeds the limit "2Gi".); write less, or raise '
        'spec.services.minio.resources.limits.ephemeral-storage',
    ),
    "migrations' pod deleted": Case(
        b.facts(POSTGRES, b.pod("migrations", "migrations", deleting=True), b.tests_pod()), "EnvironmentLost",
        "the migrations' pod was deleted before the tests began; start the run again",
    ),
    "migrations' pod deleted when nobody needs it": Case(
        b.facts(POSTGRES, b.pod("migrations", "migrations", deleting=True), b.tests_pod(), **b.TESTING), None,
    ),
    "node lost": Case(
        b.facts(b.tests_pod(disruption="DeletionByTaintManager", deleting=True)), "NodeLost", 'tests: its node was lost, node node-1; start the run again',
    ),
    "migration fails": Case(
        b.facts(POSTGRES, b.pod("migrations", "migrations", b.ended("schema", 2, "Traceback\nKeyError: 'x'"))),
        "MigrationFailed",
        "migration schema failed (exit 2: KeyError: 'x'); `seatrial logs orders migrations` has all of "
        'it: run it by hand against an empty database',
    ),
    "migration ends with the highest code": Case(
        b.facts(POSTGRES, b.pod("migrations", "migrations", b.ended("schema", 255, "FAILED: no such revision"))),
        "MigrationFailed",
        'migration schema failed (exit 255: FAILED: no such revision); `seatrial logs orders '
        'migrations` has all of it: run it by hand against an empty database',
    ),
    "migration's gate": Case(
        b.facts(b.pod("migrations", "migrations", b.ended("schema", 75, '{"code":"gates-timed-out","message":"not ready after 300s: minio (refused)"}'))),
        "ServiceNotReady", 'migration schema could not begin: not ready after 300s: minio (refused)',
    ),
    "migration ends with the launcher's own code": Case(
        b.facts(POSTGRES, b.pod("migrations", "migrations", b.ended("schema", 75, "try again later"))),
        "MigrationFailed",
        'migration schema failed (exit 75: try again later); `seatrial logs orders migrations` has all '
        'of it: run it by hand against an empty database',
    ),
    "migration's bundle missing": Case(
        b.facts(POSTGRES, b.pod("migrations", "migrations", b.ended("schema", 74, launcher("bundle-missing")))),
        "BundleMissing", f"migration schema could not start: {NO_BUNDLE}",
    ),
    "app's bundle missing": Case(
        b.facts(POSTGRES, b.pod("api", "app", b.running("api", restarts=1, previous=b.termination(74, launcher("bundle-missing"))))),
        "BundleMissing", f"app api could not start: {NO_BUNDLE}",
    ),
    "app's bundle missing, in the init container before its entry point": Case(
        b.facts(POSTGRES, b.pod("api", "app", b.ended("seatrial-wait", 74, launcher("bundle-missing")))),
        "BundleMissing", f"app api could not start: {NO_BUNDLE}",
    ),
    "app's bundle broken": Case(
        b.facts(POSTGRES, b.pod("api", "app", b.ended("api", 74, launcher("bundle-broken", "the bundle sha256:00 can't be used: 'x' leads out of it")))),
        "BundleBroken",
        "app api could not start: the bundle sha256:00 can't be used: 'x' leads out of it; have the command pack and "
        "upload it: `seatrial run FILE` with code.local",
    ),
    "the archive away from an app's bundle": Case(
        b.facts(POSTGRES, b.pod("api", "app", b.ended("api", 75, launcher("archive-unavailable", "no answer for 300s")))),
        "ArchiveUnavailable", f"app api could not fetch the bundle of spec.code: no answer for 300s; {CHECK}",
    ),
    "port of a forward taken": Case(
        b.facts(POSTGRES, b.pod("api", "app", b.ended("api", 74, launcher("forward-port-taken", "port 80 is taken")))),
        "ContainerConfigError",
        "app api could not start: port 80 is taken; check spec.forwards: give that port another number",
    ),
    "app's gate": Case(
        b.facts(b.pod("api", "app", b.waiting("api", "", previous=b.termination(75, '{"code":"gates-timed-out","message":"not ready after 300s: minio (refused)"}')))),
        "ServiceNotReady", 'app api could not begin: not ready after 300s: minio (refused)',
    ),
    "app ends once with the launcher's own code": Case(
        b.facts(b.pod("api", "app", b.running("api", restarts=1, previous=b.Termination(75, "Error", "try again later")))), None,
    ),
    "refused by its node": Case(
        b.facts(replace(b.tests_pod(), phase="Failed", reason="OutOfcpu", message="Node didn't have enough", containers=())),
        "Unschedulable", "tests: node node-1 refused it: OutOfcpu: Node didn't have enough; start the run again",
    ),
    "a busy node": Case(
        b.facts(b.tests_pod(b.waiting("tests", "CreateContainerError", "context deadline exceeded"))), None,
    ),
    "app crashed once": Case(b.facts(b.pod("api", "app", b.running("api", restarts=1))), None),
    "app crashes on": Case(
        b.facts(b.pod("api", "app", b.waiting("api", "CrashLoopBackOff", previous=b.Termination(1, "Error", "boom")))),
        "AppCrashed", 'app api ends again and again (exit 1: boom); see `seatrial logs orders api`',
    ),
    "app crashes while tests run": Case(
        b.facts(
            b.pod("api", "app", b.waiting("api", "CrashLoopBackOff", previous=b.Termination(1, "Error", "x"))), **b.TESTING
        ),
        None,
    ),
    "image absent": Case(
        b.facts(b.pod("api", "app", b.waiting("api", "ImagePullBackOff", PULL))), "ImagePullFailed",
        'api: its image can\'t be pulled: rpc error: failed to pull "x:1": x:1: not found; check its '
        'name and tag, and that the cluster may pull it',
        patient=True,
    ),
    "image absent, first try": Case(
        b.facts(b.pod("api", "app", b.waiting("api", "ErrImagePull", PULL))), "ImagePullFailed",
        'api: its image can\'t be pulled: rpc error: failed to pull "x:1": x:1: not found; check its '
        'name and tag, and that the cluster may pull it', patient=True
    ),
    "registry does not answer, first try": Case(
        b.facts(b.pod("api", "app", b.waiting("api", "ErrImagePull", "i/o timeout"))), None
    ),
    "registry hiccup, at first": Case(
        b.facts(b.pod("api", "app", b.waiting("api", "ImagePullBackOff", "timeout"))), None, patient=True
    ),
    "registry hiccup, still": Case(
        b.facts(b.pod("api", "app", b.waiting("api", "ImagePullBackOff", "timeout"))), "ImagePullFailed",
        "api: its image can't be pulled: timeout; check its name and tag, and that the cluster may "
        'pull it'
    ),
    "runs as root": Case(
        b.facts(b.tests_pod(b.waiting("tests", "CreateContainerConfigError", "image will run as root"))),
        "ContainerConfigError",
        "tests: the container can't be started: image will run as root; the environment runs nothing as "
        'root',
    ),
    "the service before the app that misses it": Case(
        b.facts(
            b.pod("api", "app", b.waiting("api", "CrashLoopBackOff", previous=b.Termination(1, "Error", "refused"))),
            b.pod("postgres", "service", b.ended("postgres", 137, reason="OOMKilled")),
        ),
        "OutOfMemory",
        'postgres used more memory than its limit and was killed; raise '
        'spec.services.postgres.resources.limits.memory',
    ),
}  # fmt: skip


def assert_cause(found: Diagnosis | None, reason: str | None, words: tuple[str, ...]) -> None:
    """Compares a diagnosis with what is wanted of it."""
    assert (found.reason if found else None) == reason, found
    for word in words:
        assert found is not None
        assert word in found.message


def whole(found: Diagnosis | None, reason: str | None, message: str) -> None:
    """Compares a diagnosis with its whole message."""
    seen = (found.reason, found.message) if found else (None, "")
    assert seen == (reason, message)


@pytest.mark.parametrize("case", PODS.values(), ids=PODS.keys())
def test_what_pods_tell(case: Case) -> None:
    whole(from_pods(b.run(SPEC), case.seen, patient=case.patient), case.reason, case.message)


def test_a_service_whose_pod_is_gone_is_lost() -> None:
    found = from_pods(b.run(SPEC), b.facts(POSTGRES, API), patient=False, expected=("postgres", "minio"))
    assert_cause(found, "ServiceLost", ("minio", "gone"))


RESULTS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "passed": (b.summary(), "Passed", "TestsPassed", '3 passed'),
    "passed, but not complete": (b.summary(complete=False), "Errored", "TestProcessDied",
        'pytest ended in the middle (exit 0); a test, or code under it, ends the process (os._exit, a '
        'kill, a crash in native code); `seatrial results orders -o DIR` downloads the log'),
    "passed, but a failure is counted": (
        b.summary(tests={"total": 1, "passed": 0, "failed": 1}), "Errored", "TestProcessDied",
        'pytest ended in the middle (exit 0); a test, or code under it, ends the process (os._exit, a '
        'kill, a crash in native code); `seatrial results orders -o DIR` downloads the log',
    ),
    "passed, but another exit code": (b.summary(exitCode=3), "Errored", "TestProcessDied",
        'pytest ended in the middle (exit 3); a test, or code under it, ends the process (os._exit, a '
        'kill, a crash in native code); `seatrial results orders -o DIR` downloads the log'),
    "failed": (b.summary("failed"), "Failed", "TestsFailed", '1 failed, 2 passed; first: t.py::test_b: assert 1 == 2'),
    "failed, an app is gone": (
        b.summary("failed", lost=[{"name": "api", "error": "connection refused"}]), "Failed", "TestsFailed",

        '1 failed, 2 passed; no longer answering: api (connection refused); first: t.py::test_b: assert '
        '1 == 2',
    ),
    "failed because a service is gone": (b.summary("failed", lost=[REFUSED]), "Errored", "ServiceLost", 'lost while the tests ran: postgres (connection refused); start the run again'),
    "collection": (
        b.summary("collection-error", collectionErrors=[{"id": "t.py", "message": "No module named 'x'"}]),
        "Failed", "CollectionError", "pytest could not collect the tests: t.py: No module named 'x'; 3 passed",
    ),
    "nothing": (b.summary("no-tests"), "Errored", "NoTestsCollected", "pytest found no test to run with markers='p0': check spec.tests"),
    "usage": (
        b.summary("usage-error", outputTail="usage: pytest [options]\npytest: error: no such option --x\n  rootdir: /tests"),
        "Errored", "UsageError",
        'pytest refused its arguments: pytest: error: no such option --x; check paths, markers, '
        'keywords and args in spec.tests',
    ),
    "conftest": (
        b.summary("usage-error", outputTail="ImportError while loading conftest '/app/conftest.py'.\nconftest.py:1: in <module>\n    import helper\n"
                  "E   ModuleNotFoundError: No module named 'helper'"),
        "Failed", "CollectionError", "pytest could not load /app/conftest.py: ModuleNotFoundError: No module named 'helper'",
    ),
    "interrupted": (
        b.summary("interrupted", error="ended before all tests had run: x"), "Errored", "TestProcessDied",

        'ended before all tests had run: x; see output.log for what stopped it; `seatrial results '
        'orders -o DIR` downloads the log',
    ),
    "no bundle": (b.summary("not-started", code="bundle-missing", error="m"), "Errored", "BundleMissing", f"tests could not start: {NO_BUNDLE}"),
    "no working directory": (
        b.summary("not-started", code="set-up-failed", error="the image has no folder /app: check workingDir"),
        "Errored", "ContainerConfigError",
        "tests could not start: the image has no folder /app: check workingDir; check its workingDir and mounts, and what it may write",
    ),
    "no pytest": (b.summary("no-pytest", outputTail="No module named pytest"), "Errored", "ImageWithoutPytest",
        "image i can't run pytest (No module named pytest); it needs Python 3.9 and pytest 7, or newer"),
    "time": (b.summary("timeout", running="t.py::test_c"), "Errored", "TestTimeout",
        'the tests took longer than timeouts.tests=30m during t.py::test_c; set tests.perTestTimeout to '
        'fail a test that hangs, or raise timeouts.tests'),
    "gate: service": (
        b.summary("gate-timeout", notReady=[{"name": "api", "error": "HTTP 503"}, REFUSED]),
        "Errored", "ServiceNotReady",
        'not ready within 5m: postgres (connection refused); see `seatrial logs orders postgres`, or '
        'raise timeouts.environment',
    ),
    "gate: migrations": (
        b.summary("gate-timeout", notReady=[{"name": "migrations", "error": "refused"}]), "Errored", "MigrationFailed",

        'the migrations did not finish within 5m; see `seatrial logs orders migrations`, or raise '
        'timeouts.environment',
    ),
    "gate: app": (
        b.summary("gate-timeout", notReady=[{"name": "api", "error": "HTTP 503"}]), "Errored", "AppNotReady",
        'not ready within 5m: api (HTTP 503); check `ready` and `seatrial logs orders api`, or raise '
        'timeouts.environment',
    ),
    "memory": (b.summary("died", oomKilled=True, running="t.py::test_c"), "Errored", "OutOfMemory",
        'the tests used more memory than their limit during t.py::test_c; raise '
        'spec.tests.resources.limits.memory'),
    "exit": (b.summary("died", exitCode=0, running="t.py::test_c"), "Errored", "TestProcessDied",
        'pytest ended in the middle (exit 0) during t.py::test_c; a test, or code under it, ends the '
        'process (os._exit, a kill, a crash in native code); `seatrial results orders -o DIR` downloads '
        'the log'),
    "signal": (b.summary("died", signal="SIGSEGV", error="pytest was killed by SIGSEGV"), "Errored", "TestProcessDied",
        'pytest was killed by SIGSEGV; a test, or code under it, ends the process (os._exit, a kill, a '
        'crash in native code); `seatrial results orders -o DIR` downloads the log'),
    "inconsistent": (b.summary("inconsistent", error="exit.json was written by something else than the launcher"),
        "Errored", "ResultsInconsistent",
        "the tests' results contradict themselves: exit.json was written by something else than the launcher; a "
        "test, or code under it, writes below /results, which is Seatrial's own: have it write elsewhere"),
    "full shared memory": (b.summary("died", signal="SIGBUS", error="pytest was killed by SIGBUS"), "Errored", "TestProcessDied",
        'pytest was killed by SIGBUS; most often /dev/shm is full then: give it a size by spec.tests.sharedMemory; '
        '`seatrial results orders -o DIR` downloads the log'),
    "unknown outcome": (b.summary("something new"), "Errored", "ResultsMissing",
        "the result in the archive can't be read (summary: outcome: 'something new' is none of passed, "
        'failed, no-tests, collection-error, usage-error, internal-error, interrupted, died, timeout, '
        'gate-timeout, no-pytest, not-started, no-exit-record, inconsistent): something else than the collector '
        "wrote it, or the runner's image and the operator are of different versions; start the run again"),
}  # fmt: skip


TAKEN: dict[str, tuple[AttemptFacts, dict[str, Any], str, str]] = {
    "the tests' node": (b.facts(b.tests_pod(disruption="DeletionByTaintManager")), b.summary("died", signal="SIGTERM"), "NodeLost", 'tests: its node was lost, node node-1; start the run again'),
    "the tests' pod": (b.facts(b.tests_pod(deleting=True)), b.summary("died", signal="SIGTERM"), "EnvironmentLost", "the tests' pod was deleted while they ran; start the run again"),
    "an app's node": (
        b.facts(b.pod("api", "app", disruption="DeletionByTaintManager"), b.tests_pod()), b.summary("failed"), "NodeLost", 'api: its node was lost, node node-1; start the run again',
    ),
    "memory, of an app while the tests ran": (
        b.facts(b.pod("api", "app", b.running("api", previous=b.Termination(137, "OOMKilled", "", b.at(-3))))), b.summary("failed"),
        "OutOfMemory",
        'app api used more memory than its limit and was killed while the tests ran, and tests failed; '
        'raise spec.apps.api.resources.limits.memory',
    ),
    "memory, of an app before the tests": (
        b.facts(b.pod("api", "app", b.running("api", previous=b.Termination(137, "OOMKilled", "", b.at(-9))))), b.summary("failed"),
        "TestsFailed", '1 failed, 2 passed; first: t.py::test_b: assert 1 == 2',
    ),
    "memory, of a process of the tests": (b.facts(b.tests_pod()), b.summary("failed", oomKilled=True), "OutOfMemory",
        'a process of the tests used more memory than their limit and was killed, and tests failed (1 '
        'failed, 2 passed); raise spec.tests.resources.limits.memory'),
    "an app's node, missed by no test": (
        b.facts(b.pod("api", "app", disruption="DeletionByTaintManager")), b.summary(), "TestsPassed", '3 passed',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "delivered", "reason", "message"), TAKEN.values(), ids=TAKEN.keys())
def test_what_was_taken_from_the_tests_is_no_failing_test(
    seen: AttemptFacts, delivered: dict[str, Any], reason: str, message: str
) -> None:
    whole(from_result(b.run(SPEC), seen, b.result_from(delivered)), reason, message)


@pytest.mark.parametrize(("delivered", "verdict", "reason", "message"), RESULTS.values(), ids=RESULTS.keys())
def test_what_a_result_means(delivered: dict[str, Any], verdict: str, reason: str, message: str) -> None:
    found = from_result(b.run(SPEC), b.facts(POSTGRES, API), b.result_from(delivered))
    assert found.verdict == verdict
    whole(found, reason, message)


def test_an_app_whose_pod_was_refused_is_not_slow() -> None:
    delivered = b.summary("gate-timeout", notReady=[{"name": "api", "error": "connection refused"}])
    words = ("app api was never created", "app.kubernetes.io/managed-by=seatrial")
    assert_cause(from_result(b.run(SPEC), b.facts(POSTGRES), b.result_from(delivered)), "AdmissionDenied", words)


def test_the_known_end_of_an_app_replaces_that_it_no_longer_answers() -> None:
    delivered = b.summary("failed", lost=[{"name": "api", "error": "connection refused"}])
    found = from_result(b.run(SPEC), b.facts(POSTGRES, CRASHED), b.result_from(delivered))
    assert "no longer answering" not in found.message


def test_the_pod_of_a_lost_service_knows_more_than_a_refused_connection() -> None:
    dead = b.pod("postgres", "service", b.ended("postgres", 137, reason="OOMKilled"))
    found = from_result(b.run(SPEC), b.facts(dead), b.result_from(b.summary("failed", lost=[REFUSED])))
    assert_cause(found, "OutOfMemory", ("postgres", "limits.memory"))


def test_what_found_no_node_is_not_slow() -> None:
    seen = b.facts(POSTGRES, b.pod("api", "app", b.waiting("api", ""), unschedulable="0/1 nodes: Insufficient memory"))
    delivered = b.summary("gate-timeout", notReady=[{"name": "api", "error": "no address"}])
    assert_cause(
        from_result(b.run(SPEC), seen, b.result_from(delivered)), "Unschedulable", ("api", "Insufficient memory")
    )


def test_a_container_killed_whole_is_reported_by_its_pod() -> None:
    seen = b.facts(b.tests_pod(b.running("collector"), b.ended("tests", 137, reason="OOMKilled")))
    delivered = b.summary("no-exit-record", running="t.py::test_c")
    assert_cause(from_result(b.run(SPEC), seen, b.result_from(delivered)), "OutOfMemory", ("t.py::test_c",))


MISSING = {
    "collector works": (b.facts(b.tests_pod()), None, ''),
    "collector is started again": (
        b.facts(b.tests_pod(b.ended("collector", 137, reason="OOMKilled"), b.running("tests"))), None, '',
    ),
    "pod gone before the tests": (b.facts(), "EnvironmentLost", "the tests' pod was deleted before the first test; start the run again"),
    "pod gone": (b.facts(**b.TESTING), "ResultsMissing", "the tests' pod is gone and left no result; start the run again"),
    "collector failed": (b.facts(b.tests_pod(b.ended("collector", 1, "Traceback"))), "ResultsMissing", 'the collector left no result in the archive (exit 1: Traceback); start the run again'),
    "archive down": (
        b.facts(b.tests_pod(b.ended("collector", 1, '{"code":"archive-unavailable","message":"archive unavailable: refused"}'))), "ArchiveUnavailable",
        'the results could not be stored: archive unavailable: refused; check the archive (kubectl get '
        'pods -l app.kubernetes.io/component=archive -A) and start the run again',
    ),
    "share full": (
        b.facts(b.tests_pod(b.ended("collector", 1, '{"code":"archive-quota-exceeded","message":"team-a takes 8.0 GiB (ask)"}'))),
        "ArchiveQuotaExceeded", "the results could not be stored: team-a takes 8.0 GiB (ask)",
    ),
    "archive can't be asked": (
        b.facts(b.tests_pod(b.ended("collector", 0, "{}")), archive_error="refused"), "ArchiveUnavailable",
        'the results could not be stored: refused; check the archive (kubectl get pods -l '
        'app.kubernetes.io/component=archive -A) and start the run again',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "reason", "message"), MISSING.values(), ids=MISSING.keys())
def test_a_result_that_does_not_come(seen: AttemptFacts, reason: str | None, message: str) -> None:
    whole(without_result(b.run(SPEC), seen), reason, message)


def test_the_words_of_the_collector_are_reported_without_their_wrapping() -> None:
    seen = b.facts(
        b.tests_pod(
            b.ended("collector", 1, '{"code":"results-refused","message":"the archive refused the results: too large"}')
        )
    )
    assert_cause(
        without_result(b.run(SPEC), seen), "ResultsMissing", ("(exit 1: the archive refused the results: too large)",)
    )


PULLED = (
    'Back-off pulling image "reg:1/x:0": ErrImagePull: failed to pull and unpack image "reg:1/x:0": failed to resolve '
    'reference "reg:1/x:0": failed to do request: Head "https://reg:1/v2/x/manifests/0": dial tcp 10.0.0.1:1: connect: connection refused'
)
RUNTIME = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start "
    "container process: error during container init: mkdir /proc/no: no such file or directory"
)


def test_the_cause_is_reported_without_the_steps_to_it() -> None:
    web = b.Container("api", waiting="ImagePullBackOff", waiting_message=PULLED, image="reg:1/x:0")
    found = from_pods(b.run(SPEC), b.facts(b.pod("api", "app", web)), patient=False)
    why = 'failed to do request: Head "https://reg:1/v2/x/manifests/0": dial tcp 10.0.0.1:1: connect: connection refused; '
    assert_cause(found, "ImagePullFailed", (f"api: the image reg:1/x:0 can't be pulled: {why}",))
    seen = b.facts(b.pod("api", "app", b.waiting("api", "RunContainerError", RUNTIME)))
    words = ("api: the container can't be started: mkdir /proc/no: no such file or directory",)
    assert_cause(from_pods(b.run(SPEC), seen, patient=False), "ContainerConfigError", words)


TELLING = {
    "a Python program": (
        'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n    go()\nKeyError: \'TOKEN\'', "KeyError: 'TOKEN'",
    ),
    "an SQL error": (
        "Traceback (most recent call last):\n  File \"x.py\", line 1\npsycopg.errors.UndefinedTable: relation \"orders\" does not exist\n"
        "LINE 1: select * from orders\n                      ^", 'psycopg.errors.UndefinedTable: relation "orders" does not exist',
    ),
    "an error of several lines": (
        "Traceback (most recent call last):\n  File \"x.py\", line 1\npsycopg.OperationalError: connection failed: Connection refused\n"
        "\tIs the server running on that host?\nMultiple connection attempts failed. All failures were:\n- host: 'localhost', hostaddr: '::1'\n"
        "\tIs the server running on that host?\n- host: 'localhost', hostaddr: '127.0.0.1'\n\tIs the server running on that host?",
        "psycopg.OperationalError: connection failed: Connection refused",
    ),
    "a server that says good-bye": (
        "ERROR:    Traceback (most recent call last):\n  File \"x.py\", line 1\nValueError: no licence\n\nERROR:    Application startup failed. Exiting.",
        "ValueError: no licence",
    ),
    "what was caught long before": (
        "Traceback (most recent call last):\n  File \"x.py\", line 1\nValueError: first try\n" + "INFO trying\n" * 9 + "giving up: no licence",
        "giving up: no licence",
    ),
    "psql": ('psql:/initdb.d/a.sql:2: ERROR:  relation "ordres" does not exist\nLINE 1: insert into ordres values (1);\n                    ^',
             'psql:/initdb.d/a.sql:2: ERROR:  relation "ordres" does not exist'),
    "a panic": ("panic: no licence\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:5 +0x1d\nexit status 2", "panic: no licence"),
    "node": ("Error: Cannot find module 'express'\n    at Module._load (node:internal)\n\nNode.js v20.1.0", "Error: Cannot find module 'express'"),
    "one word": ("starting\nKilled", "Killed"),
    "only signs": ("  ^\n", "^"),
    "nothing": ("\n \n", ""),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line"), TELLING.values(), ids=TELLING.keys())
def test_the_line_that_says_why(text: str, line: str) -> None:
    assert last_line(text) == line


NOT_STARTED = {
    "no node": (
        b.facts(b.tests_pod(b.waiting("tests", ""), unschedulable="0/1 nodes: cpu")),
        "Unschedulable",
        "tests found no node: 0/1 nodes: cpu; ask for less in spec.tests.resources.requests, or wait for room",
    ),
    "image": (
        b.facts(b.tests_pod(b.waiting("tests", "ErrImagePull", "x"))),
        "ImagePullFailed",
        "tests: its image can't be pulled: x",
    ),
    "no pod": (
        b.facts(POSTGRES),
        "AdmissionDenied",
        "the tests' pod was never created: a policy, a webhook or a quota of the cluster refuses it; "
        "allow it in namespaces with the label app.kubernetes.io/managed-by=seatrial (the events in the "
        "evidence say what refused it)",
    ),
    "slow": (
        b.facts(b.tests_pod(b.waiting("tests", "PodInitializing"))),
        "ServiceNotReady",
        "the tests' pod did not start in time (tests: PodInitializing)",
    ),
}


@pytest.mark.parametrize(("seen", "reason", "message"), NOT_STARTED.values(), ids=NOT_STARTED.keys())
def test_tests_that_never_started(seen: AttemptFacts, reason: str, message: str) -> None:
    whole(not_started(seen), reason, message)


OOM = b.pod("postgres", "service", b.ended("postgres", 137, reason="OOMKilled"))
CRASHED = b.pod(
    "api",
    "app",
    b.running("api", restarts=1, previous=b.Termination(1, "Error", "psycopg.OperationalError: refused", b.at(-2))),
)


def test_the_first_cause_wins_over_its_consequences() -> None:
    """Postgres is out of memory, so the app crashes, so tests fail; even if nobody asked Postgres at the end."""
    failed = b.result_from(b.summary("failed", lost=[{"name": "api", "error": "connection refused"}]))
    assert_cause(from_result(b.run(SPEC), b.facts(CRASHED, OOM), failed), "OutOfMemory", ("postgres", "limits.memory"))


def test_an_app_that_waits_for_its_restart_has_crashed_when_the_time_is_over() -> None:
    delivered = b.result_from(b.summary("gate-timeout", notReady=[{"name": "api", "error": "connection refused"}]))
    words = ("api", "exit 1", "psycopg.OperationalError: refused", "`seatrial logs orders api`")
    assert_cause(from_result(b.run(SPEC), b.facts(POSTGRES, CRASHED), delivered), "AppCrashed", words)


def test_an_app_that_ended_meanwhile_is_named_with_the_failures() -> None:
    found = from_result(b.run(SPEC), b.facts(POSTGRES, CRASHED), b.result_from(b.summary("failed")))
    assert_cause(
        found,
        "TestsFailed",
        ("1 failed", "app api ended meanwhile (exit 1: psycopg.OperationalError", "`seatrial logs orders api`"),
    )


NEXT_STEPS = {
    "MigrationFailed": (
        from_pods(b.run(SPEC), b.facts(b.pod("migrations", "migrations", b.ended("schema", 2, "boom"))), patient=False),
        "`seatrial logs orders migrations`",
    ),
    "TestTimeout": (
        from_result(b.run(SPEC), b.facts(), b.result_from(b.summary("timeout"))), "tests.perTestTimeout",
    ),
    "AppCrashed": (
        from_pods(
            b.run(SPEC), b.facts(b.pod("api", "app", b.waiting("api", "CrashLoopBackOff", previous=b.Termination(1)))), patient=False
        ),
        "`seatrial logs orders api`",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "found", "step"), [(r, *rest) for r, rest in NEXT_STEPS.items()], ids=NEXT_STEPS.keys()
)
def test_messages_say_what_to_do_next(reason: str, found: Diagnosis | None, step: str) -> None:
    assert_cause(found, reason, (step,))


def test_messages_fit_a_status() -> None:
    delivered = b.summary("failed", failures=[{"id": "t" * 4000, "message": "m" * 4000}])
    assert len(from_result(b.run(SPEC), b.facts(), b.result_from(delivered)).message) <= 1000


AUTH_AND_GATEWAY: dict[str, Any] = {
    "apps": {"auth": {"image": "i", "port": 80}, "gateway": {"image": "i", "port": 80}},
    "tests": {"image": "i"},
}
GATEWAY = b.pod(
    "gateway",
    "app",
    b.waiting("gateway", "CrashLoopBackOff", previous=b.Termination(1, "Error", "refused", started_at=b.at(-10))),
)
LOOPING_AUTH = b.pod("auth", "app", b.waiting("auth", "CrashLoopBackOff", previous=b.Termination(2)))


@pytest.mark.parametrize(
    ("auth", "after", "reason"),
    [
        (b.pod("auth", "app"), [], None),
        (b.pod("auth", "app", ready_at=b.at(-10)), [], None),
        (b.pod("auth", "app", ready_at=b.at(-11)), [], "AppCrashed"),
        (LOOPING_AUTH, [], "AppCrashed"),
        (b.pod("auth", "app"), ["gateway"], "AppCrashed"),
    ],
    ids=["not ready", "ready since that try", "ready before that try", "crashes too", "waits for it"],
)
def test_an_app_that_ends_before_its_peer_is_ready_gets_another_try(
    auth: b.Pod, after: list[str], reason: str | None
) -> None:
    spec = {
        **AUTH_AND_GATEWAY,
        "apps": {**AUTH_AND_GATEWAY["apps"], "auth": {"image": "i", "port": 80, "after": after}},
    }
    found = from_pods(b.run(spec), b.facts(auth, GATEWAY), patient=False)
    assert (found.reason if found else None) == reason
