"""Every manifest that we show is one that the API server would take, and names only images that we publish."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from seatrial import __version__
from seatrial.api.run import IntegrationRun

ROOT = Path(__file__).resolve().parents[3]
MANIFESTS = sorted((ROOT / "examples").glob("*/*.yaml"))


def runs(text: str) -> list[IntegrationRun]:
    return [IntegrationRun.parse(o) for o in yaml.safe_load_all(text) if o and o["kind"] == "IntegrationRun"]


def images(run: IntegrationRun) -> set[str]:
    users = [*run.spec.migrations, *run.spec.apps.values(), run.spec.tests]
    return {user.image for user in users if user.image}


def test_there_is_a_quickstart() -> None:
    assert ROOT / "examples" / "quickstart" / "quickstart.yaml" in MANIFESTS


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_examples_manifest_is_valid_and_its_images_are_built(path: Path) -> None:
    table = tomllib.loads((ROOT / "tests" / "cluster" / "images" / "images.toml").read_text())
    built = {entry["image"].format(version=__version__) for entry in table.values()}
    found = runs(path.read_text())
    assert found
    for run in found:
        assert images(run) <= built


def test_the_first_run_in_the_charts_notes_is_valid() -> None:
    notes = (ROOT / "charts" / "seatrial" / "templates" / "NOTES.txt").read_text()
    match = re.search(r"<<'EOF'\n(.*?)\nEOF\n", notes, re.DOTALL)
    assert match
    (run,) = runs(match.group(1))
    assert run.metadata.name == "first"
