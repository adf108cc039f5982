"""The REST API over the history: what is asked, and what is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from seatrial import tokens
from tests.unit.archive.support import KEY, UID, Serve, Server

NODE = "tests/test_orders.py::test_int_020[a/b c]"


def events(*outcomes: tuple[str, str]) -> bytes:
    lines: list[dict[str, Any]] = []
    for number, (name, outcome) in enumerate(outcomes):
        lines.append({"t": 1000.0 + number, "event": "start", "id": name})
        if outcome == "failed":
            failed = {"when": "call", "outcome": "failed", "message": "boom", "text": "trace", "stdout": "said"}
            lines.append({"t": 1000.5 + number, "event": "phase", "id": name, **failed})
        lines.append({"t": 1001.0 + number, "event": "end", "id": name, "outcome": outcome, "seconds": 1.0 + number})
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


async def get(server: Server, path: str, **query: Any) -> Any:
    answer = await server.read.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def filled(server: Server) -> None:
    await server.put_record(verdict="Failed", reason="TestsFailed", labels={"team": "shop"}, specHash="one")
    await server.put_record("b", createdAt="2026-05-04T13:00:00Z", namespace="team-b", name="nightly", specHash="one")
    await server.shard().whole({"events.jsonl": events((NODE, "failed"), ("a.py::b", "passed"))})
    await server.shard("b").whole({"events.jsonl": events((NODE, "passed"))})
    await server.caught_up()


async def test_runs_are_listed_and_found(server: Server) -> None:
    await filled(server)
    listed = await get(server, "/v1/runs")
    assert [(run["uid"], run["namespace"], run["verdict"]) for run in listed["runs"]] == [
        ("b", "team-b", None),
        (UID, "team-a", "Failed"),
    ]
    assert (listed["total"], listed["nextCursor"], listed["runs"][1]["tests"]["passed"]) == (2, None, 2)
    first = await get(server, "/v1/runs", limit=1)
    second = await get(server, "/v1/runs", limit=1, cursor=first["nextCursor"])
    assert [run["uid"] for run in second["runs"]] == [UID]
    for query in (
        {"namespace": "team-a"}, {"name": "pr-1234"}, {"verdict": "Failed"}, {"reason": "TestsFailed"}, {"text": "PR-"},
        {"label": "team=shop"}, {"until": "2026-05-04T12:30:00Z"}, {"until": "2026-05-04T12:30:00"}, {"active": False},
    ):  # fmt: skip
        assert [run["uid"] for run in (await get(server, "/v1/runs", **query))["runs"]] == [UID], query
    assert (await get(server, "/v1/runs", since="2026-05-04T12:30:00+00:00"))["runs"][0]["uid"] == "b"


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "limit=x", "limit=-1", "limit=", "since=yesterday", "verdict=Odd", "cursor=x"),
        *("label=team", "label==x"),
    ],
)
async def test_a_wrong_question_is_reported(server: Server, query: str) -> None:
    answer = await server.read.get(f"/v1/runs?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]
    assert answer.json()["hint"]


async def test_a_run_comes_with_its_record_and_what_is_stored_by_now(server: Server) -> None:
    await server.put_record(environment="st-1", spec={"tests": {}}, timeline={"started": "2026-05-04T12:00:01Z"})
    await server.shard(shard=1).put("output.log", b"so far")
    run = await get(server, f"/v1/runs/{UID}")
    assert (run["name"], run["spec"], run["attempts"][0]["environment"]) == ("pr-1234", {"tests": {}}, "st-1")
    assert run["attempts"][0]["timeline"]["started"] == "2026-05-04T12:00:01Z"
    assert [(shard["shard"], shard["complete"]) for shard in run["attempts"][0]["shards"]] == [(1, False)]


async def test_the_tests_of_a_run(server: Server) -> None:
    await filled(server)
    page = await get(server, f"/v1/runs/{UID}/tests")
    assert [(test["id"], test["outcome"]) for test in page["tests"]] == [(NODE, "failed"), ("a.py::b", "passed")]
    page = await get(server, f"/v1/runs/{UID}/tests", order="duration", limit=1)
    assert (page["tests"][0]["id"], page["total"]) == ("a.py::b", 2)
    page = await get(server, f"/v1/runs/{UID}/tests", order="duration", limit=1, cursor=page["nextCursor"])
    assert page["tests"][0]["id"] == NODE
    assert (await get(server, f"/v1/runs/{UID}/tests", outcome="bad"))["total"] == 1
    test = await get(server, f"/v1/runs/{UID}/attempts/1/test", id=NODE)
    assert (test["message"], test["failures"][0]["text"], test["failures"][0]["stdout"]) == ("boom", "trace", "said")
    assert test["startedAt"] == "1970-01-01T00:16:40Z"
    assert (await server.read.get(f"/v1/runs/{UID}/attempts/1/test?id=unknown")).status_code == 404
    assert (await server.read.get(f"/v1/runs/{UID}/tests?order=odd")).status_code == 400


async def test_tests_over_many_runs(server: Server) -> None:
    await filled(server)
    await server.put_record("c", createdAt="2026-05-04T14:00:00Z", specHash="one")
    await server.shard("c").whole({"events.jsonl": events((NODE, "passed"))})
    await server.caught_up()
    history = await get(server, "/v1/tests/history", namespace="team-a", id=NODE)
    assert {point["outcome"] for point in history["points"]} == {"failed", "passed"}
    assert (history["passed"], history["bad"], history["medianSeconds"]) == (1, 1, 1.0)
    flaky = await get(server, "/v1/tests/flaky", since="2026-05-01T00:00:00Z")
    assert [(test["namespace"], test["id"], test["flaked"]) for test in flaky] == [("team-a", NODE, 1)]
    assert await get(server, "/v1/tests/flaky", namespace="team-b", since="2026-05-01T00:00:00Z") == []
    durations = await get(server, "/v1/tests/durations", namespace="team-a")
    assert durations == [{"id": "a.py::b", "seconds": 2.0, "passes": 1}, {"id": NODE, "seconds": 1.0, "passes": 1}]


async def test_the_files_of_a_run(server: Server) -> None:
    await server.shard().whole({"output.log": b"12345", "page.html": b""})
    await server.shard(attempt=2).put("output.log", b"not complete")
    await server.put_record()
    (only,) = (await get(server, f"/v1/runs/{UID}/files"))["sets"]
    assert (only["attempt"], only["shard"], only["path"]) == (1, 0, f"/v1/runs/{UID}/attempts/1/shards/0")
    files = {file["path"]: (file["size"], file["type"]) for file in only["files"]}
    assert files["output.log"] == (5, "text/plain; charset=utf-8")
    assert files["page.html"] == (0, "application/octet-stream")
    assert (await server.read.get(f"{only['path']}/files/output.log")).text == "12345"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "Maybe"}, "verdict"),
        ({"createdAt": "2026-05-04T12:00:00"}, "createdAt"),
        ({"uid": "another"}, "another run"),
        ({"components": [{"name": "a"}]}, "components.0.role"),
    ],
)
async def test_a_wrong_record_is_reported(server: Server, change: dict[str, Any], message: str) -> None:
    answer = await server.put_record(**change) if "uid" not in change else None
    if answer is None:
        headers = {"Authorization": f"Bearer {tokens.feed_token(KEY)}"}
        body = {"uid": "another", "name": "n", "namespace": "n", "createdAt": "2026-05-04T12:00:00Z"}
        answer = await server.read.put(f"/v1/runs/{UID}/record", json=body, headers=headers)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


async def test_only_the_operator_sends_records(server: Server) -> None:
    answer = await server.read.put(f"/v1/runs/{UID}/record", json={})
    assert answer.status_code == 401
    answer = await server.read.put(f"/v1/runs/{UID}/record", json={}, headers={"Authorization": "Bearer x"})
    assert answer.status_code == 403


async def test_results_are_taken_while_the_history_is_away_and_reported_once_it_is_back(
    serve: Serve, tmp_path: Any
) -> None:
    history = tmp_path / "elsewhere" / "history.sqlite"
    async with serve(database=f"sqlite:///{history}") as server:
        answer = await server.read.get("/v1/runs")
        assert (answer.status_code, "can't be used" in answer.json()["error"]) == (503, True)
        assert (await server.read.get("/readyz")).status_code == 200
        digest = await server.shard().whole()
        assert "seatrial_archive_history_pending 1.0" in (await server.read.get("/metrics")).text
        async with server.client() as operator:
            result = await operator.result(UID, 1, 0)
            assert result is not None
            assert result.digest == digest
        history.parent.mkdir()
        await server.caught_up()
        assert (await get(server, "/v1/runs"))["total"] == 1
        assert "seatrial_archive_history_pending 0.0" in (await server.read.get("/metrics")).text


async def test_a_set_that_makes_no_sense_holds_up_no_other(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    await server.evidence("odd").whole({"run.json": b'{"uid": "odd", "attempt": 1, "namespace": 7}'})
    await server.shard().whole()
    await server.caught_up()
    assert [run["uid"] for run in (await get(server, "/v1/runs"))["runs"]] == [UID]
    assert "can't be taken into the history" in caplog.text


async def test_a_lost_history_is_made_again_from_what_is_stored(serve: Serve, settings: Any) -> None:
    async with serve() as server:
        await server.shard().whole({"events.jsonl": events((NODE, "failed"))})
        record = {
            "uid": UID,
            "attempt": 1,
            "name": "pr-1234",
            "namespace": "team-a",
            "createdAt": "2026-05-04T12:00:00Z",
        }
        run = json.dumps(record | {"verdict": "Errored", "reason": "ServiceLost", "phase": "Errored"}).encode()
        await server.evidence().whole({"run.json": run})
        await server.caught_up()
    for file in settings.folder.glob("history.sqlite*"):
        file.unlink()
    async with serve() as server:
        await server.caught_up()
        run = await get(server, f"/v1/runs/{UID}")
        assert (run["reason"], run["attempts"][0]["evidence"] is not None) == ("ServiceLost", True)
        assert (await get(server, f"/v1/runs/{UID}/tests"))["total"] == 1


async def test_a_run_that_is_being_removed_is_gone_for_every_address(server: Server) -> None:
    await filled(server)
    await server.evidence().whole()
    await server.caught_up()
    assert server.archive is not None
    described = await get(server, "/openapi.json")
    of_runs = [path for path, methods in described["paths"].items() if "{uid}" in path and "get" in methods]
    pages = ["/runs/{uid}", *(f"/runs/{{uid}}/{page}" for page in ("tests", "test?id=x", "logs", "again.yaml"))]
    parts = {"uid": UID, "attempt": "1", "shard": "0", "path": "summary.json"}
    asked = [path.format(**parts) for path in (*of_runs, *pages, "/runs/{uid}/files/{attempt}/{shard}/{path}")]
    assert (await server.read.get(f"/v1/runs/{UID}/attempts/1/shards/0/files/summary.json")).status_code == 200
    server.archive.history.keeping.mark_deleted([UID])
    answers = {path: (await server.read.get(path)).status_code for path in asked}
    assert set(answers.values()) == {404}, answers
    assert len(answers) > 15


async def test_the_description_is_a_description_and_names_what_there_is(server: Server) -> None:
    described = await get(server, "/openapi.json")
    assert described["openapi"].startswith("3.1")
    assert {
        "/v1/runs",
        "/v1/runs/{uid}",
        "/v1/runs/{uid}/tests",
        "/v1/tests/flaky",
        "/v1/runs/{uid}/files",
    } <= described["paths"].keys()
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    operations = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(operations) == len(set(operations))
    assert (await server.read.get("/docs")).status_code == 404
