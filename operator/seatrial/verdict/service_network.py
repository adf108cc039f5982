"""A part that is ready, and whose Service's address answers nothing: the cluster's network for Services is broken."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from seatrial.api.labels import Role
from seatrial.api.status import Reason
from seatrial.facts.attempt import Pod
from seatrial.verdict.diagnosis import Diagnosis, errored
from seatrial_protocol.exit_record import Unready
from seatrial_protocol.termination import Code

READY_FOR = timedelta(seconds=20)
"""How long a part has been ready before its silence means something: addresses need a moment to spread."""
_WHAT_TO_DO = (
    "the cluster's network for Services is broken: look at kube-proxy and the CNI plugin on that node (restart their "
    "pods there), and at the cluster's own network policies"
)


def of_parts(parts: Iterable[Unready], pods: Iterable[Pod], moment: datetime | None) -> Diagnosis | None:
    """Whether one of the parts that did not answer the tests had been ready for long by this moment."""
    up = {pod.component for pod in pods if _is_up(pod, moment)}
    for part in parts:
        if part.code == Code.ADDRESS_SILENT and part.name in up:
            return _broken(f"{part.name} is ready, but its address answers nothing ({part.error})", pods)
    return None


def of_launcher(waiting: Pod, pods: Iterable[Pod]) -> Diagnosis | None:
    """Whether a launcher in this pod gave up on a silent address although all services had been ready for long."""
    services = [pod for pod in pods if pod.role == Role.SERVICE]
    for end in (end for container in waiting.containers for end in container.terminations):
        if end.code == Code.ADDRESS_SILENT and services and all(_is_up(pod, end.finished_at) for pod in services):
            what = f"{waiting.component} could not begin although all services are ready: {end.message}"
            return _broken(what, [waiting])
    return None


def _is_up(pod: Pod, moment: datetime | None) -> bool:
    return pod.ready and pod.ready_at is not None and moment is not None and pod.ready_at + READY_FOR <= moment


def _broken(what: str, pods: Iterable[Pod]) -> Diagnosis:
    nodes = ", ".join(sorted({pod.node for pod in pods if pod.node})) or "unknown"
    return errored(Reason.SERVICE_NETWORK_BROKEN, f"{what}; {_WHAT_TO_DO} (node {nodes})")
