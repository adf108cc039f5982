"""What the operator's account may do on a real API server with the chart's roles and policies, and what not."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from seatrial.kube.client import Cluster
from seatrial.kube.errors import ConflictError, ForbiddenError
from seatrial.kube.kinds import NAMESPACE, ROLE_BINDING, SECRET, Kind
from tests.api.apiserver import NAMESPACE as SYSTEM
from tests.api.apiserver import NAMESPACES, ROLE_BINDINGS, until
from tests.api.test_rights import Right, rights

pytestmark = pytest.mark.apiserver
Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
EVERYBODY: set[Right] = {
    ("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
    ("create", "authorization.k8s.io", "selfsubjectrulesreviews"),
    ("create", "authentication.k8s.io", "selfsubjectreviews"),
}
"""What every known identity may do: ask about itself."""
LABELS = {
    "app.kubernetes.io/managed-by": "seatrial", "seatrial.dev/run-uid": "u-1",
    "pod-security.kubernetes.io/enforce": "restricted",
}  # fmt: skip


def namespace(**labels: str | None) -> Object:
    """A namespace like an environment's, with these labels changed (None: left out)."""
    wanted = {name: value for name, value in {**LABELS, **labels}.items() if value is not None}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"st-{uuid.uuid4().hex}", "labels": wanted}}


def binding(where: str, **changes: Any) -> Object:
    """The RoleBinding of an environment, with these fields changed."""
    return {
        "apiVersion": f"{RBAC}/v1", "kind": "RoleBinding",
        "metadata": {"name": "seatrial-operator", "namespace": where},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "seatrial-environment"},
        "subjects": [{"kind": "ServiceAccount", "name": "seatrial-operator", "namespace": SYSTEM}],
    } | changes  # fmt: skip


def role(name: str, kind: str = "ClusterRole") -> Object:
    """Another role for a binding."""
    return {"roleRef": {"apiGroup": RBAC, "kind": kind, "name": name}}


async def allowed(cluster: Cluster, where: str) -> set[Right]:
    """All that this identity may do in a namespace, as the API server says."""
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": where}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    status = (await cluster.request("POST", path, "selfsubjectrulesreviews", body=body))["status"]
    assert not status["incomplete"], status
    return {
        (verb, group, resource)
        for rule in status["resourceRules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


async def environment(operator: Cluster) -> str:
    """An environment that the operator has made, with its rights in it."""
    made = await operator.create(namespace())
    where: str = made["metadata"]["name"]
    await operator.create(binding(where))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": where}}

    async def bound() -> bool:
        try:
            await operator.create(secret, dry_run=True)
        except ForbiddenError:
            return False
        return True

    await until(bound, f"the operator's rights in {where}")
    return where


async def test_the_operator_may_do_what_its_roles_say_and_nothing_else(operator: Cluster) -> None:
    everywhere, inside = rights("seatrial-operator"), rights("seatrial-environment")
    assert await allowed(operator, "default") == everywhere | EVERYBODY
    assert await allowed(operator, await environment(operator)) == everywhere | inside | EVERYBODY


async def test_the_operator_reads_no_secret(operator: Cluster) -> None:
    for where in ("kube-system", SYSTEM, await environment(operator)):
        with pytest.raises(ForbiddenError):
            await operator.list(SECRET, where)
        with pytest.raises(ForbiddenError):
            await operator.get(SECRET, "any", where)


@pytest.mark.parametrize("account", ["seatrial-archive", "seatrial-janitor"])
async def test_the_other_accounts_may_do_what_their_roles_say(apiserver: Any, admin: Cluster, account: str) -> None:
    bound = [
        b["roleRef"]["name"]
        for b in await admin.list(Kind(f"{RBAC}/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False))
        for subject in b.get("subjects") or ()
        if (subject["kind"], subject["name"], subject.get("namespace")) == ("ServiceAccount", account, SYSTEM)
    ]
    async with await apiserver.connect_as(account) as cluster:
        expected = set[Right]().union(*map(rights, bound))
        assert expected
        assert await allowed(cluster, "default") == expected | EVERYBODY


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        ({"app.kubernetes.io/managed-by": "helm"}, "only namespaces that carry the labels"),
        ({"app.kubernetes.io/managed-by": None}, "only namespaces that carry the labels"),
        ({"seatrial.dev/run-uid": ""}, "only namespaces that carry the labels"),
        ({"seatrial.dev/run-uid": None}, "only namespaces that carry the labels"),
        ({"pod-security.kubernetes.io/enforce": "baseline"}, "must enforce the Pod Security level restricted"),
        ({"pod-security.kubernetes.io/enforce": None}, "must enforce the Pod Security level restricted"),
    ],
)
async def test_the_operator_makes_environments_and_no_other_namespaces(
    operator: Cluster, labels: dict[str, str | None], part: str
) -> None:
    await operator.create(namespace(), dry_run=True)
    with pytest.raises(ForbiddenError) as refused:
        await operator.create(namespace(**labels), dry_run=True)
    assert NAMESPACES in refused.value.message
    assert part in refused.value.message


async def test_the_operator_deletes_environments_and_no_other_namespaces(operator: Cluster, admin: Cluster) -> None:
    theirs = namespace(**{"seatrial.dev/run-uid": None})
    await admin.create(theirs)
    for name in (theirs["metadata"]["name"], SYSTEM):
        with pytest.raises(ForbiddenError, match="only namespaces that it created for a run"):
            await operator.delete(NAMESPACE, name)
        assert await admin.get(NAMESPACE, name)
    where = await environment(operator)
    await operator.delete(NAMESPACE, where)
    assert (await admin.get(NAMESPACE, where))["metadata"]["deletionTimestamp"]


async def test_others_may_label_their_namespaces_as_they_like(admin: Cluster, operator: Cluster) -> None:
    await admin.create(namespace(**{"pod-security.kubernetes.io/enforce": None}), dry_run=True)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        (role("cluster-admin"), "permissions not currently held"),
        (role("edit"), "only the ClusterRole seatrial-environment"),
        ({"subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]}, "its own account"),
        ({"subjects": [{"kind": "ServiceAccount", "name": "seatrial-operator", "namespace": "x"}]}, "its own account"),
        ({"subjects": [{"apiGroup": RBAC, "kind": "Group", "name": "system:authenticated"}]}, "its own account"),
        ({"subjects": binding("x")["subjects"] * 2}, "its own account"),
        ({"subjects": []}, "its own account"),
    ],
)
async def test_the_operator_binds_its_one_role_to_itself(operator: Cluster, changes: Object, part: str) -> None:
    where = (await operator.create(namespace()))["metadata"]["name"]
    await operator.create(binding(where), dry_run=True)
    with pytest.raises(ForbiddenError, match=part):
        await operator.create(binding(where, **changes), dry_run=True)


async def test_a_role_that_is_only_called_like_the_one_is_another(operator: Cluster, admin: Cluster) -> None:
    where = (await operator.create(namespace()))["metadata"]["name"]
    metadata = {"name": "seatrial-environment", "namespace": where}
    await admin.create({"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": []})
    with pytest.raises(ForbiddenError, match="only the ClusterRole seatrial-environment"):
        await operator.create(binding(where, **role("seatrial-environment", "Role")), dry_run=True)


@pytest.mark.parametrize("where", ["default", "kube-system", SYSTEM])
async def test_the_operator_takes_no_rights_outside_its_environments(operator: Cluster, where: str) -> None:
    with pytest.raises(ForbiddenError, match="only inside environments") as refused:
        await operator.create(binding(where), dry_run=True)
    assert ROLE_BINDINGS in refused.value.message


async def test_the_operator_changes_no_binding(operator: Cluster) -> None:
    where = await environment(operator)
    with pytest.raises(ForbiddenError):
        await operator.patch(ROLE_BINDING, "seatrial-operator", where, {"subjects": []})
    with pytest.raises(ForbiddenError):
        await operator.delete(ROLE_BINDING, "seatrial-operator", where)


async def test_an_environment_admits_no_privileged_pod(operator: Cluster) -> None:
    where = await environment(operator)
    container = {"name": "c", "image": "i", "securityContext": {"privileged": True}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": where},
        "spec": {"containers": [container]},
    }
    with pytest.raises(ForbiddenError, match="violates PodSecurity"):
        await operator.create(pod, dry_run=True)


async def test_a_namespace_is_deleted_only_if_it_is_still_that_one(operator: Cluster) -> None:
    where = await environment(operator)
    with pytest.raises(ConflictError):
        await operator.delete(NAMESPACE, where, uid="another")
