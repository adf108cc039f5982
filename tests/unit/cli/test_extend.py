"""`seatrial extend`: how long an environment is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from seatrial.cli.errors import CliError
from seatrial.cli.extend import extension
from seatrial.cli.run import Run
from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import Servers

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)


def run(**status: Any) -> Run:
    return Run.of({"metadata": {"name": "pr-1", "namespace": "default"}, "status": status})


def ended(verdict: str, *, expires: str = "2026-01-01T14:00:00Z") -> Run:
    at = {"verdict": "2026-01-01T11:50:00Z"}
    return run(phase=verdict, verdict=verdict, namespace="st-pr-1", timeline=at, expiresAt=expires)


@pytest.mark.parametrize(
    ("of", "retention"),
    [
        (ended("Passed"), {"passed": "40m"}),
        (ended("Failed"), {"failed": "40m"}),
        (ended("Errored"), {"failed": "40m"}),
        (run(phase="Testing", namespace="st-pr-1"), {"passed": "30m", "failed": "30m"}),
        (run(), {"passed": "30m", "failed": "30m"}),
    ],
)
def test_it_counts_from_now_or_from_a_verdict_that_is_to_come(of: Run, retention: dict[str, str]) -> None:
    assert extension(of, HALF_AN_HOUR, NOON).retention == retention


def test_the_longest_life_stays() -> None:
    text = extension(ended("Failed", expires="2026-01-01T12:10:00Z"), HALF_AN_HOUR, NOON).text
    assert text.endswith("not longer: spec.retention.maxLifetime can't change after creation")
    with pytest.raises(CliError, match="ends now"):
        extension(ended("Failed", expires="2026-01-01T12:00:00Z"), HALF_AN_HOUR, NOON)


def test_the_run_is_changed(seatrial: Command, servers: Servers) -> None:
    now = datetime.now(UTC).isoformat()
    servers.run(environment="st-pr-1", phase="Failed", verdict="Failed", timeline={"verdict": now})
    assert seatrial("extend", "pr-1", "1h") == 0
    assert set(servers.find("integrationruns", "pr-1")["spec"]["retention"]) == {"failed"}
    assert "the environment of run pr-1 is kept until " in seatrial.out


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({"phase": "CleaningUp", "verdict": "Failed", "environment": "st"}, "is being deleted"),
        ({"phase": "Failed", "verdict": "Failed", "environment": "st",
          "conditions": [{"type": "CleanedUp", "status": "True", "reason": "Deleted", "message": "",
                          "lastTransitionTime": "2026-01-01T12:00:00Z"}]}, "is gone"),
        ({"phase": "Errored", "verdict": "Errored", "message": "no such image"}, "has no environment: it is Errored"),
    ],
)  # fmt: skip
def test_an_environment_that_is_not_there(
    seatrial: Command, servers: Servers, status: dict[str, Any], message: str
) -> None:
    servers.run(**status)
    for command in (["extend", "pr-1", "1h"], ["shell", "pr-1"]):
        assert seatrial(*command) == 4
        assert message in seatrial.err
    assert servers.writes == []


def test_what_is_no_time(seatrial: Command) -> None:
    assert seatrial("extend", "pr-1", "soon") == 4
    assert "TIME 'soon' is not a duration" in seatrial.err
