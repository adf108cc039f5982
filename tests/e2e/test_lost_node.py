"""A node that goes away with a run's pods, in a cluster of two nodes of this test's own."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from seatrial.kube.client import Cluster
from seatrial.kube.kinds import NAMESPACE
from tests.e2e.conftest import CHART, PROJECT, RELEASE, Bench, call, kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

CLUSTER = str(PROJECT / "tests" / "cluster" / "cluster")
BUILD = str(PROJECT / "tests" / "cluster" / "images" / "build")
NAME = "seatrial-two"
FIRST, SECOND = f"{NAME}-control-plane", f"{NAME}-worker"
IMAGES = ("operator", "runner", "postgres", "pytest")


@pytest.fixture
async def two_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """A place for runs in a new cluster: the operator and the archive are on its first node, runs go to the second."""
    if os.environ.get("SEATRIAL_CLUSTER") == "current":
        pytest.skip("nodes are only taken away from clusters that are made here")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    try:
        await call(CLUSTER, "up", "--nodes", "2", "--name", NAME)
        await call(CLUSTER, "load", "--name", NAME, *(await call(BUILD, *IMAGES)).split())
        await kubectl("cordon", SECOND)
        await call("helm", "install", RELEASE[0], CHART, *RELEASE[1:], "--create-namespace", "--wait")
        await kubectl("uncordon", SECOND)
        await kubectl("cordon", FIRST)
        async with await Cluster.connect(agent="seatrial-e2e") as cluster:
            bench = Bench(cluster, f"e2e-{uuid.uuid4().hex[:8]}")
            await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": bench.namespace}})
            yield bench
            await bench.leave()
    finally:
        await call(CLUSTER, "down", "--name", NAME)


async def test_a_lost_node_is_reported_and_its_environment_cleaned_up(two_nodes: Bench) -> None:
    name = await two_nodes.start(
        {"services": {"postgres": {}}}, tests={"test_it.py": "import time\ndef test_long(): time.sleep(3600)\n"}
    )
    environment = (await two_nodes.reach(name, "Testing"))["namespace"]
    pod = await two_nodes.pod(environment, "tests")
    assert pod
    assert pod["spec"]["nodeName"] == SECOND

    await call(CLUSTER, "stop-node", SECOND, "--name", NAME)
    status = await two_nodes.verdict(name, 180)
    assert (status["verdict"], status["reason"]) == ("Errored", "NodeLost"), status["message"]
    assert SECOND in status["message"]
    await two_nodes.cleaned_up(name)
    assert environment not in {n["metadata"]["name"] for n in await two_nodes.cluster.list(NAMESPACE)}
