"""The schema's rules and lists; what the API server makes of them is in tests/api/test_schema.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from seatrial.api.run import MUTABLE, IntegrationRun
from seatrial.generate.crd import crd
from tests.unit.api.admission import ACCEPTED, BASE, LEASE, REFUSED, REFUSED_CHANGES, RESUMED

SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def parts(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every part of a structural schema, with its path."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from parts(field, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from parts(schema[key], f"{path}[]")


def test_every_rule_has_an_object_that_it_refuses() -> None:
    messages = {rule["message"] for _, part in parts(SCHEMA) for rule in part.get("x-kubernetes-validations", ())}
    refused = {known for _, known in (*REFUSED.values(), *REFUSED_CHANGES.values(), LEASE, RESUMED)}
    assert {message for message in messages if not any(known in message for known in refused)} == set()


def test_a_field_of_the_spec_can_change_or_has_a_rule_against_it() -> None:
    spec = SCHEMA["properties"]["spec"]
    messages = [rule["message"] for rule in spec["x-kubernetes-validations"]]
    fixed = {name for name in spec["properties"] if any(m.startswith(f"spec.{name} can't change") for m in messages)}
    assert set(spec["properties"]) == fixed | set(MUTABLE)


def test_every_list_has_its_type() -> None:
    lists = {path: part["x-kubernetes-list-type"] for path, part in parts(SCHEMA) if part.get("type") == "array"}
    assert {path for path, kind in lists.items() if kind == "map"} == {
        ".spec.services[].env", ".spec.env", ".spec.migrations", ".spec.migrations[].env", ".spec.apps[].env",
        ".spec.tests.env", ".status.conditions", ".spec.tests.source.configMapRef.items",
        ".spec.services[].initSQL.configMapRef.items",
    }  # fmt: skip
    assert {path for path, kind in lists.items() if kind == "set"} == {
        f".spec.services[].{name}" for name in ("databases", "extensions", "buckets", "namespaces", "writable", "after")
    } | {".spec.apps[].after"}


def test_the_words_of_the_status_are_open_but_for_kubernetes_own() -> None:
    closed = {path for path, part in parts(SCHEMA["properties"]["status"]) if "enum" in part}
    assert closed == {".conditions[].status"}


def test_times_of_the_status_are_times_to_the_schema() -> None:
    status = SCHEMA["properties"]["status"]
    times = {path for path, part in parts(status) if part.get("format") == "date-time"}
    timeline = {f".timeline.{name}" for name in status["properties"]["timeline"]["properties"]}
    assert times == {".expiresAt", ".conditions[].lastTransitionTime", *timeline}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_the_schema_accepts_the_models_read(spec: dict[str, Any]) -> None:
    IntegrationRun.parse({"metadata": {"name": "a"}, "spec": {**BASE, **spec}})


def test_a_status_with_words_of_another_version_is_read_and_written_again() -> None:
    written = {"phase": "Warming", "verdict": "Skipped", "reason": "Other"}
    run = IntegrationRun.parse({"metadata": {"name": "a"}, "spec": BASE, "status": written})
    written_back = run.status.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert {name: written_back[name] for name in written} == written


def test_a_run_of_version_0_1_0_is_read_as_the_api_server_prunes_it() -> None:
    """Its environment is there, so nothing of these fields is needed any more."""
    spec = {
        "services": {
            "postgres": {"initSQL": {}},
            "mail": {"type": "custom", "image": "i", "ports": {"http": 1}, "ready": {}},
        },
        "apps": {"api": {"image": "i", "port": 80, "ready": {}}},
        "tests": {"source": {}},
    }
    run = IntegrationRun.parse({"metadata": {"name": "a"}, "spec": spec, "status": {"phase": "Testing"}})
    assert run.status.phase == "Testing"
