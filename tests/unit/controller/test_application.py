"""What the operator makes of the archive's feed: strange events are passed over, and nothing ends the listening."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from seatrial.api.times import moment_of
from seatrial.archive.client.feed import FeedConnected, FeedEvent, FeedLive, FeedResult
from seatrial.controller.kopf_app import Application
from seatrial.facts.attempt import ShardFacts
from seatrial.metrics import Metrics
from seatrial.settings import Settings
from tests.api.evidence import Kept
from tests.unit import builders as b


class Archive:
    """Tells what a test gives it; each list is one life of the feed, which breaks at its end."""

    def __init__(self, *lives: list[FeedEvent]) -> None:
        self._lives = list(lives)

    async def feed(self) -> AsyncIterator[FeedEvent]:
        yield FeedConnected()
        if not self._lives:
            await asyncio.Event().wait()
        for event in self._lives.pop(0):
            yield event
        raise RuntimeError("nobody expected this")


async def listening(*lives: list[FeedEvent], until: Callable[[Application], bool]) -> Application:
    app = Application(None, Archive(*lives), Kept().client(), Settings(sweep_seconds=3600), Metrics())  # type: ignore[arg-type]
    app.listed = True
    app.cache.put_run(b.body())
    app.start()
    try:
        async with asyncio.timeout(5):
            while not until(app):
                await asyncio.sleep(0)
    finally:
        await app.stop()
    return app


def live(**event: Any) -> FeedLive:
    return FeedLive(b.UID, event.pop("attempt", 1), 0, event)


def opened(app: Application) -> bool:
    return app.cache.attempt(SCOPE).shard.gates_open == moment_of(7)


STRANGE = {
    "no time": {"event": "open"},
    "time that is no number": {"event": "open", "t": "soon"},
    "time that is a list": {"event": "start", "t": [1]},
    "no event": {"t": 1.0},
    "time that can't be one": {"event": "open", "t": 1e300},
    "time before all time": {"event": "open", "t": -1e18},
    "time that is not a number": {"event": "open", "t": float("nan")},
    "time of the year 9999": {"event": "open", "t": 253402300799.0},
    "another attempt": {"event": "open", "t": 1.0, "attempt": 2},
}
SCOPE = b.run().scope


@pytest.mark.parametrize("event", STRANGE.values(), ids=STRANGE.keys())
async def test_a_strange_event_of_one_run_is_passed_over(event: dict[str, Any]) -> None:
    await listening([live(**event), live(event="open", t=7.0)], until=opened)


async def test_a_feed_that_ends_by_a_bug_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.controller.kopf_app.PAUSE_SECONDS", 0.0)
    await listening([], [live(event="open", t=7.0)], until=opened)


async def test_work_that_has_ended_is_reported_to_the_probe() -> None:
    app = Application(None, Archive(), Kept().client(), Settings(sweep_seconds=3600), Metrics())  # type: ignore[arg-type]
    app.listed = True
    app.start()
    assert app.failure() == ""
    app._tasks[0].cancel()
    await asyncio.wait(app._tasks[:1])
    assert app.failure() == "follow_archive has ended"
    await app.stop()


async def test_what_is_reported_of_runs_that_are_gone_is_not_kept() -> None:
    gone = [FeedResult("gone", 1, 0, "sha256:x", {}), FeedLive("gone", 1, 0, {"event": "open", "t": 1.0})]
    app = await listening([*gone, live(event="open", t=7.0)], until=opened)
    assert app.cache.attempt(replace(SCOPE, run=replace(SCOPE.run, uid="gone"))).shard == ShardFacts()


async def test_a_late_result_of_one_attempt_does_not_judge_the_next() -> None:
    late = FeedResult(b.UID, 1, 0, "sha256:late", b.summary())
    second = b.body(status={"attempt": 2})

    def received(app: Application) -> bool:
        app.cache.put_run(second)
        return app.cache.attempt(SCOPE).shard.result is not None

    app = await listening([late], until=received)
    scope = app.cache.scope(b.UID)
    assert scope is not None
    assert (scope.attempt, app.cache.attempt(scope).shard.result) == (2, None)


async def test_the_loop_is_measured_from_the_start() -> None:
    def looked(app: Application) -> bool:
        found = app.metrics.registry.get_sample_value("seatrial_loop_stall_seconds_count", {"part": "work"})
        return bool(found)

    await listening(until=looked)
