from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from seatrial.api.run import IntegrationRun
from seatrial.environment.manifests import Environment, Inputs, environment
from seatrial.settings import Settings

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in (HERE / "runs").glob("*.yaml"))
KEY = b"0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
CONFIG_MAPS = {
    "hello": {"test_hello.py": "def test_hello():\n    assert True\n", "conftest.py": ""},
    "seed-sql": {"20-data.sql": "insert into t values (1);\n", "10-tables.sql": "create table t (n int);\n"},
}
Manifest = dict[str, Any]


def load(case: str) -> IntegrationRun:
    return IntegrationRun.parse(yaml.safe_load((HERE / "runs" / f"{case}.yaml").read_text()))


def make(spec: str, name: str = "a-run") -> IntegrationRun:
    """A run of this spec (YAML); its tests are an image's unless the spec says which."""
    body = yaml.safe_load(spec) or {}
    body.setdefault("tests", {"image": "registry.example/tests"})
    return IntegrationRun.parse({"metadata": {"name": name, "namespace": "team-a", "uid": "u-1"}, "spec": body})


def settings_of(case: str) -> Settings:
    return Settings(key=KEY, environment_key=KEY, tools="Copy" if case in ("copy", "code-copied") else "ImageVolume")


def render(run: IntegrationRun, settings: Settings | None = None) -> Environment:
    return environment(run, settings or Settings(key=KEY, environment_key=KEY), Inputs(CONFIG_MAPS, NOW))


def case(name: str) -> Environment:
    return render(load(name), settings_of(name))


def inside(result: Environment) -> tuple[Manifest, ...]:
    """Everything in the environment's namespace."""
    return (result.role_binding, *result.foundation, *result.workloads)


def find(result: Environment, kind: str, name: str) -> Manifest:
    found = [m for m in inside(result) if m["kind"] == kind and m["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} x {kind} {name}"
    return found[0]


def kinds(result: Environment) -> list[str]:
    return [f"{m['kind']}/{m['metadata']['name']}" for m in inside(result)]


def pod_templates(result: Environment) -> list[Manifest]:
    return [m["spec"]["template"] for m in result.workloads if m["kind"] != "Pod"]


def pod_spec(workload: Manifest) -> Manifest:
    spec: Manifest = workload["spec"] if workload["kind"] == "Pod" else workload["spec"]["template"]["spec"]
    return spec


def containers(workload: Manifest) -> list[Manifest]:
    spec = pod_spec(workload)
    return [*spec.get("initContainers", ()), *spec["containers"]]


def container(result: Environment, kind: str, name: str, which: str | None = None) -> Manifest:
    (found,) = [c for c in containers(find(result, kind, name)) if c["name"] == (which or name)]
    return found


def all_containers(result: Environment) -> Iterator[tuple[str, Manifest]]:
    for workload in result.workloads:
        for c in containers(workload):
            yield f"{workload['kind']}/{workload['metadata']['name']}/{c['name']}", c


def secrets(result: Environment) -> dict[str, dict[str, str]]:
    return {
        m["metadata"]["name"]: {key: base64.b64decode(value).decode() for key, value in m["data"].items()}
        for m in result.foundation
        if m["kind"] == "Secret"
    }


def expand(text: str, known: Mapping[str, str]) -> str:
    """As the kubelet does: $$ is an escaped $, and what is not known stays as it is."""
    return re.sub(
        r"\$\$|\$\(([^)]*)\)",
        lambda m: "$" if m[1] is None else known.get(m[1], m[0]),
        text,
    )


def seen(entries: list[Manifest], of: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, str]:
    """What the process in a container finds in its environment: each entry may refer to earlier ones, the last wins."""
    known: dict[str, str] = {}
    for entry in entries:
        source = entry.get("valueFrom", {})
        if "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            known[entry["name"]] = (of or {})[reference["name"]][reference["key"]]
        elif "fieldRef" in source:
            known[entry["name"]] = f"<{source['fieldRef']['fieldPath']}>"
        else:
            known[entry["name"]] = expand(entry["value"], known)
    return known


def environment_of(result: Environment, kind: str, name: str, which: str | None = None) -> dict[str, str]:
    return seen(container(result, kind, name, which).get("env", []), secrets(result))


def waits(c: Manifest) -> dict[str, str]:
    """What a container's launcher waits for."""
    command = c["command"]
    end = command.index("--") if "--" in command else len(command)
    return dict(value.split("=", 1) for flag, value in pairwise(command[:end]) if flag == "--wait")
