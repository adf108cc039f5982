"""`helm uninstall` in the middle of a run: the run is cleaned up, nothing stays but the definition, and it says so.

The last file of those that disturb others: what runs elsewhere in the cluster is gone after it.
"""

from __future__ import annotations

import pytest

from tests.e2e.conftest import OPERATOR_NAMESPACE, RELEASE, Bench, Release, call, eventually, kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]

TOLD_BY_THE_CLUSTER = ("events", "leases", "endpoints", "endpointslices", "componentstatuses")
STAYS = {
    "customresourcedefinition.apiextensions.k8s.io/integrationruns.seatrial.dev",
    "apiservice.apiregistration.k8s.io/v1alpha1.seatrial.dev",
    f"namespace/{OPERATOR_NAMESPACE}",
}


async def everything() -> set[str]:
    """All objects of the cluster that have to do with Seatrial; its nodes, which may be called so too, have not."""
    kinds = (await kubectl("api-resources", "--verbs=list", "-o", "name")).split()
    wanted = ",".join(kind for kind in kinds if kind.split(".")[0] not in TOLD_BY_THE_CLUSTER)
    nodes = [line.removeprefix("node/") for line in (await kubectl("get", "nodes", "-o", "name")).splitlines()]
    listed = (await kubectl("get", wanted, "-A", "-o", "name", "--ignore-not-found")).splitlines()
    named = {line for line in listed if "seatrial" in line or "/st-" in line}
    marked = await kubectl("get", wanted, "-A", "-o", "name", "-l", "app.kubernetes.io/managed-by=seatrial")
    found = named | {line for line in marked.splitlines() if "/" in line}
    return {line for line in found if not any(line.endswith(node) for node in nodes)}


async def test_uninstalling_in_the_middle_of_a_run_leaves_the_definition_alone(bench: Bench, release: Release) -> None:
    name = await bench.start(
        {"services": {"postgres": {}}}, tests={"test_long.py": "import time\ndef test_long(): time.sleep(600)\n"}
    )
    await bench.reach(name, "Testing")
    output = await call("helm", "uninstall", *RELEASE, "--wait", remarks=True)
    assert "kubectl delete crd integrationruns.seatrial.dev" in output

    async def all_that_is_left() -> set[str]:  # the volume of a claim goes a moment after it
        left = await everything()
        return set() if left > STAYS else left

    assert await eventually(all_that_is_left, "nothing more than what stays", 60) == STAYS

    await release.install()
    assert (await bench.run({}, {"test_it.py": "def test_it(): pass\n"}))["verdict"] == "Passed"
