"""Makes the record of a run, which goes to the archive at each transition. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from seatrial.api import labels
from seatrial.archive.model.record import Record
from seatrial.archive.model.runs import Component
from seatrial.facts.attempt import Container, Pod
from seatrial.masking.masker import Masker

DELETED = "Deleted"
"""Phase of a run that was deleted before it had a verdict."""
_NO_CONTAINERS = ("seatrial-tools", "seatrial-wait")


def spec_hash(spec: Mapping[str, Any]) -> str:
    """Equal for equal specs: what may change later (cancel, retention) does not count."""
    fixed = {k: v for k, v in spec.items() if k not in ("cancel", "retention")}
    text = json.dumps(fixed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _component(pod: Pod, container: Container) -> Component:
    last = container.terminated or (None if container.running_since else container.previous)
    return Component(
        name=pod.component,
        role=pod.role,
        container=container.name,
        image=container.image,
        image_id=container.image_id,
        created_at=pod.created,
        started_at=container.running_since or (last.started_at if last else None),
        ready_at=pod.ready_at,
        ended_at=last.finished_at if last else None,
        exit_code=last.exit_code if last else None,
        restarts=container.restarts,
        ended=last.reason if last else "",
    )


def components(pods: Iterable[Pod]) -> tuple[Component, ...]:
    """What is known of each container of an environment, services first."""
    ordered = sorted(pods, key=lambda p: (labels.role_rank(p.role), p.component, p.name))
    return tuple(
        _component(pod, container)
        for pod in ordered
        for container in pod.containers or (Container(pod.component),)  # not even begun
        if container.name not in _NO_CONTAINERS
    )


def record(
    body: Mapping[str, Any], pods: Iterable[Pod], masker: Masker, *, deleted: bool = False, namespace_uid: str = ""
) -> Record:
    """The run as it is now.

    Args:
        body: the run, as the API server has it.
        pods: what is known of its environment's pods, those that are gone too.
        masker: of its secrets.
        deleted: it is gone; if it has no verdict, its phase says so.
        namespace_uid: of the namespace that it is in; empty: not known.
    """
    metadata, status = body["metadata"], body.get("status") or {}
    spec = masker.tree(body.get("spec") or {})  # before it is hashed: a hash of a secret can be guessed at
    annotations = metadata.get("annotations") or {}
    creator: Mapping[str, Any] = next(iter(metadata.get("managedFields") or ()), {})
    over = deleted and not status.get("verdict")
    known = components(pods)
    made: dict[str, Any] = {
        "uid": metadata["uid"],
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "namespaceUid": namespace_uid,
        "attempt": status.get("attempt") or 1,
        "createdAt": metadata.get("creationTimestamp"),
        "phase": DELETED if over else status.get("phase") or "Pending",
        "verdict": status.get("verdict"),
        "reason": status.get("reason") or "",
        "message": status.get("message") or "",
        "labels": metadata.get("labels") or {},
        "startedBy": {
            "by": annotations.get(labels.STARTED_BY) or "",
            "with": creator.get("manager") or "",
            "link": annotations.get(labels.LINK) or "",
        },
        "environment": status.get("namespace") or "",
        "specHash": spec_hash(spec),
        "spec": spec,
        "timeline": {k: v for k, v in (status.get("timeline") or {}).items() if v},
        "digest": (status.get("results") or {}).get("digest") or "",
    }
    return Record(**masker.tree(made), **({"components": known} if known else {}))
