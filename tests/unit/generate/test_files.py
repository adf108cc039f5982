"""The files that are made from the models: they are up to date, and each says what the others say."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from seatrial.generate import editor
from seatrial.generate.__main__ import FILES, REPOSITORY
from tests.unit.api.admission import ACCEPTED, BASE, REFUSED

VALIDATOR = jsonschema.Draft7Validator(editor.schema())


def document(spec: dict[str, Any]) -> dict[str, Any]:
    spec = {name: value for name, value in {**BASE, **spec}.items() if value is not None}
    return {
        "apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", "metadata": {"name": "a"}, "spec": spec,
    }  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_those_of_the_models(name: str) -> None:
    assert (REPOSITORY / name).read_text() == FILES[name]()


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(editor.schema())


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_an_editor_accepts_what_the_api_server_accepts(spec: dict[str, Any]) -> None:
    VALIDATOR.validate(document(spec))


@pytest.mark.parametrize(
    "name",
    [
        "no tests", "typo", "typo inside", "unknown type", "migration without command",
        "migration name of 41 characters",
        "duration", "database name", "bucket name", "artifact outside", "option as path", "secret in env", "port",
        "blank before an image", "storage class of no possible name", "quantity", "quantity below zero",
        "database twice",
        "ConfigMap of no possible name",
    ],
)  # fmt: skip
def test_an_editor_refuses_what_a_schema_can_refuse(name: str) -> None:
    assert not VALIDATOR.is_valid(document(REFUSED[name][0]))


@pytest.mark.parametrize(
    "wrong",
    [{"apiVersion": "seatrial.dev/v1"}, {"kind": "IntegrationRuns"}, {"metadata": {}}, {"specs": {}}, {"spec": None}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_editor_looks_at_the_whole_document(wrong: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid({**document({}), **wrong})


def test_other_objects_in_the_same_file_pass() -> None:
    VALIDATOR.validate({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "y"}})


SHOWN = [path for folder in ("examples", "bench") for path in sorted((REPOSITORY / folder).glob("*/*.yaml"))]


@pytest.mark.parametrize(
    "path", [path for path in SHOWN if "kind: IntegrationRun" in path.read_text()], ids=lambda path: path.name
)
def test_what_we_show_names_the_schema_and_keeps_to_it(path: Any) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.partition("=")[2]).resolve() == REPOSITORY / "docs" / "integrationrun.schema.json"
    for shown in yaml.safe_load_all(path.read_text()):
        VALIDATOR.validate(shown)
