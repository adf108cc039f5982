"""Who may do what in the environment: the operator what its one ClusterRole says, the pods nothing."""

from __future__ import annotations

from typing import Any

from seatrial.api import labels
from seatrial.api.scope import Scope
from seatrial.environment import credentials, objects
from seatrial.settings import Settings

SERVICE_ACCOUNT = labels.ENVIRONMENT
_RBAC = "rbac.authorization.k8s.io"


def role_binding(scope: Scope, settings: Settings) -> objects.Manifest:
    """Gives the operator its rights in this environment, and nowhere else."""
    return objects.manifest(
        scope,
        f"{_RBAC}/v1",
        "RoleBinding",
        "seatrial-operator",
        roleRef={"apiGroup": _RBAC, "kind": "ClusterRole", "name": settings.cluster_role},
        subjects=[
            {"kind": "ServiceAccount", "name": settings.service_account, "namespace": settings.operator_namespace}
        ],
    )


def service_account(scope: Scope, registry: bytes) -> objects.Manifest:
    """The identity of all pods of the environment. It has no rights, its token is not mounted; images are pulled with
    what is known of registries.
    """
    secrets: dict[str, Any] = {"imagePullSecrets": [{"name": credentials.PULL_SECRET}]} if registry else {}
    return objects.manifest(
        scope, "v1", "ServiceAccount", SERVICE_ACCOUNT, automountServiceAccountToken=False, **secrets
    )
