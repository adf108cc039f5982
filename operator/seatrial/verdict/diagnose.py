"""Why a run ended: pure functions from what was observed to verdict, reason and one line for people.

The first cause wins over its consequences: a lost service comes before the tests that failed because of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial.api import labels
from seatrial.api.run import IntegrationRun
from seatrial.api.scalars import format_duration
from seatrial.api.status import Reason, Verdict
from seatrial.facts.attempt import AttemptFacts, Container, Pod, Termination
from seatrial.facts.result import Result
from seatrial_protocol.termination import Code

MESSAGE_LIMIT = 1000
_IMAGE_PROBLEMS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_IMAGE_FINAL = ("not found", "manifest unknown", "unauthorized", "denied", "invalid reference", "InvalidImageName",
                "no such host", "ErrImageNeverPull", "does not exist")  # fmt: skip
_PASSING = ("deadline exceeded", "timed out", "failed to reserve")
"""Signs of a busy node, which tries again."""
_CONFIG_PROBLEMS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_DISRUPTIONS = {
    "DeletionByTaintManager": Reason.NODE_LOST,
    "DeletionByPodGC": Reason.NODE_LOST,
    "EvictionByEvictionAPI": Reason.EVICTED,
    "PreemptionByScheduler": Reason.EVICTED,
    "TerminationByKubelet": Reason.EVICTED,
}


_STORAGE_LIMIT = re.compile(
    r"Container (?P<container>\S+) exceeded its local ephemeral storage limit"
    r"|Pod ephemeral local storage usage exceeds|Usage of EmptyDir volume"
)
"""How the kubelet says that a pod wrote more than it may, in distinction from a node whose disk is full."""


@dataclass(frozen=True)
class Diagnosis:
    """How a run ended and why."""

    verdict: Verdict
    reason: Reason
    message: str


def errored(reason: Reason, message: str) -> Diagnosis:
    """An Errored run; the message is cut to what fits a status."""
    text = message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 1] + "…"
    return Diagnosis(Verdict.ERRORED, reason, text)


_TRACEBACK = "Traceback (most recent call last):"
_AFTER_EXCEPTION = 8
"""Lines: what an exception's message of several lines, or a program that says good-bye, has after its first one."""
_CONTINUES = re.compile(
    r"\s|\W*$|(?:LINE \d+|DETAIL|HINT|CONTEXT|STATEMENT|QUERY):|\(Background on this error|goroutine \d+ \[|\S+\(.*\)$|exit status \d+$|Node\.js v\d"
)
"""Lines that only add to the one before: of a traceback, of an SQL error, of a panic."""


def telling(lines: Sequence[str]) -> int:
    """Which of the lines at the end of a log says best why its program ended; -1 if none says anything."""
    said = [number for number, line in enumerate(lines) if line.strip()]
    traces = [place for place, number in enumerate(said) if _TRACEBACK in lines[number]]
    if traces:
        raised = next(
            (place for place in range(traces[-1] + 1, len(said)) if not lines[said[place]][0].isspace()), None
        )
        if raised is not None and len(said) - raised <= _AFTER_EXCEPTION:
            return said[raised]
    return next((n for n in reversed(said) if not _CONTINUES.match(lines[n])), said[-1] if said else -1)


def last_line(text: str, limit: int = 300) -> str:
    """The line at the end of a log that says why."""
    lines = text.splitlines()
    place = telling(lines)
    return lines[place].strip()[:limit] if place >= 0 else ""


KILLED = 128 + 9
"""The exit status after a SIGKILL. The container runtime does not always notice that the kernel sent it for memory."""
LAST_SIGNAL = 64
"""Above it an exit code of more than 128 is the program's own, such as 255."""


def _may_be_memory(ended: Termination) -> bool:
    return ended.exit_code == KILLED and ended.reason == "Error"


def _how(ended: Termination, *, say: bool = True) -> str:
    """`exit 1: <last log line>`, `killed (signal 9)`, `out of memory`."""
    if ended.reason == "OOMKilled":
        how = "killed for using more memory than its limit"
    elif 128 < ended.exit_code <= 128 + LAST_SIGNAL:
        how = f"ended by signal {ended.exit_code - 128}"
        if _may_be_memory(ended):
            how += ", by somebody or for using more memory than its limit"
    else:
        how = f"exit {ended.exit_code}"
    line = last_line(ended.message) if say else ""
    return f"{how}: {line}" if line else how


# --- what pods tell --------------------------------------------------------------------------------------------------


def _log(run: IntegrationRun, component: str) -> str:
    """The command that shows a component's log, also when the environment is gone."""
    return f"`seatrial logs {run.metadata.name} {component}`"


def _resources_of(pod: Pod) -> str:
    """The field of the run in which the resources of a pod's containers are."""
    match pod.role:
        case "service":
            return f"spec.services.{pod.component}.resources"
        case "app":
            return f"spec.apps.{pod.component}.resources"
        case "migrations":
            return "spec.migrations[].resources"
    return "spec.tests.resources"


def _gates_timed_out(ended: Termination) -> bool:
    return ended.code == Code.GATES_TIMED_OUT


def taken_away(pod: Pod) -> Diagnosis | None:
    """Whether Kubernetes, not the run, ended this pod; and why."""
    if pod.reason == "Evicted" and (limit := _STORAGE_LIMIT.search(pod.message)):
        what = pod.component if limit["container"] in (None, pod.component) else f"{pod.component}/{limit['container']}"
        return errored(
            Reason.EVICTED,
            f"{what} wrote more to its disk than it may and was ended ({pod.message.strip()}); write less, "
            f"or raise {_resources_of(pod)}.limits.ephemeral-storage",
        )
    if pod.reason == "Evicted" or pod.disruption in _DISRUPTIONS:
        reason = _DISRUPTIONS.get(pod.disruption, Reason.EVICTED)
        what = "its node was lost" if reason is Reason.NODE_LOST else "it was evicted"
        detail = f" ({pod.message})" if pod.message else ""
        return errored(reason, f"{pod.component}: {what}, node {pod.node or 'unknown'}{detail}; start the run again")
    if pod.reason in ("NodeLost", "NodeAffinity", "Shutdown", "Terminated"):
        return errored(Reason.NODE_LOST, f"{pod.component}: node {pod.node} is gone; start the run again")
    if pod.phase == "Failed" and pod.reason and not any(container.terminated for container in pod.containers):
        return errored(
            Reason.UNSCHEDULABLE,
            f"{pod.component}: node {pod.node or 'unknown'} refused it: {pod.reason}: {pod.message}; start the run again",
        )
    return None


_PULL_STEPS = re.compile(
    r"Back-off pulling image \S+: |ErrImagePull: |rpc error: code = \w+ desc = |failed to pull and unpack image \S+: |failed to resolve (?:reference|image) \S+: "
)
_RUNTIME_STEPS = re.compile(r".*(?:error during container init|unable to start container process): ", re.DOTALL)
"""What registries' clients and container runtimes put before the cause."""


def _not_pulled(container: Container) -> str:
    why = " ".join(_PULL_STEPS.sub("", container.waiting_message).split())
    return f"the image {container.image} can't be pulled: {why[:300] or container.waiting}"


def _cannot_start(pod: Pod, container: Container, patient: bool) -> Diagnosis | None:
    where = pod.component if container.name == pod.component else f"{pod.component}/{container.name}"
    if container.waiting in _IMAGE_PROBLEMS:
        text = f"{container.waiting} {container.waiting_message}"
        final = any(sign in text for sign in _IMAGE_FINAL)
        if final or (container.waiting != "ErrImagePull" and not patient):
            return errored(
                Reason.IMAGE_PULL_FAILED,
                f"{where}: {_not_pulled(container)}; check its name and tag, and that the cluster may pull it",
            )
    passing = any(sign in container.waiting_message for sign in _PASSING)
    if container.waiting in _CONFIG_PROBLEMS and not passing:
        hint = "; check its command, workingDir and mounts"
        if "non-root" in container.waiting_message or "will run as root" in container.waiting_message:
            hint = "; the environment runs nothing as root"
        return errored(
            Reason.CONTAINER_CONFIG_ERROR,
            f"{where}: the container can't be started: {_RUNTIME_STEPS.sub('', last_line(container.waiting_message, 1000))[:300]}{hint}",
        )
    return None


def _service(run: IntegrationRun, pod: Pod, tests_began: bool) -> Diagnosis | None:
    ended = next((c.terminated for c in pod.containers if c.terminated is not None and c.name == pod.component), None)
    if ended is None and not pod.deleting:
        return None
    if ended is None:
        return errored(
            Reason.SERVICE_LOST, f"{pod.component}: its pod was deleted while the run needed it; start the run again"
        )
    if ended.reason == "OOMKilled":
        return errored(
            Reason.OUT_OF_MEMORY,
            f"{pod.component} used more memory than its limit and was killed; "
            f"raise spec.services.{pod.component}.resources.limits.memory",
        )
    if tests_began:
        again = "start the run again" + (
            f", and if it is killed again raise {_resources_of(pod)}.limits.memory" if _may_be_memory(ended) else ""
        )
        return errored(Reason.SERVICE_LOST, f"{pod.component} ended while the run needed it ({_how(ended)}); {again}")
    return errored(
        Reason.SERVICE_NOT_READY,
        f"{pod.component} ended while it was starting ({_how(ended)}); see {_log(run, pod.component)}",
    )


def _migration(run: IntegrationRun, pod: Pod, needed: bool) -> Diagnosis | None:
    if pod.deleting and needed:
        return _migrations_gone()
    for container in pod.containers:
        ended = container.terminated
        if ended is None or ended.exit_code == 0:
            continue
        if _gates_timed_out(ended):
            return errored(Reason.SERVICE_NOT_READY, f"migration {container.name} could not begin: {ended.message}")
        if ended.reason == "OOMKilled":
            return errored(
                Reason.OUT_OF_MEMORY,
                f"migration {container.name} used more memory than its limit; raise its resources.limits.memory",
            )
        return errored(
            Reason.MIGRATION_FAILED,
            f"migration {container.name} failed ({_how(ended)}); {_log(run, 'migrations')} has all of "
            "it: run it by hand against an empty database",
        )
    return None


def _migrations_gone() -> Diagnosis:
    return errored(
        Reason.ENVIRONMENT_LOST, "the migrations' pod was deleted before the tests began; start the run again"
    )


def _app(run: IntegrationRun, pod: Pod, *, patient: bool = True) -> Diagnosis | None:
    """What is wrong with an app's pod; one that ended and was started again is given time, unless that is over."""
    for container in pod.containers:
        ended = container.terminated or container.previous
        if ended is None:
            continue
        if _gates_timed_out(ended):
            return errored(Reason.SERVICE_NOT_READY, f"app {pod.component} could not begin: {ended.message}")
        if container.waiting == "CrashLoopBackOff" or (not patient and container.name == pod.component):
            if ended.reason == "OOMKilled":
                return errored(
                    Reason.OUT_OF_MEMORY,
                    f"app {pod.component} used more memory than its limit; "
                    f"raise spec.apps.{pod.component}.resources.limits.memory",
                )
            return errored(
                Reason.APP_CRASHED,
                f"app {pod.component} ends again and again ({_how(ended)}); see {_log(run, pod.component)}",
            )
    return None


def in_order(pods: Iterable[Pod]) -> list[Pod]:
    """Pods in the order in which they need each other, so that the first one that is in trouble is the cause."""
    return sorted(pods, key=lambda p: (labels.role_rank(p.role), p.component))


def from_pods(
    run: IntegrationRun, facts: AttemptFacts, *, patient: bool, expected: Iterable[str] = ()
) -> Diagnosis | None:
    """What the pods alone say about the end of a run that has no result yet; None: nothing has gone wrong.

    Args:
        run: the run.
        facts: its pods.
        patient: a passing trouble with a registry is given more time.
        expected: bare pods that must be there by now.
    """
    tests_began = facts.shard.first_test is not None
    pods = in_order(facts.pods)
    for pod in pods:
        if pod.role != "app" and (found := taken_away(pod)):
            return found
    for pod in pods:
        found = None
        if pod.role == "service":
            found = _service(run, pod, tests_began or facts.shard.gates_open is not None)
        elif pod.role == "migrations":
            found = _migration(run, pod, facts.shard.gates_open is None)
        elif pod.role == "app" and not tests_began:
            found = _app(run, pod)
        if found:
            return found
        for container in pod.containers:
            if found := _cannot_start(pod, container, patient):
                return found
    present = {pod.component for pod in pods}
    for component in expected:
        if component not in present:
            if component == labels.MIGRATIONS:
                return _migrations_gone()
            return errored(Reason.SERVICE_LOST, f"{component}: its pod is gone; start the run again")
    return None


def _of_collector(ended: Termination) -> str:
    """What went wrong for the collector, in its own words or the last ones of its log."""
    return ended.message if ended.code else last_line(ended.message)


def archive_silent_since(facts: AttemptFacts) -> datetime | None:
    """Since when the archive can't be reached: as the operator noticed, or the collector, which begins to send when pytest has ended."""
    noticed = [facts.shard.archive_silent_since]
    pod = facts.shard.pod
    tests, collector = (pod.container(name) if pod else None for name in ("tests", "collector"))
    if tests and tests.terminated and collector and collector.terminated:
        unavailable = collector.terminated.code == Code.ARCHIVE_UNAVAILABLE
        noticed.append(tests.terminated.finished_at if unavailable else None)
    return min((since for since in noticed if since is not None), default=None)


def without_result(facts: AttemptFacts, *, patient: bool = False) -> Diagnosis | None:
    """The tests' pod has ended, or is gone, and the archive has no result of it; None while one can still come.

    Args:
        facts: the pods.
        patient: the archive can't be asked, but is given more time: the collector may well have handed over.
    """
    pod = facts.shard.pod
    collector = pod.container("collector") if pod else None
    ended = collector.terminated if collector else None
    if pod is not None and ended is None:
        return None
    tests = pod.container("tests") if pod else None
    if tests is not None and tests.running_since is not None:  # a sidecar that ends too early is started again
        return None
    if patient and (ended is None or ended.exit_code == 0):
        return None
    told = _of_collector(ended) if ended else ""
    if facts.shard.archive_error or (ended is not None and ended.code == Code.ARCHIVE_UNAVAILABLE):
        return errored(
            Reason.ARCHIVE_UNAVAILABLE,
            f"the results could not be stored: {facts.shard.archive_error or told}; "
            "check the archive (kubectl get pods -l app.kubernetes.io/component=archive -A) and start the run again",
        )
    if pod is None and facts.shard.gates_open is None:
        return errored(Reason.ENVIRONMENT_LOST, "the tests' pod was deleted before the first test; start the run again")
    if ended is None:
        return errored(Reason.RESULTS_MISSING, "the tests' pod is gone and left no result; start the run again")
    how = _how(ended, say=False) + (f": {told}" if told else "")
    return errored(Reason.RESULTS_MISSING, f"the collector left no result in the archive ({how}); start the run again")


_SCHEDULER_BESIDES = re.compile(r"\.? (?:no new claims to deallocate|preemption:)")
"""Where the scheduler goes on with what would not help either."""


def _no_node(pods: Iterable[Pod]) -> Diagnosis | None:
    for pod in pods:
        if pod.unschedulable:
            return errored(
                Reason.UNSCHEDULABLE,
                f"{pod.component} found no node: {_SCHEDULER_BESIDES.split(pod.unschedulable)[0]}; "
                f"ask for less in {_resources_of(pod)}.requests, or wait for room",
            )
    return None


_REFUSED_PODS = (
    "a policy, a webhook or a quota of the cluster refuses it; allow it in namespaces with the label "
    f"{labels.MANAGED_BY}={labels.MANAGER} (the events in the evidence say what refused it)"
)


def not_started(facts: AttemptFacts) -> Diagnosis:
    """The time for the environment is over and the tests' process has not even been started."""
    if found := _no_node(facts.pods):
        return found
    for pod in facts.pods:
        for container in pod.containers:
            if container.waiting in _IMAGE_PROBLEMS:
                return errored(Reason.IMAGE_PULL_FAILED, f"{pod.component}: {_not_pulled(container)}")
    pod_of_tests = facts.shard.pod
    if pod_of_tests is None:
        return errored(
            Reason.ADMISSION_DENIED,
            f"the tests' pod was never created: {_REFUSED_PODS}",
        )
    waiting = [f"{c.name}: {c.waiting or 'not started'}" for c in pod_of_tests.containers if not c.running_since]
    return errored(
        Reason.SERVICE_NOT_READY, f"the tests' pod did not start in time ({', '.join(waiting) or 'pending'})"
    )


# --- what the result tells -------------------------------------------------------------------------------------------


def _names(parts: Iterable[Mapping[str, Any]], allowed: Iterable[str]) -> list[Mapping[str, Any]]:
    wanted = set(allowed)
    return [part for part in parts if part.get("name") in wanted]


def _said(parts: Iterable[Mapping[str, Any]]) -> str:
    return "; ".join(f"{part.get('name')} ({part.get('error')})" for part in parts)


def _counted(tests: Mapping[str, Any]) -> str:
    words = (("failed", "failed"), ("errors", "with errors"), ("passed", "passed"), ("skipped", "skipped"))
    return ", ".join(f"{tests[key]} {word}" for key, word in words if tests.get(key)) or "no test ran"


def _why_missing(run: IntegrationRun, pod: Pod) -> Diagnosis | None:
    match pod.role:
        case "service":
            return taken_away(pod) or _service(run, pod, tests_began=False)
        case "migrations":
            return _migration(run, pod, needed=True)
        case "app":
            return _app(run, pod, patient=False)
    return None


def _gates(run: IntegrationRun, facts: AttemptFacts, not_ready: list[Mapping[str, Any]]) -> Diagnosis:
    limit = format_duration(run.spec.timeouts.environment)
    missing = {part.get("name") for part in not_ready}
    if found := _no_node(pod for pod in facts.pods if pod.component in missing):
        return found
    services, apps = _names(not_ready, run.spec.services), _names(not_ready, run.spec.apps)
    for pod in in_order(facts.pods):  # a part that ended knows more than whoever waited for it
        if found := _why_missing(run, pod) if pod.component in missing else None:
            return found
    present = {pod.component for pod in facts.pods}
    for app in apps:
        if app.get("name") not in present:
            return errored(
                Reason.ADMISSION_DENIED, f"the pod of app {app.get('name')} was never created: {_REFUSED_PODS}"
            )
    if services:
        return errored(
            Reason.SERVICE_NOT_READY,
            f"not ready within {limit}: {_said(services)}; see {_log(run, str(services[0].get('name')))}, "
            "or raise timeouts.environment",
        )
    if "migrations" in missing:
        return errored(
            Reason.MIGRATION_FAILED,
            f"the migrations did not finish within {limit}; see {_log(run, 'migrations')}, "
            "or raise timeouts.environment",
        )
    return errored(
        Reason.APP_NOT_READY,
        f"not ready within {limit}: {_said(apps or not_ready)}; "
        f"check `ready` and {_log(run, str((apps or not_ready)[0].get('name')))}, or raise timeouts.environment",
    )


def _lost_service(run: IntegrationRun, facts: AttemptFacts, lost: list[Mapping[str, Any]]) -> Diagnosis | None:
    for pod in in_order(facts.pods):  # the pod knows more than a refused connection, if its status is here already
        if pod.role == "service" and (found := taken_away(pod) or _service(run, pod, tests_began=True)):
            return found
    services = _names(lost, run.spec.services)
    if not services:
        return None
    return errored(Reason.SERVICE_LOST, f"lost while the tests ran: {_said(services)}; start the run again")


def ends_to_hear_of(facts: AttemptFacts) -> bool:
    """Whether the tests have lost a service or an app, and no pod has told yet how it ended: the kubelet needs a second for that."""
    summary = facts.shard.result.summary if facts.shard.result else {}
    lost = {part.get("name") for part in summary.get("lost") or ()}
    pods = [pod for pod in facts.pods if pod.component in lost]
    told = [
        pod for pod in pods if pod.deleting or pod.reason or any(c.terminated or c.previous for c in pod.containers)
    ]
    return summary.get("outcome") != "passed" and bool(pods) and not told


def _among_tests(ended: Termination, summary: Mapping[str, Any]) -> bool:
    """Whether it ended after the first test began; the kubelet tells whole seconds."""
    return ended.finished_at is None or ended.finished_at.timestamp() + 1 > float(summary.get("firstTestAt") or 0)


def _disturbed(facts: AttemptFacts, summary: Mapping[str, Any]) -> Diagnosis | None:
    """What took an app, or memory, from tests of which some then failed."""
    if summary.get("oomKilled"):
        return errored(
            Reason.OUT_OF_MEMORY,
            "a process of the tests used more memory than their limit and was killed, and tests failed "
            f"({_counted(summary.get('tests') or {})}); raise spec.tests.resources.limits.memory",
        )
    for pod in facts.pods:
        if pod.role != "app":
            continue
        if found := taken_away(pod):
            return found
        for ended in (end for c in pod.containers for end in (c.terminated, c.previous) if end is not None):
            if ended.reason == "OOMKilled" and _among_tests(ended, summary):
                return errored(
                    Reason.OUT_OF_MEMORY,
                    f"app {pod.component} used more memory than its limit and was killed while the tests ran, and tests "
                    f"failed; raise spec.apps.{pod.component}.resources.limits.memory",
                )
    return None


def _ended_meanwhile(run: IntegrationRun, facts: AttemptFacts, summary: Mapping[str, Any]) -> dict[str, str]:
    """Apps that ended while the tests ran, and how, for the message."""
    told: dict[str, str] = {}
    for pod in in_order(p for p in facts.pods if p.role == "app"):
        ends = [end for c in pod.containers for end in (c.terminated, c.previous) if end is not None and end.exit_code]
        if any(_among_tests(end, summary) for end in ends):
            told[pod.component] = f"; app {pod.component} ended meanwhile ({_how(ends[0])}): {_log(run, pod.component)}"
    return told


def _died(run: IntegrationRun, facts: AttemptFacts, summary: Mapping[str, Any], doing: str) -> Diagnosis:
    pod = facts.shard.pod
    container = pod.container("tests") if pod else None
    ended = container.terminated if container else None
    if summary.get("oomKilled") or (ended and ended.reason == "OOMKilled"):
        return errored(
            Reason.OUT_OF_MEMORY,
            f"the tests used more memory than their limit{doing}; raise spec.tests.resources.limits.memory",
        )
    if pod is not None and (found := taken_away(pod)):
        return found
    if pod is not None and pod.deleting:
        return errored(
            Reason.ENVIRONMENT_LOST, f"the tests' pod was deleted while they ran{doing}; start the run again"
        )
    told = str(summary.get("error") or "")
    if not told:
        how = _how(ended, say=False) if ended else f"exit {summary.get('exitCode')}"
        told = f"pytest ended in the middle ({how}){doing}"
    what = {
        "interrupted": "see output.log for what stopped it",
        "internal-error": "an error inside pytest or a plugin: its traceback is in output.log",
    }.get(
        str(summary.get("outcome")),
        "a test, or code under it, ends the process (os._exit, a kill, a crash in native code)",
    )
    return errored(
        Reason.TEST_PROCESS_DIED, f"{told}; {what}; `seatrial results {run.metadata.name} -o DIR` brings the log"
    )


def _usage(tail: str) -> Diagnosis:
    """What pytest did not understand; it also ends so when it can't import a conftest.py."""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    if raised := [line for line in lines if line.startswith("E  ")]:
        loaded = (re.search(r"while loading conftest '([^']+)'", line) for line in lines)
        where = next((match[1] for match in loaded if match), "conftest.py")
        why = raised[-1].removeprefix("E").strip()
        return Diagnosis(
            Verdict.FAILED, Reason.COLLECTION_ERROR, f"pytest could not load {where}: {why}"[:MESSAGE_LIMIT]
        )
    wanted = [line for line in lines if line.lower().startswith("error") or " error: " in line]
    why = (wanted or lines or ["see output.log"])[-1][:300]
    return errored(
        Reason.USAGE_ERROR,
        f"pytest refused its arguments: {why}; check paths, markers, keywords and args in spec.tests",
    )


def from_result(run: IntegrationRun, facts: AttemptFacts, result: Result) -> Diagnosis:
    """The verdict that a shard's complete result stands for."""
    summary = result.summary
    tests = summary.get("tests") or {}
    outcome = summary.get("outcome")
    running = summary.get("running")
    doing = f" during {running}" if running else ""
    lost = list(summary.get("lost") or ())
    error = str(summary.get("error") or "")
    tail = last_line(str(summary.get("outputTail") or ""))
    bad = int(tests.get("failed") or 0) + int(tests.get("errors") or 0)
    if outcome != "passed" and (found := _lost_service(run, facts, lost)):
        return found
    if outcome == "failed" and (found := _disturbed(facts, summary)):
        return found
    match outcome:
        case "passed" if summary.get("complete") and not bad and summary.get("exitCode") == 0:
            return Diagnosis(Verdict.PASSED, Reason.TESTS_PASSED, _counted(tests))
        case "failed":
            ended = _ended_meanwhile(run, facts, summary)
            apps = [part for part in _names(lost, run.spec.apps) if part.get("name") not in ended]
            more = "".join(ended.values()) + (f"; no longer answering: {_said(apps)}" if apps else "")
            failures = summary.get("failures") or [{}]
            first = f"; first: {failures[0].get('id')}: {failures[0].get('message')}" if failures[0].get("id") else ""
            message = f"{_counted(tests)}{more}{first}"
            return Diagnosis(Verdict.FAILED, Reason.TESTS_FAILED, message[:MESSAGE_LIMIT])
        case "collection-error":
            errors = summary.get("collectionErrors") or [{}]
            first = f"{errors[0].get('id')}: {errors[0].get('message')}" if errors[0].get("id") else tail
            return Diagnosis(
                Verdict.FAILED, Reason.COLLECTION_ERROR, f"pytest could not collect the tests: {first}"[:MESSAGE_LIMIT]
            )
        case "no-tests":
            chosen = [f"{k}={v!r}" for k, v in (("paths", list(run.spec.tests.paths)), ("markers", run.spec.tests.markers),
                                                ("keywords", run.spec.tests.keywords)) if v]  # fmt: skip
            return errored(
                Reason.NO_TESTS_COLLECTED,
                f"pytest found no test to run with {', '.join(chosen) or 'the given image'}: check spec.tests",
            )
        case "usage-error":
            return _usage(str(summary.get("outputTail") or ""))
        case "no-pytest":
            return errored(
                Reason.IMAGE_WITHOUT_PYTEST,
                f"image {run.spec.tests.image or 'for tests'} can't run pytest ({error or tail}); "
                "it needs Python 3.9 and pytest 7, or newer",
            )
        case "timeout":
            return errored(
                Reason.TEST_TIMEOUT,
                f"the tests took longer than timeouts.tests={format_duration(run.spec.timeouts.tests)}{doing}; "
                "set tests.perTestTimeout to fail a test that hangs, or raise timeouts.tests",
            )
        case "gate-timeout":
            return _gates(run, facts, list(summary.get("notReady") or ()))
        case _:
            return _died(run, facts, summary, doing)
