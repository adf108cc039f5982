"""The environment's Namespace: complete in the one call that creates it, so it is never found without its lease."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from seatrial import tokens
from seatrial.api import labels
from seatrial.api.scope import Scope
from seatrial.environment import objects


def namespace(scope: Scope, now: datetime, lifetime: timedelta, key: bytes) -> objects.Manifest:
    """The Namespace of this attempt, which expires `lifetime` after `now`; `key` signs it."""
    expires = (now + lifetime).astimezone(UTC)
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": scope.namespace,
            "labels": objects.scope_labels(scope)
            | {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "latest",
            },
            "annotations": {
                labels.RUN_NAME: scope.run.name,
                labels.RUN_NAMESPACE: scope.run.namespace,
                labels.SIGNATURE: tokens.namespace_signature(key, scope.id, scope.namespace),
                labels.EXPIRES_AT: expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        },
    }


def is_signed(key: bytes, body: Mapping[str, Any]) -> bool:
    """Whether the operator made this Namespace for the attempt that its labels name: labels alone anybody can write."""
    metadata = body["metadata"]
    marks, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    scope_id = f"{marks.get(labels.RUN_UID, '')}.{marks.get(labels.ATTEMPT, '')}"
    expected = tokens.namespace_signature(key, scope_id, metadata["name"])
    return tokens.same(expected, str(annotations.get(labels.SIGNATURE) or ""))
