"""The head of every manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.api.labels import COMPONENT, ENVIRONMENT, MANAGED_BY, MANAGER, ROLE, RUN_UID, Role
from seatrial.api.run import IntegrationRun

Manifest = dict[str, Any]


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
