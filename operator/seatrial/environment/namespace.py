"""The environment's Namespace: complete in the one call that creates it, so that it is never found without its lease."""

from __future__ import annotations

from datetime import UTC, datetime

from seatrial.api import labels
from seatrial.api.run import IntegrationRun
from seatrial.environment import meta


def namespace(run: IntegrationRun, now: datetime) -> meta.Manifest:
    """The Namespace of this attempt, which expires `retention.maxLifetime` after `now`."""
    expires = (now + run.spec.retention.max_lifetime).astimezone(UTC)
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": run.environment_namespace(),
            "labels": meta.run_labels(run)
            | {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "latest",
            },
            "annotations": {
                labels.RUN_NAME: run.metadata.name,
                labels.RUN_NAMESPACE: run.metadata.namespace,
                labels.EXPIRES_AT: expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        },
    }
