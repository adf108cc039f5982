"""How the tests' process ended, for every way in which it can."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from seatrial_protocol.exit_record import ExitRecord, Unready
from seatrial_protocol.summary import Outcome
from seatrial_protocol.termination import Code
from seatrial_runner.report.facts import Facts

_WITHOUT_PYTHON = (None, Code.PROGRAM_NOT_FOUND, Code.PROGRAM_NOT_EXECUTABLE)


def classify(facts: Facts) -> tuple[str, Optional[str]]:
    """How the tests' process ended, one of ``Outcome``, and a sentence about it (None if the numbers say it all)."""
    record = facts.record
    if facts.contradiction:
        return Outcome.INCONSISTENT, facts.contradiction
    if facts.record_problem:
        return Outcome.INCONSISTENT, f"how the tests' process ended can't be read: {facts.record_problem}"
    if record is None:
        return Outcome.NO_EXIT_RECORD, _without_record(facts)
    error, code = record.error or None, record.exit_code
    if record.gate_timeout:
        return Outcome.GATE_TIMEOUT, "not ready in time: " + _parts(record.not_ready or facts.not_ready)
    if record.timed_out:
        return Outcome.TIMEOUT, _over_time(facts)
    if facts.session is None:
        if error is not None:
            return Outcome.NO_PYTEST if record.code in _WITHOUT_PYTHON else Outcome.NOT_STARTED, error
        if "No module named pytest" in facts.output_tail:
            return Outcome.NO_PYTEST, "the Python of the image has no pytest"
    if facts.finish is None:
        if facts.started == 0 and code == 4:
            return Outcome.USAGE_ERROR, None
        if facts.started == 0 and code == 3:
            return Outcome.INTERNAL_ERROR, facts.internal_error
        if facts.interrupted is not None and facts.started == 0:
            return Outcome.INTERRUPTED, f"pytest {_how(record)} before the first test: {facts.interrupted}"
        return Outcome.DIED, error or _died(facts)
    if code != facts.finish:
        how = _how(record)
        return Outcome.DIED, f"pytest finished its session with status {facts.finish}, then its process {how}"
    return _finished(facts, facts.finish)


def _finished(facts: Facts, status: int) -> tuple[str, Optional[str]]:
    """The outcome of a session that pytest finished, its process ending with the same status."""
    if status == 0:
        if facts.bad:
            return (
                Outcome.FAILED,
                "pytest ended with status 0 although tests failed: a plugin or conftest.py changed it",
            )
        if facts.collection_errors:
            return Outcome.COLLECTION_ERROR, None
        if facts.interrupted is not None:
            return Outcome.INTERRUPTED, f"ended before all tests had run: {facts.interrupted}"
        if facts.ended == 0:
            return Outcome.NO_TESTS, _nothing_ran(facts)
        if facts.collected is not None and facts.ended < facts.collected:
            return (
                Outcome.INTERRUPTED,
                f"only {facts.ended} of {facts.collected} tests ran, though pytest's status is 0",
            )
        return Outcome.PASSED, None
    if status == 1:
        if facts.bad:
            return Outcome.FAILED, None
        if facts.collection_errors:
            return Outcome.COLLECTION_ERROR, None
        return Outcome.FAILED, _demands(facts) or "pytest ended with status 1 although no test failed"
    if status == 2:
        if facts.collection_errors and facts.ended == 0:
            return Outcome.COLLECTION_ERROR, None
        if facts.bad and facts.stopped is not None:  # --maxfail under xdist
            return Outcome.FAILED, None
        return Outcome.INTERRUPTED, f"ended before all tests had run: {facts.interrupted or 'interrupted'}"
    if status == 3:
        return Outcome.INTERNAL_ERROR, facts.internal_error
    if status == 4:
        return Outcome.USAGE_ERROR, None
    if status == 5:
        return Outcome.NO_TESTS, _nothing_ran(facts)
    if facts.interrupted is not None:
        return Outcome.INTERRUPTED, f"ended with status {status}: {facts.interrupted}"
    gave = f"pytest ended with status {status}, which a plugin or conftest.py gave it"
    return Outcome.FAILED, _demands(facts) or gave


def _demands(facts: Facts) -> str:
    parts = [f"{demand.code} is {demand.was:.10g}, the limit {demand.limit:.10g}" for demand in facts.demands]
    return "; ".join(parts)


def _nothing_ran(facts: Facts) -> str:
    if facts.lost_worker is not None:
        return f"no worker of pytest-xdist could run tests: {facts.lost_worker}"
    if facts.skipped_files:
        return f"{facts.skipped_files} files skip themselves, and there is no other test"
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


def _how(record: ExitRecord) -> str:
    if record.signal:
        return f"was killed by {record.signal}" + (" (out of memory)" if record.oom_killed else "")
    return f"ended with status {record.exit_code}"


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
        named = f"the threads {', '.join(facts.threads)}" if facts.threads else "for example a thread that is no daemon"
        return (
            f"pytest had finished its session with status {facts.finish}, but its process did not end: "
            f"something keeps it alive, {named}"
        )
    return f"the time for all tests was over{_running(facts)}"


def _without_record(facts: Facts) -> str:
    what = "the tests' container ended without an exit record: it was killed as a whole, for example out of memory"
    return what + _running(facts)


def _parts(not_ready: Iterable[Unready]) -> str:
    return ", ".join(f"{part.name} ({part.error})" for part in not_ready) or "unknown"
