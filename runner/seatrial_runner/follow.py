"""From the files that the launcher and the plugin write to reports and facts, as the files grow."""

from __future__ import annotations

import os
import stat
from typing import Callable, Optional

from seatrial_protocol import limits
from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.events import Event
from seatrial_protocol.exit_record import ExitRecord
from seatrial_runner.lines import Lines
from seatrial_runner.mask import Mask
from seatrial_runner.record_key import opened
from seatrial_runner.report.assembly import Assembly
from seatrial_runner.report.cases import Case
from seatrial_runner.report.ctrf import Ctrf
from seatrial_runner.report.facts import Facts
from seatrial_runner.report.junit import JUnit
from seatrial_runner.tail import Tail

OUTPUT_END = 32 * 1024
"""Bytes kept of the end of pytest's output."""
_KEY_LINE = 128
"""Bytes read beyond what a record may have: a key and an end of line, and one byte too many."""
_AFTER_THE_END = "events.jsonl goes on after the end of pytest's session"


class ResultsFollower:
    """Follows the files in the results folder and keeps reports and facts up to date.

    Args:
        results: the folder that the launcher and the plugin write to.
        work: a folder for the reports.
        title: of the reports.
        offer: receives each valid event.
        mask: of secrets, which are in none of this.
        key: with which the launcher's exit record begins; without it every record counts.
    """

    def __init__(
        self,
        results: str,
        work: str,
        title: str,
        offer: Callable[[Event], None],
        mask: Optional[Mask] = None,
        key: Optional[str] = None,
    ) -> None:
        self.facts = Facts()
        self.events = Tail(os.path.join(results, "events.jsonl"), mask)
        self.gates = Tail(os.path.join(results, "gates.jsonl"), mask)
        self.output = Tail(os.path.join(results, "output.log"), mask)
        self.junit_path = os.path.join(work, "junit.xml")
        self.ctrf_path = os.path.join(work, "ctrf.json")
        self._record_path = os.path.join(results, "exit.json")
        self._title = title
        self._offer = offer
        self._mask = mask or Mask()
        self._key = key
        self._event_lines = Lines()
        self._gate_lines = Lines()
        self._assembly = Assembly()
        self._junit = JUnit(self.junit_path)
        self._ctrf = Ctrf(self.ctrf_path)
        self._output_end = b""
        self._reported = False
        self.record_bytes: Optional[bytes] = None

    @property
    def finished(self) -> bool:
        """Whether pytest has finished its session; the reports are final then."""
        return self.facts.finish is not None

    def poll(self) -> bool:
        """Read what is new. True if the launcher's exit record is there; then all other files have been read whole."""
        there = self._read_record()
        for chunk in self.gates.chunks():
            for event in self._gate_lines.feed(chunk):
                self._gate(event)
        for chunk in self.events.chunks():
            for event in self._event_lines.feed(chunk):
                self._event(event)
        for chunk in self.output.chunks():
            self._output_end = (self._output_end + chunk)[-OUTPUT_END:]
        return there

    def end(self) -> None:
        """Close the reports; nothing more is read."""
        for event in (*self._gate_lines.feed(self.gates.seal()), *self._gate_lines.end()):
            self._gate(event)
        rest = self.events.seal()
        if not self.finished:
            for event in (*self._event_lines.feed(rest), *self._event_lines.end()):
                self._event(event)
        self._output_end = (self._output_end + self.output.seal())[-OUTPUT_END:]
        if self.finished and self.events.has_grown:
            self.facts.contradict(_AFTER_THE_END)
        for tail in (self.gates, self.events, self.output):
            if tail.damage:
                self.facts.note(tail.damage)
        for lines in (self._event_lines, self._gate_lines):
            if lines.bad:
                self.facts.note(lines.note)
        self.facts.output_tail = self._output_end.decode("utf-8", "replace")
        self._report()

    def close(self) -> None:
        """Close all files."""
        self._report()
        for tail in (self.gates, self.events, self.output):
            tail.close()

    def _read_record(self) -> bool:
        if self.record_bytes is not None:
            return True
        try:
            fd = os.open(self._record_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return False
            content = file.read(limits.EXIT_RECORD.size + _KEY_LINE)
        record = content if self._key is None else opened(content, self._key)
        if record is None:
            self.facts.contradict("exit.json was written by something else than the launcher")
            return False
        self.record_bytes = self._mask(record)
        try:
            self.facts.record = ExitRecord.parse(self.record_bytes)
        except ProtocolError as error:
            self.facts.record_problem = str(error)
        return True

    def _gate(self, event: Event) -> None:
        self.facts.add_gate_event(event)
        self._offer(event)

    def _event(self, event: Event) -> None:
        if self.finished:
            self.facts.contradict(_AFTER_THE_END)
            return
        self.facts.add_event(event)
        cases = self._assembly.add(event)
        self._offer(event)
        for case in cases:
            self._case(case)
        if self.finished:
            self.events.seal()
            self._report()

    def _case(self, case: Case) -> None:
        self.facts.add_case(case)
        self._junit.add(case)
        self._ctrf.add(case)

    def _report(self) -> None:
        if self._reported:
            return
        self._reported = True
        self.facts.running = self._assembly.running
        for case in self._assembly.abandon():
            self._case(case)
        started = self.facts.first_at or self.facts.gates_began or 0.0
        ended = self.facts.last_event or started
        session = self.facts.session
        known = {} if session is None else {name: getattr(session, name) for name in ("pytest", "python", "platform")}
        properties = {name: value for name, value in known.items() if value}
        self._junit.close(self._title, started, properties)
        self._ctrf.close(started, ended, properties.get("pytest"), dict(properties))
