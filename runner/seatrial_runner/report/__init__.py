"""From events to finished tests, which the reports then tell in their own ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from seatrial_runner.events import Event

FAILURES_LIMIT = 20
"""Failures of one test kept in full (a test has several if it has subtests or is run again)."""

FAILED = ("failed", "error", "collection-error", "unfinished")
"""Outcomes that mean that something went wrong."""


@dataclass(frozen=True)
class Failure:
    """One phase that failed."""

    when: str
    message: str
    text: str
    stdout: str
    stderr: str
    log: str
    subtest: str = ""
    rerun: bool = False
    """The test was run again after it."""

    @property
    def title(self) -> str:
        """Where it happened: ``call``, ``teardown``, ``call, subtest [one] i=1``."""
        return f"{self.when}, subtest {self.subtest}" if self.subtest else self.when


@dataclass
class Case:
    """One test, or one file that could not be collected.

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
        if self.outcome in FAILED:
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


class Assembly:
    """Takes events in order and gives each test once it has ended. Holds only the tests that are running."""

    def __init__(self) -> None:
        self._open: dict[str, Case] = {}
        self._errors = 0

    @property
    def running(self) -> list[str]:
        """Ids of the tests that have started and not ended, the oldest first."""
        return list(self._open)

    def add(self, event: Event) -> list[Case]:
        """Take an event; gives what is finished by it.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: the event is not as the plugin writes it.
        """
        kind = event["event"]
        if kind == "start":
            self._open[str(event["id"])] = Case(str(event["id"]), _time(event))
        elif kind == "phase":
            self._phase(self._open.setdefault(str(event["id"]), Case(str(event["id"]), _time(event))), event)
        elif kind == "end":
            return [self._end(event)]
        elif kind == "collected":
            new = event["errors"][self._errors :]
            self._errors += len(new)
            return [_collection_error(error, event) for error in new]
        return []

    def abandon(self) -> list[Case]:
        """The tests that will never end, because the process that ran them has."""
        cases, self._open = list(self._open.values()), {}
        for case in cases:
            case.failures.append(
                _failure({"when": "call", "message": "did not finish: the process of the tests ended"})
            )
        return cases

    def _phase(self, case: Case, event: Event) -> None:
        if event["outcome"] == "failed":
            if len(case.failures) < FAILURES_LIMIT:
                case.failures.append(_failure(event))
        elif event["outcome"] == "skipped" or "wasxfail" in event:
            case.reason = str(event.get("wasxfail") or event.get("message") or "")

    def _end(self, event: Event) -> Case:
        case = self._open.pop(str(event["id"]), None) or Case(str(event["id"]), None)
        case.outcome = str(event["outcome"])
        case.seconds = float(event["seconds"])
        case.ended = _time(event)
        case.catalogue_id = None if event.get("catalogueId") is None else str(event["catalogueId"])
        case.file = None if event.get("file") is None else str(event["file"])
        case.line = event["line"] if isinstance(event.get("line"), int) else None
        case.markers = [str(marker) for marker in event.get("markers") or ()]
        case.reruns = int(event.get("reruns") or 0)
        case.timed_out = bool(event.get("timedOut"))
        return case


def _time(event: Event) -> Optional[float]:
    t = event.get("t")
    return float(t) if isinstance(t, (int, float)) else None


def _failure(event: dict[str, Any]) -> Failure:
    texts = {name: str(event.get(name) or "") for name in ("when", "message", "text", "stdout", "stderr", "log")}
    return Failure(**texts, subtest=str(event.get("subtest") or ""), rerun=bool(event.get("rerun")))


def _collection_error(error: dict[str, Any], event: Event) -> Case:
    failure = _failure({"when": "collection", "message": error.get("message"), "text": error.get("text")})
    nodeid = str(error["id"])
    return Case(nodeid, _time(event), "collection-error", ended=_time(event), file=nodeid or None, failures=[failure])
