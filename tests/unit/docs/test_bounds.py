"""The table of bounds in docs/operations.md has the numbers of the code."""

from __future__ import annotations

import importlib
import re
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "Mi characters": 2**20}
NUMBER = re.compile(rf"(\d[\d,]*)(?: ({'|'.join(UNITS)}))?")
SCHEMA_BOUNDS = ("maxItems", "maxProperties", "maxLength")


class Row(NamedTuple):
    given: str
    bound: str
    held_by: str
    beyond: str


def rows() -> list[Row]:
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.partition("## What a run may send")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| --- ")]
    cells = [Row(*(cell.strip() for cell in line.strip("|").split(" | "))) for line in lines[1:] if "| | |" not in line]
    assert len(cells) > 30
    return cells


def numbers(text: str) -> list[int]:
    """The numbers of a cell, outside backticks, in their units."""
    plain = re.sub(r"`[^`]*`", "", text)
    return [int(digits.replace(",", "")) * UNITS.get(unit, 1) for digits, unit in NUMBER.findall(plain)]


def of_schema(path: str) -> int:
    """The bound of a field of the resource."""
    crd = yaml.safe_load((ROOT / "crds" / "seatrial.dev_integrationruns.yaml").read_text())
    node: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for part in path.replace("[]", ".[]").split("."):
        key = {"[]": "items", "*": "additionalProperties"}.get(part)
        node = node[key] if key else node["properties"][part]
    (bound,) = (node[name] for name in SCHEMA_BOUNDS if name in node)
    return int(bound)


def of_launcher(place: str) -> int:
    """A default that the launcher's source states as `NAME = NUMBER << SHIFT`."""
    file, _, name = place.partition(":")
    found = re.search(rf"\b{name} = (\d+) << (\d+)", (ROOT / "runner" / file).read_text())
    assert found, place
    return int(found[1]) << int(found[2])


def of_python(path: str) -> Any:
    """A constant, or the default of a field."""
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        return reduce(_attribute, parts[end:], module)
    raise AssertionError(f"{path} is in no module")


def _attribute(owner: Any, name: str) -> Any:
    fields = getattr(owner, "model_fields", {})
    return fields[name].default if name in fields else getattr(owner, name)


def held(place: str) -> Any:
    if place.startswith("spec."):
        return of_schema(place)
    return of_launcher(place) if place.startswith("launch/") else of_python(place)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.given)
def test_a_bound_is_the_one_of_the_code(row: Row) -> None:
    places = [place for place in re.findall(r"`([\w./:*\[\]]+)`", row.held_by) if "." in place]
    values = [held(place) for place in places]
    assert numbers(row.bound) == [value for value in values if isinstance(value, int | float)]
    assert row.held_by, "what holds it is named"
    assert row.beyond, "what happens beyond it is said"
