"""Runs ended from outside, deleted or cancelled at any moment: nothing stays, finished tests are kept."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.kube.kinds import POD
from tests.e2e.conftest import Bench, archived, eventually

pytestmark = pytest.mark.cluster

LONG = {
    "test_it.py": "import time\n\ndef test_first():\n    pass\n\ndef test_second():\n    time.sleep(3600)\n",
}
BLOCKED: dict[str, Any] = {
    # an app that never answers keeps the run where it starts
    "services": {"postgres": {}},
    "apps": {"web": {"image": "seatrial/pytest:0.1.0", "command": ["sleep", "3600"], "port": 8000}},
}
MOMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "at once": ({"services": {"postgres": {}}}, ""),
    "while it starts": (BLOCKED, "Starting"),
    "while it tests": ({"services": {"postgres": {}}}, "Testing"),
}


@pytest.mark.parametrize(("spec", "phase"), MOMENTS.values(), ids=[name.replace(" ", "-") for name in MOMENTS])
async def test_a_deleted_run_takes_its_environment_with_it(bench: Bench, spec: dict[str, Any], phase: str) -> None:
    name = await bench.start(spec, tests=LONG)
    if phase:
        await bench.reach(name, phase)
        assert await bench.environments()
    await bench.delete(name)
    await bench.gone(30)


@pytest.mark.parametrize(("spec", "phase"), MOMENTS.values(), ids=[name.replace(" ", "-") for name in MOMENTS])
async def test_a_cancelled_run_gives_back_and_keeps_what_had_finished(
    bench: Bench, spec: dict[str, Any], phase: str
) -> None:
    name = await bench.start(spec, tests=LONG)
    if phase:
        await bench.reach(name, phase)
    await bench.cancel(name)

    verdict = await bench.verdict(name, 30)
    assert (verdict["verdict"], verdict["reason"]) == ("Cancelled", "Cancelled")
    status = await bench.cleaned_up(name)
    assert status["phase"] == "Cancelled"
    if phase == "Testing":
        assert status["tests"]["passed"] == 1
        held = await archived(await bench.uid(name))
        assert status["results"]["digest"] in str(held)


@pytest.mark.parametrize("grace", [0, 30])
@pytest.mark.parametrize("component", ["migrations", "tests"])
async def test_a_pod_deleted_before_the_first_test_is_noticed_at_once(bench: Bench, component: str, grace: int) -> None:
    migration = {"name": "schema", "image": "seatrial/pytest:0.1.0", "command": ["sleep", "3600"]}
    name = await bench.start({"migrations": [migration]}, tests=LONG)
    environment = (await bench.reach(name, "Starting"))["namespace"]

    async def runs() -> dict[str, Any] | None:
        pod = await bench.pod(environment, component)
        return pod if pod and pod["status"]["phase"] == "Running" else None

    pod = await eventually(runs, f"the pod of {component}", 60)
    await bench.cluster.delete(POD, pod["metadata"]["name"], environment, grace=grace)
    status = await bench.verdict(name, 60)
    assert (status["verdict"], status["reason"]) == ("Errored", "EnvironmentLost"), status["message"]
    assert component in status["message"]
    await bench.cleaned_up(name)


async def test_a_test_that_fills_the_disk_is_ended_and_the_message_names_it(bench: Bench) -> None:
    fill = """
import time

def test_fill():
    with open("/tmp/big", "wb") as file:
        for _ in range(150):
            file.write(bytes(1024 * 1024))
    time.sleep(3600)
"""
    spec = {"tests": {"resources": {"limits": {"ephemeral-storage": "100Mi"}}}}
    status = await bench.run(spec, {"test_it.py": fill}, seconds=300)  # the kubelet looks about once a minute
    assert (status["verdict"], status["reason"]) == ("Errored", "Evicted"), status["message"]
    assert "100Mi" in status["message"]
    assert "spec.tests.resources.limits.ephemeral-storage" in status["message"]
