from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from seatrial import tokens
from seatrial.archive.model.keys import SetKey
from seatrial.archive.server.live.hub import Hub
from seatrial.archive.server.live.limits import Limits
from seatrial.archive.server.live.messages import messages_of, slim
from seatrial.archive.server.sets.results import CompleteSet
from seatrial_protocol.events import Progress, parse_event
from tests.unit.archive.support import KEY, UID, Serve, Server, summary

SHARD = SetKey(UID, 1, 0)
FEED = {"Authorization": f"Bearer {tokens.feed_token(KEY)}"}


def result(key: SetKey = SHARD) -> CompleteSet:
    return CompleteSet(key, "sha256:1", json.loads(summary(key.uid, key.attempt, key.shard)), 0.0)


async def sent(hub: Hub, uid: str = UID, last_id: str | None = None) -> list[dict[str, Any]]:
    """All events of a run that is over: id, event, data."""
    async with aclosing(hub.follow(uid, last_id, [])) as messages:
        return [event async for event in parsed(messages) if event]


async def parsed(messages: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    async for message in messages:
        assert message.endswith(b"\n\n")
        fields = dict(line.split(": ", 1) for line in message.decode().strip().split("\n"))
        if "data" in fields:
            yield fields | {"data": json.loads(fields["data"])}


def take(hub: Hub, key: SetKey, events: list[dict[str, Any]]) -> None:
    hub.events(key, messages_of(key, [parse_event({"t": 1.0, **event}) for event in events]))


def end(name: str, outcome: str = "passed") -> dict[str, Any]:
    return {"event": "end", "id": name, "outcome": outcome}


async def test_people_see_each_event_in_order_and_then_the_result() -> None:
    hub = Hub(Limits())
    take(hub, SHARD, [{"event": "session"}, {"event": "start", "id": "a"}, end("a")])
    hub.result(result())
    events = await sent(hub)
    assert [event["event"] for event in events] == ["session", "start", "end", "result"]
    assert events[1]["data"] == {"attempt": 1, "shard": 0, "event": {"t": 1.0, "event": "start", "id": "a"}}
    assert events[-1]["data"]["event"]["digest"] == "sha256:1"


async def test_the_last_events_of_a_run_are_kept() -> None:
    hub = Hub(Limits(run_events=3))
    take(hub, SHARD, [end(f"{n}") for n in range(10)])
    hub.result(result())
    assert [event["data"]["event"].get("id") for event in await sent(hub)] == ["8", "9", None]


async def test_as_many_bytes_of_a_run_are_kept_as_allowed() -> None:
    hub = Hub(Limits(run_bytes=5_000))
    for n in range(100):
        take(hub, SHARD, [end("x" * 1_000 + str(n))])
        assert hub.kept_bytes <= 5_000
    hub.result(result())
    events = await sent(hub)
    assert [event["data"]["event"].get("id", "")[1_000:] for event in events][-2:] == ["99", ""]


async def test_runs_that_were_silent_for_longest_are_forgotten_first() -> None:
    hub = Hub(Limits(runs=2))
    for uid in ("a", "b", "a", "c"):
        take(hub, SetKey(uid, 1, 0), [end(uid)])
    assert hub.kept_runs == 2
    for uid, kept in (("b", 1), ("c", 2), ("a", 1)):  # asking for b made room by forgetting a
        hub.result(result(SetKey(uid, 1, 0)))
        assert len(await sent(hub, uid)) == kept, uid


async def test_all_runs_together_keep_as_many_bytes_as_allowed() -> None:
    hub = Hub(Limits(all_bytes=20_000))
    for n in range(100):
        take(hub, SetKey(f"{n}", 1, 0), [end("x" * 1_000)])
        assert hub.kept_bytes <= 20_000
    assert hub.kept_runs > 10


async def test_a_forgotten_run_ends_the_streams_of_those_who_follow_it() -> None:
    hub = Hub(Limits(runs=1))
    async with aclosing(hub.follow("a", None, [])) as messages:
        assert await anext(messages) == b"retry: 2000\n\n"
        take(hub, SetKey("b", 1, 0), [end("x")])
        assert [message async for message in messages] == []


async def test_who_comes_late_to_a_long_run_is_reported_how_far_it_is() -> None:
    hub = Hub(Limits(run_events=3))
    take(hub, SHARD, [{"event": "collected", "count": 9}, *(end(f"t{n}") for n in range(6)), end("last", "failed")])
    received = [message async for message in parsed(limited(hub.follow(UID, None, []), 5))]
    assert [event["event"] for event in received] == ["end", "end", "end", "progress"]
    assert received[-1]["id"] == received[-2]["id"]  # who comes back after it has seen all until then
    counts = received[-1]["data"]["event"]
    assert isinstance(parse_event(counts), Progress)
    assert [counts[name] for name in ("passed", "failed", "total")] == [6, 1, 9]


@pytest.mark.parametrize("name", ["a\nb", "", "A", "x" * 40, "data: x\n\n"])
async def test_an_event_with_a_strange_name_breaks_no_stream(name: str) -> None:
    hub = Hub(Limits())
    take(hub, SHARD, [{"event": name, "text": "a\n\nevent: forged\n\n"}])
    hub.result(result())
    events = await sent(hub)
    assert [event["event"] for event in events] == ["message", "result"]
    assert events[0]["data"]["event"]["event"] == name


def test_long_texts_are_cut() -> None:
    cut = slim({"event": "phase", "text": "x" * 10_000, "message": "short"})
    assert cut["message"] == "short"
    assert cut["text"] == "x" * 8_192 + "... (1808 more characters)"


def test_what_is_still_too_large_loses_what_does_not_fit() -> None:
    cut = slim({"event": "collected", "count": 3, "errors": [{"text": "x" * 70_000}], "deselected": 0})
    assert cut == {"event": "collected", "count": 3, "deselected": 0, "truncated": True}


def test_many_fields_are_bounded_too() -> None:
    assert len(json.dumps(slim({f"{n:05}": "x" * 100 for n in range(5_000)}))) < 80_000


async def test_a_run_is_over_when_each_known_shard_has_its_result() -> None:
    hub = Hub(Limits())
    shards = [SetKey(UID, 1, n) for n in range(2)]
    for key in shards:
        take(hub, key, [{"event": "session"}])
    async with aclosing(hub.follow(UID, None, [])) as messages:
        events = parsed(messages)
        hub.result(result(shards[0]))
        assert [(await anext(events))["event"] for _ in range(3)] == ["session", "session", "result"]
        hub.result(result(shards[1]))
        assert [event["event"] async for event in events] == ["result"]


async def test_a_later_attempt_is_waited_for() -> None:
    hub = Hub(Limits())
    take(hub, SetKey(UID, 1, 0), [{"event": "session"}])
    take(hub, SetKey(UID, 2, 0), [{"event": "session"}])
    hub.result(result(SetKey(UID, 2, 0)))
    assert [event["event"] for event in await sent(hub)] == ["session", "session", "result"]


async def test_a_reader_who_has_seen_all_is_sent_the_end() -> None:
    hub = Hub(Limits())
    take(hub, SHARD, [end("a")])
    first = [message async for message in parsed(limited(hub.follow(UID, None, []), 2))]
    assert not hub.nothing_new(UID, first[0]["id"])
    hub.result(result())
    assert not hub.nothing_new(UID, first[0]["id"])
    (last,) = await sent(hub, last_id=first[0]["id"])
    assert last["event"] == "result"
    assert hub.nothing_new(UID, last["id"])
    for other in (None, "", "x-9999", "9999", last["id"] + "x"):
        assert not hub.nothing_new(UID, other)


async def limited(messages: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield await anext(messages)


async def test_a_result_from_before_a_restart_is_reported_once() -> None:
    hub = Hub(Limits())
    stored = [result()]
    for _ in range(2):
        events = [event["event"] async for event in parsed(hub.follow(UID, None, stored))]
        assert events == ["result"]


@pytest.mark.parametrize("limits", [Limits(queue=10), Limits(feed_bytes=1_000)])
async def test_a_slow_listener_is_dropped_and_holds_nobody_up(limits: Limits, caplog: pytest.LogCaptureFixture) -> None:
    hub = Hub(limits)
    dropped = []
    hub.on_drop = lambda: dropped.append(1)
    slow, quick = hub.feed(), hub.feed()
    assert await anext(slow) == await anext(quick) == b'{"type":"hello"}\n'
    for shard in range(12):
        take(hub, SetKey(UID, 1, shard), [{"event": "open"}])
        assert json.loads(await anext(quick))["shard"] == shard
    assert hub.feed_subscribers == 1
    assert len(dropped) == 1
    assert "too slow" in caplog.text
    assert [message async for message in slow] == []
    await quick.aclose()
    assert hub.feed_subscribers == 0


async def test_who_follows_a_run_and_does_not_read_is_dropped_at_so_many_bytes() -> None:
    hub = Hub(Limits(follower_bytes=10_000))
    async with aclosing(hub.follow(UID, None, [])) as messages:
        await anext(messages)
        for n in range(20):
            take(hub, SHARD, [end("x" * 1_000 + f"{n}")])
        assert hub.followers == 0
        assert [message async for message in messages] == []


async def test_a_message_that_is_larger_than_the_queue_reaches_a_listener_that_reads() -> None:
    hub = Hub(Limits(feed_bytes=10))
    async with feed_of(hub) as received:
        hub.result(result())
        assert (await received())["type"] == "result"


@asynccontextmanager
async def feed_of(hub: Hub) -> AsyncIterator[Any]:
    async with aclosing(hub.feed()) as messages:
        assert json.loads(await anext(messages)) == {"type": "hello"}

        async def received() -> dict[str, Any]:
            message: dict[str, Any] = json.loads(await anext(messages))
            return message

        yield received


async def test_the_operator_is_sent_what_it_acts_upon_and_no_more() -> None:
    hub = Hub(Limits())
    async with feed_of(hub) as received:
        events = [
            {"event": "waiting", "name": "postgres"},
            {"event": "open", "seconds": 1.0, "t": 1.5, "text": "x" * 100},
            {"event": "session", "pytest": "8.4"},
            {"event": "collected", "count": 2},
            {"event": "start", "id": "a", "t": 2.5},
            {"event": "phase", "id": "a", "when": "call", "outcome": "passed"},
            {"event": "start", "id": "b"},
            {"event": "opened"},
            {"event": "finish", "exitStatus": 0},
        ]
        take(hub, SHARD, events)
        hub.result(result())
        messages = [await received() for _ in range(3)]
    where = {"uid": UID, "attempt": 1, "shard": 0}
    assert messages == [
        {"type": "live", **where, "event": {"event": "open", "t": 1.5}},
        {"type": "live", **where, "event": {"event": "start", "t": 2.5}},
        {"type": "result", **where, "digest": "sha256:1", "summary": result().summary},
    ]


async def test_a_flood_of_one_run_leaves_the_feed_to_the_others() -> None:
    hub = Hub(Limits(queue=10))
    dropped = []
    hub.on_drop = lambda: dropped.append(1)
    other = SetKey("11111111-2222-4333-8444-555555555555", 1, 0)
    async with feed_of(hub) as received:
        for name in ("open", "waiting", "ready", "start", "timeout", "collected"):
            take(hub, SHARD, [{"event": name, "name": f"{n}", "id": f"{n}", "count": n} for n in range(15_000)])
        take(hub, other, [{"event": "open"}])
        messages = [await received() for _ in range(3)]
    assert [(message["uid"], message["event"]["event"]) for message in messages] == [
        (UID, "open"),
        (UID, "start"),
        (other.uid, "open"),
    ]
    assert dropped == []


async def test_an_operator_that_comes_later_is_reported_how_far_running_shards_are() -> None:
    hub, over = Hub(Limits()), SetKey("11111111-2222-4333-8444-555555555555", 1, 0)
    early = [{"event": "waiting", "name": "postgres"}, {"event": "open", "t": 1.5}, {"event": "start", "id": "a"}]
    for key in (SHARD, over):
        take(hub, key, [*early, end("a"), {"event": "start", "id": "b"}])
    hub.result(result(over))
    async with feed_of(hub) as received:
        hub.result(result())
        missed = [await received() for _ in range(3)]
    sent_before = [(UID, {"event": "open", "t": 1.5}), (UID, {"event": "start", "t": 1.0})]
    assert [(message["uid"], message.get("event")) for message in missed[:2]] == sent_before
    assert missed[2]["type"] == "result"


async def test_after_its_result_nothing_more_of_a_shard_is_taken() -> None:
    hub = Hub(Limits(ping_seconds=0.05))
    async with feed_of(hub) as received:
        hub.result(result())
        take(hub, SHARD, [{"event": "open"}, end("a")])
        assert [(await received())["type"] for _ in range(2)] == ["result", "ping"]
    assert [event["event"] for event in await sent(hub)] == ["result"]


async def test_the_feed_is_for_the_operator_alone(server: Server) -> None:
    shard = server.shard()
    for headers, status in (({}, 401), (shard.authorization, 403), ({"Authorization": "Bearer x"}, 403)):
        assert (await server.read.get("/v1/feed", headers=headers)).status_code == status


async def test_the_feed_shows_the_result_before_the_upload_is_answered_or_right_after(serve: Serve) -> None:
    async with serve(Limits(ping_seconds=0.05)) as server, server.read.stream("GET", "/v1/feed", headers=FEED) as feed:
        lines = feed.aiter_lines()
        assert json.loads(await anext(lines)) == {"type": "hello"}
        assert json.loads(await anext(lines)) == {"type": "ping"}
        digest = await server.shard().whole()
        message = {"type": "ping"}
        while message == {"type": "ping"}:
            message = json.loads(await anext(lines))
        assert message == {
            "type": "result", "uid": UID, "attempt": 1, "shard": 0, "digest": digest, "summary": json.loads(summary())
        }  # fmt: skip


async def test_a_repeated_manifest_is_not_reported_again(serve: Serve) -> None:
    async with serve(Limits(ping_seconds=0.05)) as server, server.read.stream("GET", "/v1/feed", headers=FEED) as feed:
        await server.shard().whole()
        manifest = (await server.read.get(f"{server.shard().path}/manifest")).content
        assert (await server.shard().seal(manifest)).status_code == 200
        await server.shard(shard=1).whole()
        seen = []
        async for line in feed.aiter_lines():
            message = json.loads(line)
            if message["type"] == "result":
                seen.append(message["shard"])
            if 1 in seen:
                break
        assert seen == [0, 1]


async def test_a_run_is_followed_from_before_its_first_event_to_its_result(serve: Serve) -> None:
    async with serve(Limits(ping_seconds=0.05)) as server:
        shard = server.shard()
        async with server.read.stream("GET", f"/v1/runs/{UID}/live") as stream:
            assert stream.headers["Content-Type"].startswith("text/event-stream")
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            assert await anext(lines) == ""
            assert await anext(lines) == ": ping"
            assert (await shard.live({"event": "start", "id": "a"})).status_code == 204
            await shard.whole()
            rest = [line async for line in lines]
        assert [line for line in rest if line.startswith("event: ")] == ["event: start", "event: result"]
        last = [line for line in rest if line.startswith("id: ")][-1].removeprefix("id: ")
        resumed = await server.read.get(f"/v1/runs/{UID}/live", headers={"Last-Event-ID": last})
        assert resumed.status_code == 204


async def test_a_run_that_ended_before_the_archive_was_restarted_shows_its_result(serve: Serve) -> None:
    async with serve() as server:
        await server.shard().whole()
    async with serve() as server:
        answer = await server.read.get(f"/v1/runs/{UID}/live")
    assert "event: result" in answer.text


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "no JSON"),
        (b"[]", "expected an object"),
        (b'{"event":"a","t":1}\nnull\n', "expected an object"),
        (b'{"t": NaN}', "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "more than 10000 entries"),
        (b"[" * 100, "nested deeper than 16 levels"),
        (b'{"event":"start","id":"a"}', "start event: t: missing"),
        (b'{"event":"start","id":"a","t":"soon"}', "start event: t: expected a number, found text"),
        (b'{"event":7,"t":1}', "event: event: expected text, found a number"),
        (b'{"event":"end","id":"a","t":1,"outcome":"good"}', "end event: outcome: 'good' is none of passed"),
        (b'{"event":"collected","t":1,"count":[' + b"1," * 20_000 + b"1]}", "more than 10000 entries"),
        (b'{"event":"start","t":1,"id":"' + b"x" * 2**20 + b'"}', "larger than 1048576 bytes"),
    ],
)
async def test_events_that_are_no_events_are_refused_together(server: Server, body: bytes, problem: str) -> None:
    shard = server.shard()
    answer = await server.upload.post(
        f"{shard.path}/live", content=b'{"event":"good","t":1}\n' + body, headers=shard.authorization
    )
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("a line is no event: ")
    assert problem in answer.json()["error"]
    await shard.whole()
    assert "good" not in (await server.read.get(f"/v1/runs/{UID}/live")).text


async def test_blank_lines_and_no_events_are_fine(server: Server) -> None:
    shard = server.shard()
    for body in (b"", b"\n\n", b'{"event":"a","t":1}\r\n\r\n{"event":"b","t":1}'):
        answer = await server.upload.post(f"{shard.path}/live", content=body, headers=shard.authorization)
        assert answer.status_code == 204


async def test_a_reader_that_does_not_read_is_dropped_and_uploads_go_on(serve: Serve) -> None:
    async with serve(Limits(queue=50)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.read_port, limit=1_024)
        path = f"/v1/runs/{UID}/live"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {FEED['Authorization']}\r\n\r\n".encode())
        await reader.readline()
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        dropped = "seatrial_archive_dropped_listeners_total 1.0"
        async with asyncio.timeout(300):
            while dropped not in (await server.read.get("/metrics")).text:
                events = [{"event": "waiting", "name": "x" * 4_000} for _ in range(40)]
                assert (await server.shard().live(*events)).status_code == 204
        await server.shard().whole()
        writer.close()
