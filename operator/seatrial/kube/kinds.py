"""Kinds of objects, and where they live in the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from seatrial.api.names import API_VERSION, KIND, PLURAL

Manifest = Mapping[str, Any]
Object = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """Where objects of a kind live in the API."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, of one object, or of one of its subresources."""
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        parts = [root]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


RUN = Kind(API_VERSION, KIND, PLURAL)
NAMESPACE = Kind("v1", "Namespace", "namespaces", namespaced=False)
POD = Kind("v1", "Pod", "pods")
SECRET = Kind("v1", "Secret", "secrets")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
SERVICE = Kind("v1", "Service", "services")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
PERSISTENT_VOLUME_CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
EVENT = Kind("v1", "Event", "events")
ROLE_BINDING = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
JOB = Kind("batch/v1", "Job", "jobs")
NODE = Kind("v1", "Node", "nodes", namespaced=False)
POD_METRICS = Kind("metrics.k8s.io/v1beta1", "PodMetrics", "pods")
CUSTOM_RESOURCE_DEFINITION = Kind(
    "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
_KNOWN = {
    (k.api_version, k.kind): k
    for k in (
        RUN, NAMESPACE, POD, SECRET, CONFIG_MAP, SERVICE, SERVICE_ACCOUNT, PERSISTENT_VOLUME_CLAIM, EVENT, ROLE_BINDING,
        NETWORK_POLICY, DEPLOYMENT, JOB, CUSTOM_RESOURCE_DEFINITION,
    )
}  # fmt: skip


def kind_of(manifest: Manifest) -> Kind:
    """The kind of a manifest.

    Raises:
        LookupError: for a kind that this module does not know; `Cluster.discover` asks the API server.
    """
    key = (str(manifest.get("apiVersion")), str(manifest.get("kind")))
    if key not in _KNOWN:
        raise LookupError(f"unknown kind {key[1]} of {key[0]}")
    return _KNOWN[key]
