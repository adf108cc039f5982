"""The file of events: one JSON object a line, each in the file when it is written."""

from __future__ import annotations

import os
from json.encoder import encode_basestring
from typing import Optional

from seatrial_runner.recording.system import System, now
from seatrial_runner.recording.text import bounded, escaped

LONG = 700_000
"""Characters of a line of which the texts are cut further: readers take no line of more than 1 MiB."""
SHORT = 16 * 1024
"""Bytes of each text of such a line."""
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_WORDS = {None: "null", True: "true", False: "false"}


def encode(value: object) -> str:
    """JSON of what events hold. Suites replace parts of the json module, so it is not used."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.6f}" if abs(value) < 1e15 else "null"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{encode_basestring(str(key))}: {encode(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join([encode(each) for each in value]) + "]"
    return encode_basestring(str(value))


def _encoded(fields: dict[str, object]) -> str:
    return "".join([f', "{name}": {encode(value)}' for name, value in fields.items()])


class EventLog:
    """Only the process that opened the file writes to it: a fork is silent.

    A test that closes descriptors which are not its own must not have the events go to whatever is opened next under
    that number.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd, self._identity = self._open()
        self._torn = False
        self._held = ""
        self.silent = False
        """Whether nothing is written any more: this process is a fork, or the log was closed."""
        os.register_at_fork(after_in_child=self._silence)

    def write(self, event: str, **fields: object) -> None:
        """Append one event.

        Raises:
            OSError: the file can't be written, for example because its volume is full.
        """
        rest = _encoded(fields)
        if len(rest) > LONG:  # output of nothing but control characters, which take six bytes each
            rest = _encoded({name: bounded(v, SHORT) if isinstance(v, str) else v for name, v in fields.items()})
        self.append(f'{{"t": {now():.6f}, "event": "{event}"{rest}}}\n')

    def hold(self, line: str) -> None:
        """Have a line of JSON appended together with the next one."""
        self._held += line

    def append(self, line: str) -> None:
        """Append a line of JSON, with its newline, after those that are held.

        Raises:
            OSError: as ``write()``.
        """
        if self.silent:
            return
        if self._held:
            line, self._held = self._held + line, ""
        if not line:
            return
        data = escaped(line)
        if _identity(self._fd) != self._identity:
            self._fd, self._identity = self._open()
        if self._torn:  # what a full disk left of a line must not spoil the next one
            data = b"\n" + data
        self._torn = True
        written = System.write(self._fd, data)
        while written < len(data):
            data = data[written:]
            written = System.write(self._fd, data)
        self._torn = False

    def close(self) -> None:
        """Write nothing more."""
        self.silent = True
        if _identity(self._fd) == self._identity:
            System.close(self._fd)

    def _silence(self) -> None:
        self.silent = True

    def _open(self) -> tuple[int, tuple[int, int]]:
        fd = System.open(self._path, _FLAGS, 0o644)
        status = System.fstat(fd)
        return fd, (status.st_dev, status.st_ino)


def _identity(fd: int) -> Optional[tuple[int, int]]:
    """Which file this descriptor stands for; None if for none."""
    try:
        status = System.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino
