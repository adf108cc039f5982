"""This process's own terminal, or pipes, as the near end of a command in a pod."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

_PIECE = 64 * 1024


class LocalTerminal:
    """Standard input, output and errors."""

    def __init__(self) -> None:
        """A terminal only if both input and output are one."""
        self.is_terminal = sys.stdin.isatty() and sys.stdout.isatty()

    @contextmanager
    def raw(self) -> Iterator[None]:
        """Passes every key on as it is, until the context ends."""
        if not self.is_terminal:
            yield
            return
        before = termios.tcgetattr(sys.stdin)
        tty.setraw(sys.stdin)
        try:
            yield
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

    async def input(self) -> AsyncIterator[bytes]:
        """What is typed or piped, until its end."""
        descriptor, loop = sys.stdin.fileno(), asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(descriptor, ready.set)
        except PermissionError:  # a regular file, which never blocks
            ready.set()
        try:
            while True:
                await ready.wait()
                data = os.read(descriptor, _PIECE)
                if not data:
                    return
                yield data
                if loop.remove_reader(descriptor):
                    ready.clear()
                    loop.add_reader(descriptor, ready.set)
        finally:
            loop.remove_reader(descriptor)

    async def sizes(self) -> AsyncIterator[tuple[int, int]]:
        """Columns and rows, first as they are, then whenever the window changes."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        changed.set()
        loop.add_signal_handler(signal.SIGWINCH, changed.set)
        try:
            while True:
                await changed.wait()
                changed.clear()
                size = os.get_terminal_size(sys.stdout.fileno())
                yield size.columns, size.lines
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)

    def output(self, data: bytes) -> None:
        """Prints."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def errors(self, data: bytes) -> None:
        """Prints as errors."""
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()
