"""The manifest of each project: what it says, that it would be accepted, and whether it starts as it is."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cel
import jsonschema
import pytest
import yaml

from seatrial.api.run import IntegrationRun
from seatrial.cli.init.findings import Kind
from seatrial.environment.problems import problems
from seatrial.generate import editor
from seatrial.generate.crd import crd
from seatrial.settings import Budget
from tests.unit.cli.init.projects import NAMES, golden, project
from tests.unit.cli.init.record import made

SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
VALIDATOR = jsonschema.Draft7Validator(editor.schema())
STOPPED = {
    "04-task-scheduler-testcontainers": "lacks testcontainers",
    "05-driver-library": "lacks aiomysql, asyncpg",
    "15-monorepo-gateway": "gateway/nginx.conf has no place",
    "17-rag-pgvector-gpu": "LLM_URL reaches the machine itself",
    "20-host-network": "no device of the machine is there",
    "21-mongo-beanie": "mongo-init.js has no place",
    "23-secrets-in-files": "its password is in a secret",
    "26-tox-runner": "a run starts pytest itself",
}
"""Projects whose manifest needs an edit, and why."""


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(golden(name).read_text()))


def with_digest(run: dict[str, Any]) -> dict[str, Any]:
    """The run as `seatrial run` creates it: with the digest of its code."""
    run = copy.deepcopy(run)
    del run["spec"]["code"]["local"]
    run["spec"]["code"]["digest"] = "sha256:" + "0" * 64
    return run


def broken_rules(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    """Messages of the schema's rules that a new object breaks."""
    for rule in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" not in rule["rule"] and not cel.evaluate(rule["rule"], {"self": value}):
            yield f"{path}: {rule['message']}"
    for key, child in value.items() if isinstance(value, dict) else ():
        inner = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
        if isinstance(inner, dict):
            yield from broken_rules(inner, child, f"{path}.{key}")
    for index, child in enumerate(value if isinstance(value, list) else ()):
        yield from broken_rules(schema["items"], child, f"{path}[{index}]")


@pytest.mark.parametrize("name", NAMES)
def test_a_project_gets_this_manifest(name: str, tmp_path: Path) -> None:
    _, text = made(project(name, tmp_path))
    assert text == golden(name).read_text(), "python -m tests.unit.cli.init.record records it anew"


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_accepts_the_manifest(name: str) -> None:
    run = documents(name)[-1]
    VALIDATOR.validate(run)


@pytest.mark.parametrize("name", NAMES)
def test_the_schemas_rules_accept_the_manifest(name: str) -> None:
    run = with_digest(documents(name)[-1])
    assert list(broken_rules(SCHEMA, {"spec": run["spec"]}, "")) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_operator_finds_no_problem_in_the_manifest(name: str) -> None:
    *others, run = documents(name)
    config_maps = {other["metadata"]["name"]: other["data"] for other in others}
    assert problems(IntegrationRun.parse(with_digest(run)), config_maps, Budget()) == ()


@pytest.mark.parametrize("name", NAMES)
def test_whether_a_project_starts_without_an_edit(name: str, tmp_path: Path) -> None:
    found, _ = made(project(name, tmp_path))
    edits = [finding.text for finding in found.findings.found if finding.kind is Kind.EDIT]
    assert [text for text in edits if name not in STOPPED] == []
    if name in STOPPED:
        assert any(STOPPED[name] in text for text in edits), edits


def test_two_thirds_of_the_projects_start_without_an_edit() -> None:
    assert len(NAMES) >= 24
    assert STOPPED.keys() <= set(NAMES)
    assert len(STOPPED) <= len(NAMES) / 3
