"""From bytes to events, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from seatrial_protocol import limits
from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.events import Event, parse_event


class Lines:
    """Bytes in, events out. A line that is no event is counted and left out."""

    def __init__(self) -> None:
        self.bad = 0
        """Lines that could not be read."""
        self.problem = ""
        """What is wrong with the first of them."""
        self._rest = b""
        self._skipping = False

    @property
    def note(self) -> str:
        """For people, if some could not be read."""
        return f"{self.bad} lines of events could not be read, the first: {self.problem}"

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete."""
        *lines, rest = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        self._rest = b""
        for line in lines:
            if self._skipping:  # the end of a line that was too long
                self._skipping = False
                continue
            event = self._parse(line)
            if event is not None:
                yield event
        if self._skipping:
            return
        if len(rest) > limits.EVENT.size:
            self._count(f"event: larger than {limits.EVENT.size} bytes")
            self._skipping = True
        else:
            self._rest = rest

    def end(self) -> Iterator[Event]:
        """The last line if its newline is missing but it is whole; half a line (the writer was killed) is no error."""
        rest, self._rest = self._rest, b""
        bad, problem = self.bad, self.problem
        event = self._parse(rest)
        self.bad, self.problem = bad, problem
        if event is not None:
            yield event

    def _parse(self, line: bytes) -> Optional[Event]:
        if not line.strip():
            return None
        try:
            return parse_event(line)
        except ProtocolError as error:
            self._count(str(error))
        return None

    def _count(self, problem: str) -> None:
        self.bad += 1
        self.problem = self.problem or problem
