"""What is kept of the runs that go on."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from seatrial.archive.model.keys import SetKey
from seatrial.archive.server.live.listener import Listener
from seatrial.archive.server.live.messages import Document
from seatrial_protocol.events import COUNT_OF, Collected, End, Event, Progress


@dataclass
class LiveShard:
    """What is known of one running shard."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNT_OF.values(), 0))
    total: int = 0
    milestones: dict[str, Document] = field(default_factory=dict)
    """What the operator was sent, for one that comes later."""

    def count(self, event: Event) -> None:
        """Counts a test that ended, or takes how many there are."""
        if isinstance(event, Collected):
            self.total = event.count
        elif isinstance(event, End):
            self.counts[COUNT_OF[event.outcome]] += 1

    def progress(self, at: float) -> Progress:
        """How far it is."""
        return Progress(at, total=self.total, **self.counts)


@dataclass
class LiveRun:
    """What is kept of one run."""

    kept: deque[tuple[int, bytes]] = field(default_factory=deque)
    size: int = 0
    last: int = 0  # number of the last event
    forgot: bool = False  # some of its events are not kept any more
    shards: dict[SetKey, LiveShard] = field(default_factory=dict)
    results: set[SetKey] = field(default_factory=set)
    listeners: set[Listener] = field(default_factory=set)

    @property
    def over(self) -> bool:
        """Whether every known shard of the newest attempt has its result."""
        known = self.results | self.shards.keys()
        newest = max((key.attempt for key in known), default=0)
        return bool(known) and all(key in self.results for key in known if key.attempt == newest)
