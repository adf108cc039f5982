"""The operator or the archive goes away in the middle: every run still ends right, and nothing is left over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from seatrial.kube.client import Cluster
from seatrial.kube.kinds import POD
from tests.e2e.conftest import (
    OPERATOR,
    OPERATOR_NAMESPACE,
    QUICKSTART_TESTS,
    Bench,
    Release,
    eventually,
    quickstart,
    scale,
)

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]

ARCHIVE = "seatrial-archive"
LONG = {"test_it.py": "import time\n\ndef test_long():\n    time.sleep(3600)\n"}


KILL = """
import os, signal, sys
def is_operator(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read() == b"python\\0-m\\0seatrial\\0"
    except OSError:
        return False
found = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_operator(pid)]
print(*found, flush=True)
sys.stdin.readline()
for pid in found:
    os.kill(pid, signal.SIGKILL)
"""


async def operator_pod(cluster: Cluster) -> dict[str, Any] | None:
    """The operator's pod, when it is ready and not on its way out."""
    for pod in await cluster.list(POD, OPERATOR_NAMESPACE, labels="app.kubernetes.io/component=operator"):
        containers = pod["status"].get("containerStatuses") or ()
        if "deletionTimestamp" not in pod["metadata"] and containers and all(c["ready"] for c in containers):
            return pod
    return None


@dataclass
class Killer:
    """A pod that sees the node's processes and kills the operator's at one line of input."""

    process: asyncio.subprocess.Process

    async def strike(self) -> None:
        """kill -9, and nothing between this call and the signal but a line through a connection that is open."""
        _, err = await self.process.communicate(b"\n")
        assert self.process.returncode == 0, err.decode()


@pytest.fixture
async def killer(bench: Bench) -> AsyncIterator[Killer]:
    async def ready() -> dict[str, Any] | None:
        return await operator_pod(bench.cluster)

    pod = await eventually(ready, "the operator ready", 60)
    if any(c["restartCount"] for c in pod["status"]["containerStatuses"]):  # the kubelet would wait longer each time
        await bench.cluster.delete(POD, pod["metadata"]["name"], OPERATOR_NAMESPACE)
    name = "killer"
    container = {
        "name": name,
        "image": "seatrial/pytest:0.1.0",
        "command": ["sleep", "3600"],
        "securityContext": {"runAsUser": 0, "privileged": True},
    }
    spec = {
        "hostPID": True,
        "nodeName": pod["spec"]["nodeName"],
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
    }
    metadata = {"name": name, "namespace": bench.namespace}
    await bench.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    async def running() -> bool:
        return bool((await bench.cluster.get(POD, name, bench.namespace))["status"]["phase"] == "Running")

    await eventually(running, "the killer's pod running", 30)
    await eventually(ready, "the operator that is to be killed ready", 60)
    process = await asyncio.create_subprocess_exec(
        "kubectl", "exec", "-i", "-n", bench.namespace, name, "--", "python", "-c", KILL,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert (await process.stdout.readline()).split(), "no operator's process found"
    yield Killer(process)
    if process.returncode is None:
        process.kill()
        await process.wait()
    restarted = await eventually(ready, "the operator back", 60)
    assert sum(c["restartCount"] for c in restarted["status"]["containerStatuses"]) == 1


async def restarts(bench: Bench) -> bool:
    """Whether the operator has really been killed."""
    pods = await bench.cluster.list(POD, OPERATOR_NAMESPACE, labels="app.kubernetes.io/component=operator")
    return any(c["restartCount"] for pod in pods for c in pod["status"].get("containerStatuses") or ())


async def come(bench: Bench, name: str, moment: str) -> None:
    """Waits until a run has come to this moment."""
    match moment:
        case "created":
            pass
        case "burst":
            await eventually(bench.environments, "the namespace", 20, pace=0.01)
        case "verdict":
            await bench.verdict(name)
        case phase:
            await bench.reach(name, phase)


@pytest.mark.parametrize("moment", ["created", "burst", "Starting", "Testing", "verdict", "CleaningUp"])
async def test_killed_operator(bench: Bench, killer: Killer, moment: str) -> None:
    name = await bench.start(quickstart())
    await come(bench, name, moment)
    await killer.strike()
    assert await eventually(lambda: restarts(bench), "the operator's restart", 30)

    status = await bench.verdict(name)
    assert (status["verdict"], status["testsSummary"]) == ("Passed", f"{QUICKSTART_TESTS}/{QUICKSTART_TESTS}"), status
    status = await bench.cleaned_up(name)
    assert status["results"]["digest"]
    assert not await bench.environments()


@pytest.mark.parametrize("moment", ["burst", "CleaningUp"])
async def test_a_run_deleted_in_the_moment_in_which_the_operator_is_killed(
    bench: Bench, killer: Killer, moment: str
) -> None:
    name = await bench.start(quickstart())
    await come(bench, name, moment)
    await killer.strike()
    await bench.delete(name)
    await bench.gone(60)


@pytest.mark.usefixtures("no_operator")
async def test_a_run_deleted_before_an_operator_saw_it(bench: Bench) -> None:
    name = await bench.start({"services": {"postgres": {}}}, tests=LONG)
    await bench.delete(name)
    await bench.gone(10)
    await scale(bench.cluster, OPERATOR, 1)
    assert (await bench.run({}, {"test_it.py": "def test_it(): pass\n"}))["verdict"] == "Passed"


async def test_a_run_deleted_while_there_is_no_operator(bench: Bench) -> None:
    name = await bench.start({"services": {"postgres": {}}}, tests=LONG)
    await bench.reach(name, "Testing")
    await scale(bench.cluster, OPERATOR, 0)
    try:
        await bench.delete(name)
        assert await bench.environments()
    finally:
        await scale(bench.cluster, OPERATOR, 1)
    await bench.gone(30)


UNTIL_IT_IS_AWAY = f"""
import socket, time

def test_archive_goes():
    while True:
        try:
            socket.create_connection(("{ARCHIVE}.{OPERATOR_NAMESPACE}.svc", 8080), timeout=1).close()
        except OSError:
            return
        time.sleep(0.1)
"""


@pytest.fixture
async def archive(bench: Bench) -> AsyncIterator[None]:
    """Whatever a test does to the archive, it is there again afterwards."""
    yield
    await scale(bench.cluster, ARCHIVE, 1)


async def losing_the_archive(bench: Bench) -> str:
    """A run whose tests have just passed, in the moment in which the archive went away."""
    name = await bench.start({}, tests={"test_it.py": UNTIL_IT_IS_AWAY})
    environment = (await bench.reach(name, "Testing"))["namespace"]
    await scale(bench.cluster, ARCHIVE, 0)

    async def finished() -> bool:
        pod = await bench.pod(environment, "tests")
        statuses = (pod or {}).get("status", {}).get("containerStatuses") or ()
        return any("terminated" in status["state"] for status in statuses)

    await eventually(finished, "the end of the tests", 60)
    assert not (await bench.status(name)).get("verdict")
    return name


@pytest.mark.usefixtures("archive")
async def test_an_archive_that_comes_back_in_time_gets_the_result(bench: Bench) -> None:
    name = await losing_the_archive(bench)
    await scale(bench.cluster, ARCHIVE, 1)
    status = await bench.verdict(name, 60)
    assert (status["verdict"], status["testsSummary"]) == ("Passed", "1/1"), status["message"]
    assert status["results"]["digest"]
    await bench.cleaned_up(name)


@pytest.fixture
async def little_patience(release: Release) -> None:
    """The product has little patience with an archive that is away."""
    await release.install(archive={"patienceSeconds": 5})


@pytest.mark.usefixtures("little_patience", "archive")
async def test_without_an_archive_nothing_is_passed(bench: Bench) -> None:
    name = await losing_the_archive(bench)
    status = await bench.verdict(name)
    assert (status["verdict"], status["reason"]) == ("Errored", "ArchiveUnavailable"), status["message"]
    assert "kubectl get pods -l app.kubernetes.io/component=archive -A" in status["message"]
    assert not status.get("results")
    await bench.cleaned_up(name)  # evidence of what happened is not given up at once either
