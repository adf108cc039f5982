"""What `seatrial results` asks of a real archive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial.archive.client.client import ArchiveClient
from seatrial.archive.client.errors import ArchiveRefusedError
from tests.unit.archive.support import UID, Server
from tests.unit.runner.support import finish, lines, whole


async def text(client: ArchiveClient, name: str) -> str:
    return b"".join([piece async for piece in client.report_as(UID, name)]).decode()


async def test_a_run_is_found_by_its_name(server: Server) -> None:
    await server.put_record("older", createdAt="2026-05-03T12:00:00Z")
    await server.put_record(UID)
    await server.put_record("elsewhere", namespace="team-b", name="pr a&b")
    async with server.client() as client:
        assert await client.find("team-a", "pr-1234") == UID
        assert await client.find("team-b", "pr a&b") == "elsewhere"
        assert await client.find("team-b", "pr-1234") is None


async def test_reports_files_and_evidence_of_a_run(server: Server, tmp_path: Path) -> None:
    events = lines([*whole("t.py::a", "failed", catalogueId="INT-020"), *whole("t.py::b"), finish(1)])
    hint = {"component": "orders", "file": "logs/orders.log", "line": "boom", "title": "t", "advice": "a", "at": None}
    await server.put_record(phase="Failed", verdict="Failed", reason="TestsFailed", message="1 of 2 tests failed")
    await server.shard().whole({"events.jsonl": events})
    await server.evidence().whole({"hints.json": json.dumps([hint]).encode(), "logs/orders.log": b"boom\n"})
    await server.caught_up()
    async with server.client() as client:
        report = await client.report(UID)
        assert report is not None
        assert (report.run.name, report.run.verdict) == ("pr-1234", "Failed")
        assert [(test.id, test.failures[0].text) for test in report.failed] == [("t.py::a", "E   assert 1 == 2")]
        assert [hint.line for hint in report.hints] == ["boom"]
        assert "INT-020" in await text(client, "junit.xml")
        assert "file=" not in await text(client, "junit.xml?strict=true")
        assert json.loads(await text(client, "ctrf.json"))["results"]["summary"]["tests"] == 2
        assert "<code>t.py::a</code> (INT-020)" in await text(client, "summary.md")
        keys = await client.sets(UID)
        assert [(key.attempt, key.shard) for key in keys] == [(1, 0), (1, None)]
        found = await client.manifest(UID, 1, None)
        assert found is not None
        log = found[1].file("logs/orders.log")
        assert log is not None
        assert (await client.download(UID, 1, None, log, tmp_path)).read_bytes() == b"boom\n"


async def test_a_run_that_nobody_knows(server: Server) -> None:
    async with server.client() as client:
        assert await client.report("unknown") is None
        assert await client.sets("unknown") == []
        with pytest.raises(ArchiveRefusedError, match="nothing is kept of run"):
            await text(client, "junit.xml")
