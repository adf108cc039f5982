"""`seatrial get`, `cancel` and `delete`."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import Servers

TESTS = {"total": 2, "passed": 1, "failed": 1}


def test_get_one_and_all(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="CleaningUp", verdict="Failed", reason="TestsFailed", tests=TESTS, testsSummary="1/2")
    servers.run("other", "team-a")
    assert seatrial("get", "pr-1") == 0
    assert seatrial.out.startswith("✗ Failed 1/2  1 failed")
    assert seatrial("get") == 0
    assert "pr-1" in seatrial.out
    assert "other" not in seatrial.out
    assert seatrial("get", "-A") == 0
    assert "other" in seatrial.out
    assert seatrial("get", "-n", "empty") == 0
    assert seatrial.out == "no runs in namespace empty\n"


def test_get_for_programs(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="Testing", message="m" * 200, environment="st-pr-1-abcde")
    servers.run("other", "team-a")
    assert seatrial("get", "pr-1", "-o", "json") == 0
    run = json.loads(seatrial.out)
    assert (run["kind"], run["metadata"]["name"], run["status"]["phase"]) == ("IntegrationRun", "pr-1", "Testing")
    assert seatrial("get", "-A", "-o", "yaml") == 0
    listed = yaml.safe_load(seatrial.out)
    assert listed["kind"] == "List"
    assert [(item["kind"], item["metadata"]["name"]) for item in listed["items"]] == [
        ("IntegrationRun", "pr-1"), ("IntegrationRun", "other"),
    ]  # fmt: skip
    assert seatrial("get", "-o", "name") == 0
    assert seatrial.out == "integrationrun.seatrial.dev/pr-1\n"
    assert seatrial("get", "-n", "empty", "-o", "json") == 0
    assert json.loads(seatrial.out)["items"] == []


def test_the_wide_table_cuts_nothing(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="Testing", message="m" * 200, environment="st-pr-1-abcde")
    for arguments in ([], ["pr-1"]):
        assert seatrial("get", *arguments, "-o", "wide") == 0
        head, row = seatrial.out.splitlines()
        assert head.split()[-3:] == ["DURATION", "ENVIRONMENT", "MESSAGE"]
        assert row.split()[-2:] == ["st-pr-1-abcde", "m" * 200]


def test_an_output_that_is_none(seatrial: Command) -> None:
    assert seatrial("get", "-o", "html") == 4
    assert "--output html is not one of json, yaml, name, wide" in seatrial.err


@pytest.mark.parametrize("command", ["get", "wait", "logs", "results", "cancel", "delete"])
def test_a_run_that_is_not_there(seatrial: Command, servers: Servers, command: str) -> None:
    servers.run()
    assert seatrial(command, "pr-11") == 4
    assert seatrial.err.splitlines() == ["seatrial: no run pr-11 in namespace default", "  there is pr-1"]


def test_cancel(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="Testing")
    assert seatrial("cancel", "pr-1") == 0
    assert servers.find("integrationruns", "pr-1")["spec"]["cancel"] is True


def test_a_run_that_is_over_is_not_cancelled(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="CleaningUp", verdict="Passed", reason="TestsPassed")
    assert seatrial("cancel", "pr-1") == 4
    assert "run pr-1 is over already: Passed" in seatrial.err


def test_delete(seatrial: Command, servers: Servers) -> None:
    servers.run()
    assert seatrial("delete", "pr-1", "--wait") == 0
    assert seatrial.out == "run pr-1 and its environment are gone\n"
    assert servers.kube.one("integrationruns", "pr-1", "default") is None


def test_options_may_stand_before_the_command(seatrial: Command, servers: Servers) -> None:
    servers.run(namespace="team-a")
    assert seatrial("-n", "team-a", "get") == 0
    assert "pr-1" in seatrial.out
