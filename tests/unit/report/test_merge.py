"""One report of several shards and attempts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from seatrial.archive.model.report import Report
from seatrial.archive.server.reports.merge import Form, Part, cases, write
from tests.unit.report.rules import ADDED, CTRF, junit_problems
from tests.unit.report.samples import HINT, part, report, run
from tests.unit.runner.support import collected, ended, failure, finish, start, whole


def outcomes(*parts: Part) -> list[tuple[str, str, bool]]:
    return [(case.id, case.outcome, case.flaky) for case in cases(parts)]


def junit(path: Path, parts: list[Part], of: Report | None = None, form: Form = "junit") -> ElementTree.Element:
    write(path / "report", form, of or report(), parts)
    assert [file.name for file in path.iterdir()] == ["report"]
    root = ElementTree.parse(path / "report").getroot()
    assert junit_problems(root, frozenset(ADDED if form == "junit" else ())) == []
    return root


def ctrf(path: Path, parts: list[Part], of: Report | None = None) -> dict[str, Any]:
    write(path / "report", "ctrf", of or report(), parts)
    found: dict[str, Any] = json.loads((path / "report").read_text(encoding="utf-8"))
    jsonschema.validate(found, CTRF)
    return found


def test_all_shards_in_order() -> None:
    assert outcomes(part(1, 1, whole("t.py::b")), part(1, 0, whole("t.py::a", "failed"))) == [
        ("t.py::a", "failed", False),
        ("t.py::b", "passed", False),
    ]


def test_a_file_that_no_shard_could_collect_is_reported_once() -> None:
    broken = [collected(0, "t.py")]
    assert outcomes(part(1, 0, broken), part(1, 1, broken)) == [("t.py", "collection-error", False)]


def test_a_file_that_skips_itself_is_listed_once() -> None:
    skips = [
        {"t": 1.0, "event": "collected", "count": 0, "skips": [{"id": "s.py", "message": "no GPU"}], "skipCount": 1}
    ]
    assert outcomes(part(1, 0, skips), part(1, 1, skips)) == [("s.py", "skipped", False)]


def test_a_shard_that_was_killed() -> None:
    killed = part(1, 0, whole("t.py::a"), [start("t.py::b")])
    assert outcomes(killed) == [("t.py::a", "passed", False), ("t.py::b", "unfinished", False)]


def test_nothing_after_the_end_of_the_session_counts() -> None:
    assert outcomes(part(1, 0, whole("t.py::a"), [finish(0)], whole("t.py::forged"))) == [("t.py::a", "passed", False)]


def test_events_that_nobody_understands_are_passed_over() -> None:
    assert outcomes(part(1, 0, [{"event": "end"}, {"no": "event"}], whole("t.py::a"))) == [("t.py::a", "passed", False)]


def test_the_whole_of_a_run(tmp_path: Path) -> None:
    parts = [
        part(1, 0, whole("t.py::a", catalogueId="INT-020"), whole("t.py::b", "failed")),
        part(1, 1, whole("t.py::c", "skipped"), firstTestAt=90.0, endedAt=250.0),
    ]
    root = junit(tmp_path, parts)
    assert (root.get("name"), root.get("tests"), root.get("failures")) == ("pr-1", "3", "1")
    properties = {p.get("name"): p.get("value") for p in root.findall("testsuite/properties/property")}
    assert properties == {
        "run": "pr-1", "namespace": "team-a", "uid": "u-1", "verdict": "Failed", "reason": "TestsFailed",
        "attempts": "1", "shards": "2", "pytest": "8.4.1", "python": "3.13.1",
    }  # fmt: skip
    assert root.findall(".//testcase[@name='a']/properties/property[@value='INT-020']") != []
    found = ctrf(tmp_path, parts)["results"]
    assert {name: found["summary"][name] for name in ("tests", "passed", "failed", "skipped")} == {
        "tests": 3, "passed": 1, "failed": 1, "skipped": 1,
    }  # fmt: skip
    assert (found["summary"]["start"], found["summary"]["stop"]) == (90_000, 250_000)
    assert found["environment"]["extra"]["verdict"] == "Failed"


def test_strict_junit(tmp_path: Path) -> None:
    parts = [part(1, 0, whole("t.py::a", catalogueId="INT-020"), whole("t.py::b", "failed"))]
    root = junit(tmp_path, parts, form="xunit")
    assert root.findall("testsuite/properties/property[@name='catalogueId t.py::a']") != []


@pytest.mark.parametrize(
    ("verdict", "outcome", "shown"),
    [
        ("Passed", "passed", False),
        (None, "passed", False),
        ("Failed", "failed", False),  # the tests say it
        ("Failed", "passed", True),  # pytest's exit status said it
        ("Errored", "passed", True),
        ("Errored", "failed", True),
        ("Cancelled", "passed", True),
    ],
)
def test_who_reads_only_this_file_learns_of_every_bad_run(
    verdict: str | None, outcome: str, shown: bool, tmp_path: Path
) -> None:
    errored = report(run(verdict, "ServiceLost", "postgres: out of memory"), [HINT])
    parts = [part(1, 0, whole("t.py::a", outcome))]
    (*_, last) = junit(tmp_path, parts, errored).iter("testcase")
    assert (last.get("classname") == "seatrial") is shown
    assert (ctrf(tmp_path, parts, errored)["results"]["tests"][-1]["name"] == verdict) is shown
    if shown:
        error = last.find("error")
        assert error is not None
        assert error.get("message") == "ServiceLost: postgres: out of memory"
        assert "logs/orders.log: psycopg.OperationalError" in (error.text or "")


def test_a_run_without_any_result(tmp_path: Path) -> None:
    errored = report(run("Errored", "Unschedulable", "no node has room"))
    assert [case.get("name") for case in junit(tmp_path, [], errored).iter("testcase")] == ["Errored"]
    assert ctrf(tmp_path, [], errored)["results"]["summary"]["failed"] == 1


def test_hostile_output_survives(tmp_path: Path) -> None:
    nasty = "]]> <&>\"' \x00\x1b[31mred\x1b[0m \ud800 \u202e" + "x" * 60_000
    body = [
        start("t.py::a"),
        failure("t.py::a", nasty[:500], text=nasty, stdout=nasty, stderr=nasty, log=nasty),
        ended("t.py::a", "failed"),
    ]
    parts = [Part(1, 0, None, lambda: iter([b"".join(json.dumps(event).encode() + b"\n" for event in body)]))]
    (case,) = junit(tmp_path, parts).iter("testcase")
    assert len(case.findtext("system-out") or "") > 60_000
    assert "]]> <&>" in (case.findtext("failure") or "")
    (test,) = ctrf(tmp_path, parts)["results"]["tests"]
    assert test["message"].startswith("]]> <&>")
