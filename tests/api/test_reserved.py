"""Nobody but Seatrial makes a namespace look like an environment: the chart's policy on a real API server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from seatrial.kube.client import Cluster
from seatrial.kube.errors import ForbiddenError
from seatrial.kube.kinds import NAMESPACE
from tests.api.apiserver import ApiServer, refused_by, until

pytestmark = pytest.mark.apiserver
Object = dict[str, Any]
POLICY = "seatrial-reserved"
RBAC = "rbac.authorization.k8s.io"
MANAGED = {"app.kubernetes.io/managed-by": "seatrial"}
RUN = {"seatrial.dev/run-uid": "u-1"}


def namespace(name: str = "", labels: Object | None = None, annotations: Object | None = None) -> Object:
    metadata = {"name": name or f"team-{uuid.uuid4().hex}", "labels": labels or {}, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


@pytest.fixture
async def tenant(apiserver: ApiServer, admin: Cluster) -> AsyncIterator[Cluster]:
    """Somebody who may create and change namespaces, where the policy is in force."""
    name = f"tenant-{uuid.uuid4().hex[:8]}"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
    rule = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create", "patch", "get"]}
    version = f"{RBAC}/v1"
    for made in (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}},
        {"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]},
        {
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": name}, "subjects": [subject],
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
        },
    ):  # fmt: skip
        await admin.create(made)
    async with await apiserver.connect_as(name, "default") as cluster:
        await until(lambda: refused_by(cluster, POLICY, namespace(labels=MANAGED)), f"policy {POLICY}")
        yield cluster


@pytest.mark.parametrize(
    "refused",
    [
        namespace(labels=MANAGED),
        namespace(labels=RUN),
        namespace(annotations={"seatrial.dev/expires-at": "2026-01-01T00:00:00Z"}),
        namespace("st-orders-abc23"),
    ],
)
async def test_a_tenant_makes_nothing_that_looks_like_an_environment(tenant: Cluster, refused: Object) -> None:
    with pytest.raises(ForbiddenError, match="Seatrial's") as error:
        await tenant.create(refused)
    assert POLICY in error.value.message


async def test_other_namespaces_are_a_tenants_own(tenant: Cluster) -> None:
    mine = await tenant.create(namespace(labels={"app.kubernetes.io/managed-by": "helm", "team": "a"}))
    name = mine["metadata"]["name"]
    assert await tenant.create(namespace("st-petersburg"), dry_run=True)
    await tenant.patch(NAMESPACE, name, None, {"metadata": {"labels": {"team": "b"}}})
    for change in ({"labels": MANAGED}, {"labels": RUN}, {"annotations": {"seatrial.dev/signature": "x"}}):
        with pytest.raises(ForbiddenError, match=POLICY):
            await tenant.patch(NAMESPACE, name, None, {"metadata": change})


async def test_what_marks_an_environment_stays_as_it_is(tenant: Cluster, operator: Cluster) -> None:
    labels = MANAGED | RUN | {"pod-security.kubernetes.io/enforce": "restricted"}
    expires = {"seatrial.dev/expires-at": "2026-01-01T00:00:00Z"}
    made = await operator.create(namespace(f"st-{uuid.uuid4().hex}", labels, expires))
    name = made["metadata"]["name"]
    await tenant.patch(NAMESPACE, name, None, {"metadata": {"labels": {"mesh": "on"}, "annotations": {"note": "x"}}})
    for change in (
        {"labels": {"app.kubernetes.io/managed-by": None}},
        {"labels": {"seatrial.dev/run-uid": "u-2"}},
        {"labels": {"seatrial.dev/run-uid": None}},
        {"annotations": {"seatrial.dev/expires-at": None}},
        {"annotations": {"seatrial.dev/expires-at": "2020-01-01T00:00:00Z"}},
    ):
        with pytest.raises(ForbiddenError, match=POLICY):
            await tenant.patch(NAMESPACE, name, None, {"metadata": change})


async def test_who_could_delete_the_policy_is_not_held_by_it(tenant: Cluster, admin: Cluster) -> None:
    assert await admin.create(namespace("st-orders-abc23", MANAGED | RUN), dry_run=True)
