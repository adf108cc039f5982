"""A service is lost during the tests: the run is Errored and names that service, whatever the tests report."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.kube.kinds import POD
from tests.e2e.conftest import Bench, kubectl

pytestmark = pytest.mark.cluster

POSTGRES: dict[str, Any] = {"services": {"postgres": {}}}
USES_IT = """
import os, time
import psycopg

def test_first():
    psycopg.connect(os.environ["POSTGRES_URL"]).close()

def test_second():
    while True:
        psycopg.connect(os.environ["POSTGRES_URL"], connect_timeout=2).close()
        time.sleep(0.1)
"""
LEAVES_IT_ALONE = "import time\n\ndef test_long():\n    time.sleep(3600)\n"
ENDS_IT = """
import os
import psycopg

def test_first():
    pass

def test_second():  # the server's first process is killed, and this session ends with it
    with psycopg.connect(os.environ["POSTGRES_URL"]) as db:
        db.execute("copy (select 1) to program 'cat > /dev/null; kill -9 $(head -1 postmaster.pid)'")
        while True:
            db.execute("select 1")
"""
KILL = "kill -9 $(head -1 /data/cluster/postmaster.pid)"


def lost(status: dict[str, Any]) -> None:
    assert (status["verdict"], status["reason"]) == ("Errored", "ServiceLost"), status["message"]
    assert "postgres" in status["message"]


async def test_ended_by_a_test_which_fails_in_the_same_moment(bench: Bench) -> None:
    status = await bench.run(POSTGRES, {"test_it.py": ENDS_IT})
    lost(status)
    assert [status["tests"][what] for what in ("total", "passed", "failed")] == [2, 1, 1]
    assert status["results"]["digest"]


@pytest.mark.parametrize("tests", [USES_IT, LEAVES_IT_ALONE], ids=["in-use", "not-in-use"])
async def test_its_process_dies(bench: Bench, tests: str) -> None:
    name = await bench.start(POSTGRES, tests={"test_it.py": tests})
    environment = (await bench.reach(name, "Testing"))["namespace"]
    await kubectl("exec", "-n", environment, "postgres", "--", "sh", "-c", KILL)
    lost(await bench.verdict(name, 30))
    await bench.cleaned_up(name)


async def test_its_pod_is_deleted(bench: Bench) -> None:
    name = await bench.start(POSTGRES, tests={"test_it.py": LEAVES_IT_ALONE})
    environment = (await bench.reach(name, "Testing"))["namespace"]
    await bench.cluster.delete(POD, "postgres", environment)
    lost(await bench.verdict(name, 30))
    await bench.cleaned_up(name)
