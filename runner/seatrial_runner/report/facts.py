"""What the collector has seen of the tests' process so far."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Optional

from seatrial_protocol.events import (
    COUNT_OF,
    Collected,
    ConftestError,
    Coverage,
    Demand,
    Event,
    Finish,
    GateTimeout,
    InternalError,
    Interrupted,
    NoTests,
    Open,
    PluginError,
    Session,
    Start,
    WorkerLost,
)
from seatrial_protocol.exit_record import ExitRecord, Unready
from seatrial_protocol.summary import FailedFile, FailedTest, SkippedFile
from seatrial_runner.report.cases import Case

FAILURES = 20
SLOWEST = 5
COLLECTION_ERRORS = 5
MESSAGE = 500
"""Characters of a message that are kept."""
ID = 2000
"""Characters of a test's id that are kept."""
NOTES = 20


@dataclass
class Facts:
    """All that was seen. Filled event by event; its size doesn't grow with the number of tests."""

    session: Optional[Session] = None
    finish: Optional[int] = None
    """The exit status with which pytest finished its session."""
    collected: Optional[int] = None
    deselected: int = 0
    collection_errors: int = 0
    skipped_files: int = 0
    """Files that skip themselves; none of their tests is collected."""
    pytest_counts: Optional[dict[str, int]] = None
    stopped: Optional[str] = None
    """Why tests were left out."""
    demands: tuple[Demand, ...] = ()
    """What the project demands beyond its tests, and did not get."""
    threads: tuple[str, ...] = ()
    """Names of those that keep the process from its end."""
    no_tests: Optional[NoTests] = None
    lost_worker: Optional[str] = None
    """Why the first worker of pytest-xdist was lost."""
    started: int = 0
    """Tests that began."""
    tests: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*COUNT_OF.values(), "flaky"), 0))
    timed_out: int = 0
    """Tests that ran over the limit for one test."""
    interrupted: Optional[str] = None
    internal_error: Optional[str] = None
    running: list[str] = field(default_factory=list)
    failures: list[FailedTest] = field(default_factory=list)
    errors: list[FailedFile] = field(default_factory=list)
    skips: list[SkippedFile] = field(default_factory=list)
    slowest: list[tuple[float, int, str]] = field(default_factory=list)
    first_at: Optional[float] = None
    last_ended: Optional[float] = None
    last_event: Optional[float] = None
    line_rate: Optional[float] = None
    """Coverage: the part of the lines that ran, 0 to 1."""
    gates_began: Optional[float] = None
    gates_open: Optional[float] = None
    not_ready: tuple[Unready, ...] = ()
    record: Optional[ExitRecord] = None
    record_problem: str = ""
    """What is wrong with the exit record that was found; empty if nothing is, or if there is none."""
    contradiction: str = ""
    """What neither the launcher nor the plugin does to the files of results; empty if nothing was seen."""
    output_tail: str = ""
    notes: list[str] = field(default_factory=list)
    """Oddities that people should know of."""

    @property
    def ended(self) -> int:
        """Tests that ended."""
        return sum(self.tests[name] for name in COUNT_OF.values())

    @property
    def bad(self) -> int:
        """Tests that failed or had an error."""
        return self.tests["failed"] + self.tests["errors"]

    def note(self, text: str) -> None:
        """Keep an oddity; the first few."""
        text = text[:MESSAGE]
        if len(self.notes) < NOTES and text not in self.notes:
            self.notes.append(text)

    def contradict(self, what: str) -> None:
        """Remember what speaks against these facts; the first one counts."""
        self.contradiction = self.contradiction or what

    def add_event(self, event: Event) -> None:
        """Take note of one of the plugin's events."""
        self.last_event = event.t
        if isinstance(event, Start):
            self.started += 1
            self.first_at = event.t if self.first_at is None else self.first_at
        elif isinstance(event, Session):
            self.session = event
        elif isinstance(event, Collected):
            self.collected = event.count
            self.deselected = event.deselected
            self.collection_errors = event.error_count or len(event.errors)
            self.skipped_files = event.skip_count or len(event.skips)
        elif isinstance(event, Interrupted):
            self.interrupted = event.message or event.kind or "interrupted"
        elif isinstance(event, ConftestError):
            self.interrupted = f"{event.path}: {event.message}"
        elif isinstance(event, WorkerLost):
            self.lost_worker = self.lost_worker or event.message or event.worker
        elif isinstance(event, NoTests):
            self.no_tests = event
        elif isinstance(event, InternalError):
            self.internal_error = event.message or "internal error"
        elif isinstance(event, PluginError):
            self.note(f"the plugin reported: {event.message}")
        elif isinstance(event, Coverage):
            self.line_rate = round(min(event.covered / event.lines, 1.0), 4) if event.lines else None
        elif isinstance(event, Finish):
            self.finish = event.exit_status
            self.pytest_counts = event.counts
            self.stopped, self.demands, self.threads = event.stopped, event.demands, event.threads

    def add_gate_event(self, event: Event) -> None:
        """Take note of one of the launcher's events."""
        self.gates_began = event.t if self.gates_began is None else self.gates_began
        if isinstance(event, Open):
            self.gates_open = event.t
        elif isinstance(event, GateTimeout):
            self.not_ready = event.not_ready

    def add_case(self, case: Case) -> None:
        """Take note of a test that ended, or of a file that could not be collected or skips itself."""
        if case.is_file:
            self._add_file(case)
            return
        if case.outcome not in COUNT_OF:
            return
        self.tests[COUNT_OF[case.outcome]] += 1
        self.tests["flaky"] += case.flaky
        self.timed_out += case.timed_out
        if case.ended is not None:
            self.last_ended = max(case.ended, self.last_ended or case.ended)
        if case.outcome in ("failed", "error") and len(self.failures) < FAILURES:
            catalogue_id = None if case.catalogue_id is None else case.catalogue_id[:MESSAGE]
            self.failures.append(FailedTest(case.id[:ID], catalogue_id, case.message[:MESSAGE]))
        entry = (case.seconds, -self.ended, case.id[:ID])  # of equally slow ones, the first
        if len(self.slowest) < SLOWEST:
            heapq.heappush(self.slowest, entry)
        else:
            heapq.heappushpop(self.slowest, entry)

    def _add_file(self, case: Case) -> None:
        message = case.message[:MESSAGE]
        if case.outcome == "skipped":
            if len(self.skips) < COLLECTION_ERRORS:
                self.skips.append(SkippedFile(case.id[:ID], message))
            return
        if len(self.errors) < COLLECTION_ERRORS:
            self.errors.append(FailedFile(case.id[:ID], message))
        if len(self.failures) < FAILURES:
            self.failures.append(FailedTest(case.id[:ID], None, message))
