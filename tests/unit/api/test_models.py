"""Durations, names, and the CRD as it is written."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from pydantic import ValidationError

from seatrial.api.names import environment_namespace
from seatrial.api.scalars import format_duration, parse_duration
from seatrial.generate.crd import crd
from seatrial.generate.structural import structural
from tests.unit import builders as b

DURATIONS = {"90s": 90, "5m": 300, "1h30m": 5400, "1h0m1s": 3601, "250ms": 0.25, "0s": 0, "1.5h": 5400}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_durations_are_read(text: str, seconds: float) -> None:
    parsed = parse_duration(text)
    assert parsed == timedelta(seconds=seconds)
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == parsed


@pytest.mark.parametrize("text", ["", "5", "ten minutes", "5 m", "-5m", "5d"])
def test_other_words_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="for example 90s"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["99999999999999h", "9" * 31 + "h", "87600h1ms"])
def test_a_duration_that_no_calendar_holds_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="ten years"):
        b.run({"retention": {"maxLifetime": text}})


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (90, "1m30s"), (3600, "1h"), (0.25, "0.25s"), (7200.5, "2h0.5s")]
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize("name", ["orders", "a" * 253, "pr.1234.x", "x-" * 60 + "x", "9", "o" * 40 + "-" + "p" * 10])
def test_environments_have_a_valid_name_of_their_own(name: str) -> None:
    made = environment_namespace(name, "uid-1", 1)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", made)
    assert len(made) <= 63
    assert made == environment_namespace(name, "uid-1", 1)
    assert len({made, environment_namespace(name, "uid-2", 1), environment_namespace(name, "uid-1", 2)}) == 3


def test_a_status_of_another_version_is_still_read() -> None:
    assert b.run(status={"phase": "Starting", "newField": 1}).status.phase == "Starting"


def test_only_durations_numbers_and_sizes_have_defaults_in_the_schema() -> None:
    spec = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert spec["properties"]["timeouts"]["default"] == {"environment": "5m", "tests": "30m"}
    assert spec["properties"]["retention"]["properties"]["record"]["default"] == "168h"
    assert "default" not in spec["properties"]["env"]


def test_a_shape_without_structural_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="union of 2 types"):
        structural({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {})
