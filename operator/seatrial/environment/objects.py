"""What all objects of an environment have in common: names, labels, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.api.labels import ATTEMPT, COMPONENT, ENVIRONMENT, MANAGED_BY, MANAGER, ROLE, RUN_UID, Role
from seatrial.api.scope import Scope

Manifest = dict[str, Any]


def scope_labels(scope: Scope) -> dict[str, str]:
    """The labels by which everything of an attempt is found, its namespace included."""
    return {MANAGED_BY: MANAGER, RUN_UID: scope.run.uid, ATTEMPT: str(scope.attempt)}


def labels(scope: Scope, component: str, role: Role | None = None) -> dict[str, str]:
    """The labels of one object inside the environment."""
    return scope_labels(scope) | {COMPONENT: component} | ({ROLE: role.value} if role else {})


def manifest(
    scope: Scope,
    api_version: str,
    kind: str,
    name: str,
    component: str = ENVIRONMENT,
    role: Role | None = None,
    **body: Any,
) -> Manifest:
    """One object inside the environment; `body` is what follows its metadata."""
    metadata = {"name": name, "namespace": scope.namespace, "labels": labels(scope, component, role)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def config_map(scope: Scope, name: str, component: str, data: Mapping[str, str]) -> Manifest:
    """A ConfigMap; keys are sorted, so the same contents give the same manifest."""
    return manifest(scope, "v1", "ConfigMap", name, component, data=dict(sorted(data.items())))
