"""Facts of Kubernetes objects: what the operator keeps of a Pod and of a Namespace."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from seatrial.api import labels
from seatrial.api.times import parse_time
from seatrial.facts.attempt import Container, Namespace, Pod, Termination
from seatrial_protocol.termination import TerminationMessage

Object = Mapping[str, Any]
_COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"


def _termination(state: Object | None) -> Termination | None:
    if not state:
        return None
    message = (state.get("message") or "").strip()
    found = TerminationMessage.find(message)
    return Termination(
        int(state.get("exitCode", -1)),
        state.get("reason") or "",
        message if found is None else found.message,
        parse_time(state.get("finishedAt")),
        parse_time(state.get("startedAt")),
        "" if found is None else found.code,
    )


def _container(status: Object) -> Container:
    state = status.get("state") or {}
    waiting, running = state.get("waiting") or {}, state.get("running") or {}
    return Container(
        name=status["name"],
        waiting=waiting.get("reason") or "",
        waiting_message=waiting.get("message") or "",
        running_since=parse_time(running.get("startedAt")),
        terminated=_termination(state.get("terminated")),
        previous=_termination((status.get("lastState") or {}).get("terminated")),
        restarts=int(status.get("restartCount") or 0),
        image=status.get("image") or "",
        image_id=status.get("imageID") or "",
    )


def _condition(status: Object, kind: str, value: str) -> Object:
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind and condition.get("status") == value:
            return dict(condition)
    return {}


def _index(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 6 else 0


def run_uid_of(body: Object) -> str:
    """The uid of the run that an object of an environment says it belongs to; empty if it says none."""
    return str((body["metadata"].get("labels") or {}).get(labels.RUN_UID, ""))


def is_environment(body: Object) -> bool:
    """Whether a Namespace has the labels of an environment (`labels.SELECTOR`)."""
    marks = body["metadata"].get("labels") or {}
    return marks.get(labels.MANAGED_BY) == labels.MANAGER and labels.RUN_UID in marks


def pod_of(body: Object) -> Pod:
    """The facts of a Pod."""
    metadata, status = body["metadata"], body.get("status") or {}
    marks = metadata.get("labels") or {}
    unschedulable = _condition(status, "PodScheduled", "False")
    ready = _condition(status, "Ready", "True")
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        component=marks.get(labels.COMPONENT, ""),
        role=marks.get(labels.ROLE, ""),
        shard=_index(marks.get(_COMPLETION_INDEX, "")),
        namespace=metadata.get("namespace") or "",
        phase=status.get("phase") or "Pending",
        ready=bool(ready),
        ready_at=parse_time(ready.get("lastTransitionTime")),
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        node=(body.get("spec") or {}).get("nodeName") or "",
        deleting="deletionTimestamp" in metadata,
        created=parse_time(metadata.get("creationTimestamp")),
        unschedulable=(unschedulable.get("message") or "") if unschedulable.get("reason") == "Unschedulable" else "",
        disruption=_condition(status, "DisruptionTarget", "True").get("reason") or "",
        containers=tuple(_container(s) for s in statuses),
    )


def _lease(text: str | None) -> datetime | None:
    """When an environment expires; None also for what is no moment: whoever labels a namespace may write anything."""
    try:
        moment = parse_time(text)
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def namespace_of(body: Object) -> Namespace:
    """The facts of a Namespace that is one of our environments."""
    metadata, status = body["metadata"], body.get("status") or {}
    annotations = metadata.get("annotations") or {}
    held = [
        str(c.get("message"))
        for c in status.get("conditions") or ()
        if c.get("status") == "True" and str(c.get("type", "")).startswith("Namespace") and c.get("message")
    ]
    return Namespace(
        name=metadata["name"],
        uid=metadata["uid"],
        run_uid=run_uid_of(body),
        run=(annotations.get(labels.RUN_NAMESPACE, ""), annotations.get(labels.RUN_NAME, "")),
        created=parse_time(metadata.get("creationTimestamp")),
        terminating_since=parse_time(metadata.get("deletionTimestamp")),
        expires_at=_lease(annotations.get(labels.EXPIRES_AT)),
        held_by="; ".join(held),
    )
