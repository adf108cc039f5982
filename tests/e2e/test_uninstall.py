"""`helm uninstall` in the middle of a run: the run is reclaimed, nothing stays but the definition, and it says so.

The last file of those that disturb others: what runs elsewhere in the cluster is gone after it.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import OPERATOR_NAMESPACE, Bench

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]

CHART = Path(__file__).resolve().parents[2] / "charts" / "seatrial"
RELEASE = ("seatrial", "--namespace", OPERATOR_NAMESPACE)
TOLD_BY_THE_CLUSTER = ("events", "leases", "endpoints", "endpointslices", "componentstatuses")
STAYS = {
    "customresourcedefinition.apiextensions.k8s.io/integrationruns.seatrial.dev",
    "apiservice.apiregistration.k8s.io/v1alpha1.seatrial.dev",
    f"namespace/{OPERATOR_NAMESPACE}",
}


def call(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=360, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def everything() -> set[str]:
    """All objects of the cluster that have to do with Seatrial; its nodes, which may be called so too, have not."""
    kinds = call("kubectl", "api-resources", "--verbs=list", "-o", "name").split()
    wanted = ",".join(kind for kind in kinds if kind.split(".")[0] not in TOLD_BY_THE_CLUSTER)
    nodes = [line.removeprefix("node/") for line in call("kubectl", "get", "nodes", "-o", "name").splitlines()]
    listed = call("kubectl", "get", wanted, "-A", "-o", "name", "--ignore-not-found").splitlines()
    named = {line for line in listed if "seatrial" in line or "/st-" in line}
    marked = call("kubectl", "get", wanted, "-A", "-o", "name", "-l", "app.kubernetes.io/managed-by=seatrial")
    found = named | {line for line in marked.splitlines() if "/" in line}
    return {line for line in found if not any(line.endswith(node) for node in nodes)}


@pytest.fixture
async def install(tmp_path: Path) -> AsyncIterator[Callable[[], str]]:
    """Puts the release back, with the values that it had; whatever happens, also at the end."""
    if not call("kubectl", "config", "current-context").startswith("kind-"):
        pytest.skip("it would delete the runs and results of a cluster that may be somebody's")
    values = tmp_path / "values.yaml"
    values.write_text(call("helm", "get", "values", *RELEASE, "-o", "yaml"))

    def install_again() -> str:
        return call(
            "helm", "upgrade", "--install", RELEASE[0], str(CHART), *RELEASE[1:], "--values", str(values), "--wait"
        )

    yield install_again
    install_again()


async def test_uninstalling_in_the_middle_of_a_run_leaves_the_definition_alone(
    bench: Bench, install: Callable[[], str]
) -> None:
    name = await bench.start(
        {"services": {"postgres": {}}}, tests={"test_long.py": "import time\ndef test_long(): time.sleep(600)\n"}
    )
    await bench.reach(name, "Testing")
    said = call("helm", "uninstall", *RELEASE, "--wait")
    assert "kubectl delete crd integrationruns.seatrial.dev" in said

    async with asyncio.timeout(60):
        while (left := everything()) > STAYS:  # the volume of a claim goes a moment after it
            await asyncio.sleep(1)
    assert left == STAYS

    install()
    assert (await bench.run({}, {"test_it.py": "def test_it(): pass\n"}))["verdict"] == "Passed"
