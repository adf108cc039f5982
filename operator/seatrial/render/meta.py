"""Labels, annotations and the head of every manifest."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from seatrial.api.v1alpha1 import IntegrationRun

Manifest = dict[str, Any]

PREFIX = "seatrial.dev/"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "seatrial"
RUN_UID = PREFIX + "run-uid"
COMPONENT = PREFIX + "component"
ROLE = PREFIX + "role"
SHARED_VOLUME = PREFIX + "shared-volume"
"""Label of pods that mount the shared volume: they attract each other to one node."""
RUN_NAME = PREFIX + "run-name"
RUN_NAMESPACE = PREFIX + "run-namespace"
EXPIRES_AT = PREFIX + "expires-at"
SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"

ENVIRONMENT = "environment"
"""Component of the objects that belong to no single part; also the name of the pods' ServiceAccount and NetworkPolicy."""
MIGRATIONS = "migrations"
TESTS = "tests"


class Role(StrEnum):
    """What a component is for."""

    SERVICE = "service"
    APP = "app"
    MIGRATIONS = "migrations"
    TESTS = "tests"


def run_labels(run: IntegrationRun) -> dict[str, str]:
    """The labels by which everything of a run is found, its namespace included."""
    return {MANAGED_BY: MANAGER, RUN_UID: run.metadata.uid}


def labels(run: IntegrationRun, component: str, role: Role | None = None) -> dict[str, str]:
    """The labels of one object inside the environment."""
    return run_labels(run) | {COMPONENT: component} | ({ROLE: role.value} if role else {})


def manifest(
    run: IntegrationRun,
    api_version: str,
    kind: str,
    name: str,
    component: str = ENVIRONMENT,
    role: Role | None = None,
    annotations: Mapping[str, str] | None = None,
    **body: Any,
) -> Manifest:
    """One object inside the environment; `body` is what follows its metadata."""
    metadata: Manifest = {
        "name": name,
        "namespace": run.environment_namespace(),
        "labels": labels(run, component, role),
    }
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def config_map(run: IntegrationRun, name: str, component: str, data: Mapping[str, str]) -> Manifest:
    """A ConfigMap; keys are sorted, so the same contents give the same manifest."""
    return manifest(run, "v1", "ConfigMap", name, component, data=dict(sorted(data.items())))
