"""From a real pytest to the verdict: what the plugin writes, the reports, the summary and the message."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from seatrial.verdict.diagnosis import Diagnosis
from seatrial.verdict.result import from_result
from seatrial_protocol.identity import RunIdentity
from seatrial_runner.follow import ResultsFollower
from seatrial_runner.report.summary import summarize
from tests.unit import builders as b
from tests.unit.runner.recorded import Recorded
from tests.unit.runner.support import UID, record

pytest_plugins = ["pytester"]

GOOD = "import pytest\n@pytest.mark.parametrize('i', range(6))\ndef test_ok(i): pass\n"
BAD = "import not_there\n"
SKIP = "import pytest\npytest.importorskip('not_there_either')\ndef test_never(): assert False\n"
LIVE = "import pytest\npytest.skip('LIVE_SMOKE is not set', allow_module_level=True)\n"
RED = "def test_red(): assert 0, 'red'\n"
WARNS = "import warnings\ndef test_a(): warnings.warn('old')\ndef test_b(): warnings.warn('older')\n"
XDIST = ("-pxdist", "-n2")


@dataclass(frozen=True)
class Judged:
    """What becomes of a session."""

    summary: dict[str, Any]
    junit: dict[str, int]
    ctrf: dict[str, int]
    diagnosis: Diagnosis


def judged(recorded: Recorded, tmp_path: Path, *args: str, **end: Any) -> Judged:
    """Run pytest and read what it left as the collector and the operator do."""
    result = recorded.rerun(*args)
    (recorded.pytester.path / "exit.json").write_text(json.dumps(record(int(result.ret), **end)))
    follower = ResultsFollower(str(recorded.pytester.path), str(tmp_path), "pr-1", lambda event: None)
    follower.poll()
    follower.end()
    follower.close()
    summary = summarize(follower.facts, RunIdentity(UID, "pr-1", "team-a"), 1, 0).to_json()
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    junit = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    ctrf = json.loads((tmp_path / "ctrf.json").read_text())["results"]["summary"]
    return Judged(summary, junit, ctrf, from_result(b.run(), b.facts(), b.result_from(summary)))


@pytest.mark.parametrize("failing", [0, 1], ids=["good", "one fails"])
@pytest.mark.parametrize("args", [XDIST, ("--continue-on-collection-errors",)], ids=["xdist", "alone"])
def test_collection_errors_and_skipped_files(
    recorded: Recorded, tmp_path: Path, args: tuple[str, ...], failing: int
) -> None:
    recorded.pytester.makepyfile(test_good=GOOD, test_bad=BAD, test_skip=SKIP, **({"test_red": RED} if failing else {}))
    found = judged(recorded, tmp_path, *args)
    counts = found.summary["tests"]
    assert (counts["total"], counts["passed"], counts["failed"], counts["errors"], counts["skipped"]) == (
        8 + failing, 6, failing, 1, 1,
    )  # fmt: skip
    assert found.junit == {"tests": 8 + failing, "failures": failing, "errors": 1, "skipped": 1}
    assert (found.ctrf["passed"], found.ctrf["failed"], found.ctrf["skipped"]) == (6, 1 + failing, 1)
    assert [failure["id"] for failure in found.summary["failures"]] == ["test_bad.py"] + failing * [
        "test_red.py::test_red"
    ]
    assert "test_bad.py: ModuleNotFoundError: No module named 'not_there'" in found.diagnosis.message
    assert found.diagnosis.verdict == "Failed"
    assert "1 error, 6 passed, 1 skipped" in found.diagnosis.message
    assert found.summary["pytestCounts"] == {
        "passed": 6, "error": 1, "skipped": 1, **({"failed": 1} if failing else {}),
    }  # fmt: skip


CASES: dict[str, tuple[dict[str, str], tuple[str, ...], str, str]] = {
    "skipped files": ({"test_plain": "def test_a(): pass\n", "test_skip": SKIP, "test_live": LIVE}, (), "TestsPassed",
                      "1 passed, 2 skipped"),
    "all files skipped": ({"test_live": LIVE}, (), "AllTestsSkipped",
                          "1 skipped, and no other test: test_live.py: LIVE_SMOKE is not set; nothing was tested"),
    "all tests skipped": ({"test_a": "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n"}, (), "AllTestsSkipped",
                          "1 skipped, and no other test; nothing was tested: give the tests what they look for, "
                          "or set spec.tests.allowAllSkipped"),
    "max-warnings": ({"test_w": WARNS}, ("--max-warnings=1",), "TestsFailed",
                     "2 passed; too many warnings: 2, at most 1 are allowed (--max-warnings)"),
    "stopped": ({"test_good": GOOD.replace("pass", "assert i")}, ("-x",), "TestsFailed",
                "1 failed; 5 of 6 never ran (stopping after 1 failures); first: test_good.py::test_ok[0]"),
    "stopped under xdist": ({"test_good": GOOD.replace("pass", "assert 0")}, ("-x", *XDIST), "TestsFailed",
                            "never ran"),
    "exit": ({"conftest": "import pytest\n"
                          "def pytest_configure(): pytest.exit('LICENSE_SERVER is not set', returncode=7)\n",
              "test_a": "def test_a(): pass\n"}, (), "TestProcessDied",
              "ended with status 7: LICENSE_SERVER is not set"),
    "sys.exit": ({"conftest": "import sys\nsys.exit('LICENSE_SERVER is not set')\n"}, (), "TestProcessDied",
                 "pytest ended with status 1 before the first test: LICENSE_SERVER is not set"),
    "deselected": ({"test_a": "def test_a(): pass\n"}, ("-k", "other"), "NoTestsCollected",
                   "all 1 tests were deselected by -k 'other'"),
    "workers": ({"conftest": "import os\nif 'PYTEST_XDIST_WORKER' in os.environ: import not_there\n",
                 "test_a": "def test_a(): pass\n"}, XDIST, "NoTestsCollected",
                "no worker of pytest-xdist could run tests: "),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_message_names_the_cause(recorded: Recorded, tmp_path: Path, name: str) -> None:
    files, args, reason, message = CASES[name]
    recorded.pytester.makepyfile(**files)
    found = judged(recorded, tmp_path, *args)
    assert found.diagnosis.reason == reason
    assert message in found.diagnosis.message


def test_files_without_py(recorded: Recorded, tmp_path: Path) -> None:
    (recorded.pytester.path / "suite").mkdir()
    (recorded.pytester.path / "suite" / "test-content").write_text("def test_it(): pass\n")
    found = judged(recorded, tmp_path, "suite")
    assert found.diagnosis.reason == "NoTestsCollected"
    assert "no file's name matches python_files (test_*.py or *_test.py); there are suite/test-content" in (
        found.diagnosis.message
    )


def test_a_thread_that_stays(recorded: Recorded, tmp_path: Path) -> None:
    recorded.pytester.makepyfile(
        "import threading\nstop = threading.Event()\n"
        "def test_a(): threading.Thread(target=stop.wait, args=(1,), name='grpc-poller').start()\n"
    )
    found = judged(recorded, tmp_path, timedOut=True, signal="SIGKILL")
    assert found.diagnosis.reason == "TestTimeout"
    assert "the tests ended (1 passed)" in found.diagnosis.message
    assert "the thread grpc-poller is no daemon" in found.diagnosis.message


def test_both_counts_are_seen_where_they_differ(recorded: Recorded, tmp_path: Path) -> None:
    recorded.pytester.makepyfile(
        "import pytest\n@pytest.fixture\ndef unclean():\n    yield\n    assert 0\ndef test_a(unclean): assert 0\n"
    )
    found = judged(recorded, tmp_path)
    assert (found.summary["tests"]["failed"], found.summary["tests"]["errors"]) == (1, 0)
    assert found.summary["pytestCounts"] == {"failed": 1, "error": 1}
    (note,) = found.summary["notes"]
    assert "pytest's own line counts 1 failed, 1 error" in note
