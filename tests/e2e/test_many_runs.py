"""Ten quickstart runs at once on one node: all pass, each in its own environment, and nothing is left behind."""

from __future__ import annotations

import asyncio

import pytest

from seatrial.kube.kinds import NAMESPACE
from tests.e2e.conftest import QUICKSTART_TESTS, Bench, eventually, kubectl, quickstart

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]  # it looks at all that there is

RUNS = 10
KINDS = (
    "namespaces,pods,persistentvolumes,persistentvolumeclaims,"
    "clusterroles,clusterrolebindings,rolebindings,networkpolicies,jobs"
)


async def everything() -> set[str]:
    """The objects that an environment could leave behind; not the janitor's Jobs, which come and go by themselves."""
    template = "{range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{'\\n'}{end}".replace("'", '"')
    found = (await kubectl("get", KINDS, "-A", "-o", f"jsonpath={template}")).splitlines()
    return {line for line in found if "/seatrial-janitor-" not in line}


async def test_ten_runs_at_once(bench: Bench) -> None:
    async def settled() -> bool:
        return all("deletionTimestamp" not in one["metadata"] for one in await bench.cluster.list(NAMESPACE))

    await eventually(settled, "all namespaces of earlier tests gone", 60)
    before = await everything()
    names = await asyncio.gather(*(bench.start(quickstart(), name=f"quickstart-{i}") for i in range(RUNS)))

    ended = await asyncio.gather(*(bench.verdict(name, 300) for name in names))
    expected = ("Passed", f"{QUICKSTART_TESTS}/{QUICKSTART_TESTS}")
    assert {name: (s["verdict"], s["testsSummary"]) for name, s in zip(names, ended, strict=True)} == dict.fromkeys(
        names, expected
    ), [s["message"] for s in ended]
    cleaned_up = await asyncio.gather(*(bench.cleaned_up(name) for name in names))
    assert len({status["namespace"] for status in cleaned_up}) == RUNS
    assert await everything() == before
