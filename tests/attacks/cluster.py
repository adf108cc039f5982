"""What a tenant with the roles `seatrial-view` and `seatrial-edit` in a namespace of their own asks of the API server,
each with a name: all of it must be refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError

Object = dict[str, Any]
RUNS = "/apis/seatrial.dev/v1alpha1"
RBAC = "rbac.authorization.k8s.io"
MERGE = "application/merge-patch+json"
READ_PORTS = "the archive's read port is for all; what a reader may see, the archive decides"


@dataclass(frozen=True)
class Request:
    """One request to the API server."""

    method: str
    path: str
    """A template: `own` and `other` are namespaces, `mine` and `theirs` runs there, `environment` is the other's."""
    body: Object | None = None
    content_type: str | None = None
    query: Mapping[str, str] | None = None


def _get(path: str, **query: str) -> Request:
    return Request("GET", path, query=query or None)


def _patch(path: str, body: Object) -> Request:
    return Request("PATCH", path, body, MERGE)


def _binding(role: str, namespace: str) -> Request:
    subject = {"kind": "ServiceAccount", "name": "tenant", "namespace": "{own}"}
    return Request("POST", f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings", {
        "apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": "attack"}, "subjects": [subject],
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
    })  # fmt: skip


def _run(spec: Object) -> Object:
    return {"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun",
            "metadata": {"name": "attack"}, "spec": spec}  # fmt: skip


_POD: Object = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "attack"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}  # fmt: skip
_TOKEN: Object = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
_NAMESPACE: Object = {
    "apiVersion": "v1", "kind": "Namespace",
    "metadata": {"name": "st-attack-abcde", "labels": {
        "app.kubernetes.io/managed-by": "seatrial", "seatrial.dev/run-uid": "u"}},
}  # fmt: skip
_SYSTEM = "/api/v1/namespaces/seatrial-system"
_OPERATOR = f"{_SYSTEM}/serviceaccounts/seatrial-operator/token"
_PORT_FORWARD = "pods/seatrial-archive-0/portforward"
FORBIDDEN: dict[str, Request] = {
    # runs of others
    "runs-of-all": _get(f"{RUNS}/integrationruns"),
    "runs-of-other": _get(f"{RUNS}/namespaces/{{other}}/integrationruns"),
    "run-of-other": _get(f"{RUNS}/namespaces/{{other}}/integrationruns/{{theirs}}"),
    "status-of-other": _get(f"{RUNS}/namespaces/{{other}}/integrationruns/{{theirs}}/status"),
    "watch-of-other": _get(f"{RUNS}/namespaces/{{other}}/integrationruns", watch="true", timeoutSeconds="1"),
    "runs-by-dots": _get(f"{RUNS}/namespaces/{{own}}%2f..%2f{{other}}/integrationruns"),
    "create-in-other": Request("POST", f"{RUNS}/namespaces/{{other}}/integrationruns", _run({})),
    "cancel-of-other": _patch(f"{RUNS}/namespaces/{{other}}/integrationruns/{{theirs}}", {"spec": {"cancel": True}}),
    "delete-of-other": Request("DELETE", f"{RUNS}/namespaces/{{other}}/integrationruns/{{theirs}}"),
    "finalizer-of-other": _patch(
        f"{RUNS}/namespaces/{{other}}/integrationruns/{{theirs}}", {"metadata": {"finalizers": None}}
    ),
    # a verdict of one's own making
    "status-of-mine": _patch(
        f"{RUNS}/namespaces/{{own}}/integrationruns/{{mine}}/status",
        {"status": {"verdict": "Passed", "phase": "Passed", "reason": "TestsPassed"}},
    ),
    "status-of-mine-put": Request("PUT", f"{RUNS}/namespaces/{{own}}/integrationruns/{{mine}}/status", _run({})),
    # environments, one's own too: what is in them is the operator's
    "pods-of-environment": _get("/api/v1/namespaces/{environment}/pods"),
    "secrets-of-environment": _get("/api/v1/namespaces/{environment}/secrets"),
    "upload-token": _get("/api/v1/namespaces/{environment}/secrets/seatrial-upload"),
    "credentials": _get("/api/v1/namespaces/{environment}/secrets/seatrial-credentials"),
    "config-of-environment": _get("/api/v1/namespaces/{environment}/configmaps"),
    "logs-of-environment": _get("/api/v1/namespaces/{environment}/pods/postgres/log"),
    "exec-in-environment": Request("POST", "/api/v1/namespaces/{environment}/pods/postgres/exec?command=id"),
    "attach-in-environment": Request("POST", "/api/v1/namespaces/{environment}/pods/postgres/attach"),
    "forward-to-environment": Request("POST", "/api/v1/namespaces/{environment}/pods/postgres/portforward"),
    "proxy-to-environment": _get("/api/v1/namespaces/{environment}/services/postgres:5432/proxy/"),
    "debug-container": _patch("/api/v1/namespaces/{environment}/pods/postgres/ephemeralcontainers", {"spec": {}}),
    "pod-in-environment": Request("POST", "/api/v1/namespaces/{environment}/pods", _POD),
    "network-of-environment": Request(
        "DELETE", "/apis/networking.k8s.io/v1/namespaces/{environment}/networkpolicies/default"
    ),
    "delete-environment": Request("DELETE", "/api/v1/namespaces/{environment}"),
    "relabel-environment": _patch(
        "/api/v1/namespaces/{environment}", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": None}}}
    ),
    "make-environment": Request("POST", "/api/v1/namespaces", _NAMESPACE),
    "pretend-environment": _patch(
        "/api/v1/namespaces/{own}", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "seatrial"}}}
    ),
    # Seatrial itself
    "key": _get(f"{_SYSTEM}/secrets/seatrial-key"),
    "secrets-of-system": _get(f"{_SYSTEM}/secrets"),
    "pods-of-system": _get(f"{_SYSTEM}/pods"),
    "token-of-operator": Request("POST", _OPERATOR, _TOKEN),
    "token-of-archive": Request("POST", f"{_SYSTEM}/serviceaccounts/seatrial-archive/token", _TOKEN),
    "forward-to-archive": Request("POST", f"{_SYSTEM}/{_PORT_FORWARD}"),
    "archive-upload-port": _get(f"{_SYSTEM}/services/seatrial-archive:upload/proxy/healthz"),
    "archive-upload-port-by-number": _get(f"{_SYSTEM}/services/seatrial-archive:8080/proxy/healthz"),
    "archive-put": Request("PUT", f"{_SYSTEM}/services/seatrial-archive:upload/proxy/v1/runs/x", {}),
    "archive-delete": Request("DELETE", f"{_SYSTEM}/services/seatrial-archive:read/proxy/v1/runs/x"),
    "archive-pod-by-proxy": _get(f"{_SYSTEM}/pods/seatrial-archive-0:8080/proxy/healthz"),
    "operator-metrics": _get(f"{_SYSTEM}/services/seatrial-operator:metrics/proxy/metrics"),
    "scale-operator": _patch(
        "/apis/apps/v1/namespaces/seatrial-system/deployments/seatrial-operator", {"spec": {"replicas": 0}}
    ),
    "policies": Request(
        "DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/seatrial-namespaces"
    ),
    "policy-bindings": Request(
        "DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/seatrial-namespaces"
    ),
    "definition": Request(
        "DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/integrationruns.seatrial.dev"
    ),
    # more rights
    "bind-environment-role-here": _binding("seatrial-environment", "{own}"),
    "bind-environment-role-there": _binding("seatrial-environment", "{environment}"),
    "bind-cluster-admin": _binding("cluster-admin", "{own}"),
    "role-of-archive-readers": _binding("seatrial-view", "{other}"),
    "review-tokens": Request(
        "POST", "/apis/authentication.k8s.io/v1/tokenreviews",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "x"}},
    ),
    "secrets-of-all": _get("/api/v1/secrets"),
    "nodes-proxy": _get("/api/v1/nodes/any/proxy/pods"),
}  # fmt: skip


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace(f"{{{word}}}", text)
        return value
    if isinstance(value, dict):
        return {key: _filled(item, words) for key, item in value.items()}
    return [_filled(item, words) for item in value] if isinstance(value, list) else value


async def attempt(cluster: Cluster, request: Request, words: Mapping[str, str]) -> tuple[int, str]:
    """Sends the request; the status, and what the API server says."""
    path = _filled(request.path, {word: quote(text) for word, text in words.items()})
    try:
        answer = await cluster.request(
            request.method, path, "attack", query=dict(request.query or {}), body=_filled(request.body, words),
            **({"content_type": request.content_type} if request.content_type else {}),
        )  # fmt: skip
    except ClusterError as error:
        return error.status, error.message
    return 200, str(answer)[:500]
