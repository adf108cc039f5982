from __future__ import annotations

import html
import json
from contextlib import aclosing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from seatrial import tokens
from seatrial.archive.client.feed import FeedConnected, FeedResult
from seatrial_protocol import limits
from tests.unit.archive.support import KEY, UID, Server, manifest, sha256, summary


async def test_a_run_shows_its_attempts_and_what_is_complete(server: Server) -> None:
    digest = await server.shard(attempt=1).whole()
    await server.shard(attempt=2, shard=0).put("output.log", b"so far")
    await server.shard(attempt=2, shard=1).whole()
    run = (await server.read.get(f"/v1/runs/{UID}")).json()
    assert [attempt["attempt"] for attempt in run["attempts"]] == [1, 2]
    first = run["attempts"][0]["shards"][0]
    assert (first["digest"], first["summary"]) == (digest, json.loads(summary()))
    assert [(shard["shard"], shard["complete"]) for shard in run["attempts"][1]["shards"]] == [(0, False), (1, True)]


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/runs/{UID}",
        f"/v1/runs/{UID}/attempts/1/shards/0/manifest",
        f"/v1/runs/{UID}/attempts/1/shards/0/files/a",
        "/v1/nothing",
    ],
)
async def test_what_is_not_there_is_reported(server: Server, path: str) -> None:
    answer = await server.read.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]
    assert answer.json()["hint"]


@pytest.mark.parametrize(
    ("name", "content_type", "disposition"),
    [
        ("summary.json", "application/json", "inline"),
        ("output.log", "text/plain; charset=utf-8", "inline"),
        ("junit.xml", "text/plain; charset=utf-8", "inline"),
        ("shot.png", "image/png", "inline"),
        ("page.html", "application/octet-stream", "attachment"),
        ("image.svg", "application/octet-stream", "attachment"),
        ("noext", "application/octet-stream", "attachment"),
    ],
)
async def test_nothing_of_a_file_can_run_in_a_browser(
    server: Server, name: str, content_type: str, disposition: str
) -> None:
    shard = server.shard()
    await shard.put(name, b"<script>alert(1)</script>")
    answer = await server.read.get(f"{shard.path}/files/{name}")
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Content-Disposition"].startswith(disposition)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_a_part_of_a_file_can_be_asked_for(server: Server) -> None:
    shard = server.shard()
    await shard.put("a.log", b"0123456789")
    answer = await server.read.get(f"{shard.path}/files/a.log", headers={"Range": "bytes=-3"})
    assert (answer.status_code, answer.content) == (206, b"789")


async def test_a_manifest_comes_with_its_digest(server: Server) -> None:
    digest = await server.shard().whole()
    answer = await server.read.get(f"{server.shard().path}/manifest")
    assert answer.headers["Seatrial-Digest"] == digest == f"sha256:{sha256(answer.content)}"


async def test_refusals_are_logged_and_what_is_not_there_yet_is_not(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    await server.read.get(f"{server.shard().path}/manifest")
    await server.shard().whole()
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
    await server.shard(token="wrong").put("a", b"a")
    (record,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert vars(record)["status"] == 403
    assert vars(record)["path"] == f"{server.shard().path}/files/a"
    assert "wrong" not in str(vars(record))


@pytest.mark.parametrize("path", ["/v1/feed", f"/v1/runs/{UID}/live", "/v1/runs", "/metrics"])
async def test_who_asks_for_headers_alone_is_answered_at_once(server: Server, path: str) -> None:
    authorization = {"Authorization": f"Bearer {tokens.feed_token(KEY)}"}
    answer = await server.read.head(path, headers=authorization)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_it_says_whether_it_is_well(server: Server) -> None:
    for client, path in ((server.upload, "/healthz"), (server.read, "/healthz"), (server.read, "/readyz")):
        assert (await client.get(path)).status_code == 200
    (server.folder / "incoming").rename(server.folder / "lost")
    answer = await server.read.get("/readyz")
    assert (answer.status_code, "volume can't be reached" in answer.json()["error"]) == (503, True)
    assert "seatrial_archive_disk_free_bytes NaN" in (await server.read.get("/metrics")).text


async def test_what_could_not_be_read_of_a_result_is_named(server: Server) -> None:
    events = b"""{"t":1,"event":"start","id":"t.py::a"}
{"t":2,"event":"end","id":"t.py::a","outcome":"passed"}
{"t":3,"event":"end","id":"t.py::b","outcome":"passed","seconds":"long"}
{"t":4,"event":
{"t":5,"event":"finish","exitStatus":0}
"""
    wrong = summary(tests={"total": -1})
    await server.put_record()
    await server.shard().whole({"summary.json": wrong, "events.jsonl": events})
    named = "summary.json can't be used: tests.total: not from 0 to 10000000"
    assert (await server.read.get(f"/v1/runs/{UID}")).json()["attempts"][0]["shards"][0]["problems"][0] == named
    await server.caught_up()
    (shard,) = (await server.read.get(f"/v1/runs/{UID}")).json()["attempts"][0]["shards"]
    counted = "2 lines of events could not be read, the first: end event: seconds: expected a number, found text"
    assert (shard["problems"], shard["summary"]) == ([named, counted], json.loads(wrong))
    tests = (await server.read.get(f"/v1/runs/{UID}/tests")).json()["tests"]
    assert [test["id"] for test in tests] == ["t.py::a"]
    for path in (f"/v1/runs/{UID}/summary.md", f"/runs/{UID}", f"/runs/{UID}/tests", f"/v1/runs/{UID}/junit.xml"):
        assert (await server.read.get(path)).status_code == 200, path
    text = html.unescape((await server.read.get(f"/runs/{UID}")).text)
    assert named in text
    assert counted in text
    assert 'outcome="other"} 1.0' in (await server.read.get("/metrics")).text


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"[" * 40 + b"]" * 40, b"1" * 41])
async def test_a_summary_that_no_feed_could_carry_is_refused(server: Server, number: bytes) -> None:
    shard = server.shard()
    body = summary()[:-1] + b', "more": ' + number + b"}"
    assert (await shard.put("summary.json", body)).status_code == 201
    answer = await shard.seal(manifest({"summary.json": body}))
    assert (answer.status_code, "summary.json is wrong" in answer.json()["error"]) == (400, True)


async def test_the_largest_summary_fits_the_feed(server: Server) -> None:
    entries = 9_970
    more = {"more": ["é" * (480_000 // entries)] * entries, "deep": json.loads("[" * 14 + "]" * 14)}
    body = json.dumps(json.loads(summary()) | more, ensure_ascii=False, separators=(",", ":")).encode()
    assert 2**19 < len(body) <= limits.SUMMARY.size
    async with server.client() as client, aclosing(client.feed()) as feed:
        assert await anext(feed) == FeedConnected()
        await server.shard().whole({"summary.json": body})
        result = await anext(feed)
    assert isinstance(result, FeedResult)
    assert result.summary == json.loads(body)


async def test_metrics_count_what_happened(server: Server) -> None:
    shard = server.shard()
    await shard.whole()
    await shard.put("summary.json", summary())
    await shard.put("summary.json", b"other")
    await server.shard(token="wrong").put("a", b"a")
    await server.shard(shard=1).live({"event": "start", "id": "a"})
    await server.shard(shard=2).put("summary.json", summary(shard=2, outcome="<invented>"))
    text = (await server.read.get("/metrics")).text
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    uploads = "seatrial_archive_uploads_total"
    assert values[(uploads, "file", "stored")] == 2
    assert values[(uploads, "file", "unchanged")] == 1
    assert values[(uploads, "file", "conflict")] == 1
    assert values[(uploads, "file", "forbidden")] == 1
    assert values[(uploads, "manifest", "stored")] == 1
    assert values[(uploads, "live", "stored")] == 1
    assert values[("seatrial_archive_stored_bytes_total",)] == len(summary()) + len(
        summary(shard=2, outcome="<invented>")
    )
    assert values[("seatrial_archive_results_total", "passed")] == 1
    assert values[("seatrial_archive_feed_subscribers",)] == 0
    assert 0 < values[("seatrial_archive_disk_free_bytes",)] < values[("seatrial_archive_disk_size_bytes",)]
    assert all(name.startswith(("seatrial_archive_", "process_")) for name, *_ in values)


async def test_outcomes_from_outside_make_no_metrics_of_their_own(server: Server) -> None:
    await server.shard().whole({"summary.json": summary(outcome="<invented>")})
    text = (await server.read.get("/metrics")).text
    assert 'seatrial_archive_results_total{outcome="other"} 1.0' in text
    assert "invented" not in text
