"""What every environment must hold to, whatever the run: checked on all golden runs and on one made of extremes."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from seatrial.environment.manifests import Environment, Inputs, environment
from seatrial.environment.namespace import is_signed
from seatrial.environment.resources import quantity
from seatrial.settings import Settings
from tests.unit.environment.support import (
    CASES,
    CONFIG_MAPS,
    KEY,
    NOW,
    all_containers,
    case,
    containers,
    find,
    inside,
    load,
    make,
    pod_spec,
    render,
    secrets,
)

RESTRICTED_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim",
                      "projected", "secret"}  # fmt: skip
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LONG = "n" * 40


def extremes() -> Environment:
    """Names as long as they may be."""
    run = make(
        f"""
        services:
          {LONG}: {{type: postgres, initSQL: {{configMapRef: {{name: seed-sql}}}}}}
          {"c" * 40}: {{type: custom, image: i, ports: {{p: 1}}}}
        migrations: [{{name: {"m" * 40}, image: i, command: [c]}}]
        apps: {{{"a" * 40}: {{image: i, port: 80}}}}
        """,
        name="r" * 253,
    )
    return render(run)


ENVIRONMENTS = [pytest.param(lambda name=name: case(name), id=name) for name in CASES]
ENVIRONMENTS.append(pytest.param(extremes, id="extremes"))
every_environment = pytest.mark.parametrize("made", ENVIRONMENTS)


def violations(spec: dict[str, Any]) -> list[str]:
    """Where a pod breaks Pod Security `restricted`, or has a root that can be written."""
    found = [f"spec.{field}" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    found += [f"volume {v['name']}" for v in spec.get("volumes", ()) if not set(v) - {"name"} <= RESTRICTED_VOLUMES]
    pod = spec.get("securityContext", {})
    if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        found.append("seccompProfile")
    allowed = {"net.ipv4.ip_unprivileged_port_start"}  # one of those that `baseline` names as safe
    if {each["name"] for each in pod.get("sysctls", ())} - allowed or pod.get("windowsOptions"):
        found.append("sysctls or windowsOptions")
    for c in (*spec.get("initContainers", ()), *spec["containers"]):
        context = {**pod, **c.get("securityContext", {})}
        wanted = {
            "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is False,
            "capabilities": context.get("capabilities") == {"drop": ["ALL"]},
            "privileged": not context.get("privileged"),
            "runAsNonRoot": context.get("runAsNonRoot") is True,
            "runAsUser": context.get("runAsUser", 0) != 0,
            "readOnlyRootFilesystem": context.get("readOnlyRootFilesystem") is True,
            "procMount": "procMount" not in context,
            "hostPort": not any("hostPort" in port for port in c.get("ports", ())),
        }
        found += [f"{c['name']}: {rule}" for rule, kept in wanted.items() if not kept]
    return found


@every_environment
def test_every_container_passes_restricted_with_a_read_only_root(made: Any) -> None:
    found = {m["metadata"]["name"]: violations(pod_spec(m)) for m in made().workloads}
    assert found == {name: [] for name in found}


def test_the_check_of_the_checks_finds_what_is_wrong() -> None:
    spec = pod_spec(find(case("minimal"), "Job", "tests"))
    (container,) = spec["containers"]
    container["securityContext"]["capabilities"] = {"drop": ["NET_RAW"]}
    container["securityContext"].pop("readOnlyRootFilesystem")
    spec["hostNetwork"] = True
    spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}})
    assert violations(spec) == [
        "spec.hostNetwork",
        "volume host",
        "tests: capabilities",
        "tests: readOnlyRootFilesystem",
    ]


@every_environment
def test_nothing_can_fill_a_nodes_disk_and_no_node_is_too_small_for_it(made: Any) -> None:
    result = made()
    for where, c in all_containers(result):
        assert quantity(c["resources"]["limits"]["ephemeral-storage"]) > 0, where
        assert c["resources"]["requests"]["ephemeral-storage"] == "0", where
    for workload in result.workloads:
        for volume in pod_spec(workload)["volumes"]:
            assert "emptyDir" not in volume or quantity(volume["emptyDir"]["sizeLimit"]) > 0, volume


@every_environment
def test_namespace_is_complete_in_its_first_call(made: Any) -> None:
    metadata = made().namespace["metadata"]
    assert metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "seatrial"
    assert metadata["labels"]["seatrial.dev/run-uid"]
    assert set(metadata["annotations"]) == {
        "seatrial.dev/run-name",
        "seatrial.dev/run-namespace",
        "seatrial.dev/expires-at",
        "seatrial.dev/signature",
    }


SIGNED = case("minimal").namespace
FORGED = {
    "another name": {"name": "st-mine"},
    "another run": {"labels": SIGNED["metadata"]["labels"] | {"seatrial.dev/run-uid": "mine"}},
    "another attempt": {"labels": SIGNED["metadata"]["labels"] | {"seatrial.dev/attempt": "2"}},
    "no labels": {"labels": None},
    "no signature": {"annotations": None},
    "another signature": {"annotations": {"seatrial.dev/signature": "0" * 64}},
}


@pytest.mark.parametrize("changes", FORGED.values(), ids=FORGED.keys())
def test_a_namespace_is_known_by_its_signature(changes: dict[str, Any]) -> None:
    assert is_signed(KEY, SIGNED)
    assert not is_signed(KEY, {"metadata": SIGNED["metadata"] | changes})
    assert not is_signed(b"x" * 32, SIGNED)


def test_what_the_archive_has_gives_no_credential_and_no_signature() -> None:
    def made(key: bytes, environment_key: bytes) -> tuple[Any, Any, Any]:
        result = render(load("full"), Settings(key=key, environment_key=environment_key))
        secrets = [find(result, "Secret", name)["data"] for name in ("seatrial-credentials", "seatrial-upload")]
        return result.namespace["metadata"]["annotations"]["seatrial.dev/signature"], *secrets

    signature, credentials, upload = made(b"a" * 32, b"e" * 32)
    other_archive = made(b"b" * 32, b"e" * 32)
    assert other_archive[:2] == (signature, credentials)
    assert other_archive[2]["shard-0"] != upload["shard-0"]
    other_environments = made(b"a" * 32, b"f" * 32)
    assert other_environments[0] != signature
    assert all(other_environments[1][name] != value for name, value in credentials.items())
    assert other_environments[2]["shard-0"] == upload["shard-0"]


def test_lease_is_counted_from_now() -> None:
    annotations = case("full").namespace["metadata"]["annotations"]  # maxLifetime: 3h
    assert annotations["seatrial.dev/expires-at"] == "2026-01-02T06:04:05Z"


@every_environment
def test_secret_values_are_in_secrets_alone(made: Any) -> None:
    result = made()
    values = {value for secret in secrets(result).values() for value in secret.values()} | {KEY.decode()}
    values -= {"app", "minioadmin", ""}  # which `fixed` has in its spec: they are no secrets
    assert len(values) > 1
    for manifest in (result.namespace, *inside(result)):
        if manifest["kind"] != "Secret":
            text = json.dumps(manifest)
            for value in values:
                assert value not in text
                assert base64.b64encode(value.encode()).decode() not in text


@every_environment
def test_only_the_collector_has_the_upload_token(made: Any) -> None:
    result = made()
    having = [
        where
        for where, c in all_containers(result)
        if any(m["name"] == "upload" for m in c.get("volumeMounts", ())) or "seatrial-upload" in json.dumps(c)
    ]
    assert having == ["Job/tests/collector"]
    assert set(secrets(result)["seatrial-upload"]) - {"masks"} == {"shard-0"}


@every_environment
def test_containers_of_a_pod_share_nothing_by_which_one_reads_anothers_token(made: Any) -> None:
    """The tests run beside the collector: they share a network, in which nobody may listen to others, and folders."""
    result = made()
    for spec in map(pod_spec, result.workloads):
        assert not {"shareProcessNamespace", "hostNetwork", "hostPID", "hostIPC"} & {k for k, v in spec.items() if v}
    for where, container in all_containers(result):
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, where  # NET_RAW, SYS_PTRACE too
        secret = [m for m in container.get("volumeMounts", ()) if m["name"] == "upload"]
        assert all(mount["readOnly"] and mount["mountPath"] == "/var/run/seatrial/upload" for mount in secret)
        said = json.dumps([container.get("command"), container.get("args"), container.get("env")])
        assert not any(token in said for token in secrets(result)["seatrial-upload"].values()), where


def test_credentials_differ_between_runs_services_and_purposes() -> None:
    values = [
        value
        for name in ("full", "several", "copy")
        for secret in secrets(case(name)).values()
        for value in secret.values()
    ]
    assert len(values) > 10
    assert len(set(values)) == len(values)


def test_the_collector_gets_what_to_mask() -> None:
    result = case("full")
    masks = json.loads(secrets(result)["seatrial-upload"]["masks"])
    assert set(secrets(result)["seatrial-credentials"].values()) <= set(masks)


@every_environment
def test_pods_have_no_token_and_no_rights(made: Any) -> None:
    for workload in made().workloads:
        spec = pod_spec(workload)
        assert spec["automountServiceAccountToken"] is False
        assert spec["serviceAccountName"] == "environment"
        assert spec["enableServiceLinks"] is False


def test_operator_is_given_its_one_role_here() -> None:
    binding = case("minimal").role_binding
    assert binding["metadata"]["namespace"] == load("minimal").scope.namespace
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("ClusterRole", "seatrial-environment")
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "seatrial-operator", "namespace": "seatrial-system"}
    ]


def test_network_is_closed_but_for_neighbours_dns_and_the_archive() -> None:
    result = case("full")
    everyone = find(result, "NetworkPolicy", "environment")["spec"]
    assert everyone["podSelector"] == {}
    assert everyone["policyTypes"] == ["Ingress", "Egress"]
    assert everyone["ingress"] == [{"from": [{"podSelector": {}}]}]
    assert [rule["to"][0].get("namespaceSelector") for rule in everyone["egress"]] == [
        None,
        {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
    ]
    assert everyone["egress"][1]["to"][1:] == [{"ipBlock": {"cidr": "169.254.20.10/32"}}]
    assert {port["port"] for port in everyone["egress"][1]["ports"]} == {53}
    results = find(result, "NetworkPolicy", "results")["spec"]
    assert results["podSelector"] == {"matchLabels": {"seatrial.dev/role": "tests"}}
    (rule,) = results["egress"]
    assert rule["to"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "seatrial-system"}
    assert rule["ports"] == [{"protocol": "TCP", "port": 8080}]


def test_another_dns_can_be_asked_and_no_more_than_that() -> None:
    other = {"ipBlock": {"cidr": "10.0.0.10/32"}}
    policy = find(render(load("minimal"), Settings(key=KEY, dns=(other,))), "NetworkPolicy", "environment")["spec"]
    assert [rule["to"] for rule in policy["egress"]] == [[{"podSelector": {}}], [other]]


def test_images_are_pulled_with_what_is_known_of_registries() -> None:
    config = b'{"auths": {"registry.example": {"auth": "c2VjcmV0"}}}'
    result = environment(load("minimal"), Settings(key=KEY), Inputs(CONFIG_MAPS, NOW, config))
    secret = find(result, "Secret", "seatrial-registry")
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert base64.b64decode(secret["data"][".dockerconfigjson"]) == config
    account = find(result, "ServiceAccount", "environment")
    assert account["imagePullSecrets"] == [{"name": "seatrial-registry"}]
    others = [m for m in inside(result) if m["kind"] not in ("Secret", "ServiceAccount")]
    assert "seatrial-registry" not in json.dumps(others), "no container can read it"


@pytest.mark.parametrize("name", CASES)
def test_without_them_nothing_refers_to_any(name: str) -> None:
    assert "imagePullSecrets" not in find(case(name), "ServiceAccount", "environment")


@every_environment
def test_every_object_is_labelled_and_in_the_environment(made: Any) -> None:
    result = made()
    namespace = result.namespace["metadata"]
    for manifest in inside(result):
        metadata = manifest["metadata"]
        assert metadata["namespace"] == namespace["name"]
        assert metadata["labels"]["seatrial.dev/run-uid"] == namespace["labels"]["seatrial.dev/run-uid"]
        assert metadata["labels"]["seatrial.dev/component"]
    for workload in result.workloads:
        template = workload if workload["kind"] == "Pod" else workload["spec"]["template"]
        assert template["metadata"]["labels"]["seatrial.dev/component"] == workload["metadata"]["name"]
        assert template["metadata"]["labels"]["seatrial.dev/role"] in {"service", "app", "migrations", "tests"}


@every_environment
def test_names_and_labels_are_such_as_kubernetes_accepts(made: Any) -> None:
    result = made()
    keys = [(m["kind"], m["metadata"]["name"]) for m in inside(result)]
    assert len(set(keys)) == len(keys)
    for manifest in (result.namespace, *inside(result)):
        metadata = manifest["metadata"]
        assert DNS_LABEL.fullmatch(metadata["name"]), metadata["name"]
        assert all(len(value) <= 63 for value in metadata["labels"].values())
    for workload in result.workloads:
        names = [c["name"] for c in containers(workload)]
        assert len(set(names)) == len(names)
        assert all(DNS_LABEL.fullmatch(name) for name in names)


@every_environment
def test_mounts_fit_their_volumes(made: Any) -> None:
    for workload in made().workloads:
        volumes = [v["name"] for v in pod_spec(workload).get("volumes", ())]
        assert len(set(volumes)) == len(volumes)
        used = set()
        for c in containers(workload):
            mounts = c.get("volumeMounts", ())
            paths = [m["mountPath"] for m in mounts]
            assert len(set(paths)) == len(paths)
            used |= {m["name"] for m in mounts}
        assert used == set(volumes)


@every_environment
def test_what_pods_refer_to_is_created_before_them(made: Any) -> None:
    result = made()
    foundation = {(m["kind"], m["metadata"]["name"]) for m in result.foundation}
    needed: set[tuple[str, str]] = set()
    for workload in result.workloads:
        needed.add(("ServiceAccount", pod_spec(workload)["serviceAccountName"]))
        for volume in pod_spec(workload).get("volumes", ()):
            needed |= {("ConfigMap", volume["configMap"]["name"])} if "configMap" in volume else set()
            needed |= {("Secret", volume["secret"]["secretName"])} if "secret" in volume else set()
            claim = volume.get("persistentVolumeClaim")
            needed |= {("PersistentVolumeClaim", claim["claimName"])} if claim else set()
        for c in containers(workload):
            for entry in c.get("env", ()):
                source = entry.get("valueFrom", {}).get("secretKeyRef")
                needed |= {("Secret", source["name"])} if source else set()
    assert needed <= foundation
    kinds = {m["kind"] for m in result.workloads}
    assert kinds <= {"Pod", "Deployment", "Job"}


@every_environment
def test_requests_fit_their_limits_and_no_cpu_is_limited_unasked(made: Any) -> None:
    for where, c in all_containers(made()):
        requests, limits = c["resources"]["requests"], c["resources"]["limits"]
        assert {"cpu", "memory"} <= set(requests), where
        assert "memory" in limits, where
        for key in requests.keys() & limits.keys():
            assert quantity(requests[key]) <= quantity(limits[key]), where
