"""What the operator sees of a run: small frozen facts taken from Kubernetes objects, and pure functions that take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from seatrial.api import labels

Object = Mapping[str, Any]


def parse_time(text: str | None) -> datetime | None:
    """Reads an RFC 3339 time; None for None."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def format_time(moment: datetime) -> str:
    """Writes an RFC 3339 time in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Ended:
    """How a container ended."""

    exit_code: int
    reason: str = ""
    message: str = ""
    """Its termination message: what it wrote, or the last lines of its log when it failed."""
    at: datetime | None = None
    """When, by the clock of its node."""
    started: datetime | None = None


@dataclass(frozen=True)
class Container:
    """One container of a pod."""

    name: str
    waiting: str = ""
    waiting_message: str = ""
    running_since: datetime | None = None
    ended: Ended | None = None
    previous: Ended | None = None
    restarts: int = 0
    image: str = ""
    image_id: str = ""
    """With the digest that was really run."""


@dataclass(frozen=True)
class Pod:
    """One pod of an environment."""

    name: str
    uid: str
    component: str
    role: str
    namespace: str = ""
    phase: str = "Pending"
    ready: bool = False
    ready_at: datetime | None = None
    reason: str = ""
    message: str = ""
    node: str = ""
    deleting: bool = False
    created: datetime | None = None
    unschedulable: str = ""
    disruption: str = ""
    """Reason of the DisruptionTarget condition: why Kubernetes took the pod away."""
    containers: tuple[Container, ...] = ()

    def container(self, name: str) -> Container | None:
        """The container of this name, init containers included."""
        return next((c for c in self.containers if c.name == name), None)


@dataclass(frozen=True)
class Namespace:
    """The environment's namespace."""

    name: str
    uid: str
    run_uid: str
    run: tuple[str, str] = ("", "")
    """Namespace and name of the run, as the environment's annotations give them."""
    created: datetime | None = None
    terminating_since: datetime | None = None
    expires_at: datetime | None = None
    held_by: str = ""
    """What the namespace controller says still holds a namespace that is being deleted."""


@dataclass(frozen=True)
class Progress:
    """What the collector has told so far, through the archive (unix seconds)."""

    gates_open: float | None = None
    first_test: float | None = None


@dataclass(frozen=True)
class Result:
    """A shard's complete result, as the archive holds it."""

    digest: str
    summary: Mapping[str, Any]
    heard: datetime | None = None
    """When the operator heard of it."""


@dataclass(frozen=True)
class Evidence:
    """What became of the evidence of a run: it is in the archive, or why not."""

    digest: str = ""
    """Of its manifest, once it is archived."""
    files: int = 0
    error: str = ""
    refused: bool = False
    """The archive won't take it: trying again would not help."""
    failing_since: datetime | None = None
    """When it could not be archived for the first time."""
    tried: datetime | None = None
    """When that was tried last."""


@dataclass(frozen=True)
class Observed:
    """Everything that a decision about one run is made from."""

    namespace: Namespace | None = None
    pods: tuple[Pod, ...] = ()
    progress: Progress = field(default_factory=Progress)
    result: Result | None = None
    archive_error: str = ""
    """Why the archive could not be asked for the result, when it should have been."""
    archive_silent_since: datetime | None = None
    """Since when it can't be asked."""
    archive_patience: timedelta = timedelta(seconds=90)
    """How long it is waited for: when the collector has handed the result over, and with the evidence."""
    evidence: Evidence | None = None
    tests_gone: bool = False
    """The tests' pod was there and has been removed since."""


def _ended(state: Object | None) -> Ended | None:
    if not state:
        return None
    return Ended(
        int(state.get("exitCode", -1)),
        state.get("reason") or "",
        (state.get("message") or "").strip(),
        parse_time(state.get("finishedAt")),
        parse_time(state.get("startedAt")),
    )


def _container(status: Object) -> Container:
    state = status.get("state") or {}
    waiting, running = state.get("waiting") or {}, state.get("running") or {}
    return Container(
        name=status["name"],
        waiting=waiting.get("reason") or "",
        waiting_message=waiting.get("message") or "",
        running_since=parse_time(running.get("startedAt")),
        ended=_ended(state.get("terminated")),
        previous=_ended((status.get("lastState") or {}).get("terminated")),
        restarts=int(status.get("restartCount") or 0),
        image=status.get("image") or "",
        image_id=status.get("imageID") or "",
    )


def _condition(status: Object, kind: str, value: str) -> Object:
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind and condition.get("status") == value:
            return dict(condition)
    return {}


def pod(body: Object) -> Pod:
    """The facts of a Pod object."""
    metadata, status = body["metadata"], body.get("status") or {}
    marks = metadata.get("labels") or {}
    unschedulable = _condition(status, "PodScheduled", "False")
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        component=marks.get(labels.COMPONENT, ""),
        role=marks.get(labels.ROLE, ""),
        namespace=metadata.get("namespace") or "",
        phase=status.get("phase") or "Pending",
        ready=bool(ready := _condition(status, "Ready", "True")),
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
    """When an environment expires; None also for what is no moment: whoever may label a namespace may write anything."""
    try:
        moment = parse_time(text)
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def namespace(body: Object) -> Namespace:
    """The facts of a Namespace object that is one of our environments."""
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
        run_uid=(metadata.get("labels") or {}).get(labels.RUN_UID, ""),
        run=(annotations.get(labels.RUN_NAMESPACE, ""), annotations.get(labels.RUN_NAME, "")),
        created=parse_time(metadata.get("creationTimestamp")),
        terminating_since=parse_time(metadata.get("deletionTimestamp")),
        expires_at=_lease(annotations.get(labels.EXPIRES_AT)),
        held_by="; ".join(held),
    )
