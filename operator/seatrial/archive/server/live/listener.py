"""One open stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

log = logging.getLogger(__name__)


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
