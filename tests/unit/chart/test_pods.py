"""The pods of an installation: their restrictions, and what their programs get from the values."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.settings import Settings
from tests.unit.chart.rendering import NAMESPACE, Rendered

Render = Callable[..., Rendered]


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


def files(folder: Path) -> dict[str, str]:
    """Where the operator finds the keys: elsewhere than in its pod."""
    return {
        "SEATRIAL_KEY_FILE": str(folder / "key"),
        "SEATRIAL_ENVIRONMENT_KEY_FILE": str(folder / "environments"),
    }


def test_the_operator_gets_the_values_of_the_chart(render: Render, tmp_path: Path) -> None:
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
    for name, value in objects.get("Secret", "seatrial-key")["data"].items():
        (tmp_path / name).write_bytes(base64.b64decode(value))
    known = Settings.from_env(env | files(tmp_path))

    assert container["image"] == "mirror.example/x/seatrial/operator:0.1.0"
    assert container["imagePullPolicy"] == "Never"
    assert known.operator_namespace == NAMESPACE
    assert known.images.runner == "mirror.example/x/seatrial/runner:0.1.0"
    assert known.images.tests == "mirror.example/x/seatrial/pytest:0.1.0"
    assert known.images.postgres_versions == "mirror.example/x/seatrial/postgres-versions:0.1.0"
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
    assert known.archive_upload_url == f"http://seatrial-archive.{NAMESPACE}:8080"
    assert known.archive_read_url == f"http://seatrial-archive.{NAMESPACE}:8081"
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert ports == {"metrics": known.metrics_port, "health": known.health_port}


def test_with_default_values_the_operator_has_its_own_defaults(render: Render, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 64)
    (tmp_path / "environments").write_text("e" * 64)
    env = {e["name"]: e["value"] for e in render().pods()["seatrial-operator"]["containers"][0]["env"]}
    assert Settings.from_env(env | files(tmp_path)) == Settings(key=b"k" * 64, environment_key=b"e" * 64)


def test_the_archive_has_no_key_of_the_environments(render: Render) -> None:
    pods = render().pods()
    held = {
        name: [item["key"] for volume in pod["volumes"] for item in volume.get("secret", {}).get("items", ())]
        for name, pod in pods.items()
        if "volumes" in pod
    }
    assert held.pop("seatrial-operator") == ["key", "environments"]
    assert held.pop("seatrial-archive") == ["key"]
    assert not any(held.values())


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
def test_how_the_launcher_reaches_pods_fits_the_cluster(
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
