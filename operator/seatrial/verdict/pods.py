"""From the states of pods to a diagnosis."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.api import labels
from seatrial.api.labels import Role
from seatrial.api.run import IntegrationRun
from seatrial.api.status import Reason
from seatrial.facts.attempt import AttemptFacts, Container, Pod, Termination
from seatrial.verdict import kubernetes, service_network
from seatrial.verdict.diagnosis import (
    REFUSED_PODS,
    Diagnosis,
    errored,
    how_it_ended,
    log_command,
    may_be_memory,
    resources_field,
)
from seatrial.verdict.excerpt import last_line
from seatrial.verdict.launcher import never_started
from seatrial_protocol.termination import Code
from seatrial_protocol.text import shorten


def in_order(pods: Iterable[Pod]) -> list[Pod]:
    """Pods in the order in which they need each other, so that the first one with a problem is the cause."""
    return sorted(pods, key=lambda p: (labels.role_rank(p.role), p.component))


def _gates_timed_out(end: Termination) -> bool:
    return end.code in (Code.GATES_TIMED_OUT, Code.ADDRESS_SILENT)


def disrupted(pod: Pod) -> Diagnosis | None:
    """Whether Kubernetes, not the run, ended this pod; and why."""
    if pod.reason == "Evicted" and (container := kubernetes.over_storage_limit(pod.message)) is not None:
        what = pod.component if container in ("", pod.component) else f"{pod.component}/{container}"
        return errored(
            Reason.EVICTED,
            f"{what} wrote more to its disk than it may and was ended ({pod.message.strip()}); write less, "
            f"or raise {resources_field(pod)}.limits.ephemeral-storage",
        )
    if pod.reason == "Evicted" or pod.disruption in kubernetes.DISRUPTIONS:
        reason = kubernetes.DISRUPTIONS.get(pod.disruption, Reason.EVICTED)
        what = "its node was lost" if reason is Reason.NODE_LOST else "it was evicted"
        detail = f" ({pod.message})" if pod.message else ""
        return errored(reason, f"{pod.component}: {what}, node {pod.node or 'unknown'}{detail}; start the run again")
    if pod.reason in kubernetes.NODE_GONE:
        return errored(Reason.NODE_LOST, f"{pod.component}: node {pod.node} is gone; start the run again")
    if pod.phase == "Failed" and pod.reason and not any(container.terminated for container in pod.containers):
        return errored(
            Reason.UNSCHEDULABLE,
            f"{pod.component}: node {pod.node or 'unknown'} refused it: {pod.reason}: {pod.message}; "
            "start the run again",
        )
    return None


def not_pulled(container: Container) -> str:
    """That an image can't be pulled, and why."""
    why = shorten(kubernetes.pull_cause(container.waiting_message), 300) or container.waiting
    what = f"the image {container.image}" if container.image else "its image"
    return f"{what} can't be pulled: {why}"


def _cannot_start(pod: Pod, container: Container, patient: bool) -> Diagnosis | None:
    where = pod.component if container.name == pod.component else f"{pod.component}/{container.name}"
    if container.waiting in kubernetes.IMAGE_WAITING:
        final = kubernetes.is_final_pull_failure(f"{container.waiting} {container.waiting_message}")
        if final or (container.waiting != "ErrImagePull" and not patient):
            return errored(
                Reason.IMAGE_PULL_FAILED,
                f"{where}: {not_pulled(container)}; check its name and tag, and that the cluster may pull it",
            )
    if container.waiting in kubernetes.CONFIG_WAITING and not kubernetes.is_passing(container.waiting_message):
        hint = "; check its command, workingDir and mounts"
        if kubernetes.is_about_root(container.waiting_message):
            hint = "; the environment runs nothing as root"
        why = shorten(kubernetes.start_cause(last_line(container.waiting_message, 1000)), 300)
        return errored(Reason.CONTAINER_CONFIG_ERROR, f"{where}: the container can't be started: {why}{hint}")
    return None


def service_ended(run: IntegrationRun, pod: Pod, *, tests_began: bool) -> Diagnosis | None:
    """Whether a service has ended, and what that means."""
    end = next((c.terminated for c in pod.containers if c.terminated is not None and c.name == pod.component), None)
    if end is None and not pod.deleting:
        return None
    if end is None:
        return errored(
            Reason.SERVICE_LOST, f"{pod.component}: its pod was deleted while the run needed it; start the run again"
        )
    if end.reason == "OOMKilled":
        return errored(
            Reason.OUT_OF_MEMORY,
            f"{pod.component} used more memory than its limit and was killed; "
            f"raise spec.services.{pod.component}.resources.limits.memory",
        )
    if tests_began:
        next_step = "start the run again" + (
            f", and if it is killed again raise {resources_field(pod)}.limits.memory" if may_be_memory(end) else ""
        )
        return errored(
            Reason.SERVICE_LOST, f"{pod.component} ended while the run needed it ({how_it_ended(end)}); {next_step}"
        )
    return errored(
        Reason.SERVICE_NOT_READY,
        f"{pod.component} ended while it was starting ({how_it_ended(end)}); see {log_command(run, pod.component)}",
    )


def _migration_failed(run: IntegrationRun, pod: Pod, *, needed: bool) -> Diagnosis | None:
    if pod.deleting and needed:
        return _migrations_gone()
    for container in pod.containers:
        end = container.terminated
        if end is None or end.exit_code == 0:
            continue
        if _gates_timed_out(end):
            return errored(Reason.SERVICE_NOT_READY, f"migration {container.name} could not begin: {end.message}")
        if found := never_started(run, f"migration {container.name}", end.code, end.message):
            return found
        if end.reason == "OOMKilled":
            return errored(
                Reason.OUT_OF_MEMORY,
                f"migration {container.name} used more memory than its limit; raise its resources.limits.memory",
            )
        return errored(
            Reason.MIGRATION_FAILED,
            f"migration {container.name} failed ({how_it_ended(end)}); {log_command(run, labels.MIGRATIONS)} has all "
            "of it: run it by hand against an empty database",
        )
    return None


def _migrations_gone() -> Diagnosis:
    return errored(
        Reason.ENVIRONMENT_LOST, "the migrations' pod was deleted before the tests began; start the run again"
    )


def _app_failed(run: IntegrationRun, pod: Pod, *, patient: bool = True) -> Diagnosis | None:
    """What is wrong with an app's pod; one that ended and was started again is given time, unless that is over."""
    for container in pod.containers:
        end = container.terminated or container.previous
        if end is None:
            continue
        if _gates_timed_out(end):
            return errored(Reason.SERVICE_NOT_READY, f"app {pod.component} could not begin: {end.message}")
        if found := never_started(run, f"app {pod.component}", end.code, end.message):
            return found
        if container.waiting == "CrashLoopBackOff" or (not patient and container.name == pod.component):
            if end.reason == "OOMKilled":
                return errored(
                    Reason.OUT_OF_MEMORY,
                    f"app {pod.component} used more memory than its limit; "
                    f"raise spec.apps.{pod.component}.resources.limits.memory",
                )
            return errored(
                Reason.APP_CRASHED,
                f"app {pod.component} ends again and again ({how_it_ended(end)}); "
                f"see {log_command(run, pod.component)}",
            )
    return None


def _may_lack_a_peer(run: IntegrationRun, pod: Pod, pods: Iterable[Pod]) -> bool:
    """Whether an app may have ended because another app was not ready yet: then it deserves another try.

    Another app that ends again and again, or that waits for this one, will not become ready by waiting.
    """
    container = pod.container(pod.component)
    end = container and (container.terminated or container.previous)
    if not end or _gates_timed_out(end):
        return False
    for peer in pods:
        if peer.role != Role.APP or peer.component == pod.component or _waits_for(run, peer.component, pod.component):
            continue
        if any(each.terminated or each.previous for each in peer.containers):
            continue
        if peer.ready_at is None or end.started_at is None or end.started_at <= peer.ready_at:
            return True
    return False


def _waits_for(run: IntegrationRun, app: str, other: str) -> bool:
    """Whether an app starts only after another, directly or through others."""
    seen: set[str] = set()
    left = [app]
    while left:
        spec = run.spec.apps.get(left.pop())
        following = set(spec.after if spec else ()) - seen
        seen |= following
        left += following
    return other in seen


def why_missing(run: IntegrationRun, pod: Pod) -> Diagnosis | None:
    """Why a component was not ready in time, by its own pod."""
    match pod.role:
        case Role.SERVICE:
            return disrupted(pod) or service_ended(run, pod, tests_began=False)
        case Role.MIGRATIONS:
            return _migration_failed(run, pod, needed=True)
        case Role.APP:
            return _app_failed(run, pod, patient=False)
    return None


def _component_failed(run: IntegrationRun, facts: AttemptFacts, pod: Pod) -> Diagnosis | None:
    gates_open, tests_began = facts.shard.gates_open is not None, facts.shard.first_test is not None
    match pod.role:
        case Role.SERVICE:
            return service_ended(run, pod, tests_began=tests_began or gates_open)
        case Role.MIGRATIONS:
            return service_network.of_launcher(pod, facts.pods) or _migration_failed(run, pod, needed=not gates_open)
        case Role.APP if not tests_began and not _may_lack_a_peer(run, pod, facts.pods):
            return service_network.of_launcher(pod, facts.pods) or _app_failed(run, pod)
    return None


def from_pods(
    run: IntegrationRun, facts: AttemptFacts, *, patient: bool, expected: Iterable[str] = ()
) -> Diagnosis | None:
    """What the pods alone say about the end of a run that has no result yet; None: nothing has gone wrong.

    Args:
        run: the run.
        facts: its pods.
        patient: a registry that fails is given more time.
        expected: bare pods that must be there by now.
    """
    pods = in_order(facts.pods)
    for pod in pods:
        if pod.role != Role.APP and (found := disrupted(pod)):
            return found
    for pod in pods:
        if found := _component_failed(run, facts, pod):
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


def without_node(pods: Iterable[Pod]) -> Diagnosis | None:
    """Whether one of these pods found no node."""
    for pod in pods:
        if pod.unschedulable:
            return errored(
                Reason.UNSCHEDULABLE,
                f"{pod.component} found no node: {kubernetes.scheduler_cause(pod.unschedulable)}; "
                f"ask for less in {resources_field(pod)}.requests, or wait for room",
            )
    return None


def not_started(facts: AttemptFacts) -> Diagnosis:
    """The time for the environment is over and the tests' process has not even been started."""
    if found := without_node(facts.pods):
        return found
    for pod in facts.pods:
        for container in pod.containers:
            if container.waiting in kubernetes.IMAGE_WAITING:
                return errored(Reason.IMAGE_PULL_FAILED, f"{pod.component}: {not_pulled(container)}")
    if facts.shard.pod is None:
        return errored(Reason.ADMISSION_DENIED, f"the tests' pod was never created: {REFUSED_PODS}")
    waiting = [f"{c.name}: {c.waiting or 'not started'}" for c in facts.shard.pod.containers if not c.running_since]
    return errored(
        Reason.SERVICE_NOT_READY, f"the tests' pod did not start in time ({', '.join(waiting) or 'pending'})"
    )
