"""The real collector and the real archive together: what one says, the other understands."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

from seatrial import tokens
from seatrial.archive.client.feed import FeedConnected, FeedLive, FeedResult
from seatrial_runner.record_key import record_key
from tests.unit.archive.support import KEY, UID, Server

ROOT = Path(__file__).parents[3]


def lines(path: Path, *events: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps({"t": time.time()} | event) + "\n" for event in events)


def pod(server: Server, folder: Path) -> tuple[Path, Path, dict[str, str]]:
    """The folders of results and artifacts that a collector sees, and its environment."""
    results, artifacts, secrets, own = (folder / name for name in ("results", "artifacts", "tokens", "own"))
    for each in (results, artifacts / "logs", secrets, own):
        each.mkdir(parents=True)
    (secrets / "shard-0").write_text(tokens.upload_token(KEY, UID, 1, 0))
    environment = {
        "SEATRIAL_RUN": "pr-1234",
        "SEATRIAL_RUN_NAMESPACE": "team-a",
        "SEATRIAL_RUN_UID": UID,
        "SEATRIAL_ATTEMPT": "1",
        "JOB_COMPLETION_INDEX": "0",
        "SEATRIAL_ARCHIVE_URL": f"http://127.0.0.1:{server.upload_port}",
        "SEATRIAL_TOKEN_DIR": str(secrets),
        "SEATRIAL_ARTIFACTS": '["logs/**"]',
        "SEATRIAL_RESULTS": str(results),
        "SEATRIAL_ARTIFACTS_DIR": str(artifacts),
        "SEATRIAL_TERMINATION_LOG": str(folder / "termination"),
        "SEATRIAL_OWN_DIR": str(own),
        "PYTHONPATH": str(ROOT / "runner"),
    }
    return results, artifacts, os.environ | environment


def end(results: Path) -> None:
    """As the launcher records the end of a pytest that passed."""
    now = time.time()
    ended = {"exitCode": 0, "signal": None, "timedOut": False, "oomKilled": False, "startedAt": now, "endedAt": now}
    key = record_key(tokens.upload_token(KEY, UID, 1, 0))
    (results / "exit.json").write_text(key + "\n" + json.dumps(ended | {"error": None, "lost": []}))


async def test_the_collector_brings_a_run_to_the_archive(server: Server, tmp_path: Path) -> None:
    results, artifacts, environment = pod(server, tmp_path)
    (artifacts / "logs" / "größe (1).log").write_text("an artifact")
    async with server.client() as client, aclosing(client.feed()) as feed, asyncio.timeout(300):
        assert await anext(feed) == FeedConnected()
        collector = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "seatrial_runner.collect", env=environment
        )
        lines(results / "gates.jsonl", {"event": "ready", "name": "postgres"}, {"event": "open", "seconds": 1.2})
        test = {"id": "test_a.py::test_a"}
        lines(
            results / "events.jsonl",
            {"event": "session", "pytest": "8.4", "python": "3.13.1"},
            {"event": "collected", "count": 1, "deselected": 0, "errors": []},
            {"event": "start"} | test,
            {"event": "phase", "when": "call", "outcome": "passed", "seconds": 0.1} | test,
            {"event": "end", "outcome": "passed", "seconds": 0.1, "catalogueId": None} | test,
        )
        kinds = []
        async for event in feed:
            assert isinstance(event, FeedLive)
            kinds.append(event.event["event"])
            if len(kinds) == 2:
                break
        assert sorted(kinds) == ["open", "start"]  # what the operator acts upon

        lines(results / "events.jsonl", {"event": "finish", "exitStatus": 0})
        (results / "output.log").write_text("1 passed")
        end(results)
        result = await anext(feed)
        assert await collector.wait() == 0
        followed = [event.name async for event in client.live(UID)]
        assert sorted(followed) == sorted(["ready", "open", "session", "collected", "start", "end", "finish", "result"])

        assert isinstance(result, FeedResult)
        assert (result.summary["outcome"], result.summary["complete"]) == ("passed", True)
        assert json.loads((tmp_path / "termination").read_text())["digest"] == result.digest
        stored = await client.result(UID, 1, 0)
        assert stored is not None
        assert (stored.digest, stored.summary) == (result.digest, result.summary)
        artifact = stored.manifest.file("artifacts/logs/größe (1).log")
        assert artifact is not None
        assert (await client.download(UID, 1, 0, artifact, tmp_path)).read_text() == "an artifact"


async def test_no_word_of_the_token_is_where_the_tests_could_read_it(server: Server, tmp_path: Path) -> None:
    results, _, environment = pod(server, tmp_path)
    token = tokens.upload_token(KEY, UID, 1, 0).encode()

    def seen() -> list[Path]:
        places = (path for name in ("results", "artifacts", "own") for path in (tmp_path / name).rglob("*"))
        return [path for path in places if path.is_file() and token in path.read_bytes()]

    async with server.client() as client, aclosing(client.feed()) as feed, asyncio.timeout(300):
        assert await anext(feed) == FeedConnected()
        collector = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "seatrial_runner.collect", env=environment, stderr=asyncio.subprocess.PIPE
        )
        lines(results / "gates.jsonl", {"event": "open", "seconds": 1.2})
        assert isinstance(await anext(feed), FeedLive)  # it has used the token
        assert not seen()
        end(results)
        assert isinstance(await anext(feed), FeedResult)
        _, printed = await collector.communicate()
    assert not seen()
    assert token not in printed + (tmp_path / "termination").read_bytes()


async def test_coverage_goes_from_pytest_to_the_archive(server: Server, tmp_path: Path) -> None:
    results, _, environment = pod(server, tmp_path)
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "test_it.py").write_text("def never():\n    return 1\n\n\ndef test_a():\n    pass\n")
    measuring = {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "SEATRIAL_COVERAGE": str(results / "coverage"),
        "SEATRIAL_EVENTS": str(results / "events.jsonl"),
    }
    foreign = ("SEATRIAL_EVENTS_OWNER", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS", "COVERAGE_RCFILE")
    clean = {name: value for name, value in environment.items() if name not in foreign}
    words = ("-m", "pytest", "-p", "seatrial_runner.plugin", "-p", "no:cacheprovider")
    tester = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=suite, env=clean | measuring)
    assert await tester.wait() == 0
    end(results)
    collector = await asyncio.create_subprocess_exec(sys.executable, "-m", "seatrial_runner.collect", env=environment)
    assert await collector.wait() == 0
    await server.caught_up()
    async with server.client() as client:
        xml = b"".join([piece async for piece in client.report_as(UID, "coverage.xml")])
        assert xml == (results / "coverage" / "coverage.xml").read_bytes()
        report = await client.report(UID)
        stored = await client.result(UID, 1, 0)
    assert report is not None
    assert (report.line_rate, report.notes) == (0.75, ())
    assert stored is not None
    assert stored.manifest.file("coverage/html/index.html") is not None
