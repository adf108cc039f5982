"""The rights that an installation gives: to the operator, the archive, the janitor, to people."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.unit.chart.rendering import NAMESPACE, Object, Rendered

Render = Callable[..., Rendered]


ROLES = ("Role", "ClusterRole")


def rights(role: Object) -> set[tuple[str, str, str]]:
    """(group, resource, verb) of all rules."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_no_role_has_a_wildcard_or_can_raise_its_rights(render: Render) -> None:
    for role in (o for o in render() if o["kind"] in ROLES):
        name = role["metadata"]["name"]
        for right in rights(role):
            assert "*" not in right, f"{name}: {right}"
            assert right[2] not in ("escalate", "impersonate"), f"{name}: {right}"
        assert all("nonResourceURLs" not in rule for rule in role["rules"]), name


def test_secrets_are_reachable_only_inside_environments(render: Render) -> None:
    reaching = {
        o["metadata"]["name"] for o in render() if o["kind"] in ROLES and any(r[1] == "secrets" for r in rights(o))
    }
    assert reaching == {"seatrial-environment"}


def test_the_environment_role_is_bound_by_nothing_in_the_chart(render: Render) -> None:
    bound = {o["roleRef"]["name"] for o in render() if o["kind"] in ("RoleBinding", "ClusterRoleBinding")}
    assert "seatrial-environment" not in bound


def test_the_operator_can_bind_one_role_only(render: Render) -> None:
    operator = render().get("ClusterRole", "seatrial-operator")
    binding = [rule for rule in operator["rules"] if "bind" in rule["verbs"]]
    assert [rule["resourceNames"] for rule in binding] == [["seatrial-environment"]]
    assert [rule["resources"] for rule in binding] == [["clusterroles"]]
    assert not rights(operator) & {
        ("rbac.authorization.k8s.io", "clusterrolebindings", verb) for verb in ("create", "patch")
    }


def test_the_operators_rights_in_the_whole_cluster_are_exactly_these(render: Render) -> None:
    expected = {
        "seatrial.dev integrationruns": "delete get list patch watch",
        "seatrial.dev integrationruns/status": "patch",
        " namespaces": "create delete get list watch",
        "rbac.authorization.k8s.io rolebindings": "create",
        "rbac.authorization.k8s.io clusterroles": "bind",
        " pods": "list watch",
        " nodes": "get",
        " configmaps": "get",
        " events": "create",
    }
    found: dict[str, set[str]] = {}
    for group, resource, verb in rights(render().get("ClusterRole", "seatrial-operator")):
        found.setdefault(f"{group} {resource}", set()).add(verb)
    assert {what: " ".join(sorted(verbs)) for what, verbs in found.items()} == expected


def test_the_janitor_can_list_and_delete_namespaces_and_nothing_else(render: Render) -> None:
    assert rights(render().get("ClusterRole", "seatrial-janitor")) == {
        ("", "namespaces", "list"),
        ("", "namespaces", "delete"),
    }
    policy = render().get("ValidatingAdmissionPolicy", "seatrial-namespaces")["spec"]
    assert f"system:serviceaccount:{NAMESPACE}:seatrial-janitor" in policy["matchConditions"][0]["expression"]


def test_the_janitor_has_a_schedule_and_a_margin_or_is_left_out(render: Render) -> None:
    objects = render("janitor.schedule=@hourly", "janitor.marginSeconds=60", "janitor.dryRun=true")
    assert objects.get("CronJob", "seatrial-janitor")["spec"]["schedule"] == "@hourly"
    (container,) = objects.pods()["seatrial-janitor"]["containers"]
    assert container["args"] == ["--margin=60", "--dry-run"]
    assert not any("janitor" in o["metadata"]["name"] for o in render("janitor.enabled=false"))


def test_results_are_read_through_the_read_port_alone(render: Render) -> None:
    (rule,) = render().get("Role", "seatrial-archive-reader")["rules"]
    assert rule["resources"] == ["services/proxy"]
    assert rule["verbs"] == ["get", "create", "update"]  # create: the sign-in of the pages; update: bundles
    assert all(re.search(r"seatrial-archive:(read|8081)$", name) for name in rule["resourceNames"])


@pytest.mark.parametrize(("value", "labelled"), [("true", True), ("false", False)])
def test_rights_on_runs_join_the_clusters_own_roles_on_wish(render: Render, value: str, labelled: bool) -> None:
    labels = render(f"rbac.aggregate={value}").get("ClusterRole", "seatrial-edit")["metadata"]["labels"]
    assert ("rbac.authorization.k8s.io/aggregate-to-edit" in labels) is labelled


def test_the_archive_may_ask_who_its_readers_are_and_nothing_else(render: Render) -> None:
    objects = render()
    assert rights(objects.get("ClusterRole", "seatrial-archive")) == {
        ("authentication.k8s.io", "tokenreviews", "create"),
        ("authorization.k8s.io", "subjectaccessreviews", "create"),
        ("", "namespaces", "get"),
    }
    account = {"kind": "ServiceAccount", "name": "seatrial-archive", "namespace": NAMESPACE}
    bound = [
        (o["kind"], o["roleRef"]["name"])
        for o in objects
        if o["kind"] in ("RoleBinding", "ClusterRoleBinding") and account in o["subjects"]
    ]
    assert bound == [("ClusterRoleBinding", "seatrial-archive")]


@pytest.mark.parametrize(("value", "count"), [("true", 1), ("false", 0)])
def test_access_to_the_archive_is_open_on_wish(render: Render, value: str, count: int) -> None:
    bindings = [
        o
        for o in render(f"archive.openToAuthenticated={value}")
        if o["kind"] == "RoleBinding" and o["roleRef"]["name"] == "seatrial-archive-reader"
    ]
    assert [o["subjects"][0]["name"] for o in bindings] == ["system:authenticated"] * count
