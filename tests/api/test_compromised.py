"""What somebody could do with the operator's own account, and what not, by a real API server with the chart's policies.

docs/operations.md lists both, in these words.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from seatrial.kube.client import Cluster
from tests.api.apiserver import NAMESPACE as SYSTEM
from tests.api.apiserver import REPOSITORY
from tests.api.test_accounts import LABELS, RBAC, binding, environment
from tests.attacks.cluster import MERGE, RUNS, Request, attempt

pytestmark = pytest.mark.apiserver
Object = dict[str, Any]
POD: Object = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
    "spec": {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "c", "image": "any", "securityContext": {
            "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}],
    },
}  # fmt: skip
SECRET: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
DRY = {"dryRun": "All"}
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
ROLES = f"/apis/{RBAC}/v1"
TOKEN: Object = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}


def _namespace(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": LABELS | labels}}


def _post(path: str, body: Object) -> Request:
    return Request("POST", path, body, query=DRY)


def _patch(path: str, body: Object) -> Request:
    return Request("PATCH", path, body, MERGE, DRY)


def _delete(path: str) -> Request:
    return Request("DELETE", path, query=DRY)


def _binding(where: str, **changes: Any) -> Request:
    return _post(f"{ROLES}/namespaces/{where}/rolebindings", binding(where, **changes))


CLUSTER_ADMIN: Object = {"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"}}
CAN: dict[str, tuple[Request, ...]] = {
    "read every run, write any status, cancel and delete any run": (
        Request("GET", f"{RUNS}/integrationruns"),
        _patch(f"{RUNS}/namespaces/{{foreign}}/integrationruns/run/status", {"status": {"verdict": "Passed"}}),
        _patch(f"{RUNS}/namespaces/{{foreign}}/integrationruns/run", {"spec": {"cancel": True}}),
        _delete(f"{RUNS}/namespaces/{{foreign}}/integrationruns/run"),
    ),
    "read any ConfigMap whose name it knows": (
        Request("GET", "/api/v1/namespaces/{foreign}/configmaps/settings"),
    ),
    "list all pods, with the variables that stand in their specs, and all namespaces": (
        Request("GET", "/api/v1/pods"),
        Request("GET", "/api/v1/namespaces"),
    ),
    "write Events anywhere": (
        _post("/api/v1/namespaces/{foreign}/events", {
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "{foreign}"},
        }),
    ),
    "make namespaces with its labels, of the level restricted, and in them all that an environment has": (
        _post("/api/v1/namespaces", _namespace("any-name")),
        _post("/api/v1/namespaces/{environment}/pods", POD),
        _post("/api/v1/namespaces/{environment}/secrets", SECRET),
    ),
    "delete any environment": (_delete("/api/v1/namespaces/{environment}"),),
}  # fmt: skip
CANNOT: dict[str, tuple[Request, ...]] = {
    "read a Secret, in an environment neither": (
        Request("GET", "/api/v1/secrets"),
        Request("GET", "/api/v1/namespaces/{foreign}/secrets"),
        Request("GET", "/api/v1/namespaces/{foreign}/secrets/any"),
        Request("GET", "/api/v1/namespaces/{environment}/secrets"),
        Request("GET", f"/api/v1/namespaces/{SYSTEM}/secrets/seatrial-key"),
    ),
    "create anything in a namespace that is no environment": (
        _post("/api/v1/namespaces/{foreign}/pods", POD),
        _post("/api/v1/namespaces/{foreign}/secrets", SECRET),
        _post(f"/api/v1/namespaces/{SYSTEM}/pods", POD),
        _post("/api/v1/namespaces/kube-system/pods", POD),
        _post(f"{RUNS}/namespaces/{{foreign}}/integrationruns", {
            "apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", "metadata": {"name": "r"}, "spec": {}}),
    ),
    "change or delete a namespace that is no environment, or loosen one that is": (
        _delete("/api/v1/namespaces/{foreign}"),
        _delete(f"/api/v1/namespaces/{SYSTEM}"),
        _delete("/api/v1/namespaces/kube-system"),
        _patch("/api/v1/namespaces/{foreign}", {"metadata": {"labels": LABELS}}),
        _patch("/api/v1/namespaces/{environment}", {
            "metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}),
        _post("/api/v1/namespaces", _namespace("any", **{"pod-security.kubernetes.io/enforce": "privileged"})),
        _post("/api/v1/namespaces", _namespace("any", **{"app.kubernetes.io/managed-by": "somebody"})),
    ),
    "start a privileged pod, or one on the node's files or network": (
        *(_post("/api/v1/namespaces/{environment}/pods", {**POD, "spec": {**POD["spec"], **wrong}}) for wrong in (
            {"hostNetwork": True}, {"hostPID": True}, {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
            {"containers": [{"name": "c", "image": "any", "securityContext": {"privileged": True}}]},
        )),
    ),
    "enter a pod, forward its ports or read its log, but logs in environments": (
        Request("POST", "/api/v1/namespaces/{foreign}/pods/p/exec?command=id"),
        Request("POST", "/api/v1/namespaces/{environment}/pods/p/exec?command=id"),
        Request("POST", "/api/v1/namespaces/{foreign}/pods/p/portforward"),
        Request("GET", "/api/v1/namespaces/{foreign}/pods/p/log"),
        Request("GET", "/api/v1/nodes/n/proxy/pods"),
    ),
    "take a right: bind another role, another account, another place; change a role or be somebody else": (
        _binding("{foreign}"),
        _binding(SYSTEM),
        _binding("kube-system"),
        _binding("{environment}", **CLUSTER_ADMIN),
        _binding("{environment}", subjects=[{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]),
        _post(f"{ROLES}/clusterrolebindings", {
            "apiVersion": f"{RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "b"}, **CLUSTER_ADMIN,
            "subjects": binding("x")["subjects"]}),
        _patch(f"{ROLES}/clusterroles/seatrial-environment", {"rules": []}),
        _patch(f"{ROLES}/clusterroles/seatrial-operator", {"rules": []}),
        _post(f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/seatrial-uninstall/token", TOKEN),
        _post("/api/v1/namespaces/{environment}/serviceaccounts/default/token", TOKEN),
        _post("/apis/certificates.k8s.io/v1/certificatesigningrequests", {
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "c"},
            "spec": {"request": "eA==", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]},
        }),
    ),
    "change the policies that hold it, the definition of the resource, or Seatrial's own Deployments": (
        *(_delete(f"{POLICIES}/{name}") for name in ("seatrial-namespaces", "seatrial-rolebindings")),
        _patch(f"{POLICIES}/seatrial-namespaces", {"spec": {"failurePolicy": "Ignore"}}),
        _delete("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/seatrial-namespaces"),
        _patch("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/integrationruns.seatrial.dev", {"spec": {}}),
        _patch(f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/seatrial-archive", {"spec": {"replicas": 0}}),
    ),
}  # fmt: skip


@pytest.fixture
async def words(admin: Cluster, operator: Cluster) -> dict[str, str]:
    """A foreign namespace with a run and a ConfigMap, and an environment."""
    foreign = f"team-{uuid.uuid4().hex[:8]}"
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": foreign}})
    run = {"metadata": {"name": "run", "namespace": foreign}, "spec": {"tests": {"image": "i"}}}
    await admin.create({"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", **run})
    await admin.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": foreign}}
    )
    return {"foreign": foreign, "environment": await environment(operator)}


@pytest.mark.parametrize("what", CANNOT)
async def test_the_operators_account_can_not(operator: Cluster, words: dict[str, str], what: str) -> None:
    for request in CANNOT[what]:
        status, message = await attempt(operator, request, words)
        assert status == 403, f"{request.method} {request.path}: {status}: {message}"


@pytest.mark.parametrize("what", CAN)
async def test_the_operators_account_can(operator: Cluster, words: dict[str, str], what: str) -> None:
    for request in CAN[what]:
        status, message = await attempt(operator, request, words)
        assert status == 200, f"{request.method} {request.path}: {status}: {message}"


@pytest.mark.parametrize("what", [*CAN, *CANNOT])
def test_the_page_says_so(what: str) -> None:
    page = " ".join((REPOSITORY / "docs" / "operations.md").read_text().split())
    assert f"- {what}" in page
