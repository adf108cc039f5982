"""The reports over HTTP, made of the history and of stored files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from seatrial.archive.model.errors import ArchiveRuleError, NotFoundError
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.record import parse_record
from seatrial.archive.server.access.routes import readable_run
from seatrial.archive.server.errors import refused
from seatrial.archive.server.history.database import database_url
from seatrial.archive.server.history.history import History
from seatrial.archive.server.history.ingest import rows
from seatrial.archive.server.reports import gather
from seatrial.archive.server.reports.merge import cases
from seatrial.archive.server.reports.routes import router
from tests.unit.report.rules import ADDED, CTRF, junit_problems
from tests.unit.report.samples import BEGAN
from tests.unit.runner.support import Event, lines, whole

UID = "u-1"


class Files:
    """Sets in memory, as the store gives them."""

    def __init__(self) -> None:
        self.files: dict[tuple[SetKey, str], bytes] = {}

    def results(self, uid: str) -> list[Any]:
        found = [(key, body) for (key, path), body in self.files.items() if path == "summary.json" and key.uid == uid]
        return [SimpleNamespace(key=key, summary=json.loads(body)) for key, body in found]

    def read(self, key: SetKey, path: str) -> bytes:
        if (key, path) not in self.files:
            raise NotFoundError(f"{key} has no file {path}")
        return self.files[key, path]

    def chunks(self, key: SetKey, path: str) -> Iterator[bytes]:
        yield self.read(key, path)


class Archive:
    def __init__(self, folder: Path) -> None:
        self.settings = SimpleNamespace(folder=folder)
        (folder / "incoming").mkdir()
        self.history = History(database_url("", folder))
        self.history.migrate()
        self.store = Files()

    def record(self, **more: Any) -> None:
        answer_body = {
            "uid": UID, "name": "pr-1", "namespace": "team-a", "attempt": 1, "createdAt": BEGAN.isoformat(),
            "phase": "Failed", "verdict": "Failed", "reason": "TestsFailed", "message": "1 of 3 tests failed",
        }  # fmt: skip
        self.history.intake.put_record(parse_record(answer_body | more, UID))

    def shard(self, attempt: int, shard: int, *events: list[Event], **more: Any) -> None:
        key = SetKey(UID, attempt, shard)
        run = {"uid": UID, "name": "pr-1", "namespace": "team-a"}
        summary = {
            "run": run,
            "attempt": attempt,
            "shard": shard,
            "outcome": "failed",
            "tests": {"total": 1, "flaky": 0},
            **more,
        }
        self.store.files[key, "summary.json"] = json.dumps(summary).encode()
        if events:
            self.store.files[key, "events.jsonl"] = lines([event for some in events for event in some])
        set_id = self.history.intake.begin_set(key, "sha256:1", BEGAN, 1, summary)
        for tests, texts in rows(
            case for part in gather.parts(self.store, UID) if part.shard == shard for case in cases([part])
        ):
            self.history.intake.add_tests(set_id, tests, texts)
        self.history.intake.end_set(set_id)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path)
    yield made
    made.history.close()


@pytest.fixture
async def client(archive: Archive) -> AsyncIterator[AsyncClient]:
    app = FastAPI(exception_handlers={ArchiveRuleError: refused})
    app.state.archive = archive
    app.include_router(router)

    def may_read(uid: str) -> str:
        if uid == "theirs":
            raise NotFoundError("nothing is kept of run theirs")
        return uid

    app.dependency_overrides[readable_run] = may_read
    async with AsyncClient(transport=ASGITransport(app), base_url="http://archive") as opened:
        yield opened


async def test_the_reports_of_two_shards(archive: Archive, client: AsyncClient) -> None:
    archive.record()
    archive.shard(1, 0, whole("t.py::a", "failed", catalogueId="INT-020"), whole("t.py::b", seconds=3.0))
    archive.shard(1, 1, whole("t.py::c", reruns=1))
    root = ElementTree.fromstring((await client.get("/v1/runs/u-1/junit.xml")).content)
    assert junit_problems(root, frozenset(ADDED)) == []
    assert [case.get("name") for case in root.iter("testcase")] == ["a", "b", "c"]
    strict = ElementTree.fromstring((await client.get("/v1/runs/u-1/junit.xml?strict=true")).content)
    assert junit_problems(strict) == []
    found = (await client.get("/v1/runs/u-1/ctrf.json")).json()
    jsonschema.validate(found, CTRF)
    assert found["results"]["summary"]["tests"] == 3
    answer_body = (await client.get("/v1/runs/u-1/report.json")).json()
    assert answer_body["run"]["name"] == "pr-1"
    assert [(test["id"], test["failures"][0]["text"]) for test in answer_body["failed"]] == [
        ("t.py::a", "E   assert 1 == 2")
    ]
    assert [test["id"] for test in answer_body["flaky"]] == ["t.py::c"]
    assert answer_body["slowest"][0]["id"] == "t.py::b"
    summary = await client.get("/v1/runs/u-1/summary.md")
    assert summary.headers["content-type"] == "text/plain; charset=utf-8"
    assert "## ❌ Failed" in summary.text
    assert "<code>t.py::a</code> (INT-020)" in summary.text
    assert list((archive.settings.folder / "incoming").iterdir()) == []


async def test_the_last_attempt_judges_and_others_are_asked_for(archive: Archive, client: AsyncClient) -> None:
    archive.record(attempt=2)
    archive.shard(1, 0, whole("t.py::a", "failed"), whole("t.py::gone"))
    archive.shard(2, 0, whole("t.py::a"))
    archive.shard(2, 1, whole("t.py::b", "failed"))

    async def outcomes(query: str) -> list[tuple[str, str, bool]]:
        tests = (await client.get(f"/v1/runs/u-1/ctrf.json{query}")).json()["results"]["tests"]
        root = ElementTree.fromstring((await client.get(f"/v1/runs/u-1/junit.xml{query}")).content)
        assert [case.get("name") for case in root.iter("testcase")] == [test["name"] for test in tests]
        return [(test["name"], test["status"], test["flaky"]) for test in tests]

    assert await outcomes("") == [("a", "passed", False), ("b", "failed", False)]
    assert (await outcomes("?attempt=1"))[:2] == [("a", "failed", False), ("gone", "passed", False)]
    assert await outcomes("?attempt=2") == await outcomes("")


async def test_of_a_last_attempt_without_results_nothing_earlier_is_shown(
    archive: Archive, client: AsyncClient
) -> None:
    archive.record()
    archive.shard(1, 0, whole("t.py::a", "failed"))
    archive.record(attempt=2, verdict="Errored", reason="Unschedulable", message="no node has room")
    root = ElementTree.fromstring((await client.get("/v1/runs/u-1/junit.xml")).content)
    assert [case.get("name") for case in root.iter("testcase")] == ["Errored"]
    assert (await client.get("/v1/runs/u-1/report.json")).json()["failed"] == []


def covered(archive: Archive, attempt: int, shard: int, *hits: int) -> bytes:
    lines_of = "".join(f'<line number="{number}" hits="{hit}"/>' for number, hit in enumerate(hits, 1))
    body = (f'<coverage><packages><package name="."><classes><class name="a.py" filename="a.py"><lines>{lines_of}'
            "</lines></class></classes></package></packages></coverage>").encode()  # fmt: skip
    rate = sum(hit > 0 for hit in hits) / len(hits)
    archive.shard(attempt, shard, whole(f"t.py::{shard}"), coverage={"lineRate": rate}, notes=["said once"])
    archive.store.files[SetKey(UID, attempt, shard), "coverage/coverage.xml"] = body
    return body


async def test_coverage_of_one_shard_is_its_own(archive: Archive, client: AsyncClient) -> None:
    archive.record(attempt=2)
    covered(archive, 1, 0, 1, 1, 1)
    body = covered(archive, 2, 0, 1, 0, 0)
    found = await client.get("/v1/runs/u-1/coverage.xml")
    assert (found.content, found.headers["content-type"]) == (body, "application/xml")
    assert found.headers["content-security-policy"].startswith("sandbox")
    answer_body = (await client.get("/v1/runs/u-1/report.json")).json()
    assert answer_body["lineRate"] == pytest.approx(1 / 3)
    assert "Coverage: 33 % of lines" in (await client.get("/v1/runs/u-1/summary.md")).text


def unread(key: SetKey, path: str) -> Iterator[bytes]:
    raise AssertionError(f"{path} of {key} is read once more")


async def test_coverage_of_two_shards_is_merged(archive: Archive, client: AsyncClient) -> None:
    archive.record()
    covered(archive, 1, 0, 1, 0, 0, 2)
    covered(archive, 1, 1, 1, 0, 3, 0)
    archive.shard(1, 2)  # delivered nothing that was measured
    root = ElementTree.fromstring((await client.get("/v1/runs/u-1/coverage.xml")).content)
    assert [line.get("hits") for line in root.iter("line")] == ["2", "0", "3", "2"]
    assert (root.get("line-rate"), root.get("lines-valid"), root.get("lines-covered")) == ("0.75", "4", "3")
    assert (await client.get("/v1/runs/u-1/report.json")).json()["lineRate"] == 0.75
    archive.store.chunks = unread  # type: ignore[method-assign]
    assert (await client.get("/v1/runs/u-1/report.json")).json()["lineRate"] == 0.75
    assert (await client.get("/v1/runs/u-1/summary.md")).text.count("said once") == 1


async def test_coverage_that_can_not_be_merged_is_reported(archive: Archive, client: AsyncClient) -> None:
    archive.record()
    covered(archive, 1, 0, 1)
    covered(archive, 1, 1, 1)
    archive.store.files[SetKey(UID, 1, 1), "coverage/coverage.xml"] = b"<coverage>"
    answer = await client.get("/v1/runs/u-1/coverage.xml")
    assert "can't be read" in answer.json()["error"]
    assert (await client.get("/v1/runs/u-1/report.json")).json()["lineRate"] is None


async def test_no_coverage(archive: Archive, client: AsyncClient) -> None:
    archive.record()
    archive.shard(1, 0, whole("t.py::a"))
    answer = await client.get("/v1/runs/u-1/coverage.xml")
    assert (answer.status_code, answer.json()["error"]) == (404, "no coverage was measured")
    assert "Coverage" not in (await client.get("/v1/runs/u-1/summary.md")).text


async def test_what_the_evidence_says_is_in_every_report(archive: Archive, client: AsyncClient) -> None:
    archive.record(verdict="Errored", reason="AppCrashed", message="orders ended with exit 1")
    hint = {"component": "orders", "file": "logs/orders.log", "line": "ImportError: no module x",
            "title": "a module is missing",
            "advice": "add it", "cause": True, "at": None}  # fmt: skip
    key = SetKey(UID, 1, None)
    archive.store.files[key, "hints.json"] = json.dumps([hint, "nonsense", {"line": 1}]).encode()
    assert [found["line"] for found in (await client.get("/v1/runs/u-1/report.json")).json()["hints"]] == [hint["line"]]
    for report in ("summary.md", "junit.xml", "ctrf.json"):
        text = (await client.get(f"/v1/runs/u-1/{report}")).text
        assert "AppCrashed" in text
        assert hint["line"] in text


async def test_hints_that_are_no_json(archive: Archive, client: AsyncClient) -> None:
    archive.record()
    archive.store.files[SetKey(UID, 1, None), "hints.json"] = b"\xff"
    assert (await client.get("/v1/runs/u-1/report.json")).json()["hints"] == []


async def test_a_shard_whose_pytest_never_began(archive: Archive, client: AsyncClient) -> None:
    archive.record(verdict="Errored", reason="ImageWithoutPytest", message="the image has no pytest")
    archive.shard(1, 0)
    root = ElementTree.fromstring((await client.get("/v1/runs/u-1/junit.xml")).content)
    assert [case.get("name") for case in root.iter("testcase")] == ["Errored"]


@pytest.mark.parametrize("report", ["junit.xml", "ctrf.json", "summary.md", "report.json", "coverage.xml"])
@pytest.mark.parametrize("uid", ["unknown", "theirs"])
async def test_no_such_run(client: AsyncClient, uid: str, report: str) -> None:
    answer = await client.get(f"/v1/runs/{uid}/{report}")
    assert answer.status_code == 404
    assert f"nothing is kept of run {uid}" in answer.json()["error"]
