"""What an installation has: its rights, its pods' restrictions, its names and ports, its answers to wrong values."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from seatrial.generate.crd import crd
from seatrial.settings import Settings
from tests.unit.chart.rendering import CHART, NAMESPACE, Object, Rendered

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


# --- rights ----------------------------------------------------------------------------------------------------------


def test_no_role_has_a_wildcard_or_a_way_to_more_rights(render: Render) -> None:
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


def test_the_janitor_can_be_told_when_and_how_or_left_out(render: Render) -> None:
    objects = render("janitor.schedule=@hourly", "janitor.marginSeconds=60", "janitor.dryRun=true")
    assert objects.get("CronJob", "seatrial-janitor")["spec"]["schedule"] == "@hourly"
    (container,) = objects.pods()["seatrial-janitor"]["containers"]
    assert container["args"] == ["--margin=60", "--dry-run"]
    assert not any("janitor" in o["metadata"]["name"] for o in render("janitor.enabled=false"))


def test_results_are_read_through_the_read_port_alone(render: Render) -> None:
    (rule,) = render().get("Role", "seatrial-archive-reader")["rules"]
    assert rule["resources"] == ["services/proxy"]
    assert rule["verbs"] == ["get", "create"]  # create: the sign-in of the pages
    assert all(re.search(r"seatrial-archive:(read|8081)$", name) for name in rule["resourceNames"])


@pytest.mark.parametrize(("value", "labelled"), [("true", True), ("false", False)])
def test_rights_on_runs_join_the_clusters_own_roles_on_wish(render: Render, value: str, labelled: bool) -> None:
    labels = render(f"rbac.aggregate={value}").get("ClusterRole", "seatrial-edit")["metadata"]["labels"]
    assert ("rbac.authorization.k8s.io/aggregate-to-edit" in labels) is labelled


# --- pods ------------------------------------------------------------------------------------------------------------


def test_every_pod_passes_pod_security_restricted_with_a_read_only_root(render: Render) -> None:
    pods = render().pods()
    assert set(pods) == {
        "seatrial-operator", "seatrial-archive", "seatrial-janitor", "seatrial-uninstall", "seatrial-check",
    }  # fmt: skip
    for name, pod in pods.items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(pod), name
        assert all(set(v) - {"name"} <= {"secret", "emptyDir", "persistentVolumeClaim"} for v in pod.get("volumes", ()))
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["requests"], name
            assert container["resources"]["limits"]["memory"], name


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
def test_the_way_to_the_archive_is_open_on_wish(render: Render, value: str, count: int) -> None:
    bindings = [
        o
        for o in render(f"archive.openToAuthenticated={value}")
        if o["kind"] == "RoleBinding" and o["roleRef"]["name"] == "seatrial-archive-reader"
    ]
    assert [o["subjects"][0]["name"] for o in bindings] == ["system:authenticated"] * count


def test_the_operator_is_told_what_the_chart_says(render: Render, tmp_path: Path) -> None:
    objects = render(
        "images.registry=mirror.example/x",
        "images.pullPolicy=Never",
        "operator.sweepSeconds=7",
        "archive.patienceSeconds=20",
        "operator.logLevel=DEBUG",
        "tools=Copy",
    )
    (container,) = objects.pods()["seatrial-operator"]["containers"]
    env = {e["name"]: e["value"] for e in container["env"]}
    key = tmp_path / "key"
    key.write_bytes(base64.b64decode(objects.get("Secret", "seatrial-key")["data"]["key"]))
    known = Settings.from_env({**env, "SEATRIAL_KEY_FILE": str(key)})

    assert container["image"] == "mirror.example/x/seatrial/operator:0.1.0"
    assert container["imagePullPolicy"] == "Never"
    assert known.operator_namespace == NAMESPACE
    assert known.images.runner == "mirror.example/x/seatrial/runner:0.1.0"
    assert known.images.tests == "mirror.example/x/seatrial/pytest:0.1.0"
    assert {str(image) for image in known.images.services.values()} == {
        f"mirror.example/x/seatrial/{name}"
        for name in ("postgres:17-0.1.0", "minio:0.1.0", "temporal:0.1.0", "redis:0.1.0")
    }
    assert (known.archive_patience_seconds, known.archive_patience.total_seconds()) == (20, 30)
    assert (known.sweep_seconds, known.log_level, known.tools, known.image_pull_policy) == (
        7.0,
        "DEBUG",
        "Copy",
        "Never",
    )
    assert known.cluster_role == "seatrial-environment"
    assert known.service_account == "seatrial-operator"
    assert known.archive_upload_url == f"http://seatrial-archive.{NAMESPACE}.svc:8080"
    assert known.archive_read_url == f"http://seatrial-archive.{NAMESPACE}.svc:8081"
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert ports == {"metrics": known.metrics_port, "health": known.health_port}


def test_with_default_values_the_operator_has_its_own_defaults(render: Render, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 64)
    env = {e["name"]: e["value"] for e in render().pods()["seatrial-operator"]["containers"][0]["env"]}
    assert Settings.from_env({**env, "SEATRIAL_KEY_FILE": str(key)}) == Settings(key=b"k" * 64)


def test_the_operator_gets_the_registries_secret_as_a_file(render: Render) -> None:
    pod = render("environments.pullSecret=mine").pods()["seatrial-operator"]
    (container,) = pod["containers"]
    env = {e["name"]: e["value"] for e in container["env"]}
    folder, name = env["SEATRIAL_REGISTRY_FILE"].rsplit("/", 1)
    (mount,) = (m for m in container["volumeMounts"] if m["mountPath"] == folder)
    (volume,) = (v for v in pod["volumes"] if v["name"] == mount["name"])
    assert volume["secret"]["secretName"] == "mine"
    assert volume["secret"]["items"] == [{"key": ".dockerconfigjson", "path": name}]


@pytest.mark.parametrize(
    ("kubernetes", "values", "expected"),
    [
        ("1.36.0", (), "ImageVolume"),
        ("1.36.3-gke.100", (), "ImageVolume"),
        ("1.35.2", (), "Copy"),
        ("1.31.0", (), "Copy"),
        ("1.35.0", ("tools=ImageVolume",), "ImageVolume"),
        ("1.36.0", ("tools=Copy",), "Copy"),
    ],
)
def test_the_launchers_way_into_pods_fits_the_cluster(
    render: Render, kubernetes: str, values: tuple[str, ...], expected: str
) -> None:
    pod = render(*values, kubernetes=kubernetes).pods()["seatrial-operator"]
    assert {"name": "SEATRIAL_TOOLS", "value": expected} in pod["containers"][0]["env"]


def test_only_one_operator_and_one_archive_live_at_a_time(render: Render) -> None:
    for name in ("seatrial-operator", "seatrial-archive"):
        spec = render().get("Deployment", name)["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_services_lead_to_the_pods_named_ports(render: Render) -> None:
    objects = render()
    for name, ports in {
        "seatrial-operator": {"metrics": 8082},
        "seatrial-archive": {"upload": 8080, "read": 8081},
    }.items():
        service = objects.get("Service", name)["spec"]
        deployment = objects.get("Deployment", name)["spec"]["template"]
        assert {p["name"]: p["port"] for p in service["ports"]} == ports
        names = {p["name"] for c in deployment["spec"]["containers"] for p in c["ports"]}
        assert {p["targetPort"] for p in service["ports"]} <= names
        assert service["selector"].items() <= deployment["metadata"]["labels"].items()


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_the_key_is_random_and_long_or_the_users_own(template: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    keys = set()
    for release in ("--set=uninstall.timeoutSeconds=1", "--set=uninstall.timeoutSeconds=2"):
        objects = [o for o in yaml.safe_load_all(template(release).stdout) if o and o["kind"] == "Secret"]
        keys.add(base64.b64decode(objects[0]["data"]["key"]))
    assert len(keys) == 2
    assert all(len(key) >= 32 for key in keys)


def test_an_existing_secret_is_mounted_instead(render: Render) -> None:
    objects = render("key.existingSecret=mine")
    assert not objects.has("Secret", "seatrial-key")
    for name in ("seatrial-operator", "seatrial-archive"):
        secrets = [v["secret"]["secretName"] for v in objects.pods()[name]["volumes"] if "secret" in v]
        assert secrets == ["mine"], name


def test_the_archives_volume_goes_with_the_release_unless_it_is_to_be_kept(render: Render) -> None:
    assert "annotations" not in render().get("PersistentVolumeClaim", "seatrial-archive")["metadata"]
    kept = render("archive.persistence.keep=true").get("PersistentVolumeClaim", "seatrial-archive")
    assert kept["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_an_uninstall_says_which_volume_stays(render: Render) -> None:
    def told(*values: str) -> str:
        (container,) = render(*values).pods()["seatrial-uninstall"]["containers"]
        return str({e["name"]: e["value"] for e in container["env"]}["SEATRIAL_KEPT"])

    assert told("archive.persistence.keep=true") == "seatrial-archive"
    assert told("archive.persistence.keep=true", "archive.persistence.enabled=false") == ""


def test_the_archive_is_told_where_things_lie_and_how_long(render: Render) -> None:
    def variables(*values: str) -> dict[str, str]:
        (container,) = render(*values).pods()["seatrial-archive"]["containers"]
        return {one["name"]: one["value"] for one in container["env"] if one["name"].startswith("SEATRIAL_ARCHIVE_")}

    usual = {
        "SEATRIAL_ARCHIVE_DIR",
        "SEATRIAL_ARCHIVE_KEEP",
        "SEATRIAL_ARCHIVE_KEEP_BYTES",
        "SEATRIAL_ARCHIVE_MAX_FILE",
    }
    assert variables().keys() == usual
    assert (variables()["SEATRIAL_ARCHIVE_KEEP"], variables()["SEATRIAL_ARCHIVE_KEEP_BYTES"]) == ("720h", "0")
    elsewhere = (
        "archive.bucket=s3://results/seatrial",
        "archive.database=postgresql://seatrial@db/history",
        "archive.retention.age=48h",
        "archive.retention.size=8Gi",
        "archive.envFrom[0].secretRef.name=credentials",
    )
    told = variables(*elsewhere)
    assert told["SEATRIAL_ARCHIVE_BUCKET"] == "s3://results/seatrial"
    assert told["SEATRIAL_ARCHIVE_DATABASE"] == "postgresql://seatrial@db/history"
    assert (told["SEATRIAL_ARCHIVE_KEEP"], told["SEATRIAL_ARCHIVE_KEEP_BYTES"]) == ("48h", "8Gi")
    (container,) = render(*elsewhere).pods()["seatrial-archive"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "credentials"}}]


def test_the_archives_account_can_be_given_rights_by_the_cloud(render: Render) -> None:
    assert "annotations" not in render().get("ServiceAccount", "seatrial-archive")["metadata"]
    given = render(r"archive.serviceAccountAnnotations.iam\.gke\.io/gcp-service-account=a@b")
    account = given.get("ServiceAccount", "seatrial-archive")
    assert account["metadata"]["annotations"] == {"iam.gke.io/gcp-service-account": "a@b"}


def test_the_archives_volume_has_the_wanted_size_and_class(render: Render) -> None:
    claim = render("archive.persistence.size=3Gi", "archive.persistence.storageClass=fast").get(
        "PersistentVolumeClaim", "seatrial-archive"
    )["spec"]
    assert claim["resources"]["requests"] == {"storage": "3Gi"}
    assert claim["storageClassName"] == "fast"
    assert "storageClassName" not in render().get("PersistentVolumeClaim", "seatrial-archive")["spec"]


def test_without_persistence_there_is_no_claim(render: Render) -> None:
    objects = render("archive.persistence.enabled=false")
    assert not objects.has("PersistentVolumeClaim", "seatrial-archive")
    assert {"name": "data", "emptyDir": {}} in objects.pods()["seatrial-archive"]["volumes"]


def test_all_that_a_hook_needs_is_deleted_after_it(render: Render) -> None:
    hooks = [o for o in render() if "helm.sh/hook" in o["metadata"].get("annotations", {})]
    assert {o["metadata"]["annotations"]["helm.sh/hook"] for o in hooks} == {"pre-delete", "test"}
    for hook in hooks:
        policy = hook["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(",")
        assert {"before-hook-creation", "hook-succeeded"} <= set(policy), hook["metadata"]["name"]


def test_an_uninstall_that_waits_too_long_says_so_before_it_is_killed(render: Render) -> None:
    job = render("uninstall.timeoutSeconds=100").get("Job", "seatrial-uninstall")["spec"]
    env = {e["name"]: e["value"] for e in job["template"]["spec"]["containers"][0]["env"]}
    assert env["SEATRIAL_UNINSTALL_SECONDS"] == "100"
    assert env["SEATRIAL_KEPT"] == ""
    assert job["activeDeadlineSeconds"] > 100


# --- network, monitoring, admission ----------------------------------------------------------------------------------


def test_the_archive_takes_uploads_from_environments_and_reads_from_the_operator(render: Render) -> None:
    policy = render("networkPolicy.archiveReadFrom[0].ipBlock.cidr=10.0.0.1/32").get(
        "NetworkPolicy", "seatrial-archive"
    )
    upload, read = policy["spec"]["ingress"]
    assert upload["ports"] == [{"port": 8080}]
    ours = {
        "matchLabels": {"app.kubernetes.io/managed-by": "seatrial"},
        "matchExpressions": [{"key": "seatrial.dev/run-uid", "operator": "Exists"}],
    }
    environments, operator = upload["from"]
    assert environments == {"namespaceSelector": ours}
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
    }
    for policy in policies:
        name = policy["metadata"]["name"]
        assert policy["spec"]["failurePolicy"] == "Fail"
        assert (
            f"system:serviceaccount:{NAMESPACE}:seatrial-operator" in policy["spec"]["matchConditions"][0]["expression"]
        )
        binding = objects.get("ValidatingAdmissionPolicyBinding", name)["spec"]
        assert binding == {"policyName": name, "validationActions": ["Deny"]}


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("archiv.persistence.enabled=false", "archiv"),
        ("archive.persistence.enable=false", "enable"),
        ("archive.persistence.size=lots", "size"),
        ("archive.maxFile=0", "maxFile"),
        ("archive.bucket=http://x", "bucket"),
        ("archive.database=mysql://x/y", "database"),
        ("archive.retention.age=30d", "age"),
        ("archive.patienceSeconds=0", "patienceSeconds"),
        ("operator.replicas=2", "replicas"),
        ("operator.logLevel=loud", "logLevel"),
        ("operator.sweepSeconds=0", "sweepSeconds"),
        ("images.pullPolicy=Sometimes", "pullPolicy"),
        ("images.operators=x", "operators"),
        ("tools=imagevolume", "tools"),
        ("janitor.schedule=often", "schedule"),
        ("environments.dns=null", "dns"),
        ("uninstall.timeoutSeconds=0", "timeoutSeconds"),
        ("admissionPolicy.enabled=maybe", "enabled"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    template: Callable[..., subprocess.CompletedProcess[str]], value: str, complaint: str
) -> None:
    done = template("--set", value)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_values_and_schema_know_the_same_keys() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def check(value: object, part: Object, path: str) -> None:
        if isinstance(value, dict) and "properties" in part:
            assert part["additionalProperties"] is False, path
            for key, inner in value.items():
                check(inner, part["properties"][key], f"{path}.{key}")
            unknown = set(part["properties"]) - set(value) - {"global", "claims", "requests", "limits"}
            assert not unknown, f"{path}: in the schema, not in values.yaml: {unknown}"

    check(values, schema, "values")


def test_too_old_a_kubernetes_is_refused(template: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = template("--kube-version", "1.29.9")
    assert done.returncode != 0
    assert "1.30" in done.stderr


def test_the_definition_of_the_resource_comes_with_the_chart_and_outlives_it(render: Render) -> None:
    found = render().get("CustomResourceDefinition", "integrationruns.seatrial.dev")
    assert found["spec"] == crd()["spec"]
    assert found["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert not render("crds.enabled=false").has("CustomResourceDefinition", "integrationruns.seatrial.dev")
