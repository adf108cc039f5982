"""The commands, as a user sees them: what they print, what they do to the cluster, how they end."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from seatrial.archive.client.errors import ArchiveCorruptError, ArchiveRefusedError, ArchiveUnavailableError
from seatrial.archive.model.manifest import Manifest, digest_of
from seatrial.archive.model.report import Report
from seatrial.archive.model.runs import Counts, Evidence, Shard
from seatrial.cli import results
from seatrial.cli.follow import Follower
from seatrial.kube.errors import ForbiddenError, InvalidError, NotFoundError, UnavailableError
from tests.unit.cli.conftest import RUN, Command
from tests.unit.cli.fakes import FakeArchive, FakeCluster, told
from tests.unit.report import samples

File = Callable[..., str]
STARTING = {"phase": "Starting", "namespace": "st-pr-1-abcde"}
TESTS = {"total": 2, "passed": 1, "failed": 1}


def ended(verdict: str = "Passed", reason: str = "TestsPassed", **more: Any) -> dict[str, Any]:
    return {"phase": "CleaningUp", "verdict": verdict, "reason": reason, "message": f"it is {verdict}", **more}


def here(cluster: FakeCluster, name: str = "pr-1", at: str = "default", **status: Any) -> dict[str, Any]:
    return cluster.put({
        "kind": "IntegrationRun", "metadata": {"name": name, "namespace": at},
        "spec": {"services": {"postgres": {}}, "apps": {"web": {}}, "tests": {"image": "t"}}, "status": status,
    })  # fmt: skip


# --- run --------------------------------------------------------------------------------------------------------------


def test_run_creates_and_says_what_can_be_done_next(seatrial: Command, cluster: FakeCluster, file: File) -> None:
    assert seatrial("run", file(), "-n", "team-a", "--set", "spec.tests.markers=a and b") == 0
    assert cluster.find("IntegrationRun", "pr-1", "team-a")["spec"]["tests"] == {"image": "t", "markers": "a and b"}
    assert cluster.calls == ["create strict"]
    assert "run pr-1 created in namespace team-a" in seatrial.out
    assert "seatrial wait pr-1 --namespace team-a" in seatrial.out


def test_run_reads_standard_input(seatrial: Command, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(RUN))
    assert seatrial("run", "-", "--name", "other") == 0
    assert cluster.find("IntegrationRun", "other")


def test_run_with_a_generated_name(seatrial: Command, file: File) -> None:
    assert seatrial("run", file(RUN.replace("name: pr-1", "generateName: pr-"))) == 0
    assert "run pr-x7k2p created" in seatrial.out


def test_what_else_is_in_the_file_is_applied_first(seatrial: Command, cluster: FakeCluster, file: File) -> None:
    seed = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seed}\n"
    assert seatrial("run", file(f"{RUN}---\n{seed}"), "-n", "team-a") == 0
    assert cluster.calls == ["create strict dry", "apply ConfigMap/seed", "create strict"]
    assert cluster.find("ConfigMap", "seed", "team-a")


def test_nothing_is_changed_for_a_run_that_is_refused(seatrial: Command, cluster: FakeCluster, file: File) -> None:
    here(cluster)
    seed = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seed}\n"
    assert seatrial("run", file(f"{seed}---\n{RUN}")) == 4
    assert cluster.calls == ["create strict dry"]


def test_a_run_of_this_name_is_there(seatrial: Command, cluster: FakeCluster, file: File) -> None:
    here(cluster, **ended("Failed"))
    assert seatrial("run", file()) == 4
    assert "a run pr-1 is already there in namespace default (Failed)" in seatrial.err
    for way in ("--replace", "--name OTHER", "generateName", "seatrial delete pr-1"):
        assert way in seatrial.err


def test_replace_deletes_the_old_run(seatrial: Command, cluster: FakeCluster, file: File) -> None:
    old = here(cluster)
    assert seatrial("run", file(), "--replace") == 0
    assert cluster.calls == ["create strict", "delete pr-1", "create strict"]
    assert cluster.find("IntegrationRun", "pr-1")["metadata"]["uid"] != old["metadata"]["uid"]


def test_a_typo_is_told_with_its_line_and_what_was_meant(seatrial: Command, cluster: FakeCluster, file: File) -> None:
    cluster.refuse = [
        InvalidError('strict decoding error: unknown field "spec.tests.markerz"', 400),
        InvalidError("invalid", 422, causes=[("spec.tests.maxFail", 'Invalid value: "string": spec.tests.maxFail in body must be of type integer: "string"')]),
    ]  # fmt: skip
    path = file(RUN.replace("tests: {image: t}", "tests:\n    image: t\n    markerz: a\n    maxFail: x"))
    assert seatrial("run", path) == 4
    assert seatrial.err.splitlines() == [
        f"seatrial: {path} was refused, 2 problems:",
        f"  {path}:8: spec.tests.markerz: unknown field; did you mean markers?",
        f"  {path}:9: spec.tests.maxFail: must be a whole number, not text",
    ]
    assert cluster.calls == ["create strict", "create strict dry"]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (NotFoundError('namespaces "default" not found', 404), 4, "kubectl create namespace default"),
        (NotFoundError("the server could not find the requested resource", 404), 4, "Seatrial is not installed"),
        (ForbiddenError("no", 403), 4, "you may not create runs in namespace default: no"),
        (UnavailableError("the API server gave no answer"), 3, "seatrial: the API server gave no answer"),
        (InvalidError("admission webhook says no", 400), 4, "the run was refused: admission webhook says no"),
    ],
)
def test_a_cluster_that_says_no(
    seatrial: Command, cluster: FakeCluster, file: File, error: Exception, code: int, said: str
) -> None:
    cluster.refuse = [error]  # type: ignore[list-item]
    assert seatrial("run", file()) == code
    assert said in seatrial.err


# --- waiting ----------------------------------------------------------------------------------------------------------


def live(archive: FakeArchive) -> None:
    archive.events = told(
        {"event": "ready", "name": "postgres", "seconds": 0.61},
        {"event": "open", "seconds": 0.7},
        {"event": "collected", "count": 2},
        {"event": "start", "id": "t.py::a"},
        {"event": "end", "id": "t.py::a", "outcome": "passed", "seconds": 0.1},
        {"event": "phase", "id": "t.py::b", "outcome": "failed", "message": "assert 1 == 2"},
        {"event": "end", "id": "t.py::b", "outcome": "failed", "seconds": 0.1},
        {"event": "finish"},
    )


def texts(out: str) -> list[str]:
    """The notes without their times."""
    return [line.split("] ", 1)[1] for line in out.splitlines() if line.startswith("[+")]


def test_wait_shows_what_happens_and_ends_with_the_verdict(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive, file: File
) -> None:
    live(archive)
    failure = {"id": "t.py::b", "message": "assert 1 == 2"}
    cluster.script = [STARTING, ended("Failed", "TestsFailed", tests=TESTS, failures=[failure])]
    cluster.gates = {0: asyncio.Event(), 1: archive.told}
    cluster.gates[0].set()
    assert seatrial("run", file(), "--wait") == 1
    notes = texts(seatrial.out)
    assert sorted(notes) == sorted([
        "· environment st-pr-1-abcde is starting",
        "✓ postgres ready (610 ms)",
        "· everything is ready (700 ms), pytest starts",
        "· 2 tests collected",
        "✗ t.py::b (100 ms): assert 1 == 2",
        "· tests ended: 1 passed, 1 failed",
    ])  # fmt: skip
    assert notes[-4:] == [note for note in notes if note[0] in "·✗" and "environment" not in note]
    assert seatrial.out.endswith("\n✗ Failed 1/2  1 failed  pr-1\n  results and evidence:  seatrial results pr-1\n")


def test_follow_tells_every_test(seatrial: Command, cluster: FakeCluster, archive: FakeArchive, file: File) -> None:
    live(archive)
    cluster.script, cluster.gates = [ended("Failed", "TestsFailed")], {0: archive.told}
    assert seatrial("run", file(), "--follow") == 1
    assert "✓ t.py::a (100 ms)" in texts(seatrial.out)


@pytest.mark.parametrize(
    ("verdict", "reason", "code"),
    [
        ("Passed", "TestsPassed", 0),
        ("Failed", "TestsFailed", 1),
        ("Cancelled", "Cancelled", 2),
        ("Errored", "MigrationFailed", 3),
        ("Errored", "InvalidSpec", 4),
        ("Failed", "NoTestsCollected", 5),
    ],
)
def test_exit_status_of_waiting(
    seatrial: Command, cluster: FakeCluster, file: File, verdict: str, reason: str, code: int
) -> None:
    cluster.script = [STARTING, ended(verdict, reason)]
    assert seatrial("run", file(), "--wait") == code


def test_wait_for_a_run_that_is_there(seatrial: Command, cluster: FakeCluster) -> None:
    here(cluster, **ended())
    assert seatrial("wait", "pr-1") == 0
    assert "✓ Passed" in seatrial.out


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ArchiveRefusedError("the way to the archive is closed: HTTP 403", 403), "you may not read the archive"),
        (ArchiveUnavailableError("no answer"), "no answer"),
    ],
)
def test_without_the_archive_the_status_is_shown(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive, file: File, error: Exception, said: str
) -> None:
    archive.error = error  # type: ignore[assignment]
    cluster.script, cluster.gates = [STARTING, ended()], {0: archive.told}
    assert seatrial("run", file(), "--wait") == 0
    (note,) = [note for note in texts(seatrial.out) if "no live progress" in note]
    assert note.startswith(f"! no live progress, only the run's status: {said}")
    assert "· environment st-pr-1-abcde is starting" in texts(seatrial.out)


def test_a_run_deleted_while_waiting(seatrial: Command, cluster: FakeCluster, file: File) -> None:
    cluster.script = [STARTING, "deleted"]
    assert seatrial("run", file(), "--wait") == 2
    assert "run pr-1 was deleted before it had a verdict" in seatrial.err


def test_waiting_has_a_limit_of_its_own(seatrial: Command, cluster: FakeCluster, file: File) -> None:
    cluster.script = [STARTING]
    assert seatrial("run", file(), "--wait", "--timeout", "10ms") == 124
    assert "the run goes on" in seatrial.err
    assert "seatrial cancel pr-1" in seatrial.err
    assert cluster.find("IntegrationRun", "pr-1")


def test_control_c_leaves_the_run_alone(
    seatrial: Command, cluster: FakeCluster, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = False

    async def until_verdict(self: Follower, limit: float | None = None) -> None:
        nonlocal interrupted
        interrupted = True
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    monkeypatch.setattr(Follower, "until_verdict", until_verdict)
    # a shell that starts the tests in the background has them ignore Control-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert seatrial("run", file(), "--wait") == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert interrupted
    assert "stopped waiting; the run goes on" in seatrial.err
    assert "seatrial cancel pr-1" in seatrial.err
    assert cluster.find("IntegrationRun", "pr-1")["spec"].get("cancel") is None


# --- get, cancel, delete ----------------------------------------------------------------------------------------------


def test_get_one_and_all(seatrial: Command, cluster: FakeCluster) -> None:
    here(cluster, **ended("Failed", "TestsFailed", tests=TESTS, testsSummary="1/2"))
    here(cluster, "other", "team-a")
    assert seatrial("get", "pr-1") == 0
    assert seatrial.out.startswith("✗ Failed 1/2  1 failed")
    assert seatrial("get") == 0
    assert "pr-1" in seatrial.out
    assert "other" not in seatrial.out
    assert seatrial("get", "-A") == 0
    assert "other" in seatrial.out
    assert seatrial("get", "-n", "empty") == 0
    assert seatrial.out == "no runs in namespace empty\n"


@pytest.mark.parametrize("command", ["get", "wait", "logs", "results", "cancel", "delete"])
def test_a_run_that_is_not_there(seatrial: Command, cluster: FakeCluster, command: str) -> None:
    here(cluster)
    assert seatrial(command, "pr-11") == 4
    assert seatrial.err.splitlines() == ["seatrial: no run pr-11 in namespace default", "  there is pr-1"]


def test_cancel(seatrial: Command, cluster: FakeCluster) -> None:
    here(cluster, phase="Testing")
    assert seatrial("cancel", "pr-1") == 0
    assert cluster.find("IntegrationRun", "pr-1")["spec"]["cancel"] is True


def test_a_run_that_is_over_is_not_cancelled(seatrial: Command, cluster: FakeCluster) -> None:
    here(cluster, **ended())
    assert seatrial("cancel", "pr-1") == 4
    assert "run pr-1 is over already: Passed" in seatrial.err


def test_delete(seatrial: Command, cluster: FakeCluster) -> None:
    here(cluster)
    assert seatrial("delete", "pr-1", "--wait") == 0
    assert seatrial.out == "run pr-1 and its environment are gone\n"
    assert not cluster.objects


# --- logs -------------------------------------------------------------------------------------------------------------


def pod(cluster: FakeCluster, name: str, component: str, *containers: str) -> None:
    cluster.put({
        "kind": "Pod", "metadata": {"name": name, "namespace": "st-pr-1-abcde", "labels": {"seatrial.dev/component": component}},
        "spec": {"containers": [{"name": c} for c in containers]},
        "status": {"containerStatuses": [{"state": {"running": {}}} for _ in containers]},
    })  # fmt: skip
    for container in containers:
        cluster.log[(name, container)] = [f"{container} says one", f"{container} says two"]


@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_logs_of_the_tests_are_the_default(seatrial: Command, cluster: FakeCluster, follow: list[str]) -> None:
    here(cluster, phase="Testing", namespace="st-pr-1-abcde")
    pod(cluster, "tests-0", "tests", "tests")
    assert seatrial("logs", "pr-1", *follow) == 0
    assert seatrial.out == "tests says one\ntests says two\n"


def test_logs_of_several_pods_say_whose_they_are(seatrial: Command, cluster: FakeCluster) -> None:
    here(cluster, phase="Testing", namespace="st-pr-1-abcde")
    pod(cluster, "web-1", "web", "web")
    pod(cluster, "web-2", "web", "web")
    assert seatrial("logs", "pr-1", "web") == 0
    assert sorted(seatrial.out.splitlines()) == [
        "web-1 web says one", "web-1 web says two", "web-2 web says one", "web-2 web says two",
    ]  # fmt: skip


def test_logs_of_one_migration_and_of_all(seatrial: Command, cluster: FakeCluster) -> None:
    here(cluster, phase="Testing", namespace="st-pr-1-abcde")["spec"]["migrations"] = [
        {"name": "schema"},
        {"name": "seed"},
    ]
    pod(cluster, "migrations", "migrations", "schema", "seed")
    assert seatrial("logs", "pr-1", "seed") == 0
    assert seatrial.out == "seed says one\nseed says two\n"
    assert seatrial("logs", "pr-1", "migrations") == 0
    assert "schema schema says one" in seatrial.out
    assert "seed seed says two" in seatrial.out


def test_logs_of_what_is_not_there(seatrial: Command, cluster: FakeCluster) -> None:
    here(cluster, phase="Testing", namespace="st-pr-1-abcde")
    assert seatrial("logs", "pr-1", "postgress") == 4
    assert "run pr-1 has no component postgress" in seatrial.err
    assert "there is tests, postgres, web" in seatrial.err


def test_logs_of_an_environment_that_is_gone(seatrial: Command, cluster: FakeCluster) -> None:
    here(cluster, **ended(), namespace="st-pr-1-abcde")
    assert seatrial("logs", "pr-1", "web") == 4
    assert "the environment of run pr-1 is gone" in seatrial.err
    assert "spec.retention.passed" in seatrial.err


def test_logs_without_rights_in_the_environment(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forbidden(*_: object) -> list[Any]:
        raise ForbiddenError("pods is forbidden", 403)

    keep(cluster, archive, {"output.log": b"== 2 passed ==\n"})
    cluster.find("IntegrationRun", "pr-1")["status"]["namespace"] = "st-pr-1-abcde"
    here(cluster, "pr-2", phase="Testing", namespace="st-pr-2-abcde")
    monkeypatch.setattr(cluster, "list", forbidden)
    assert seatrial("logs", "pr-1") == 0  # the archive has it
    assert seatrial.out == "== 2 passed ==\n"
    assert seatrial("logs", "pr-2") == 3
    assert "needs rights in their namespaces; here in st-pr-2-abcde" in seatrial.err


def test_the_output_of_tests_outlives_the_environment(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive
) -> None:
    keep(cluster, archive, {"output.log": b"== 2 passed ==\n"})
    assert seatrial("logs", "pr-1") == 0
    assert seatrial.out == "== 2 passed ==\n"


AT = "2026-01-01T00:00:00.123456789Z "


def test_the_logs_of_components_outlive_the_environment(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive
) -> None:
    keep(cluster, archive, {"output.log": b""})
    cluster.find("IntegrationRun", "pr-1")["status"]["namespace"] = "st-pr-1-abcde"
    cluster.find("IntegrationRun", "pr-1")["spec"] = {
        "services": {"postgres": {}}, "apps": {"web": {}, "worker": {}}, "migrations": [{"name": "schema"}],
    }  # fmt: skip
    logs = {
        "logs/postgres.log": f"# truncated: the first 10 MiB\n{AT}ready\n",
        "logs/web.log": f"{AT}second\n",
        "logs/web.previous.log": f"{AT}first\n",
        "logs/worker.log": "",
        "logs/migrations.schema.log": f"{AT}done\n",
        "logs/tests.log": f"{AT}1 passed\n",
    }
    archive.files = {path: text.encode() for path, text in logs.items()}
    archive.evidence = manifest(archive.files)
    assert seatrial("logs", "pr-1", "postgres") == 0
    assert seatrial.out == "# truncated: the first 10 MiB\nready\n"
    assert seatrial("logs", "pr-1", "web") == 0
    assert seatrial.out == "==> logs/web.previous.log <==\nfirst\n==> logs/web.log <==\nsecond\n"
    for name in ("schema", "migrations"):
        assert seatrial("logs", "pr-1", name) == 0
        assert seatrial.out == "done\n"
    assert seatrial("logs", "pr-1") == 0  # pytest's own output is empty
    assert seatrial.out == "1 passed\n"
    assert seatrial("logs", "pr-1", "worker") == 4
    assert "the environment of run pr-1 is gone, and the archive has no log of worker" in seatrial.err


# --- results ----------------------------------------------------------------------------------------------------------


UID = "0b5c1f9e-6f0a-4a57-9d3e-1f2a3b4c5d6e"


def manifest(files: dict[str, bytes]) -> tuple[str, Manifest]:
    entries = [{"path": p, "size": len(b), "sha256": hashlib.sha256(b).hexdigest()} for p, b in files.items()]
    body = json.dumps({"schema": 1, "run": {"uid": UID}, "files": entries}).encode()
    return digest_of(body), Manifest.model_validate_json(body)


def keep(cluster: FakeCluster, archive: FakeArchive, files: dict[str, bytes], digest: str = "") -> None:
    """A run that is over, and its files in the archive."""
    archive.manifest_ = manifest(files)
    archive.files = dict(files)
    archive.kept = [{
        "uid": UID, "name": "pr-1", "namespace": "default",
        "attempts": [{"attempt": 1, "shards": [{"shard": 0, "complete": True}]}],
    }]  # fmt: skip
    passed = samples.run("Passed", "TestsPassed", uid=UID, namespace="default", tests=Counts(total=2, passed=2))
    archive.told_of = samples.report(passed)
    status = ended(tests={"total": 2, "passed": 2}, results={"digest": digest or archive.manifest_[0]}, attempt=1)
    cluster.put({"kind": "IntegrationRun", "metadata": {"name": "pr-1", "uid": UID}, "spec": {}, "status": status})


FILES = {"junit.xml": b"<testsuites/>", "artifacts/logs/app.log": b"started\n"}


def test_results_are_listed(seatrial: Command, cluster: FakeCluster, archive: FakeArchive) -> None:
    keep(cluster, archive, FILES)
    archive.evidence = manifest({"run.json": b"{}"})
    assert seatrial("results", "pr-1") == 0
    assert seatrial.out.startswith("✓ Passed 2/2")
    assert seatrial.out.splitlines()[-4:] == [
        "  Files",
        "   2 B  attempt-1/evidence/run.json",
        "   8 B  attempt-1/shard-0/artifacts/logs/app.log",
        "  13 B  attempt-1/shard-0/junit.xml",
    ]


def test_coverage_is_told_and_fetched(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive, tmp_path: Path
) -> None:
    files = {"coverage/coverage.xml": b"<coverage/>", **{f"coverage/html/{n:03}.html": b"" for n in range(100)}}
    keep(cluster, archive, FILES | files)
    assert archive.told_of is not None
    summary = {"coverage": {"lineRate": 0.8799}, "notes": ["the plugin reported: a worker\x1b crashed"]}
    shards = (Shard(0, True, "sha256:1", None, summary),)
    run = archive.told_of.run
    assert run.last is not None
    run = replace(run, attempts=(replace(run.last, shards=shards),))
    archive.told_of = replace(archive.told_of, run=run, line_rate=0.8799)
    assert seatrial("results", "pr-1") == 0
    assert "  Coverage  87 % of lines\n  ! the plugin reported: a worker" in seatrial.out
    assert "\x1b" not in seatrial.out
    assert "attempt-1/shard-0/junit.xml" in seatrial.out  # not crowded out by the many files of HTML
    assert seatrial("results", "pr-1", "-o", str(tmp_path / "r")) == 0
    assert (tmp_path / "r" / "coverage.xml").read_text() == f"coverage.xml of {UID}\n"


def test_many_files_are_not_all_listed(seatrial: Command, cluster: FakeCluster, archive: FakeArchive) -> None:
    keep(cluster, archive, {f"artifacts/{n:03}": b"" for n in range(100)})
    assert seatrial("results", "pr-1") == 0
    assert seatrial.out.splitlines()[-1] == "  and 70 files more"


def test_results_are_downloaded(seatrial: Command, cluster: FakeCluster, archive: FakeArchive, tmp_path: Path) -> None:
    keep(cluster, archive, FILES)
    archive.evidence = manifest({"logs/postgres.log": b"ready\n"})
    archive.files["logs/postgres.log"] = b"ready\n"
    folder = tmp_path / "results"
    assert seatrial("results", "pr-1", "-o", str(folder)) == 0
    assert (folder / "attempt-1/shard-0/junit.xml").read_bytes() == b"<testsuites/>"
    assert (folder / "attempt-1/shard-0/artifacts/logs/app.log").read_bytes() == b"started\n"
    assert (folder / "attempt-1/evidence/logs/postgres.log").read_bytes() == b"ready\n"
    for merged in ("junit.xml", "ctrf.json", "summary.md", "report.json"):
        assert (folder / merged).read_text() == f"{merged} of {UID}\n"
    assert f"3 files, 27 B, in {folder}; every digest checked" in seatrial.out
    assert seatrial("results", "pr-1", "-o", str(folder)) == 0  # once more: the same run's folder


@pytest.mark.parametrize(
    ("form", "printed"),
    [
        ("md", "summary.md"),
        ("junit", "junit.xml"),
        ("xunit", "junit.xml?strict=true"),
        ("ctrf", "ctrf.json"),
        ("json", "report.json"),
        ("coverage", "coverage.xml"),
    ],
)
def test_one_report_is_printed(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive, form: str, printed: str
) -> None:
    keep(cluster, archive, FILES)
    assert seatrial("results", "pr-1", "--format", form) == 0
    assert seatrial.out == f"{printed} of {UID}\n"


def test_a_report_that_is_none(seatrial: Command, tmp_path: Path) -> None:
    assert seatrial("results", "pr-1", "--format", "html") == 4
    assert "--format html is not one of md, junit, xunit, ctrf, json" in seatrial.err
    assert seatrial("results", "pr-1", "--format", "md", "-o", str(tmp_path)) == 4
    assert "give one of them" in seatrial.err


@pytest.mark.parametrize("name", ["pr-1", UID])
def test_results_of_a_run_that_is_gone(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive, tmp_path: Path, name: str
) -> None:
    keep(cluster, archive, FILES)
    cluster.objects.clear()
    assert seatrial("results", name, "-o", str(tmp_path / "r")) == 0
    assert seatrial.out.startswith("✓ Passed 2/2  pr-1, 9.3 s")
    assert (tmp_path / "r" / "attempt-1/shard-0/junit.xml").exists()
    assert seatrial("results", name, "--format", "junit") == 0


def test_diagnosis_and_evidence_come_first(seatrial: Command, cluster: FakeCluster, archive: FakeArchive) -> None:
    keep(cluster, archive, FILES)
    cluster.objects.clear()
    errored = samples.run(
        "Errored", "ServiceLost", "postgres: out of memory", uid=UID, namespace="default", tests=Counts()
    )
    archive.told_of = samples.report(errored, [samples.HINT], failed=[samples.failed("t.py::a")])
    assert seatrial("results", "pr-1") == 0
    assert seatrial.out.splitlines()[:5] == [
        "! Errored ServiceLost  pr-1, 9.3 s",
        "  postgres: out of memory",
        "",
        "  What the evidence says",
        "  ! orders: connection refused to postgres (the probable cause)",
    ]
    assert [line for line in seatrial.out.splitlines() if len(line) > 80] == []


def test_evidence_that_is_still_on_its_way_is_waited_for(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(cluster, archive, FILES)
    status = cluster.find("IntegrationRun", "pr-1")["status"]
    status["timeline"] = {"verdict": datetime.now(UTC).isoformat()}
    come = archive.told_of
    assert come is not None
    (attempt,) = come.run.attempts
    evidence = Evidence("sha256:1", samples.BEGAN)
    with_evidence = replace(come, run=replace(come.run, attempts=(replace(attempt, evidence=evidence),)))
    answers = [None, come, replace(with_evidence, hints=(samples.HINT,))]

    async def report(uid: str) -> Report | None:
        return answers.pop(0)

    monkeypatch.setattr(archive, "report", report)
    monkeypatch.setattr(results, "_LOOK_SECONDS", 0.001)
    assert seatrial("results", "pr-1") == 0
    assert answers == []
    assert "What the evidence says" in seatrial.out


def test_a_uid_that_nobody_knows(seatrial: Command) -> None:
    assert seatrial("results", UID) == 4
    assert f"the archive knows no run with the uid {UID}" in seatrial.err


def test_a_run_that_is_gone_and_an_archive_that_is_away(seatrial: Command, archive: FakeArchive) -> None:
    archive.error = ArchiveUnavailableError("no answer")
    assert seatrial("results", "pr-1") == 3
    assert "the cluster has no run pr-1 any more, and the archive can't be asked: no answer" in seatrial.err


def test_results_that_are_not_those_of_the_verdict(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive, tmp_path: Path
) -> None:
    keep(cluster, archive, FILES, digest="sha256:of-something-else")
    assert seatrial("results", "pr-1", "-o", str(tmp_path / "r")) == 3
    assert "the results are not to be trusted" in seatrial.err


def test_a_damaged_file(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def damaged(*_: object) -> Path:
        raise ArchiveCorruptError("junit.xml: 3 bytes came that are not those that the manifest vouches for")

    keep(cluster, archive, FILES)
    monkeypatch.setattr(archive, "download", damaged)
    assert seatrial("results", "pr-1", "-o", str(tmp_path / "r")) == 3
    assert "not to be trusted: junit.xml" in seatrial.err


def test_results_of_a_run_that_goes_on(seatrial: Command, cluster: FakeCluster) -> None:
    here(cluster, phase="Testing")
    assert seatrial("results", "pr-1") == 4
    assert "run pr-1 has no results yet: it is Testing" in seatrial.err


def test_results_without_the_archive(
    seatrial: Command, cluster: FakeCluster, archive: FakeArchive, tmp_path: Path
) -> None:
    keep(cluster, archive, FILES)
    archive.error = ArchiveUnavailableError("no answer")
    assert seatrial("results", "pr-1") == 0  # what the cluster knows
    assert seatrial("results", "pr-1", "-o", str(tmp_path / "r")) == 3
    assert "the results can't be fetched: no answer" in seatrial.err


# --- version and the frame --------------------------------------------------------------------------------------------


def test_version(seatrial: Command, cluster: FakeCluster) -> None:
    cluster.put({
        "kind": "Deployment", "metadata": {"name": "seatrial-operator", "namespace": "seatrial-system"},
        "spec": {"template": {"spec": {"containers": [{"image": "seatrial/operator:0.1.0"}]}}},
        "status": {"readyReplicas": 1},
    })  # fmt: skip
    cluster.groups = {"/apis/seatrial.dev": {"versions": [{"version": "v1alpha1"}]}}
    assert seatrial("version") == 0
    assert seatrial.out.splitlines() == ["seatrial  0.1.0", "operator  0.1.0", "api       seatrial.dev/v1alpha1"]


def test_version_of_a_cluster_without_seatrial(seatrial: Command) -> None:
    assert seatrial("version") == 0
    assert seatrial.out.splitlines()[1:] == ["operator  not installed in seatrial-system", "api       not installed"]


def test_version_without_a_cluster(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = Command(capsys)
    assert command("version", "--kubeconfig", str(tmp_path / "none")) == 0
    assert command.out.splitlines()[0] == "seatrial  0.1.0"
    assert command.out.splitlines()[1].startswith("cluster   no cluster to talk to")


def test_without_a_kubeconfig(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = Command(capsys)
    assert command("get", "--kubeconfig", str(tmp_path / "none")) == 4
    assert f"there is no {tmp_path}/none" in command.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rum"], "No such command 'rum'"),
        (["run"], "Missing argument"),
        (["run", "x.yaml", "--wiat"], "No such option: --wiat"),
        (["run", "/nowhere.yaml"], "can't read /nowhere.yaml: No such file or directory"),
        (["run", "x.yaml", "--wait", "--timeout", "5 minutes"], "'5 minutes' is not a duration"),
        (["run", "x.yaml", "--timeout", "5m"], "--timeout limits waiting"),
    ],
)
def test_wrong_usage_ends_with_4(seatrial: Command, arguments: list[str], said: str) -> None:
    assert seatrial(*arguments) == 4
    assert said in seatrial.err
    assert seatrial.out == ""


def test_options_may_stand_before_the_command(seatrial: Command, cluster: FakeCluster) -> None:
    here(cluster, at="team-a")
    assert seatrial("-n", "team-a", "get") == 0
    assert "pr-1" in seatrial.out


def test_an_instant_answer_loads_nothing_heavy() -> None:
    program = (
        "import sys; from seatrial.cli.main import main; main(['version', '--client']); print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert done.stdout.startswith("seatrial  0.1.0\n")
    assert [name for name in ("'aiohttp'", "'kubernetes'", "'httpx'", "'rich.console'") if name in loaded] == []


def test_help_tells_the_exit_status(seatrial: Command) -> None:
    assert seatrial("--help") == 0
    assert "5 nothing collected" in " ".join(seatrial.out.split())


def test_output_that_nobody_reads_any_more_is_neither_passed_nor_failed(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
import httpx
from contextlib import asynccontextmanager
from seatrial.cli import connect
from seatrial.cli.main import main
from tests.unit.cli.fakes import FakeArchive, FakeCluster

@asynccontextmanager
async def fake(target):
    cluster = FakeCluster(script=[{ended()!r}])
    yield connect.Session(cluster, FakeArchive(), "default", httpx.AsyncHTTPTransport())

connect.connect = fake
sys.exit(main(["run", {str(tmp_path / "run.yaml")!r}, "--wait"]))
"""
    (tmp_path / "run.yaml").write_text(RUN)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, text=True, env=environment, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


# --- archive ----------------------------------------------------------------------------------------------------------


def checked(uid: str, state: str, *problems: str, part: str = "0") -> dict[str, Any]:
    return {"uid": uid, "attempt": 1, "part": part, "state": state, "problems": list(problems)}


def test_a_damaged_archive_is_told_file_by_file(seatrial: Command, archive: FakeArchive) -> None:
    archive.verified = [
        checked("u-1", "whole"),
        checked("u-1", "damaged", "logs/web.log is missing", "run.json has other bytes", part="evidence"),
        checked("u-2", "incomplete"),
    ]
    assert seatrial("archive", "verify") == 1
    assert "run u-1 attempt 1 evidence: logs/web.log is missing; run.json has other bytes" in seatrial.out
    assert "1 set damaged, 1 as they were, 1 set never completed" in seatrial.out


def test_a_whole_archive_is_told_so(seatrial: Command, archive: FakeArchive) -> None:
    archive.kept = [{"uid": "u-1", "name": "pr-1", "namespace": "default"}]
    archive.verified = [checked("u-1", "whole"), checked("u-2", "damaged", "x")]
    assert seatrial("archive", "verify", "--run", "pr-1") == 0
    assert "1 set, all as they were" in seatrial.out
    assert seatrial("archive", "verify", "--run", "unknown") == 4
    assert "the archive knows no run unknown in namespace default" in seatrial.err
