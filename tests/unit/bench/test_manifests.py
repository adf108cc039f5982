"""The comparison is fair only while both sides start the same programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from bench.measure import FLOOR, QUICKSTART, SCRIPT
from seatrial.api.labels import COLLECTOR
from seatrial.api.run import IntegrationRun
from seatrial.environment.manifests import Inputs, environment
from seatrial.settings import Settings

Object = dict[str, Any]
RUN = {"metadata": {"name": "quickstart", "namespace": "bench", "uid": "u-1"}}


def load(*names: str) -> list[Object]:
    return [document for name in names for document in yaml.safe_load_all((SCRIPT / name).read_text())]


def rendered(manifest: Object, config_maps: dict[str, dict[str, str]] | None = None) -> list[Object]:
    run = IntegrationRun.parse({**manifest, "metadata": {**manifest["metadata"], **RUN["metadata"]}})
    made = environment(run, Settings(key=b"k" * 32), Inputs(config_maps or {}, datetime(2026, 1, 1, tzinfo=UTC)))
    return [*made.foundation, *made.workloads]


def containers(manifests: list[Object]) -> dict[str, Object]:
    """By name; what only a run has (the collector) is left out."""
    found = {}
    for manifest in manifests:
        spec = manifest.get("spec") or {}
        pod = spec if manifest["kind"] == "Pod" else (spec.get("template") or {}).get("spec") or {}
        for container in (*pod.get("initContainers", ()), *pod.get("containers", ())):
            if container["name"] != COLLECTOR:
                found[container["name"]] = container
    return found


def program(container: Object) -> list[str]:
    """What is started once the gates are open."""
    command: list[str] = list(container.get("command") or container.get("args") or ())
    if "--" in command:
        command = command[command.index("--") + 1 :]
    if command[:2] == ["sh", "-c"]:  # shows the notes at the end
        command = command[4:]
    return command[1:] if command[:3] == ["python", "-m", "pytest"] else command


def gates(container: Object) -> set[str]:
    """The names and addresses that the launcher waits for; that something without a port runs is asked by runs only."""
    words = [word.removeprefix("--wait=") for word in container.get("command") or ()]
    return {word.split("?")[0] for word in words if "://" in word and "=" in word and "=dns://" not in word}


def services(manifests: list[Object]) -> dict[str, list[int]]:
    """Names and ports of those that have ports."""
    found = [m for m in manifests if m["kind"] == "Service" and m["spec"].get("ports")]
    return {m["metadata"]["name"]: [port["port"] for port in m["spec"]["ports"]] for m in found}


@pytest.fixture(scope="module")
def floor() -> list[Object]:
    return list(yaml.safe_load_all(FLOOR.read_text()))


@pytest.fixture(scope="module")
def quickstart() -> list[Object]:
    return rendered(yaml.safe_load(QUICKSTART.read_text()))


def test_the_floor_starts_the_programs_of_the_quickstart(floor: list[Object], quickstart: list[Object]) -> None:
    by_hand, by_run = containers(floor), containers(quickstart)
    assert {name: c["image"] for name, c in by_hand.items()} == {name: c["image"] for name, c in by_run.items()}
    assert {name: program(c) for name, c in by_hand.items()} == {name: program(c) for name, c in by_run.items()}
    assert services(floor) == services(quickstart)


def test_the_floors_pods_are_as_restricted(floor: list[Object], quickstart: list[Object]) -> None:
    by_hand, by_run = containers(floor), containers(quickstart)
    assert {n: c["securityContext"] for n, c in by_hand.items()} == {n: c["securityContext"] for n, c in by_run.items()}


def test_the_floor_waits_for_the_same(floor: list[Object], quickstart: list[Object]) -> None:
    by_run = containers(quickstart)
    assert gates(by_run["tests"]), "the quickstart's tests wait for something"
    for name, container in containers(floor).items():
        assert gates(container) == gates(by_run[name]), name


def test_the_script_and_its_run_do_the_same_job() -> None:
    (manifest,) = load("run.yaml")
    tests = {"bench-tests": {"test_services.py": (SCRIPT / "test_services.py").read_text()}}
    by_run, by_hand = containers(rendered(manifest, tests)), containers(load("services.yaml", "job.yaml"))
    assert {name: c["image"] for name, c in by_hand.items()} == {name: c["image"] for name, c in by_run.items()}
    assert services(load("services.yaml")) == services(rendered(manifest, tests))
