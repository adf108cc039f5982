"""`seatrial results`: what the archive knows of a run, and its files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from seatrial.archive.model.report import Hint
from seatrial.cli import results
from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import TIMELINE, UID, Servers, stored, until
from tests.unit.report import samples
from tests.unit.runner.support import finish, lines, whole

FILES = {"junit.xml": b"<testsuites/>", "artifacts/logs/app.log": b"started\n"}
HINTS = TypeAdapter(list[Hint]).dump_json([samples.HINT], by_alias=True)
COVERAGE = b"""\
<?xml version="1.0" ?>
<coverage><packages><package name="."><classes><class name="a" filename="a.py"><lines>\
<line number="1" hits="1"/><line number="2" hits="0"/></lines></class></classes></package></packages></coverage>
"""
VITAL = ("attempt-1/shard-0/summary.json", "attempt-1/evidence/run.json")
"""What every set has."""


def test_results_are_listed(seatrial: Command, servers: Servers) -> None:
    servers.keep(FILES, evidence={"logs/postgres.log": b"ready\n"})
    assert seatrial("results", "pr-1") == 0
    assert seatrial.out.startswith("✓ Passed 2/2")
    files = [line.split() for line in seatrial.out.splitlines()[-6:]]
    assert [line for line in files if line[-1] not in VITAL] == [
        ["Files"],
        ["6", "B", "attempt-1/evidence/logs/postgres.log"],
        ["8", "B", "attempt-1/shard-0/artifacts/logs/app.log"],
        ["13", "B", "attempt-1/shard-0/junit.xml"],
    ]


def test_coverage_is_reported_and_fetched(seatrial: Command, servers: Servers, tmp_path: Path) -> None:
    files = {"coverage/coverage.xml": COVERAGE, **{f"coverage/html/{n:03}.html": b"" for n in range(100)}}
    measured = {"coverage": {"lineRate": 0.8799}, "notes": ["the plugin reported: a worker\x1b crashed"]}
    servers.keep(FILES | files, summary=measured)
    assert seatrial("results", "pr-1") == 0
    assert "  Coverage  87 % of lines\n  ! the plugin reported: a worker" in seatrial.out
    assert "\x1b" not in seatrial.out
    assert "attempt-1/shard-0/junit.xml" in seatrial.out  # not crowded out by the many files of HTML
    assert seatrial("results", "pr-1", "-o", str(tmp_path / "r")) == 0
    assert 'filename="a.py"' in (tmp_path / "r" / "coverage.xml").read_text()


@pytest.fixture
def mixed(servers: Servers) -> Servers:
    """Two of three tests went wrong."""
    events = [
        *whole("tests/test_a.py::test_one", "passed"), *whole("tests/test_a.py::test_two[a b]", "failed"),
        *whole("tests/test_b.py::test_three", "failed"), finish(1),
    ]  # fmt: skip
    counts = {"total": 3, "passed": 1, "failed": 2}
    servers.keep({"events.jsonl": lines(events)}, tests=counts, verdict="Failed", reason="TestsFailed")
    return servers


def test_results_for_programs(seatrial: Command, mixed: Servers) -> None:
    for form, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        assert seatrial("results", "pr-1", "-o", form) == 0
        assert (load(seatrial.out)["run"]["name"], load(seatrial.out)["failedTotal"]) == ("pr-1", 2)


def test_names_of_the_tests_that_went_wrong(seatrial: Command, mixed: Servers) -> None:
    assert seatrial("results", UID, "-o", "name") == 0
    assert sorted(seatrial.out.splitlines()) == ["tests/test_a.py::test_two[a b]", "tests/test_b.py::test_three"]


def test_a_table_of_all_tests(seatrial: Command, mixed: Servers) -> None:
    assert seatrial("results", "pr-1", "-o", "wide") == 0
    head, *rows = seatrial.out.splitlines()
    assert head.split() == ["OUTCOME", "TIME", "SHARD", "TEST", "MESSAGE"]
    assert [row.split()[0] for row in rows] == ["failed", "failed", "passed"]
    assert "tests/test_b.py::test_three" in seatrial.out


@pytest.mark.parametrize("form", ["json", "name"])
def test_nothing_for_programs_without_the_archive(seatrial: Command, servers: Servers, form: str) -> None:
    servers.run(phase="Failed", verdict="Failed", reason="TestsFailed")
    servers.close_archive()
    assert seatrial("results", "pr-1", "-o", form) == 3
    assert "the archive knows nothing of run pr-1" in seatrial.err
    assert seatrial.out == ""


def test_many_files_are_not_all_listed(seatrial: Command, servers: Servers) -> None:
    servers.keep({f"artifacts/{n:03}": b"" for n in range(99)})
    assert seatrial("results", "pr-1") == 0
    assert seatrial.out.splitlines()[-1] == "  and 70 files more"


def test_results_are_downloaded(seatrial: Command, servers: Servers, tmp_path: Path) -> None:
    servers.keep(FILES, evidence={"logs/postgres.log": b"ready\n"})
    folder = tmp_path / "results"
    assert seatrial("results", "pr-1", "-o", str(folder)) == 0
    assert (folder / "attempt-1/shard-0/junit.xml").read_bytes() == b"<testsuites/>"
    assert (folder / "attempt-1/shard-0/artifacts/logs/app.log").read_bytes() == b"started\n"
    assert (folder / "attempt-1/evidence/logs/postgres.log").read_bytes() == b"ready\n"
    for merged in ("junit.xml", "ctrf.json", "summary.md", "report.json"):
        assert "pr-1" in (folder / merged).read_text()
    size = 27 + sum(len((folder / path).read_bytes()) for path in VITAL)
    assert f"5 files, {size} B, in {folder}; every digest checked" in seatrial.out
    assert seatrial("results", "pr-1", "-o", str(folder)) == 0  # once more: the same run's folder


@pytest.mark.parametrize(
    ("form", "printed"),
    [
        ("md", "Passed"),
        ("junit", 'file="t.py"'),
        ("xunit", "<testsuite"),
        ("ctrf", '"reportFormat"'),
        ("json", f'"uid":"{UID}"'),
        ("coverage", 'filename="a.py"'),
    ],
)
def test_one_report_is_printed(seatrial: Command, servers: Servers, form: str, printed: str) -> None:
    events = lines([*whole("t.py::a"), *whole("t.py::b"), finish(0)])
    summary = {"coverage": {"lineRate": 0.5}}
    servers.keep({"coverage/coverage.xml": COVERAGE, "events.jsonl": events}, summary=summary)
    assert seatrial("results", "pr-1", "--format", form) == 0
    assert printed in seatrial.out
    assert ('file="' in seatrial.out) is (form == "junit")


def test_a_report_that_is_none(seatrial: Command, tmp_path: Path) -> None:
    assert seatrial("results", "pr-1", "--format", "html") == 4
    assert "--format html is not one of md, junit, xunit, ctrf, json" in seatrial.err
    assert seatrial("results", "pr-1", "--format", "md", "-o", str(tmp_path)) == 4
    assert "give one of them" in seatrial.err


@pytest.mark.parametrize("name", ["pr-1", UID])
def test_results_of_a_run_that_is_gone(seatrial: Command, servers: Servers, tmp_path: Path, name: str) -> None:
    servers.keep(FILES)
    servers.remove()
    assert seatrial("results", name, "-o", str(tmp_path / "r")) == 0
    assert seatrial.out.startswith("✓ Passed 2/2  pr-1, 9.3 s")
    assert (tmp_path / "r" / "attempt-1/shard-0/junit.xml").exists()
    assert seatrial("results", name, "--format", "junit") == 0


def test_diagnosis_and_evidence_come_first(seatrial: Command, servers: Servers) -> None:
    events = lines([*whole("t.py::a", "failed"), finish(1)])
    servers.keep(
        FILES | {"events.jsonl": events}, evidence={"hints.json": HINTS, "logs/orders.log": b"boom\n"}, tests={},
        verdict="Errored", reason="ServiceLost", message="postgres: out of memory",
    )  # fmt: skip
    servers.remove()
    assert seatrial("results", "pr-1") == 0
    assert seatrial.out.splitlines()[:5] == [
        "! Errored ServiceLost  pr-1, 9.3 s",
        "  postgres: out of memory",
        "",
        "  What the evidence says",
        "  ! orders: connection refused to postgres (the probable cause)",
    ]
    assert "t.py::a" in seatrial.out
    assert [line for line in seatrial.out.splitlines() if len(line) > 80] == []


def test_evidence_that_is_still_on_its_way_is_waited_for(
    seatrial: Command, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_LOOK_SECONDS", 0.01)
    status = {"phase": "Errored", "verdict": "Errored", "reason": "ServiceLost", "message": "postgres: out of memory"}
    timeline = TIMELINE | {"verdict": datetime.now(UTC).isoformat()}

    def asked(times: int) -> Any:
        reports = [path for path in servers.asked if path.endswith("/report.json")]
        return len(reports) >= times

    async def archived(run: dict[str, Any]) -> None:
        await until(lambda: asked(2), "asked for a report that is not there yet")
        await servers.record(run, **status, timeline=timeline)
        await until(lambda: asked(4), "asked for a report without evidence")
        await servers.archive.evidence(UID).whole({"hints.json": HINTS, "logs/orders.log": b"boom\n"})
        await servers.archive.caught_up()

    servers.run(uid=UID, **status, timeline=timeline)
    servers.play(archived)
    assert seatrial("results", "pr-1") == 0
    assert "What the evidence says" in seatrial.out


def test_a_uid_that_nobody_knows(seatrial: Command) -> None:
    assert seatrial("results", UID) == 4
    assert f"the archive knows no run with the uid {UID}" in seatrial.err


def test_a_run_that_is_gone_and_an_archive_that_is_away(seatrial: Command, servers: Servers) -> None:
    servers.close_archive()
    assert seatrial("results", "pr-1") == 3
    assert "the cluster has no run pr-1 any more, and the archive can't be asked: " in seatrial.err
    assert "no endpoints available" in seatrial.err


def test_results_that_are_not_those_of_the_verdict(seatrial: Command, servers: Servers, tmp_path: Path) -> None:
    servers.keep(FILES, digest="sha256:of-something-else")
    assert seatrial("results", "pr-1", "-o", str(tmp_path / "r")) == 3
    assert "the results can't be trusted" in seatrial.err


def test_a_damaged_file(seatrial: Command, servers: Servers, tmp_path: Path) -> None:
    servers.keep(FILES)
    stored(servers.archive.folder, "junit.xml").write_bytes(b"<testsuites*>")
    assert seatrial("results", "pr-1", "-o", str(tmp_path / "r")) == 3
    assert "can't be trusted: junit.xml" in seatrial.err
    assert not (tmp_path / "r" / "attempt-1/shard-0/junit.xml").exists()


def test_results_of_a_run_that_goes_on(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="Testing")
    assert seatrial("results", "pr-1") == 4
    assert "run pr-1 has no results yet: it is Testing" in seatrial.err


def test_results_without_the_archive(seatrial: Command, servers: Servers, tmp_path: Path) -> None:
    servers.keep(FILES)
    servers.close_archive()
    assert seatrial("results", "pr-1") == 0  # what the cluster knows
    assert seatrial("results", "pr-1", "-o", str(tmp_path / "r")) == 3
    assert "the results can't be fetched: " in seatrial.err
    assert "no endpoints available" in seatrial.err
