"""`code: {local, mountPath}` in the file of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.cli import run_file
from seatrial.cli.bundle.code import local_folder, with_digest
from seatrial.cli.errors import CliError

RUN = "apiVersion: seatrial.dev/v1alpha1\nkind: IntegrationRun\nmetadata: {name: a}\nspec:\n  tests: {}\n  code: %s\n"


@pytest.mark.parametrize(
    ("code", "folder"),
    [
        ("{local: ., mountPath: /app}", "base"),
        ("{local: ../x}", "base/../x"),
        ("{local: /abs}", "/abs"),
        ("{digest: d}", None),
        ("null", None),
        ("text", None),
    ],
)
def test_the_folder_is_relative_to_the_file(code: str, folder: str | None) -> None:
    found = local_folder(run_file.parse(RUN % code, "run.yaml"), Path("base"))
    assert found == (None if folder is None else Path(folder))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("{local: 1}", "run.yaml:6: spec.code.local: must be the path of a folder"),
        ("{local: ''}", "run.yaml:6: spec.code.local: must be the path of a folder"),
        ("{local: ., digest: d}", "run.yaml:6: spec.code has both local and digest"),
    ],
)
def test_code_that_can_not_be_meant(code: str, message: str) -> None:
    with pytest.raises(CliError, match=message):
        local_folder(run_file.parse(RUN % code, "run.yaml"), Path("base"))


def test_the_digest_takes_its_place() -> None:
    file = run_file.parse(RUN % "{local: ., mountPath: /app, other: 1}", "run.yaml")
    spec = with_digest(file, "sha256:d").run["spec"]
    assert spec == {"tests": {}, "code": {"digest": "sha256:d", "mountPath": "/app", "other": 1}}
    assert file.run["spec"]["code"]["local"] == "."
