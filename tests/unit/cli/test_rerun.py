"""`seatrial rerun`."""

from __future__ import annotations

import re
from typing import Any

import pytest

from seatrial.cli.errors import CliError
from seatrial.cli.rerun import paths_of
from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import Servers
from tests.unit.runner.support import finish, lines, whole


def new_run(seatrial: Command, servers: Servers) -> dict[str, Any]:
    found = re.search(r"run (\S+) created in namespace default", seatrial.out)
    assert found is not None
    return servers.find("integrationruns", found[1])


def test_all_of_it_again(seatrial: Command, servers: Servers) -> None:
    old = servers.run(phase="Cancelled", verdict="Cancelled")
    labels = {"team": "shop", "kustomize.toolkit.fluxcd.io/name": "x"}
    servers.change({"metadata": {"labels": labels, "annotations": {"note": "n"}}, "spec": {"cancel": True}})
    assert seatrial("rerun", "pr-1") == 0
    run = new_run(seatrial, servers)
    assert run["spec"] == old["spec"]
    assert re.fullmatch("pr-1-[a-z0-9]{5}", run["metadata"]["name"])
    assert run["metadata"]["labels"] == {"team": "shop"}
    assert set(run["metadata"]["annotations"]) == {"seatrial.dev/rerun-of", "seatrial.dev/started-by"}


def test_names_do_not_grow(seatrial: Command, servers: Servers) -> None:
    servers.run()
    assert seatrial("rerun", "pr-1") == 0
    assert seatrial("rerun", new_run(seatrial, servers)["metadata"]["name"]) == 0
    assert re.fullmatch("pr-1-[a-z0-9]{5}", new_run(seatrial, servers)["metadata"]["name"])
    assert seatrial("rerun", "pr-1", "--name", "other") == 0
    assert new_run(seatrial, servers)["metadata"]["name"] == "other"


def test_the_tests_that_went_wrong(seatrial: Command, servers: Servers) -> None:
    events = [
        *whole("tests/test_a.py::test_one", "passed"), *whole("tests/test_a.py::test_two[a b]", "failed"),
        *whole("tests/test_b.py::test_three", "error"), finish(1),
    ]  # fmt: skip
    counts = {"total": 3, "passed": 1, "failed": 1, "errors": 1}
    servers.keep({"events.jsonl": lines(events)}, tests=counts, verdict="Failed", reason="TestsFailed")
    servers.change({"spec": {"tests": {"markers": "m", "paths": ["tests"]}}})
    assert seatrial("rerun", "pr-1", "--failed") == 0
    tests = new_run(seatrial, servers)["spec"]["tests"]
    assert sorted(tests.pop("paths")) == ["tests/test_a.py::test_two[a b]", "tests/test_b.py::test_three"]
    assert tests == {"image": "t"}
    assert "2 of the tests of pr-1 went wrong; only they run" in seatrial.out


def test_none_went_wrong(seatrial: Command, servers: Servers) -> None:
    servers.keep({"events.jsonl": lines([*whole("tests/test_a.py::test_one"), finish(0)])})
    assert seatrial("rerun", "pr-1", "--failed") == 4
    assert "no test of run pr-1 went wrong; it is Passed" in seatrial.err


def test_which_went_wrong_is_not_known(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="Failed", verdict="Failed")
    servers.close_archive()
    assert seatrial("rerun", "pr-1", "--failed") == 3
    assert "which tests of run pr-1 went wrong is not known" in seatrial.err
    assert servers.writes == []


def test_an_unknown_run(seatrial: Command, servers: Servers) -> None:
    servers.run()
    assert seatrial("rerun", "pr-2") == 4
    assert "there is pr-1" in seatrial.err


def test_more_tests_than_a_run_may_name() -> None:
    assert paths_of(["a.py::x", "b.py::y", "a.py::x"]) == ["a.py::x", "b.py::y"]
    assert paths_of([f"f{number % 3}.py::t{number}" for number in range(501)]) == ["f0.py", "f1.py", "f2.py"]
    with pytest.raises(CliError, match="tests in 501 files went wrong"):
        paths_of([f"f{number}.py::t" for number in range(501)])
