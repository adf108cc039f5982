"""Sends the archive what happens while the tests run."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any, Optional

from seatrial_protocol.decode import dump
from seatrial_protocol.events import Collected, Dropped, Event, Other, Phase
from seatrial_runner.upload import DamagedError, RefusedError, UnavailableError, Uploader

log = logging.getLogger(__name__)

EVERY = 0.2
"""Seconds between two live messages."""
BATCH = 512 * 1024
"""Bytes of one live message."""
BACKLOG = 8 * 1024 * 1024
"""Bytes of live events kept while the archive doesn't answer."""
TEXT = 4096
"""Characters of a text in a live event."""


def live_form(event: Event) -> Optional[dict[str, Any]]:
    """What is sent live of an event; None if it adds nothing to others."""
    if isinstance(event, Other) or (isinstance(event, Phase) and event.outcome != "failed"):
        return None
    short = {name: value for name, value in event.to_json().items() if name not in ("stdout", "stderr", "log")}
    if isinstance(event, Collected):
        short["errors"] = [{"id": error.id[:TEXT], "message": error.message[:TEXT]} for error in event.errors[:5]]
    for name, value in short.items():
        if isinstance(value, str) and len(value) > TEXT:
            short[name] = value[:TEXT]
    return short


class Live:
    """Sends live events from a thread of its own, so that a slow archive delays nothing.

    They are for people who watch; the results don't depend on them. What doesn't fit the backlog is dropped and
    counted.
    """

    def __init__(self, archive: Uploader) -> None:
        self._archive = archive
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._changed = threading.Condition()
        self._closing = False
        self.refused: Optional[str] = None
        """Why the archive takes no live events of this shard."""
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._thread.start()

    def offer(self, event: Event) -> None:
        """Queues an event to be sent soon, if it adds something."""
        short = live_form(event)
        if short is None:
            return
        line = dump(short) + b"\n"
        with self._changed:
            if self.refused is not None:
                return
            if self._bytes + len(line) > BACKLOG:
                self._dropped += 1
                return
            if self._dropped:
                gap = dump(Dropped(event.t, self._dropped).to_json()) + b"\n"
                self._append(gap)
                self._dropped = 0
            self._append(line)
            self._changed.notify()

    def close(self, patience: float) -> None:
        """Send what is left, if the archive answers within so many seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(patience)

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    def _run(self) -> None:
        delay = EVERY
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._lines) or self._closing)
                batch: list[bytes] = []
                size = 0
                while self._lines and (not batch or size + len(self._lines[0]) <= BATCH):
                    batch.append(self._lines.popleft())
                    size += len(batch[-1])
                if not batch:
                    break
            try:
                self._archive.post_live(b"".join(batch))
                delay = EVERY
                with self._changed:
                    self._bytes -= size
            except (UnavailableError, DamagedError):
                with self._changed:
                    self._lines.extendleft(reversed(batch))
                    if self._closing:
                        break
                delay = min(delay * 2, 5.0)
            except RefusedError as error:
                with self._changed:
                    self.refused = str(error)
                    self._lines.clear()
                    self._bytes = 0
                log.warning("the archive takes no live events: %s", error)
                break
            with self._changed:
                self._changed.wait_for(lambda: self._closing, delay)
        self._archive.close()
