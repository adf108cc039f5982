"""Run, attempt and shard, from the upload to every page, answer and report: two attempts with two shards each."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.unit.archive.support import UID, Serve, Server, record, summary
from tests.unit.runner.support import Event, lines, whole

GATE = {"t": 1_777_896_002.0, "event": "ready"}
TIMELINE = {
    "queued": "2026-05-04T12:00:00Z",
    "started": "2026-05-04T12:00:00.2Z",
    "firstTest": "2026-05-04T12:00:04.5Z",
}


def results(attempt: int, shard: int, *tests: list[Event], counts: dict[str, int], outcome: str) -> dict[str, bytes]:
    body = {"total": len(tests), **counts}
    return {
        "summary.json": summary(attempt=attempt, shard=shard, outcome=outcome, tests=body),
        "events.jsonl": lines([event for test in tests for event in test]),
        "gates.jsonl": json.dumps({**GATE, "name": f"service{shard}"}).encode(),
        f"artifacts/of-{attempt}-{shard}.txt": f"attempt {attempt} shard {shard}".encode(),
    }


@pytest.fixture
async def archive(serve: Serve) -> AsyncIterator[Server]:
    """Attempt 1: t.py::a failed in shard 0. Attempt 2: everything passed; t.py::same ran in both shards."""
    async with serve() as server:
        passed = {"passed": 2}
        for attempt, shard, tests, counts, outcome in (
            (1, 0, [whole("t.py::a", "failed"), whole("t.py::same")], {"failed": 1, "passed": 1}, "failed"),
            (1, 1, [whole("t.py::b"), whole("t.py::same")], passed, "passed"),
            (2, 0, [whole("t.py::a", seconds=3.0), whole("t.py::same", seconds=1.0)], passed, "passed"),
            (2, 1, [whole("t.py::b", seconds=2.0), whole("t.py::same", seconds=4.0)], passed, "passed"),
        ):
            await server.shard(attempt=attempt, shard=shard).whole(
                results(attempt, shard, *tests, counts=counts, outcome=outcome)
            )
        for attempt in (1, 2):
            evidence = {"run.json": record(attempt=attempt), "logs/app.log": f"of attempt {attempt}".encode()}
            await server.evidence(attempt=attempt).whole(evidence)
        await server.caught_up()
        judged: dict[str, Any] = {"timeline": TIMELINE, "phase": "Passed"}
        await server.put_record(
            attempt=1, verdict="Errored", reason="ServiceLost", message="postgres was evicted", **judged
        )
        await server.put_record(attempt=2, verdict="Passed", reason="TestsPassed", message="4 tests passed", **judged)
        yield server


async def page(server: Server, address: str) -> str:
    answer = await server.read.get(address)
    assert answer.status_code == 200, answer.text
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", answer.text)))


async def test_the_api_has_each_attempt_with_its_shards(archive: Server) -> None:
    run = (await archive.read.get(f"/v1/runs/{UID}")).json()
    assert (run["attempt"], run["verdict"], run["tests"]["total"], run["tests"]["failed"]) == (2, "Passed", 4, 0)
    assert [(a["attempt"], a["reason"], [s["shard"] for s in a["shards"]]) for a in run["attempts"]] == [
        (1, "ServiceLost", [0, 1]),
        (2, "TestsPassed", [0, 1]),
    ]
    sets = (await archive.read.get(f"/v1/runs/{UID}/files")).json()["sets"]
    assert [(found["attempt"], found["shard"]) for found in sets] == [
        (1, 0),
        (1, 1),
        (1, None),
        (2, 0),
        (2, 1),
        (2, None),
    ]
    for found in sets:
        for file in found["files"]:
            answer = await archive.read.get(f"{found['path']}/files/{file['path']}")
            assert len(answer.content) == file["size"]


async def test_tests_are_those_of_an_attempt_and_of_a_shard(archive: Server) -> None:
    async def ids(**asked: Any) -> list[tuple[int, int, str]]:
        found = (await archive.read.get(f"/v1/runs/{UID}/tests", params={"order": "id", **asked})).json()["tests"]
        return [(test["attempt"], test["shard"], test["id"]) for test in found]

    assert await ids() == [(2, 0, "t.py::a"), (2, 1, "t.py::b"), (2, 0, "t.py::same"), (2, 1, "t.py::same")]
    assert await ids(shard=1) == [(2, 1, "t.py::b"), (2, 1, "t.py::same")]
    assert await ids(attempt=1, outcome="bad") == [(1, 0, "t.py::a")]
    for shard, seconds in ((0, 1.0), (1, 4.0)):
        asked = {"id": "t.py::same", "shard": shard}
        found = (await archive.read.get(f"/v1/runs/{UID}/attempts/2/test", params=asked)).json()
        assert (found["shard"], found["seconds"]) == (shard, seconds)


async def test_pages_show_the_last_attempt_and_each_other_by_its_number(archive: Server) -> None:
    last = await page(archive, f"/runs/{UID}")
    assert "4 passed" in last
    assert "ServiceLost" in last  # of the other attempt, as a link
    for shown in ("Results of shard 0", "Results of shard 1", "of-2-0.txt", "of-2-1.txt"):
        assert shown in last
    assert "of-1-0.txt" not in last
    first = await page(archive, f"/runs/{UID}?attempt=1")
    assert "1 failed, 3 passed" in first
    assert (
        "This is attempt 1, which ended with ServiceLost: postgres was evicted. The verdict comes from attempt 2."
        in first
    )
    assert "of-1-1.txt" in first
    assert "of-2-0.txt" not in first
    assert (await archive.read.get(f"/runs/{UID}?attempt=3")).status_code == 404


async def test_links_lead_to_attempt_and_shard(archive: Server) -> None:
    body = (await archive.read.get(f"/runs/{UID}")).text
    links = {html.unescape(link) for link in re.findall(r'href="([^"]*)"', body)}
    slowest = f"{UID}/test?attempt=2&shard=1&id=t.py%3A%3Asame"
    assert slowest in links
    assert "4.0 s" in await page(archive, f"/runs/{slowest}")
    assert f"../v1/runs/{UID}/attempts/2/shards/1/files/artifacts/of-2-1.txt" in links
    assert f"{UID}/files/2/1/artifacts/of-2-1.txt" in links
    assert "attempt 2 shard 1" in await page(archive, f"/runs/{UID}/files/2/1/artifacts/of-2-1.txt")
    assert "of attempt 1" in await page(archive, f"/runs/{UID}/files/1/evidence/logs/app.log")
    listed = await page(archive, f"/runs/{UID}/tests?shard=1&order=id")
    assert "2 tests" in listed


async def test_reports_are_of_all_attempts_or_of_one(archive: Server) -> None:
    async def junit(query: str = "") -> list[tuple[str, bool]]:
        root = ElementTree.fromstring((await archive.read.get(f"/v1/runs/{UID}/junit.xml{query}")).content)
        return [(str(case.get("name")), case.find("failure") is None) for case in root.iter("testcase")]

    assert sorted(await junit()) == [("a", True), ("b", True), ("same", True), ("same", True)]
    of_first = await junit("?attempt=1")
    assert ("a", False) in of_first
    assert ("Errored", True) in of_first  # the attempt's own diagnosis: it is an error, not a failure
    report = (await archive.read.get(f"/v1/runs/{UID}/report.json")).json()
    assert (report["run"]["verdict"], report["failedTotal"]) == ("Passed", 0)
    report = (await archive.read.get(f"/v1/runs/{UID}/report.json?attempt=1")).json()
    assert (report["run"]["reason"], report["failedTotal"], report["failed"][0]["shard"]) == ("ServiceLost", 1, 0)
    assert "ServiceLost" in (await archive.read.get(f"/v1/runs/{UID}/summary.md?attempt=1")).text
    tests = (await archive.read.get(f"/v1/runs/{UID}/ctrf.json?attempt=1")).json()["results"]["summary"]
    assert tests["failed"] >= 1
    for name in ("report.json", "junit.xml", "coverage.xml"):
        assert (await archive.read.get(f"/v1/runs/{UID}/{name}?attempt=7")).status_code == 404


async def test_a_run_is_followed_until_each_shard_of_its_last_attempt_has_its_result(serve: Serve) -> None:
    async with serve() as server:
        await server.put_record()
        await server.shard(attempt=1, shard=0).live({"event": "collected", "count": 2})
        await server.shard(attempt=2, shard=0).live({"event": "collected", "count": 1})
        await server.shard(attempt=2, shard=1).live({"event": "collected", "count": 1})
        await server.shard(attempt=2, shard=0).whole()
        seen = []
        async with server.client() as client:
            async for event in client.live(UID):
                seen.append((event.name, event.attempt, event.shard))
                if event.name == "result" and event.shard == 0:
                    await server.shard(attempt=2, shard=1).whole()
        assert seen == [
            ("collected", 1, 0),
            ("collected", 2, 0),
            ("collected", 2, 1),
            ("result", 2, 0),
            ("result", 2, 1),
        ]
