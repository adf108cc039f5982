"""The archive with its files in a bucket and its history in PostgreSQL, on a real MinIO and a real PostgreSQL in the cluster."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import OPERATOR_NAMESPACE, Bench, archived

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]

CHART = Path(__file__).resolve().parents[2] / "charts" / "seatrial"
RELEASE = ("seatrial", "--namespace", OPERATOR_NAMESPACE)
USER, PASSWORD, BUCKET = "of-this-test", "secret-of-this-test", "results"
CREDENTIALS = "e2e-archive-credentials"
IMAGES = {"postgres": "seatrial/postgres:17-0.1.0", "minio": "seatrial/minio:0.1.0"}
PORTS = {"postgres": 5432, "minio": 9000}
VARIABLES = {
    "postgres": {"POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DATABASES": "history"},
    "minio": {"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD, "MINIO_BUCKETS": BUCKET},
}
FOLDERS = {"data": "/data", "run": "/run/postgresql", "tmp": "/tmp"}


def call(*command: str, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=360, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def server(name: str) -> list[dict[str, Any]]:
    """A pod of one of the images that runs get, and its Service."""
    container = {
        "name": name,
        "image": IMAGES[name],
        "env": [{"name": key, "value": value} for key, value in VARIABLES[name].items()],
        "readinessProbe": {"tcpSocket": {"port": PORTS[name]}, "periodSeconds": 1},
        "volumeMounts": [{"name": key, "mountPath": path} for key, path in FOLDERS.items()],
    }
    metadata = {"name": name, "labels": {"app": name}}
    volumes = [{"name": key, "emptyDir": {}} for key in FOLDERS]
    user = {"runAsUser": 999, "fsGroup": 999}
    pod = {"containers": [container], "volumes": volumes, "securityContext": user, "enableServiceLinks": False}
    service = {"selector": {"app": name}, "ports": [{"port": PORTS[name]}]}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service},
    ]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[str]:
    """PostgreSQL and MinIO in a namespace of their own, and the release set up to use them; afterwards as it was."""
    if not call("kubectl", "config", "current-context").startswith("kind-"):
        pytest.skip("it would change the release of a cluster that may be somebody's")
    before = tmp_path / "values.yaml"
    before.write_text(call("helm", "get", "values", *RELEASE, "-o", "yaml"))
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    variables = {
        "PGPASSWORD": PASSWORD,
        "AWS_ACCESS_KEY_ID": USER,
        "AWS_SECRET_ACCESS_KEY": PASSWORD,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://minio.{namespace}.svc:9000",
    }
    elsewhere = tmp_path / "elsewhere.yaml"
    archive = {
        "bucket": f"s3://{BUCKET}/seatrial",
        "database": f"postgresql://postgres@postgres.{namespace}.svc/history",
        "envFrom": [{"secretRef": {"name": CREDENTIALS}}],
    }
    elsewhere.write_text(json.dumps({"archive": archive}))
    call("kubectl", "create", "namespace", namespace)
    try:
        call("kubectl", "-n", namespace, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": CREDENTIALS}, "stringData": variables}
        call("kubectl", "-n", OPERATOR_NAMESPACE, "apply", "-f", "-", given=json.dumps(secret))
        items = {"apiVersion": "v1", "kind": "List", "items": [*server("postgres"), *server("minio")]}
        call("kubectl", "-n", namespace, "apply", "-f", "-", given=json.dumps(items))
        call("kubectl", "-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s")
        upgrade("--values", str(before), "--values", str(elsewhere))
        yield namespace
    finally:
        upgrade("--values", str(before))
        call("kubectl", "-n", OPERATOR_NAMESPACE, "delete", "secret", CREDENTIALS)
        call("kubectl", "delete", "namespace", namespace)


def upgrade(*options: str) -> None:
    call("helm", "upgrade", *RELEASE, str(CHART), "--reset-values", *options, "--wait", "--timeout", "3m")


async def test_files_in_a_bucket_and_history_in_postgres(bench: Bench, servers: str) -> None:
    name = await bench.start(
        {"services": {"postgres": {}}}, tests={"test_it.py": "def test_it():\n    assert 1 == 2\n"}
    )
    uid = await bench.uid(name)
    assert (await bench.verdict(name))["verdict"] == "Failed"
    await bench.reclaimed(name)

    call("kubectl", "-n", OPERATOR_NAMESPACE, "rollout", "restart", "deployment/seatrial-archive")
    call("kubectl", "-n", OPERATOR_NAMESPACE, "rollout", "status", "deployment/seatrial-archive", "--timeout=90s")
    held = await archived(uid)
    assert [shard["complete"] for attempt in held["attempts"] for shard in attempt["shards"]] == [True]

    list_set = f"echo /data/{BUCKET}/seatrial/runs/{uid}/1/0/*"
    assert "manifest.json" in call("kubectl", "-n", servers, "exec", "minio", "--", "sh", "-c", list_set)
    query = f"select verdict from runs where uid = '{uid}'"
    told = call("kubectl", "-n", servers, "exec", "postgres", "--", "psql", "-U", "postgres", "-tAc", query, "history")
    assert told.strip() == "Failed"
