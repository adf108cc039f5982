"""What the tests' pod can reach: its own services and the archive's upload port; no token of Kubernetes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import OPERATOR_NAMESPACE, Bench, eventually

pytestmark = pytest.mark.cluster

LOOK = """
import os, pathlib, socket
import psycopg, pytest

ELSEWHERE = {elsewhere!r}

def reaches(host, port):
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True

def test_own_database():
    with psycopg.connect(os.environ["POSTGRES_URL"]) as db:
        assert db.execute("select 1").fetchone() == (1,)

def test_no_token():
    assert not pathlib.Path("/var/run/secrets/kubernetes.io").exists()

def test_the_way_in_of_the_archive():  # so that what is refused below is refused, and not a name that is wrong
    assert reaches("seatrial-archive.{system}.svc", 8080)

@pytest.mark.parametrize(("host", "port"), [
    ("kubernetes.default.svc", 443),
    ("seatrial-archive.{system}.svc", 8081),
    ("seatrial-operator.{system}.svc", 8082),
    *[(f"postgres.{{namespace}}.svc", 5432) for namespace in ELSEWHERE],
])
def test_nothing_else(host, port):
    assert socket.gethostbyname(host)
    assert not reaches(host, port)
"""


def look(*elsewhere: str) -> dict[str, str]:
    """A suite that looks around, also at the Postgres of other environments."""
    return {"test_look.py": LOOK.format(elsewhere=elsewhere, system=OPERATOR_NAMESPACE)}


async def test_an_environment_is_alone(bench: Bench) -> None:
    spec: dict[str, Any] = {"services": {"postgres": {}}}
    other = await bench.start(spec, tests={"test_long.py": "import time\ndef test_long(): time.sleep(3600)\n"})
    environment = (await bench.reach(other, "Testing"))["namespace"]
    status = await bench.run(spec, look(environment))

    assert status["verdict"] == "Passed", status["message"]
    assert status["tests"]["passed"] == 7
    assert not (await bench.status(other)).get("verdict")


async def test_no_pod_of_an_environment_has_rights_or_weak_security(bench: Bench) -> None:
    spec: dict[str, Any] = {
        "services": {"postgres": {}, "minio": {}, "temporal": {}, "redis": {}},
        "migrations": [{"name": "m", "image": "seatrial/pytest:0.1.0", "command": ["true"]}],
        "apps": {"web": {"image": "seatrial/pytest:0.1.0", "command": ["sleep", "3600"]}},
    }
    name = await bench.start(spec, tests={"test_long.py": "import time\ndef test_long(): time.sleep(3600)\n"})
    environment = (await bench.reach(name, "Testing"))["namespace"]

    async def all_there() -> list[dict[str, Any]]:
        pods = [await bench.pod(environment, c) for c in (*spec["services"], "migrations", "web", "tests")]
        return [pod for pod in pods if pod] if all(pods) else []

    for pod in await eventually(all_there, "every pod", 10):
        assert pod["spec"]["automountServiceAccountToken"] is False
        for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
        assert not any("projected" in volume for volume in pod["spec"]["volumes"])
