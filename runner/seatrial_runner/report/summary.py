"""What the operator needs to know of a shard: how pytest ended, how many tests did what, which ones failed and why.

Facts only. The verdict is the operator's, which also sees the pods.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Optional

from seatrial_runner.events import Event
from seatrial_runner.report import Case

FAILURES = 20
SLOWEST = 5
COLLECTION_ERRORS = 5
TAIL = 2000
"""Characters of pytest's output that are kept if not all tests passed."""
MESSAGE = 500
ID = 2000
NOTES = 20

_STACK = re.compile(r"(?:Fatal Python error: .*\s+)?Current thread 0x")
"""How faulthandler begins to tell where the process was; the innermost frame follows."""

_COUNTED = {
    "passed": "passed",
    "failed": "failed",
    "error": "errors",
    "skipped": "skipped",
    "xfailed": "xfailed",
    "xpassed": "xpassed",
}


@dataclass
class Facts:
    """All that was seen of the tests' process. Filled event by event; its size doesn't grow with the number of tests."""

    session: Optional[Event] = None
    finish: Optional[int] = None
    collected: Optional[int] = None
    deselected: int = 0
    collection_errors: int = 0
    started: int = 0
    """Tests that began."""
    tests: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*_COUNTED.values(), "flaky"), 0))
    timed_out: int = 0
    """Tests that ran over the limit for one test."""
    interrupted: Optional[str] = None
    internal_error: Optional[str] = None
    running: list[str] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    slowest: list[tuple[float, int, str]] = field(default_factory=list)
    first_at: Optional[float] = None
    last_ended: Optional[float] = None
    last_event: Optional[float] = None
    line_rate: Optional[float] = None
    """Coverage: the part of the lines that ran, 0 to 1."""
    gates_began: Optional[float] = None
    gates_open: Optional[float] = None
    not_ready: list[Any] = field(default_factory=list)
    record: Optional[dict[str, Any]] = None
    """The launcher's exit record."""
    output_tail: str = ""
    notes: list[str] = field(default_factory=list)
    """Oddities that people should know of."""

    @property
    def ended(self) -> int:
        """Tests that ended."""
        return sum(self.tests[name] for name in _COUNTED.values())

    @property
    def bad(self) -> int:
        """Tests that failed or had an error."""
        return self.tests["failed"] + self.tests["errors"]

    def note(self, text: str) -> None:
        """Remember an oddity; the first few are kept."""
        if len(self.notes) < NOTES and text not in self.notes:
            self.notes.append(text)

    def add_event(self, event: Event) -> None:
        """Take note of one of the plugin's events.

        Raises:
            KeyError, TypeError, ValueError: the event is not as the plugin writes it.
        """
        kind = event["event"]
        at = float(event["t"])
        self.last_event = at
        if kind == "start":
            self.started += 1
            self.first_at = at if self.first_at is None else self.first_at
        elif kind == "session":
            self.session = {name: str(event.get(name, "")) for name in ("pytest", "python", "platform")}
        elif kind == "collected":
            self.collected = int(event["count"])
            self.deselected = int(event.get("deselected") or 0)
            self.collection_errors = int(event.get("errorCount") or len(event["errors"]))
        elif kind == "interrupted":
            self.interrupted = str(event.get("message") or event.get("kind") or "interrupted")
        elif kind == "internal-error":
            self.internal_error = str(event.get("message") or "internal error")
        elif kind == "plugin-error":
            self.note(f"the plugin reported: {event.get('message')}"[:MESSAGE])
        elif kind == "coverage":
            lines, covered = int(event["lines"]), int(event["covered"])
            self.line_rate = round(covered / lines, 4) if lines > 0 else None
        elif kind == "finish":
            self.finish = int(event["exitStatus"])

    def add_gate_event(self, event: Event) -> None:
        """Take note of one of the launcher's events.

        Raises:
            KeyError, TypeError, ValueError: the event is not as the launcher writes it.
        """
        at = float(event["t"])
        self.gates_began = at if self.gates_began is None else self.gates_began
        if event["event"] == "open":
            self.gates_open = at
        elif event["event"] == "timeout":
            self.not_ready = list(event.get("notReady") or ())

    def add_case(self, case: Case) -> None:
        """Take note of a test that ended, or of a file that could not be collected."""
        if case.outcome == "collection-error":
            if len(self.errors) < COLLECTION_ERRORS:
                self.errors.append({"id": case.id[:ID], "message": case.message[:MESSAGE]})
            return
        if case.outcome not in _COUNTED:
            return
        self.tests[_COUNTED[case.outcome]] += 1
        self.tests["flaky"] += case.flaky
        self.timed_out += case.timed_out
        if case.ended is not None:
            self.last_ended = max(case.ended, self.last_ended or case.ended)
        if case.outcome in ("failed", "error") and len(self.failures) < FAILURES:
            failure = {"id": case.id[:ID], "catalogueId": case.catalogue_id, "message": case.message[:MESSAGE]}
            self.failures.append(failure)
        entry = (case.seconds, -self.ended, case.id[:ID])  # of equally slow ones, the first
        if len(self.slowest) < SLOWEST:
            heapq.heappush(self.slowest, entry)
        else:
            heapq.heappushpop(self.slowest, entry)


def classify(facts: Facts) -> tuple[str, Optional[str]]:
    """How the tests' process ended, and one sentence about it (None if the numbers say it all).

    The outcomes: ``passed failed no-tests collection-error usage-error internal-error interrupted died timeout
    gate-timeout no-pytest no-exit-record``. ``passed`` is the narrowest: pytest finished its session with status 0 and
    so did its process, and every test that was collected ended, at least one, none of them badly.
    """
    record = facts.record
    if record is None:
        return "no-exit-record", _without_record(facts)
    error = str(record["error"]) if record.get("error") else None
    code = record.get("exitCode")
    if record.get("gateTimeout"):
        return "gate-timeout", "not ready in time: " + _said(record.get("notReady") or facts.not_ready)
    if record.get("timedOut"):
        return "timeout", _over_time(facts)
    if facts.session is None:
        if error is not None:
            return "no-pytest", error
        if "No module named pytest" in facts.output_tail:
            return "no-pytest", "the Python of the image has no pytest"
    if facts.finish is None:
        if facts.started == 0 and code == 4:
            return "usage-error", None
        if facts.started == 0 and code == 3:
            return "internal-error", facts.internal_error
        return "died", error or _died(facts)
    if code != facts.finish:
        how = _how(record)
        return "died", f"pytest finished its session with status {facts.finish}, then its process {how}"
    return _finished(facts, facts.finish)


def _finished(facts: Facts, status: int) -> tuple[str, Optional[str]]:
    """The outcome of a session that pytest finished, its process ending with the same status."""
    if status == 0:
        if facts.bad:
            return "failed", "pytest ended with status 0 although tests failed: a plugin or conftest.py changed it"
        if facts.collection_errors:
            return "collection-error", None
        if facts.interrupted is not None:
            return "interrupted", f"ended before all tests had run: {facts.interrupted}"
        if facts.ended == 0:
            return "no-tests", _nothing_ran(facts)
        if facts.collected is not None and facts.ended < facts.collected:
            return "interrupted", f"only {facts.ended} of {facts.collected} tests ran, though pytest's status is 0"
        return "passed", None
    if status == 1:
        if facts.bad:
            return "failed", None
        if facts.collection_errors:
            return "collection-error", None
        return (
            "failed",
            "pytest ended with status 1 although no test failed: a plugin demands more, for example coverage",
        )
    if status == 2:
        if facts.collection_errors and facts.ended == 0:
            return "collection-error", None
        stopped = facts.interrupted or ""
        if facts.bad and stopped.startswith("stopping after"):  # --maxfail under xdist
            return "failed", None
        return "interrupted", f"ended before all tests had run: {stopped or 'interrupted'}"
    if status == 3:
        return "internal-error", facts.internal_error
    if status == 4:
        return "usage-error", None
    if status == 5:
        return "no-tests", _nothing_ran(facts)
    if facts.interrupted is not None:
        return "interrupted", f"ended with status {status}: {facts.interrupted}"
    return "failed", f"pytest ended with status {status}, which a plugin or conftest.py gave it"


def _nothing_ran(facts: Facts) -> str:
    if facts.deselected:
        return f"all {facts.deselected} tests were deselected"
    if facts.collected:
        return f"{facts.collected} tests were collected, none was run"
    return "no tests were found"


def _running(facts: Facts) -> str:
    if not facts.running:
        return ""
    more = f" and {len(facts.running) - 1} more" if len(facts.running) > 1 else ""
    return f" while {facts.running[0]}{more} was running"


def _how(record: dict[str, Any]) -> str:
    if record.get("signal"):
        return f"was killed by {record['signal']}" + (" (out of memory)" if record.get("oomKilled") else "")
    return f"ended with status {record.get('exitCode')}"


def _died(facts: Facts) -> str:
    assert facts.record is not None
    when = _running(facts)
    if not when:
        if facts.session is None:
            when = " before its session began"
        elif facts.started == 0:
            when = " before the first test"
        else:
            when = " between tests"
    return f"pytest {_how(facts.record)}{when}, without finishing its session"


def _over_time(facts: Facts) -> str:
    if facts.finish is not None and facts.interrupted is None:
        return (
            f"pytest had finished its session with status {facts.finish}, but its process did not end: "
            "something keeps it alive, for example a thread that is no daemon"
        )
    return f"the time for all tests was over{_running(facts)}"


def _without_record(facts: Facts) -> str:
    what = "the tests' container ended without an exit record: it was killed as a whole, for example out of memory"
    return what + _running(facts)


def _said(not_ready: Iterable[Any]) -> str:
    parts = [f"{part.get('name')} ({part.get('error')})" if isinstance(part, dict) else str(part) for part in not_ready]
    return ", ".join(parts) or "unknown"


def summarize(facts: Facts, run: dict[str, str], attempt: int, shard: int) -> dict[str, Any]:
    """The content of ``summary.json``. The same facts give the same summary, so it may be uploaded twice."""
    record = facts.record or {}
    session = facts.session or {}
    outcome, error = classify(facts)
    # With xdist several may be running; a session that was finished leaves none.
    running = facts.running[0] if facts.running else None
    code = record.get("exitCode")
    summary: dict[str, Any] = {
        "schema": 1,
        "run": run,
        "attempt": attempt,
        "shard": shard,
        "complete": facts.finish is not None and facts.record is not None and code == facts.finish,
        "exitCode": code,
        "signal": record.get("signal"),
        "timedOut": bool(record.get("timedOut")),
        "oomKilled": bool(record.get("oomKilled")),
        "gateTimeout": bool(record.get("gateTimeout")),
        "notReady": record.get("notReady") or facts.not_ready,
        "lost": record.get("lost") or [],
        "error": error,
        "outcome": outcome,
        "running": running,
        "tests": {"total": max(facts.collected or 0, facts.ended), **facts.tests},
        "failures": facts.failures,
        "slowest": [{"id": name, "seconds": round(took, 3)} for took, _, name in sorted(facts.slowest, reverse=True)],
        "collectionErrors": facts.errors,
        "collectionErrorCount": facts.collection_errors,
        "deselected": facts.deselected,
        "testTimeouts": facts.timed_out,
        "startedAt": _first(facts.gates_began, record.get("startedAt")),
        "gatesOpenAt": facts.gates_open,
        "firstTestAt": facts.first_at,
        "lastTestEndedAt": facts.last_ended,
        "endedAt": _first(record.get("endedAt"), facts.last_event),
        "pytest": session.get("pytest"),
        "python": session.get("python"),
        "notes": facts.notes,
    }
    if facts.line_rate is not None:
        summary["coverage"] = {"lineRate": facts.line_rate}
    if outcome != "passed":
        summary["outputTail"] = _tail(facts.output_tail, finished=facts.finish is not None)
    return summary


def _tail(output: str, *, finished: bool) -> str:
    """The end of pytest's output; of a process that died or hung, rather the innermost frames of the stack it left."""
    stacks = [] if finished else list(_STACK.finditer(output))
    begin = len(output) - TAIL
    if stacks and stacks[-1].start() < begin:
        begin = stacks[-1].start()
    return output[max(begin, 0) :][:TAIL]


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8; what UTF-8 can't hold (lone surrogates) becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
