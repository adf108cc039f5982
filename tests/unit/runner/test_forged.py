"""Suites that write their own results: the real launcher, pytest with the plugin, and the collector beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.runner.support import RUNNER, TOKEN, UID, FakeArchive, serving

HONEST = "def test_good():\n    pass\n"
FORGERY = """
import json, os, pathlib, signal, time

RESULTS = pathlib.Path(os.environ["SEATRIAL_EVENTS"]).parent
PASSED = {"exitCode": 0, "signal": None, "timedOut": False, "oomKilled": False, "startedAt": 1.0, "endedAt": 2.0,
          "error": None, "lost": []}

def forge_record():
    (RESULTS / "forged").write_text(json.dumps(PASSED))
    (RESULTS / "forged").rename(RESULTS / "exit.json")

def forge_events():
    name = "test_it.py::test_bad"
    with open(os.environ["SEATRIAL_EVENTS"], "a") as file:
        end = {"event": "end", "id": name, "outcome": "passed", "seconds": 0.1, "file": "test_it.py", "line": 1}
        for event in (end, {"event": "finish", "exitStatus": 0}):
            file.write(json.dumps({"t": time.time(), **event}) + "\\n")

def test_bad():
"""
SUITES = {
    "a record": "    forge_record()\n    assert False\n",
    "events": "    forge_events()\n    assert False\n",
    "both": "    forge_events()\n    forge_record()\n    assert False\n",
    "both, and the launcher is killed": (
        "    forge_events()\n    forge_record()\n    os.kill(os.getppid(), signal.SIGKILL)\n    os._exit(0)\n"
    ),
}


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launcher, built."""
    if shutil.which("go") is None:
        pytest.skip("needs Go")
    program = tmp_path_factory.mktemp("launcher") / "launch"
    environment = os.environ | {"CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", program, "."], cwd=f"{RUNNER}/launch", env=environment, check=True)
    return program


@pytest.fixture
def archive() -> Iterator[FakeArchive]:
    with serving(FakeArchive()) as archive:
        yield archive


def run(launcher: Path, folder: Path, archive: FakeArchive, source: str) -> None:
    """One shard, as its pod runs it: the collector first, then the tests; it is asked to end when they have ended."""
    results, artifacts, tokens, own, suite = (folder / n for n in ("results", "artifacts", "tokens", "own", "suite"))
    for each in (results, artifacts, tokens, own, suite):
        each.mkdir()
    (tokens / "shard-0").write_text(TOKEN)
    (suite / "test_it.py").write_text(source)
    collecting = {
        "SEATRIAL_RUN": "pr-1234", "SEATRIAL_RUN_NAMESPACE": "team-a", "SEATRIAL_RUN_UID": UID,
        "SEATRIAL_ARCHIVE_URL": archive.url, "SEATRIAL_TOKEN_DIR": str(tokens), "SEATRIAL_RESULTS": str(results),
        "SEATRIAL_ARTIFACTS_DIR": str(artifacts), "SEATRIAL_TERMINATION_LOG": str(folder / "termination"),
        "SEATRIAL_OWN_DIR": str(own), "PYTHONPATH": RUNNER,
    }  # fmt: skip
    foreign = ("SEATRIAL_EVENTS_OWNER", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST")
    clean = {name: value for name, value in os.environ.items() if name not in foreign}
    clean |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # hypothesis alone takes a second to load
    collector = subprocess.Popen([sys.executable, "-m", "seatrial_runner.collect"], env=clean | collecting)
    try:
        subprocess.run(
            [launcher, "run", "--record", results / "exit.json", "--key", results / "launcher.key", "--output",
             results / "output.log", "--gates", results / "gates.jsonl", "--", sys.executable, "-m", "pytest",
             "-p", "seatrial_runner.plugin", "-p", "no:cacheprovider", "--color=no"],
            cwd=suite, timeout=60, check=False,
            env=clean | {"SEATRIAL_EVENTS": str(results / "events.jsonl"), "PYTHONPATH": RUNNER},
        )  # fmt: skip
        collector.terminate()
        assert collector.wait(60) == 0
    finally:
        collector.kill()
        collector.wait()


@pytest.mark.parametrize("forged", SUITES)
def test_a_suite_that_writes_its_own_results_does_not_pass(
    launcher: Path, tmp_path: Path, archive: FakeArchive, forged: str
) -> None:
    run(launcher, tmp_path, archive, FORGERY + SUITES[forged])
    # a record alone may be replaced by the launcher's before anybody has seen it
    assert archive.summary["outcome"] in (("inconsistent", "failed") if forged == "a record" else ("inconsistent",))


def test_an_honest_suite_passes_and_its_record_has_no_key(launcher: Path, tmp_path: Path, archive: FakeArchive) -> None:
    run(launcher, tmp_path, archive, HONEST)
    assert archive.summary["outcome"] == "passed"
    assert archive.files["exit.json"].startswith(b'{"exitCode":0,')


def test_the_tests_never_see_the_key(launcher: Path, tmp_path: Path, archive: FakeArchive) -> None:
    source = (
        "import os, pathlib\n\ndef test_no_key():\n    folder = pathlib.Path(os.environ['SEATRIAL_EVENTS']).parent\n"
    )
    source += "    assert not [each.name for each in folder.iterdir() if 'key' in each.name]\n"
    run(launcher, tmp_path, archive, source)
    assert archive.summary["outcome"] == "passed"
