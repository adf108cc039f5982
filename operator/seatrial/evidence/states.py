"""Objects of the environment as they are kept: as Kubernetes gave them, without managed fields. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.api import labels
from seatrial.api.times import format_time
from seatrial.facts.attempt import Container, Pod, Termination

Object = Mapping[str, Any]


def kept(body: Object) -> dict[str, Any]:
    """An object without its managed fields."""
    return {**body, "metadata": {k: v for k, v in body["metadata"].items() if k != "managedFields"}}


def node(body: Object) -> dict[str, Any]:
    """Of a node: its state and size, not what else is on it."""
    status = body.get("status") or {}
    wanted = ("conditions", "capacity", "allocatable", "nodeInfo")
    return {
        "metadata": {"name": body["metadata"]["name"]},
        "spec": {"taints": (body.get("spec") or {}).get("taints") or []},
        "status": {k: status[k] for k in wanted if k in status},
    }


def is_lost(body: Object) -> bool:
    """Whether the node has not answered for so long that the cluster does not know how it is."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "Unknown" for c in conditions)


def nodes_of(pods: Iterable[Object]) -> list[str]:
    """The names of the nodes that these pods are on."""
    return sorted({name for pod in pods if (name := (pod.get("spec") or {}).get("nodeName"))})


def _terminated(end: Termination) -> dict[str, Any]:
    ended = {"exitCode": end.exit_code, "reason": end.reason, "message": end.message}
    times = {"startedAt": end.started_at, "finishedAt": end.finished_at}
    return ended | {k: format_time(v) for k, v in times.items() if v is not None}


def _status(container: Container) -> dict[str, Any]:
    state: dict[str, Any] = {}
    if container.terminated is not None:
        state = {"terminated": _terminated(container.terminated)}
    elif container.running_since is not None:
        state = {"running": {"startedAt": format_time(container.running_since)}}
    elif container.waiting:
        state = {"waiting": {"reason": container.waiting, "message": container.waiting_message}}
    last = {"terminated": _terminated(container.previous)} if container.previous is not None else {}
    return {
        "name": container.name,
        "image": container.image,
        "imageID": container.image_id,
        "restartCount": container.restarts,
        "state": state,
        "lastState": last,
    }


def last_known(pod: Pod) -> dict[str, Any]:
    """A pod that is gone, as it was last seen: the same shape, with what is known of it."""
    return {
        "metadata": {
            "name": pod.name,
            "namespace": pod.namespace,
            "uid": pod.uid,
            "labels": {labels.COMPONENT: pod.component, labels.ROLE: pod.role},
            "annotations": {labels.PREFIX + "gone": "as it was last seen"},
            **({"creationTimestamp": format_time(pod.created)} if pod.created else {}),
        },
        "spec": {"nodeName": pod.node},
        "status": {
            "phase": pod.phase,
            "reason": pod.reason,
            "message": pod.message,
            "containerStatuses": [_status(container) for container in pod.containers],
        },
    }
