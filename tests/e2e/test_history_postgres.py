"""The archive's history in PostgreSQL: the same tests as in SQLite, on the Postgres image that runs get."""

from __future__ import annotations

import json
import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from seatrial.archive.history.database import database_url
from seatrial.archive.history.queries import History
from tests.unit.archive.history_cases import *  # noqa: F403  (the tests)

pytestmark = [pytest.mark.cluster, pytest.mark.slow]  # slow: one server for all, so one after the other

PASSWORD = "of-this-test"
FOLDERS = {"data": "/data", "run": "/run/postgresql", "tmp": "/tmp"}


def postgres() -> str:
    container = {
        "name": "postgres",
        "image": "seatrial/postgres:17-0.1.0",
        "env": [{"name": "POSTGRES_PASSWORD", "value": PASSWORD}],
        "securityContext": {"runAsUser": 999, "allowPrivilegeEscalation": False},
        "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 1},  # a refused connection ends the forwarding
        "volumeMounts": [{"name": name, "mountPath": path} for name, path in FOLDERS.items()],
    }
    volumes = [{"name": name, "emptyDir": {}} for name in FOLDERS]
    metadata = {"name": "postgres"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"containers": [container], "volumes": volumes},
        }
    )


def kubectl(*arguments: str, given: str | None = None) -> str:
    return subprocess.run(["kubectl", *arguments], input=given, check=True, text=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL of its own; gives its URL."""
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", namespace)
    try:
        kubectl("-n", namespace, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")  # no pod before it
        kubectl("-n", namespace, "apply", "-f", "-", given=postgres())
        kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/postgres", "--timeout=90s")
        forward = ["kubectl", "-n", namespace, "port-forward", "pod/postgres", ":5432"]
        with subprocess.Popen(forward, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as forwarding:
            try:
                assert forwarding.stdout is not None
                port = re.search(r"127\.0\.0\.1:(\d+)", forwarding.stdout.readline())
                assert port is not None
                url = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port[1]}/postgres"
                until_ready(url)
                yield url
            finally:
                forwarding.terminate()
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")


def until_ready(url: str) -> None:
    """The password is set last, so who can log in finds a server that is set up."""
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture
def history(server: str) -> Iterator[History]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    made = History(database_url(server, Path()))
    made.migrate()
    yield made
    made.close()
