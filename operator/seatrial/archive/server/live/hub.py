"""What happens right now: events of running shards, kept in memory for a while and passed on to whoever listens.

Two audiences. People follow one run as server-sent events: what is kept is replayed, then they follow until the run's
result. The operator reads the feed of all runs, as NDJSON: of each shard when its gates opened, when its first test
started, and its result, each once, so that no run fills the feed. Nobody who listens can slow an upload down: every
listener has a bounded queue, and one whose queue is full is dropped; it reconnects and asks for what it missed.

All of it runs on the event loop's thread. Results are in the store; losing everything here loses no result.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable

from seatrial.archive.model.keys import SetKey
from seatrial.archive.server.live.limits import Limits
from seatrial.archive.server.live.listener import Listener
from seatrial.archive.server.live.messages import Document, Message, line, live_message, message_of, result_message
from seatrial.archive.server.live.state import LiveRun, LiveShard
from seatrial.archive.server.sets.results import CompleteSet
from seatrial_protocol.events import Event, Open, Start
from seatrial_protocol.feed import FeedHello, FeedResult

MILESTONES = (Open, Start)
"""Sent to the operator, each once a shard: the gates are open, the first test has started."""
RESULT_EVENT = "result"


class Hub:
    """Takes events and results in, keeps the last ones, and passes them on."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # Ids of events begin with this, so that after a restart nobody's "last seen" is mistaken for ours.
        self._boot = f"{time.time_ns():x}"
        self._number = 0  # of the last event of all runs
        self._runs: OrderedDict[str, LiveRun] = OrderedDict()  # the one that changed last is at the end
        self._bytes = 0
        self._feed: set[Listener] = set()
        self.on_drop: Callable[[], None] = lambda: None  # called for each listener that is dropped
        self._closed = False

    # In

    def events(self, key: SetKey, messages: Iterable[Message]) -> None:
        """Takes what is sent of a shard's events, in order. Of a run that is over, nothing more is taken."""
        run = self._run(key.uid)
        if key in run.results:
            return
        shard = run.shards.setdefault(key, LiveShard())
        for message in messages:
            self._keep(run, message)
            if message.event is not None:
                shard.count(message.event)
                self._milestone(key, shard, message.event)
        self._evict(key.uid)

    def result(self, result: CompleteSet) -> None:
        """Takes the result of a shard: sent to everybody at once."""
        key = result.key
        self._to_feed(FeedResult(key.uid, key.attempt, key.shard or 0, result.digest, result.summary).to_json())
        self._remember_result(self._run(result.key.uid), result)
        self._evict(result.key.uid)

    def close(self) -> None:
        """Ends all streams, and lets no new ones begin."""
        self._closed = True
        for run in self._runs.values():
            self._end(run)
        for listener in self._feed:
            listener.close()
        self._feed.clear()

    async def feed(self) -> AsyncIterator[bytes]:
        """The operator's stream: NDJSON lines; the first says hello, the next how far the shards are that run now."""
        listener = Listener("feed", self._limits.queue, self._limits.feed_bytes)
        self._feed.add(listener)
        if self._closed:
            listener.close()
        running = [
            (key, shard) for run in self._runs.values() for key, shard in run.shards.items() if key not in run.results
        ]
        missed = [live_message(key, event) for key, shard in running for event in shard.milestones.values()]
        try:
            yield line(FeedHello().to_json())
            for event in missed:
                yield line(event)
            async for message in listener.messages(line({"type": "ping"}), self._limits.ping_seconds):
                yield message
        finally:
            self._feed.discard(listener)

    def nothing_new(self, uid: str, last_id: str | None) -> bool:
        """Whether a listener that has seen `last_id` has seen all that this run will ever send."""
        run = self._runs.get(uid)
        return run is not None and run.over and self._after(last_id) >= run.last > 0

    async def follow(self, uid: str, last_id: str | None, stored: list[CompleteSet]) -> AsyncIterator[bytes]:
        """Server-sent events of one run: what is kept (after `last_id`, if that was one of ours), then what comes,
        until its result.

        `stored` are the run's results that are in the store: they may be older than anything in memory.
        """
        run = self._run(uid)
        for result in stored:
            self._remember_result(run, result)
        listener = Listener(f"run {uid}", self._limits.queue, self._limits.follower_bytes)
        run.listeners.add(listener)
        if run.over or self._closed:
            listener.close()
        after = self._after(last_id)
        replay = [message for number, message in run.kept if number > after]
        if run.forgot:  # who counts what is replayed would miss the first tests
            replay += [self._so_far(run, key, shard) for key, shard in run.shards.items() if key not in run.results]
        self._evict(uid)
        try:
            yield b"retry: 2000\n\n"
            for message in replay:
                yield message
            async for message in listener.messages(b": ping\n\n", self._limits.ping_seconds):
                yield message
        finally:
            run.listeners.discard(listener)

    @property
    def feed_subscribers(self) -> int:
        """Open feeds."""
        return len(self._feed)

    @property
    def followers(self) -> int:
        """Open streams of single runs."""
        return sum(len(run.listeners) for run in self._runs.values())

    @property
    def kept_bytes(self) -> int:
        """Memory taken by events, in bytes."""
        return self._bytes

    @property
    def kept_runs(self) -> int:
        """Runs of which events are in memory."""
        return len(self._runs)

    def _run(self, uid: str) -> LiveRun:
        run = self._runs.setdefault(uid, LiveRun())
        self._runs.move_to_end(uid)
        return run

    def _remember_result(self, run: LiveRun, result: CompleteSet) -> None:
        if result.key in run.results:
            return
        run.results.add(result.key)
        self._keep(run, result_message(result.key, RESULT_EVENT, result.digest, result.summary))
        if run.over:
            self._end(run)

    def _keep(self, run: LiveRun, sent: Message) -> None:
        self._number += 1
        run.last = self._number
        message = self._encoded(run.last, sent)
        run.kept.append((run.last, message))
        self._resize(run, len(message))
        while len(run.kept) > self._limits.run_events or (run.size > self._limits.run_bytes and len(run.kept) > 1):
            self._resize(run, -len(run.kept.popleft()[1]))
            run.forgot = True
        for listener in list(run.listeners):
            if not listener.push(message):
                self._drop(run.listeners, listener)

    def _so_far(self, run: LiveRun, key: SetKey, shard: LiveShard) -> bytes:
        """How many tests of a shard have ended until the run's last event, and how many there are."""
        return self._encoded(run.last, message_of(key, shard.progress(time.time())))

    def _encoded(self, number: int, message: Message) -> bytes:
        """As a server-sent event."""
        return b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (
            self._boot.encode(),
            number,
            message.name.encode(),
            message.data,
        )

    def _resize(self, run: LiveRun, change: int) -> None:
        run.size += change
        self._bytes += change

    def _end(self, run: LiveRun) -> None:
        for listener in run.listeners:
            listener.close()
        run.listeners.clear()

    def _evict(self, but: str) -> None:
        """Forgets the runs that changed least recently until the limits hold again; never the one called `but`."""
        for uid in list(self._runs):
            if len(self._runs) <= self._limits.runs and self._bytes <= self._limits.all_bytes:
                return
            if uid != but:
                run = self._runs.pop(uid)
                self._bytes -= run.size
                self._end(run)

    def _drop(self, listeners: set[Listener], listener: Listener) -> None:
        listeners.discard(listener)
        self.on_drop()

    def _after(self, last_id: str | None) -> int:
        boot, _, number = (last_id or "").partition("-")
        return int(number) if boot == self._boot and number.isdecimal() and len(number) < 16 else 0

    def _milestone(self, key: SetKey, shard: LiveShard, event: Event) -> None:
        """Sends the operator what it acts upon: two short messages a shard, however many events come."""
        if not isinstance(event, MILESTONES) or event.KIND in shard.milestones:
            return
        milestone = {"event": event.KIND, "t": event.t}
        shard.milestones[event.KIND] = milestone
        self._to_feed(live_message(key, milestone))

    def _to_feed(self, message: Document) -> None:
        if not self._feed:
            return
        sent = line(message)
        for listener in list(self._feed):
            if not listener.push(sent):
                self._drop(self._feed, listener)
