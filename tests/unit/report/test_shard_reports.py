"""JUnit and CTRF of one shard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from seatrial_protocol.events import parse_event
from seatrial_runner.report.assembly import Assembly
from seatrial_runner.report.cases import Case
from seatrial_runner.report.ctrf import Ctrf
from seatrial_runner.report.junit import JUnit, legal
from tests.unit.report.rules import ADDED, CTRF, junit_problems
from tests.unit.runner.support import Event, collected, ended, failure, start, whole

NASTY = "<&>\"' ]]> \x00\x1b[31mred\x1b[0m \x0b \ud800 \ufffe \U0001f600 \r\n\ttext"

EVENTS: list[Event] = [
    collected(9, "tests/test_broken.py"),
    *whole("tests/int/test_a.py::test_passed", catalogueId="INT-007", markers=["integration_p0"]),
    start("tests/int/test_a.py::TestX::test_failed[a::b[c]]"),
    failure("tests/int/test_a.py::TestX::test_failed[a::b[c]]", NASTY, stdout=NASTY, stderr="err", log="INFO log"),
    ended("tests/int/test_a.py::TestX::test_failed[a::b[c]]", "failed", catalogueId="INT-020"),
    *whole("tests/int/test_a.py::test_error", "error"),
    start("tests/int/test_a.py::test_skipped"),
    {"t": 101.0, "event": "phase", "id": "tests/int/test_a.py::test_skipped", "when": "setup", "outcome": "skipped",
     "seconds": 0, "message": "not <now>"},
    ended("tests/int/test_a.py::test_skipped", "skipped"),
    start("tests/int/test_a.py::test_xfailed"),
    {"t": 101.0, "event": "phase", "id": "tests/int/test_a.py::test_xfailed", "when": "call", "outcome": "skipped",
     "seconds": 0, "message": "assert 0", "wasxfail": "known bug"},
    ended("tests/int/test_a.py::test_xfailed", "xfailed"),
    *whole("tests/int/test_a.py::test_xpassed", "xpassed"),
    start("tests/int/test_a.py::test_flaky"),
    failure("tests/int/test_a.py::test_flaky", "first try", rerun=True),
    ended("tests/int/test_a.py::test_flaky", "passed", reruns=1),
    start("tests/int/test_a.py::test_both"),
    failure("tests/int/test_a.py::test_both", "in call"),
    failure("tests/int/test_a.py::test_both", "in teardown", when="teardown", stdout="all of it"),
    ended("tests/int/test_a.py::test_both", "failed"),
    start("tests/int/test_a.py::test_running"),
]  # fmt: skip


def cases(events: list[Event]) -> list[Case]:
    assembly = Assembly()
    return [case for event in events for case in assembly.add(parse_event(event))] + assembly.abandon()


def junit(path: Path, *, strict: bool = False) -> ElementTree.Element:
    report = JUnit(str(path), strict=strict)
    for case in cases(EVENTS):
        report.add(case)
    report.close("pr-1234 <1>", 100.0, {"pytest": "8.4.1"})
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return ElementTree.parse(path).getroot()


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> ElementTree.Element:
    root = junit(tmp_path_factory.mktemp("junit") / "junit.xml")
    assert (root.tag, root.get("name")) == ("testsuites", "pr-1234 <1>")
    (suite,) = root
    return suite


@pytest.fixture(scope="module")
def ctrf(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("ctrf") / "ctrf.json"
    report = Ctrf(str(path))
    for case in cases(EVENTS):
        report.add(case)
    report.close(100.0, 200.5, "8.4.1", {"python": "3.13.1"})
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_junit_is_as_specified_but_for_what_readers_want_of_a_test(suite: ElementTree.Element) -> None:
    assert junit_problems(suite, frozenset(ADDED)) == []


def test_strict_junit_is_as_specified(tmp_path: Path) -> None:
    root = junit(tmp_path / "junit.xml", strict=True)
    assert junit_problems(root) == []
    ids = {p.get("name"): p.get("value") for p in root.findall("testsuite/properties/property")}
    assert ids["catalogueId tests/int/test_a.py::test_passed"] == "INT-007"


def test_junit_counts_agree_with_its_cases(suite: ElementTree.Element) -> None:
    tags = [child.tag for case in suite.iter("testcase") for child in case]
    assert suite.get("tests") == str(len(list(suite.iter("testcase")))) == "10"
    assert (suite.get("failures"), tags.count("failure")) == ("2", 2)
    assert (suite.get("errors"), tags.count("error")) == ("3", 3)
    assert (suite.get("skipped"), tags.count("skipped")) == ("2", 2)
    assert suite.get("time") == "4.000"
    assert suite.get("timestamp") == "1970-01-01T00:01:40.000+00:00"


@pytest.mark.parametrize(
    ("name", "classname", "inside"),
    [
        ("test_passed", "tests.int.test_a", ["properties"]),
        ("test_failed[a::b[c]]", "tests.int.test_a.TestX", ["properties", "failure", "system-out", "system-err"]),
        ("test_error", "tests.int.test_a", ["error"]),
        ("test_skipped", "tests.int.test_a", ["skipped"]),
        ("test_xfailed", "tests.int.test_a", ["skipped"]),
        ("test_xpassed", "tests.int.test_a", []),
        ("test_flaky", "tests.int.test_a", ["properties", "flakyFailure"]),
        ("test_both", "tests.int.test_a", ["failure", "system-out"]),
        ("test_running", "tests.int.test_a", ["error"]),
        ("tests/test_broken.py", "", ["error"]),
    ],
)
def test_junit_case(suite: ElementTree.Element, name: str, classname: str, inside: list[str]) -> None:
    (case,) = [case for case in suite.iter("testcase") if case.get("name") == name]
    assert case.get("classname") == classname
    assert [child.tag for child in case] == inside


def test_junit_shows_file_line_time_and_catalogue_id(suite: ElementTree.Element) -> None:
    (case,) = suite.findall("testcase[@name='test_passed']")
    assert (case.get("file"), case.get("line"), case.get("time")) == ("tests/int/test_a.py", "7", "0.500")
    assert [(p.get("name"), p.get("value")) for p in case.iter("property")] == [("catalogueId", "INT-007")]


def test_junit_shows_the_failures_of_a_flaky_test(suite: ElementTree.Element) -> None:
    (first,) = suite.findall("testcase[@name='test_flaky']/flakyFailure")
    assert (first.get("message"), first.findtext("stackTrace")) == ("first try", "E   first try")


def test_junit_messages(suite: ElementTree.Element) -> None:
    def element(name: str, tag: str) -> ElementTree.Element:
        (found,) = suite.findall(f"testcase[@name='{name}']/{tag}")
        return found

    legal_nasty = "<&>\"' ]]> #x00red #x0B #xD800 #xFFFE \U0001f600 \r\n\ttext"
    failed = element("test_failed[a::b[c]]", "failure")
    assert failed.get("message") == legal_nasty
    assert failed.text == f"E   {legal_nasty}"
    assert element("test_failed[a::b[c]]", "system-out").text == f"{legal_nasty}\n--- log ---\nINFO log"
    assert element("test_skipped", "skipped").get("message") == "not <now>"
    assert element("test_xfailed", "skipped").get("message") == "known bug"
    assert element("test_both", "failure").get("message") == "in call"
    assert element("test_both", "failure").text == "--- call ---\nE   in call\n\n--- teardown ---\nE   in teardown"
    assert "did not finish" in str(element("test_running", "error").get("message"))


@pytest.mark.parametrize("code", [*range(0x20), 0x7F, 0x85, 0x2028, 0xD800, 0xDFFF, 0xFFFD, 0xFFFE, 0xFFFF, 0x10FFFF])
def test_every_character_becomes_legal_xml(code: int) -> None:
    text = legal(f"a{chr(code)}b")
    assert ElementTree.fromstring(f"<a>{text}</a>".encode()).text is not None
    assert text in (f"a{chr(code)}b", f"a#x{code:02X}b")


def test_ctrf_is_as_specified(ctrf: dict[str, Any]) -> None:
    jsonschema.validate(ctrf, CTRF)


def test_ctrf_summary_agrees_with_its_tests(ctrf: dict[str, Any]) -> None:
    summary, tests = ctrf["results"]["summary"], ctrf["results"]["tests"]
    assert summary["tests"] == len(tests) == 10
    for status in ("passed", "failed", "skipped", "pending", "other"):
        assert summary[status] == [test["status"] for test in tests].count(status)
    assert (summary["passed"], summary["failed"], summary["skipped"], summary["flaky"]) == (3, 5, 2, 1)
    assert (summary["start"], summary["stop"]) == (100_000, 200_500)


def test_ctrf_tests(ctrf: dict[str, Any]) -> None:
    tests = {test["extra"]["id"].rpartition("/")[2]: test for test in ctrf["results"]["tests"]}
    passed = tests["test_a.py::test_passed"]
    assert (passed["name"], passed["suite"]) == ("test_passed", ["tests/int/test_a.py"])
    assert (passed["duration"], passed["start"], passed["stop"]) == (500, 101_000, 102_000)
    assert (passed["extra"]["catalogueId"], passed["tags"]) == ("INT-007", ["integration_p0"])
    flaky = tests["test_a.py::test_flaky"]
    assert (flaky["status"], flaky["flaky"], flaky["retries"]) == ("passed", True, 1)
    (attempt,) = flaky["retryAttempts"]
    assert (attempt["attempt"], attempt["status"], attempt["message"]) == (1, "failed", "first try")
    failed = tests["test_a.py::TestX::test_failed[a::b[c]]"]
    assert (failed["status"], failed["rawStatus"]) == ("failed", "failed")
    assert failed["suite"] == ["tests/int/test_a.py", "TestX"]
    assert failed["trace"].startswith("E   <&>")
    assert tests["test_a.py::test_running"]["rawStatus"] == "unfinished"
    assert tests["test_broken.py"]["rawStatus"] == "collection-error"


def test_reports_without_any_test(tmp_path: Path) -> None:
    junit, ctrf = JUnit(str(tmp_path / "junit.xml")), Ctrf(str(tmp_path / "ctrf.json"))
    junit.close("none", 0.0, {})
    ctrf.close(0.0, 0.0, None, {})
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().get("tests") == "0"
    jsonschema.validate(json.loads((tmp_path / "ctrf.json").read_text()), CTRF)
