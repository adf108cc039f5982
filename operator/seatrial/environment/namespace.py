"""The environment's Namespace: complete in the one call that creates it, so that it is never found without its lease."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from seatrial.api import labels
from seatrial.api.scope import Scope
from seatrial.environment import objects


def namespace(scope: Scope, now: datetime, lifetime: timedelta) -> objects.Manifest:
    """The Namespace of this attempt, which expires `lifetime` after `now`."""
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
                labels.EXPIRES_AT: expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        },
    }
