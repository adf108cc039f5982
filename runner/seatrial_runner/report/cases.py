"""One test as the reports show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from seatrial_protocol.events import BAD_OUTCOMES

FAILURES_LIMIT = 20
"""Failures of one test kept in full (a test has several if it has subtests or is run again)."""


@dataclass(frozen=True)
class Failure:
    """One phase that failed."""

    when: str
    message: str
    text: str = ""
    stdout: str = ""
    stderr: str = ""
    log: str = ""
    subtest: str = ""
    rerun: bool = False
    """The test was run again after it."""

    @property
    def title(self) -> str:
        """Where it happened: ``call``, ``teardown``, ``call, subtest [one] i=1``."""
        return f"{self.when}, subtest {self.subtest}" if self.subtest else self.when


@dataclass
class Case:
    """One test, or one file that could not be collected or that skips itself.

    ``outcome`` is one of pytest's (``passed failed error skipped xfailed xpassed``), or ``unfinished`` (it started and
    the process ended), or ``collection-error``. Times are unix seconds.
    """

    id: str
    started: Optional[float]
    outcome: str = "unfinished"
    seconds: float = 0.0
    ended: Optional[float] = None
    catalogue_id: Optional[str] = None
    file: Optional[str] = None
    line: Optional[int] = None
    markers: list[str] = field(default_factory=list)
    reruns: int = 0
    timed_out: bool = False
    is_file: bool = False
    """A whole file, of whose tests nothing is known."""
    reason: str = ""
    """Why it was skipped or expected to fail."""
    failures: list[Failure] = field(default_factory=list)

    @property
    def flaky(self) -> bool:
        """It failed, was run again and passed."""
        return self.reruns > 0 and self.outcome in ("passed", "xpassed")

    @property
    def message(self) -> str:
        """One line that says what went wrong, or why it was skipped; empty if it passed."""
        if self.outcome in BAD_OUTCOMES:
            return self.final[0].message if self.failures else ""
        return self.reason

    @property
    def final(self) -> list[Failure]:
        """Its failures but those after which it was run again."""
        return [failure for failure in self.failures if not failure.rerun] or self.failures

    @property
    def names(self) -> tuple[list[str], str]:
        """The parts of its id before the last (file, classes), and the last with its parameters."""
        head, bracket, parameters = self.id.partition("[")
        *parents, name = head.split("::")
        return parents, name + bracket + parameters
