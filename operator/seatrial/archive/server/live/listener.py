"""One open stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

log = logging.getLogger(__name__)


class Listener:
    """One open stream. Ends when closed; one that doesn't keep up is dropped."""

    def __init__(self, name: str, messages: int, size: int) -> None:
        """Takes at most so many messages of so many bytes together before it is too slow."""
        self._name = name
        self._most_messages = messages
        self._most_bytes = size
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._waiting_bytes = 0
        self._closed = False

    def push(self, message: bytes) -> bool:
        """Queues the message; False if the listener is too slow and has been dropped."""
        if self._closed:
            return False
        # One message is taken by an empty queue, whatever its size: a listener that reads is never dropped.
        fits = self._waiting_bytes + len(message) <= self._most_bytes or not self._waiting_bytes
        if fits and self._queue.qsize() < self._most_messages:
            self._waiting_bytes += len(message)
            self._queue.put_nowait(message)
            return True
        log.warning("a listener is too slow and is dropped; it may connect again", extra={"listener": self._name})
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
                yield ping
                continue
            if message is None:
                return
            self._waiting_bytes -= len(message)
            yield message
