"""The operator's rights against its requests: no request lacks a right, no right is unused."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tests.api.kube import Write, failure
from tests.api.world import World, living, orphan
from tests.unit import builders
from tests.unit.chart.rendering import find_helm, run_helm

Right = tuple[str, str, str]
SPEC: dict[str, Any] = {
    "sharedVolume": {"mountPath": "/shared"},
    "tests": {"source": {"configMapRef": {"name": "tests"}}},
}


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with living(tmp_path, monkeypatch) as made:
        yield made


def rights(role: str) -> set[Right]:
    """Verb, group and resource of all that a ClusterRole of the chart allows."""
    helm = find_helm()
    if helm is None:
        pytest.skip("needs helm: `make cluster` brings it")
    done: subprocess.CompletedProcess[str] = run_helm(helm, ())
    (found,) = (
        o for o in yaml.safe_load_all(done.stdout)
        if o and o["kind"] == "ClusterRole" and o["metadata"]["name"] == role
    )  # fmt: skip
    return {
        (verb, group, resource)
        for rule in found["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


async def lives(world: World) -> set[str]:
    """Has the operator do all that it can; returns the namespaces that it made."""
    environments = set()
    once = {"namespaces": 409, "integrationruns": 409}

    async def somebody_was_first(write: Write, when: str) -> web.StreamResponse | None:
        if write.method == "POST" and write.resource == "namespaces" and when == "before":
            environments.add(write.name)
        if when == "after" and once.pop(write.resource, None):
            return failure(409, "AlreadyExists" if write.method == "POST" else "Conflict")
        return None

    world.kube.fault = somebody_was_first
    await world.kube.put(
        "configmaps", {"metadata": {"name": "tests", "namespace": "team-a"}, "data": {"test_a.py": "def test(): ..."}}
    )
    await world.apply("passed", retention={"record": "0s"}, **SPEC)
    await world.until(lambda: world.run("passed") is None, "forgotten")
    world.summary = lambda: builders.summary("failed")
    await world.kube.put("nodes", {"metadata": {"name": "node-1"}})
    await world.apply("failed")
    await world.until(lambda: world.settled("failed"), "cleaned up, with its evidence kept")
    await world.kube.put("namespaces", orphan("st-orphan"))
    await world.until(lambda: world.kube.one("namespaces", "st-orphan") is None, "orphan deleted")
    return {*environments, "st-orphan"}


async def test_rights_and_requests_are_the_same(world: World) -> None:
    environments = await lives(world)
    everywhere, inside = rights("seatrial-operator"), rights("seatrial-environment")
    used = {(verb, group, resource) for verb, group, resource, _ in world.kube.asked}
    refused = {
        asked for asked in world.kube.asked
        if asked[:3] not in everywhere and not (asked[3] in environments and asked[:3] in inside)
    }  # fmt: skip
    assert refused == set(), "requests without a right"
    binds = {("bind", "rbac.authorization.k8s.io", "clusterroles")}
    assert everywhere - used == binds, "rights that nothing uses"
    assert inside - used == set(), "rights in environments that nothing uses"
