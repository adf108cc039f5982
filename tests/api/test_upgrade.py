"""From version 0.1.0 to this one, with runs under way: helm takes over the definition, the API server keeps the runs,
the operator judges them.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from seatrial.api.run import IntegrationRun
from seatrial.api.status import IntegrationRunStatus
from seatrial.facts.attempt import AttemptFacts
from seatrial.kube.client import Cluster
from seatrial.kube.errors import InvalidError, NotFoundError
from seatrial.kube.kinds import CUSTOM_RESOURCE_DEFINITION, RUN, SECRET
from seatrial.lifecycle.plan import plan
from tests.api.apiserver import ApiServer, find_program, serving, until
from tests.unit import builders as b
from tests.unit.chart.rendering import CHART, NAMESPACE, find_helm

pytestmark = pytest.mark.apiserver
RELEASED = yaml.safe_load((Path(__file__).parent / "released" / "crd-0.1.0.yaml").read_text())
NAME = RELEASED["metadata"]["name"]
CONDITION = {
    "type": "Accepted", "status": "True", "reason": "Valid", "message": "",
    "lastTransitionTime": "2026-03-01T11:59:30.000Z", "observedGeneration": 1,
}  # fmt: skip
UNDER_WAY: dict[str, Any] = {
    "phase": "Testing", "namespace": "st-old-abcde", "attempt": 1, "conditions": [CONDITION],
    "timeline": {"queued": "2026-03-01T11:59:29.000Z", "started": "2026-03-01T11:59:30.000Z"},
}  # fmt: skip
SPEC: dict[str, Any] = {
    "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
    "services": {
        "postgres": {"initSQL": {"configMap": "seed"}, "databases": ["a", "a"]},
        "mail": {"type": "custom", "image": "i", "ports": {"http": 1}, "ready": {"http": {"path": "/"}}},
    },
    "migrations": [{"name": "b", "image": "i", "command": ["b"]}, {"name": "a", "image": "i", "command": ["a"]}],
    "apps": {"api": {"image": "i", "port": 80, "ready": {"tcp": {}}}},
    "tests": {"source": {"configMap": "tests"}, "timeout": "60s"},
}
Helm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """One of its own, for its definition of the resource changes."""
    program = find_program()
    if program is None:
        pytest.skip("needs kube-apiserver: `tests/cluster/cluster program kubenode`")
    with serving(program) as found:
        yield found


@pytest.fixture
def helm(server: ApiServer, tmp_path: Path) -> Helm:
    program = find_helm()
    if program is None:
        pytest.skip("needs helm: `tests/cluster/cluster program helm`")
    places = {f"HELM_{what}_HOME": str(tmp_path / what) for what in ("CACHE", "CONFIG", "DATA")}
    environment = {**os.environ, **places, "KUBECONFIG": server.kubeconfig("admin")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [program, *arguments, "--namespace", NAMESPACE, "--no-hooks"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


async def test_a_run_under_way_is_judged_cancelled_and_deleted_after_the_upgrade(server: ApiServer, helm: Helm) -> None:
    async with await server.connect() as admin:
        await admin.apply(RELEASED, manager="helm")
        await until(lambda: established(admin), "0.1.0")
        await create(admin, "under-way", UNDER_WAY)
        ended = {**UNDER_WAY, "phase": "Passed", "verdict": "Passed", "reason": "TestsPassed"}
        ended["conditions"] = [CONDITION, {**CONDITION, "type": "Reclaimed", "reason": "NamespaceDeleted"}]
        ended["timeline"] = {**UNDER_WAY["timeline"], "verdict": "2026-03-01T11:59:50.000Z"}
        await create(admin, "ended", ended)
        # 0.1.0 had the definition beside its release, as this value has
        made = await asyncio.to_thread(
            helm, "install", "seatrial", str(CHART), "--create-namespace", "--set", "crds.enabled=false"
        )
        assert made.returncode == 0, made.stderr

        refused = await asyncio.to_thread(helm, "upgrade", "seatrial", str(CHART), "--set", "crds.enabled=true")
        assert "invalid ownership metadata" in refused.stderr
        await admin.patch(SECRET, "seatrial-key", NAMESPACE, {"data": {"environments": None}})  # as 0.1.0 had it
        key = await keys(admin)
        for _ in range(2):
            taken = await asyncio.to_thread(
                helm, "upgrade", "seatrial", str(CHART), "--set", "crds.enabled=true", "--take-ownership"
            )
            assert taken.returncode == 0, taken.stderr
            both = await keys(admin)
            assert both["key"] == key["key"], "tokens of runs under way are good"
            assert both == {**both, **key}
            assert both["environments"] != both["key"]
            key = both
        await until(lambda: takes_new_fields(admin), "this version")

        run, status = await judged(admin, "under-way", b.facts(b.tests_pod(), result=b.summary("failed")))
        assert (status.verdict, status.reason) == ("Failed", "TestsFailed")
        await admin.patch(RUN, run.metadata.name, "default", {"spec": {"cancel": True}})
        await gone(admin, "under-way")

        run, status = await judged(admin, "ended", AttemptFacts(evidence=b.ARCHIVED))
        assert (status.verdict, status.phase) == ("Passed", "Passed")
        await gone(admin, "ended")

        kept = await asyncio.to_thread(helm, "uninstall", "seatrial")
        assert NAME in kept.stdout + kept.stderr
        assert await admin.get(CUSTOM_RESOURCE_DEFINITION, NAME)


async def keys(admin: Cluster) -> dict[str, str]:
    return dict((await admin.get(SECRET, "seatrial-key", NAMESPACE))["data"])


async def create(admin: Cluster, name: str, status: dict[str, Any]) -> None:
    metadata = {"name": name, "namespace": "default", "finalizers": ["seatrial.dev/reclaim"]}
    body = {"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", "metadata": metadata, "spec": SPEC}
    await admin.create(body, strict=True)
    await admin.patch(RUN, name, "default", {"status": status}, "status")


async def judged(admin: Cluster, name: str, facts: AttemptFacts) -> tuple[IntegrationRun, IntegrationRunStatus]:
    """What the operator makes of a run, written and read again."""
    run = IntegrationRun.parse(await admin.get(RUN, name, "default"))
    status = plan(run, facts, b.NOW).status.model_dump(mode="json", by_alias=True, exclude_none=True)
    await admin.patch(RUN, name, "default", {"status": status}, "status")
    run = IntegrationRun.parse(await admin.get(RUN, name, "default"))
    return run, run.status


async def gone(admin: Cluster, name: str) -> None:
    """Deleted, as the operator lets it go."""
    await admin.delete(RUN, name, "default")
    await admin.patch(RUN, name, "default", {"metadata": {"finalizers": None}})
    with pytest.raises(NotFoundError):
        await admin.get(RUN, name, "default")


async def established(admin: Cluster) -> bool:
    found = await admin.get(CUSTOM_RESOURCE_DEFINITION, NAME)
    conditions = {c["type"]: c["status"] for c in found["status"].get("conditions") or ()}
    return conditions.get("Established") == "True"


async def takes_new_fields(admin: Cluster) -> bool:
    spec = {"tests": {"source": {"configMapRef": {"name": "tests"}}, "perTestTimeout": "60s"}}
    metadata = {"name": "new", "namespace": "default"}
    body = {"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", "metadata": metadata, "spec": spec}
    try:
        await admin.create(body, strict=True, dry_run=True)
    except InvalidError:
        return False
    return True
