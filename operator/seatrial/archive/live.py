"""What happens right now: events of running shards, kept in memory for a while and passed on to whoever listens.

Two audiences. People follow one run as server-sent events: what is kept is replayed, then they follow until the run's result.
The operator reads the feed of all runs: only what it acts upon, as NDJSON. Nobody who listens can slow an upload down: every
listener has a bounded queue, and one whose queue is full is dropped; it connects again and asks for what it missed.

All of it runs on the event loop's thread. Results are in the store; losing everything here loses no result.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from seatrial.archive.model import SetKey
from seatrial.archive.store import Result

log = logging.getLogger(__name__)

Event = dict[str, Any]

GATE_EVENTS = frozenset({"waiting", "ready", "open", "timeout"})
MILESTONES = frozenset({"open", "start"})
"""Told to the operator once a shard: the gates are open, the first test has started."""
RESULT_EVENT = "result"
PROGRESS_EVENT = "progress"
"""Counts of tests: told to the operator, and to people who come when the first events are not kept any more."""

_MAX_TEXT = 8 * 1024  # characters of one text in an event; the whole is in the results
_MAX_EVENT_BYTES = 64 * 1024
_EVENT_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_COUNTED = {
    "passed": "passed",
    "failed": "failed",
    "error": "errors",
    "skipped": "skipped",
    "xfailed": "xfailed",
    "xpassed": "xpassed",
}


@dataclass(frozen=True)
class Limits:
    """How much is kept in memory, and how often things are said."""

    run_events: int = 2_000
    run_bytes: int = 2 * 1024 * 1024
    runs: int = 1_000
    all_bytes: int = 64 * 1024 * 1024
    queue: int = 2_000  # events waiting for one listener
    progress_seconds: float = 1.0  # between two progress messages of one shard
    ping_seconds: float = 10.0


class Listener:
    """One open stream. Ends when closed; whoever doesn't keep up is dropped."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._closed = False

    def push(self, message: bytes) -> bool:
        """Queues the message; False if the listener is too slow and has been dropped."""
        if self._closed:
            return False
        if self._queue.qsize() < self._limit:
            self._queue.put_nowait(message)
            return True
        log.warning("a listener is too slow and was dropped; it may connect again", extra={"listener": self._name})
        while not self._queue.empty():
            self._queue.get_nowait()
        self.close()
        return False

    def close(self) -> None:
        """Ends the stream after what is queued."""
        if not self._closed:
            self._closed = True
            self._queue.put_nowait(None)

    async def messages(self, ping: bytes, ping_seconds: float) -> AsyncIterator[bytes]:
        """What was pushed, in order; `ping` whenever nothing was for so long."""
        while True:
            try:
                message = await asyncio.wait_for(self._queue.get(), ping_seconds)
            except TimeoutError:
                message = ping
            if message is None:
                return
            yield message


@dataclass
class _Shard:
    """What is known of one running shard."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED.values(), 0))
    total: int = 0
    milestones: dict[str, Event] = field(default_factory=dict)  # for an operator that comes later
    progress_at: float = float("-inf")  # monotonic seconds
    progress_due: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        if self.progress_due is not None:
            self.progress_due.cancel()
            self.progress_due = None


@dataclass
class _Run:
    """What is kept of one run."""

    kept: deque[tuple[int, bytes]] = field(default_factory=deque)
    size: int = 0
    last: int = 0  # number of the last event
    forgot: bool = False  # some of its events are not kept any more
    shards: dict[SetKey, _Shard] = field(default_factory=dict)
    results: set[SetKey] = field(default_factory=set)
    listeners: set[Listener] = field(default_factory=set)

    @property
    def over(self) -> bool:
        """Whether every shard that was heard of in the newest attempt has its result."""
        known = self.results | self.shards.keys()
        newest = max((key.attempt for key in known), default=0)
        return bool(known) and all(key in self.results for key in known if key.attempt == newest)


class Hub:
    """Takes events and results in, keeps the last ones, and passes them on."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        # Ids of events begin with this, so that after a restart nobody's "last seen" is mistaken for ours.
        self._boot = f"{time.time_ns():x}"
        self._number = 0  # of the last event of all runs
        self._runs: OrderedDict[str, _Run] = OrderedDict()  # the one that was heard of last is at the end
        self._bytes = 0
        self._feed: set[Listener] = set()
        self.on_drop: Callable[[], None] = lambda: None  # called for each listener that is dropped
        self._closed = False

    # In

    def events(self, key: SetKey, events: list[Event]) -> None:
        """Takes the events of a shard, in order."""
        run = self._run(key.uid)
        shard = run.shards.setdefault(key, _Shard())
        for event in events:
            name = event.get("event")
            if name == "heartbeat":
                continue
            event = slim(event)
            self._keep(run, name if isinstance(name, str) and _EVENT_NAME.fullmatch(name) else "message", key, event)
            self._for_operator(key, shard, name, event)
        self._evict(key.uid)

    def result(self, result: Result) -> None:
        """Takes the result of a shard: told to everybody at once."""
        self._to_feed(
            {"type": RESULT_EVENT, **_address(result.key), "digest": result.digest, "summary": result.summary}
        )
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

    # Out

    async def feed(self) -> AsyncIterator[bytes]:
        """The operator's stream: NDJSON lines; the first says hello, the next how far the shards are that run now."""
        listener = Listener("feed", self._limits.queue)
        self._feed.add(listener)
        if self._closed:
            listener.close()
        running = [
            (key, shard) for run in self._runs.values() for key, shard in run.shards.items() if key not in run.results
        ]
        missed = [_live(key, event) for key, shard in running for event in shard.milestones.values()]
        try:
            yield _line({"type": "hello"})
            for event in missed:
                yield _line(event)
            async for message in listener.messages(_line({"type": "ping"}), self._limits.ping_seconds):
                yield message
        finally:
            self._feed.discard(listener)

    def nothing_new(self, uid: str, last_id: str | None) -> bool:
        """Whether a listener that has seen `last_id` has seen all that this run will ever tell."""
        run = self._runs.get(uid)
        return run is not None and run.over and self._after(last_id) >= run.last > 0

    async def follow(self, uid: str, last_id: str | None, stored: list[Result]) -> AsyncIterator[bytes]:
        """Server-sent events of one run: what is kept (after `last_id`, if that was one of ours), then what comes, until its result.

        `stored` are the run's results that are in the store: they may be older than anything in memory.
        """
        run = self._run(uid)
        for result in stored:
            self._remember_result(run, result)
        listener = Listener(f"run {uid}", self._limits.queue)
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

    # For the metrics

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

    # Inside

    def _run(self, uid: str) -> _Run:
        run = self._runs.setdefault(uid, _Run())
        self._runs.move_to_end(uid)
        return run

    def _remember_result(self, run: _Run, result: Result) -> None:
        if result.key in run.results:
            return
        run.results.add(result.key)
        if shard := run.shards.get(result.key):
            shard.stop()
        self._keep(run, RESULT_EVENT, result.key, {"digest": result.digest, "summary": result.summary})
        if run.over:
            self._end(run)

    def _keep(self, run: _Run, name: str, key: SetKey, event: Event) -> None:
        self._number += 1
        run.last = self._number
        message = self._message(run.last, name, key, event)
        run.kept.append((run.last, message))
        self._resize(run, len(message))
        while len(run.kept) > self._limits.run_events or (run.size > self._limits.run_bytes and len(run.kept) > 1):
            self._resize(run, -len(run.kept.popleft()[1]))
            run.forgot = True
        for listener in list(run.listeners):
            if not listener.push(message):
                self._drop(run.listeners, listener)

    def _so_far(self, run: _Run, key: SetKey, shard: _Shard) -> bytes:
        """How many tests of a shard have ended until the run's last event, and how many there are."""
        return self._message(
            run.last, PROGRESS_EVENT, key, {"event": PROGRESS_EVENT, **shard.counts, "total": shard.total}
        )

    def _message(self, number: int, name: str, key: SetKey, event: Event) -> bytes:
        data = _json({"attempt": key.attempt, "shard": key.shard, "event": event})
        return b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (self._boot.encode(), number, name.encode(), data)

    def _resize(self, run: _Run, change: int) -> None:
        run.size += change
        self._bytes += change

    def _end(self, run: _Run) -> None:
        for shard in run.shards.values():
            shard.stop()
        for listener in run.listeners:
            listener.close()
        run.listeners.clear()

    def _evict(self, but: str) -> None:
        """Forgets the runs that were heard of least recently until the limits hold again; never the one called `but`."""
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

    def _for_operator(self, key: SetKey, shard: _Shard, name: object, event: Event) -> None:
        if name in MILESTONES:
            if name in shard.milestones:
                return
            shard.milestones[str(name)] = event
        if name in GATE_EVENTS or name in ("session", "start"):
            self._live_to_feed(key, event)
        elif name == "collected":
            count = event.get("count")
            shard.total = count if isinstance(count, int) else 0
            self._live_to_feed(key, event)
        elif name == "end":
            outcome = event.get("outcome")
            if isinstance(outcome, str) and outcome in _COUNTED:
                shard.counts[_COUNTED[outcome]] += 1
                self._progress(key, shard)

    def _progress(self, key: SetKey, shard: _Shard) -> None:
        """Tells the counts now, or as soon as it may be told again."""
        if shard.progress_due is not None:
            return
        wait = shard.progress_at + self._limits.progress_seconds - self._clock()
        if wait > 0:
            shard.progress_due = asyncio.get_running_loop().call_later(wait, self._tell_progress, key, shard)
        else:
            self._tell_progress(key, shard)

    def _tell_progress(self, key: SetKey, shard: _Shard) -> None:
        shard.progress_due = None
        shard.progress_at = self._clock()
        self._live_to_feed(key, {"event": PROGRESS_EVENT, **shard.counts, "total": shard.total})

    def _live_to_feed(self, key: SetKey, event: Event) -> None:
        self._to_feed(_live(key, event))

    def _to_feed(self, message: Event) -> None:
        if not self._feed:
            return
        line = _line(message)
        for listener in list(self._feed):
            if not listener.push(line):
                self._drop(self._feed, listener)


def slim(event: Event) -> Event:
    """The event small enough to keep: long texts are cut, and of one that is still too large, the fields that fit remain.

    Enough to follow along; the results have the whole.
    """
    cut = {name: _cut(value) if isinstance(value, str) else value for name, value in event.items()}
    if len(_json(cut)) <= _MAX_EVENT_BYTES:
        return cut
    room, fitting = _MAX_EVENT_BYTES, dict[str, Any]()
    for name, value in cut.items():
        size = len(_json({name: value}))
        if size <= room:
            room -= size
            fitting[name] = value
    return {**fitting, "truncated": True}


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}... ({len(text) - _MAX_TEXT} more characters)"


def _live(key: SetKey, event: Event) -> Event:
    return {"type": "live", **_address(key), "event": event}


def _address(key: SetKey) -> Event:
    return {"uid": key.uid, "attempt": key.attempt, "shard": key.shard}


def _json(value: Event) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _line(value: Event) -> bytes:
    return _json(value) + b"\n"
