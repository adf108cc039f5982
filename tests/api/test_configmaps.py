"""A run names only ConfigMaps that its author may read: the chart's policy on a real API server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from seatrial.kube.client import Cluster
from seatrial.kube.errors import ForbiddenError
from tests.api.apiserver import ApiServer, refused_by, until

pytestmark = pytest.mark.apiserver
Object = dict[str, Any]
POLICY = "seatrial-configmaps"
RBAC = "rbac.authorization.k8s.io"
MINE, FOREIGN = "mine", "foreign"
CREATES_RUNS: Object = {"apiGroups": ["seatrial.dev"], "resources": ["integrationruns"], "verbs": ["create"]}


def run(namespace: str, spec: Object) -> Object:
    metadata = {"generateName": "draft-", "namespace": namespace}
    return {"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", "metadata": metadata, "spec": spec}


def of_tests(name: str) -> Object:
    return {"tests": {"source": {"configMapRef": {"name": name}}}}


def of_services(*names: str) -> Object:
    services = {f"db-{index}": {"type": "postgres", "initSQL": {"configMapRef": {"name": name}}}
                for index, name in enumerate(names)}  # fmt: skip
    return {"services": services, "tests": {"image": "example/tests"}}


class Tenant:
    """Somebody who may create runs in one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    async def tries(self, spec: Object) -> Object:
        return await self.cluster.create(run(self.namespace, spec), strict=True, dry_run=True)


async def tenant_with(apiserver: ApiServer, admin: Cluster, reads: Object) -> Tenant:
    name = f"tenant-{uuid.uuid4().hex[:8]}"
    place = {"name": name, "namespace": name}
    rules = [CREATES_RUNS, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], **reads}]
    subject = {"kind": "ServiceAccount", **place}
    role = {"apiGroup": RBAC, "kind": "Role", "name": name}
    for made in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place},
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": place, "rules": rules},
        {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": place, "subjects": [subject], "roleRef": role},
    ):
        await admin.create(made)
    return Tenant(await apiserver.connect_as(name, name), name)


@pytest.fixture
async def tenant(apiserver: ApiServer, admin: Cluster) -> AsyncIterator[Tenant]:
    """May read one ConfigMap; the policy is in force."""
    made = await tenant_with(apiserver, admin, {"resourceNames": [MINE]})
    async with made.cluster:
        await until(
            lambda: refused_by(made.cluster, POLICY, run(made.namespace, of_tests(FOREIGN))), f"policy {POLICY}"
        )
        yield made


@pytest.mark.parametrize(
    "spec",
    [of_tests(FOREIGN), of_services(FOREIGN), of_services(MINE, FOREIGN), of_services(*[MINE] * 19, FOREIGN)],
)
async def test_a_run_that_names_a_foreign_configmap_is_refused(tenant: Tenant, spec: Object) -> None:
    with pytest.raises(ForbiddenError) as refused:
        await tenant.tries(spec)
    account = f"system:serviceaccount:{tenant.namespace}:{tenant.namespace}"
    assert (f"{account} may not read every ConfigMap that the run names (") in refused.value.message
    assert f") in namespace {tenant.namespace}: ask for the right to get them, or name others" in refused.value.message
    assert FOREIGN in refused.value.message


@pytest.mark.parametrize(
    "spec",
    [
        of_tests(MINE),
        {**of_services(*[MINE] * 20), **of_tests(MINE)},
        {"services": {"postgres": {}, "minio": {}}, "tests": {"image": "example/tests"}},
    ],
)
async def test_a_run_that_names_readable_configmaps_or_none_is_accepted(tenant: Tenant, spec: Object) -> None:
    assert await tenant.tries(spec)


async def test_who_reads_all_configmaps_of_the_namespace_names_any(
    apiserver: ApiServer, admin: Cluster, tenant: Tenant
) -> None:
    everything = await tenant_with(apiserver, admin, {})
    async with everything.cluster:
        assert await everything.tries(of_tests(FOREIGN))
        with pytest.raises(ForbiddenError):  # the right holds for one namespace
            await everything.cluster.create(run(tenant.namespace, of_tests(FOREIGN)), dry_run=True)
