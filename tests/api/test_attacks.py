"""What a tenant with the chart's roles in a namespace of their own is refused, by a real API server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from seatrial.environment.problems import problems
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError
from seatrial.settings import Budget
from tests.api.apiserver import ApiServer, until
from tests.attacks.cluster import FORBIDDEN, RBAC, RUNS, Request, attempt
from tests.attacks.specs import AT_ADMISSION, BY_THE_OPERATOR, Spec
from tests.unit import builders

pytestmark = pytest.mark.apiserver


@dataclass
class Tenant:
    """Somebody with the roles `seatrial-view` and `seatrial-edit` in a namespace, and what they know of another."""

    cluster: Cluster
    words: dict[str, str]


@pytest.fixture
async def tenant(apiserver: ApiServer, admin: Cluster) -> AsyncIterator[Tenant]:
    own, other, environment = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("mine", "theirs", "env"))
    for namespace in (own, other, environment):
        await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for namespace in (own, other):
        run = {"metadata": {"name": "run", "namespace": namespace}, "spec": {"tests": {"image": "i"}}}
        await admin.create({"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", **run})
    place = {"name": "tenant", "namespace": own}
    await admin.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place})
    for role in ("seatrial-view", "seatrial-edit"):
        await admin.create({
            "apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": role, "namespace": own},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", **place}],
        })  # fmt: skip
    async with await apiserver.connect_as("tenant", own) as cluster:
        words = {"own": own, "other": other, "environment": environment, "mine": "run", "theirs": "run"}
        made = Tenant(cluster, words)

        async def bound() -> bool:
            return (await attempt(cluster, Request("GET", f"{RUNS}/namespaces/{own}/integrationruns"), words))[0] == 200

        await until(bound, "the tenant's roles")
        yield made


def draft(spec: Spec) -> Spec:
    metadata = {"generateName": "attack-", "namespace": "default"}
    return {"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_a_tenant_is_refused(tenant: Tenant, name: str) -> None:
    status, message = await attempt(tenant.cluster, FORBIDDEN[name], tenant.words)
    assert status == 403, f"{status}: {message}"


@pytest.mark.parametrize(("spec", "said"), AT_ADMISSION.values(), ids=list(AT_ADMISSION))
async def test_a_spec_that_wants_more_is_refused(admin: Cluster, spec: Spec, said: str) -> None:
    with pytest.raises(ClusterError) as refused:
        await admin.create(draft(spec), strict=True, dry_run=True)
    assert said in refused.value.message


@pytest.mark.parametrize(("spec", "said"), BY_THE_OPERATOR.values(), ids=list(BY_THE_OPERATOR))
async def test_a_spec_that_wants_more_never_becomes_an_environment(admin: Cluster, spec: Spec, said: str) -> None:
    try:
        await admin.create(draft(spec), strict=True, dry_run=True)
    except ClusterError as error:
        found = [error.message]
    else:
        found = [f"{problem.path}: {problem.message}" for problem in problems(builders.run(spec), {}, Budget())]
    assert any(said in message for message in found), found
