"""Connections, bounded: how many, how many of one peer, and how long a request's head may take.

At the bound the peer that has most connections loses its newest one, so nobody can lock the others out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True)
class ConnectionLimits:
    """Bounds of one port."""

    all: int = 1_000
    peer: int = 300
    """Of one address. The API server's proxy is one for all people behind it."""
    head_seconds: float = 10.0
    """From the connection, or from a request's first byte, to the end of its headers."""


class Guard:
    """Admits connections to one port."""

    def __init__(self, limits: ConnectionLimits, refused: Callable[[str], object] = lambda why: None) -> None:
        """Admits nothing yet.

        Args:
            limits: the bounds.
            refused: called for each connection that is ended: `peer`, `all` or `slow`.
        """
        self.limits = limits
        self.refused = refused
        self._open: dict[str, dict[GuardedProtocol, None]] = {}  # by peer, the newest last
        self._count = 0

    def admit(self, connection: GuardedProtocol, peer: str) -> bool:
        """Counts the connection; False: it is one too many and has to end."""
        if len(self._open.get(peer, ())) >= self.limits.peer:
            self.refused("peer")
            return False
        if self._count >= self.limits.all:
            self.refused("all")
            most = max(self._open, key=lambda other: len(self._open[other]))
            if len(self._open[most]) <= len(self._open.get(peer, ())) + 1:
                return False
            newest = next(reversed(self._open[most]))
            self.release(newest, most)
            newest.transport.abort()
        self._open.setdefault(peer, {})[connection] = None
        self._count += 1
        return True

    def release(self, connection: GuardedProtocol, peer: str) -> None:
        """Counts the connection no more, if it was counted."""
        of_peer = self._open.get(peer, {})
        if connection not in of_peer:
            return
        del of_peer[connection]
        self._count -= 1
        if not of_peer:
            del self._open[peer]


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 whose connections a guard admits, and whose requests come within a time."""

    guard: ClassVar[Guard]
    _peer = ""
    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        if self.guard.admit(self, self._peer):
            self._watch_head()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self.guard.release(self, self._peer)
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        self._watch_head()

    def _watch_head(self) -> None:
        """Bounds the time of a request's head: from its first byte; for the first request, from the connection."""
        begun = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if self.transport.is_closing() or not (begun or self.cycle is None):
            self._stop_watching()
        elif self._head_due is None:
            self._head_due = self.loop.call_later(self.guard.limits.head_seconds, self._too_slow)

    def _stop_watching(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _too_slow(self) -> None:
        self._head_due = None
        self.guard.refused("slow")
        self.transport.abort()


def guarded_by(guard: Guard) -> type[GuardedProtocol]:
    """The protocol for a server, with this guard."""
    return type("Guarded", (GuardedProtocol,), {"guard": guard})
