"""Servers of a test's own in the cluster, of the images that runs get."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.conftest import kubectl

USER, PASSWORD = "of-this-test", "secret-of-this-test"
DATABASE, BUCKET = "history", "results"
FOLDERS = {"data": "/data", "run": "/run/postgresql", "tmp": "/tmp"}


@dataclass(frozen=True)
class Server:
    """What one of these servers is made of; `ready` is a probe that succeeds once it is set up."""

    image: str
    port: int
    variables: dict[str, str]
    ready: dict[str, Any]


LOG_IN = ("psql", "--host=127.0.0.1", "--username=postgres", "--dbname=postgres", "--command=select 1")
SERVERS = {
    "postgres": Server(  # who can log in finds all of it: the password is set last
        "seatrial/postgres:17-0.1.0", 5432,
        {"POSTGRES_PASSWORD": PASSWORD, "POSTGRES_DATABASES": DATABASE, "PGPASSWORD": PASSWORD},
        {"exec": {"command": LOG_IN}},
    ),
    "minio": Server(
        "seatrial/minio:0.1.0", 9000,
        {"MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD, "MINIO_BUCKETS": BUCKET},
        {"httpGet": {"path": "/minio/health/ready", "port": 9000}},
    ),
}  # fmt: skip


def manifests(name: str) -> list[dict[str, Any]]:
    """A server's pod and Service."""
    server = SERVERS[name]
    container = {
        "name": name,
        "image": server.image,
        "env": [{"name": key, "value": value} for key, value in server.variables.items()],
        "readinessProbe": {**server.ready, "periodSeconds": 1, "timeoutSeconds": 5},
        "volumeMounts": [{"name": key, "mountPath": path} for key, path in FOLDERS.items()],
    }
    pod = {
        "containers": [container],
        "volumes": [{"name": key, "emptyDir": {}} for key in FOLDERS],
        "securityContext": {"runAsUser": 999, "fsGroup": 999},
        "terminationGracePeriodSeconds": 0,
        "enableServiceLinks": False,
    }
    service = {"selector": {"app": name}, "ports": [{"port": server.port}]}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": pod},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service},
    ]


@asynccontextmanager
async def servers(*names: str) -> AsyncIterator[str]:
    """Gives a namespace in which these servers are ready; it goes afterwards."""
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    await kubectl("create", "namespace", namespace)
    try:
        await kubectl("-n", namespace, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        items = [item for name in names for item in manifests(name)]
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        await kubectl("-n", namespace, "apply", "-f", "-", given=listed)
        await kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s")
        yield namespace
    finally:
        await kubectl("delete", "namespace", namespace, "--wait=false")
