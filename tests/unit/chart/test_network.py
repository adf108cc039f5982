"""Network, monitoring and admission policies of an installation."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.chart.rendering import NAMESPACE, Rendered

Render = Callable[..., Rendered]


def test_the_archive_takes_uploads_from_environments_and_reads_from_the_operator(render: Render) -> None:
    policy = render("networkPolicy.archiveReadFrom[0].ipBlock.cidr=10.0.0.1/32").get(
        "NetworkPolicy", "seatrial-archive"
    )
    upload, read = policy["spec"]["ingress"]
    assert upload["ports"] == [{"port": 8080}]
    managed = {
        "matchLabels": {"app.kubernetes.io/managed-by": "seatrial"},
        "matchExpressions": [{"key": "seatrial.dev/run-uid", "operator": "Exists"}],
    }
    environments, operator = upload["from"]
    assert environments == {"namespaceSelector": managed}
    assert operator["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "operator"
    assert read["ports"] == [{"port": 8081}]
    components = [p["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for p in read["from"][:2]]
    assert components == ["operator", "check"]
    assert read["from"][2] == {"ipBlock": {"cidr": "10.0.0.1/32"}}
    assert policy["spec"]["policyTypes"] == ["Ingress"]


def test_of_the_operator_only_metrics_are_reachable(render: Render) -> None:
    assert render().get("NetworkPolicy", "seatrial-operator")["spec"]["ingress"] == [{"ports": [{"port": 8082}]}]
    narrowed = render("networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.team=monitoring")
    (rule,) = narrowed.get("NetworkPolicy", "seatrial-operator")["spec"]["ingress"]
    assert rule["from"][-1] == {"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}


def test_parts_can_be_left_out(render: Render) -> None:
    kinds = {o["kind"] for o in render("networkPolicy.enabled=false", "admissionPolicy.enabled=false")}
    assert kinds.isdisjoint({"NetworkPolicy", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"})
    assert "ServiceMonitor" not in {o["kind"] for o in render()}


def test_the_service_monitor_finds_both_services(render: Render) -> None:
    objects = render("serviceMonitor.enabled=true", "serviceMonitor.labels.release=prometheus")
    monitor = objects.get("ServiceMonitor", "seatrial")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    ports = {
        port["name"]
        for o in objects
        if o["kind"] == "Service" and wanted <= o["metadata"]["labels"].items()
        for port in o["spec"]["ports"]
    }
    assert {e["port"] for e in monitor["spec"]["endpoints"]} <= ports


def test_every_admission_policy_denies_and_fails_closed(render: Render) -> None:
    objects = render()
    policies = [o for o in objects if o["kind"] == "ValidatingAdmissionPolicy"]
    assert {p["metadata"]["name"] for p in policies} == {
        "seatrial-namespaces",
        "seatrial-reserved",
        "seatrial-rolebindings",
        "seatrial-configmaps",
    }
    for policy in policies:
        name = policy["metadata"]["name"]
        assert policy["spec"]["failurePolicy"] == "Fail"
        if name != "seatrial-configmaps":  # for all who create runs
            account = f"system:serviceaccount:{NAMESPACE}:seatrial-operator"
            assert account in policy["spec"]["matchConditions"][0]["expression"]
        binding = objects.get("ValidatingAdmissionPolicyBinding", name)["spec"]
        assert binding == {"policyName": name, "validationActions": ["Deny"]}
