"""The summary of a shard. Facts only: the verdict is the operator's, which also sees the pods."""

from __future__ import annotations

import re
from typing import Optional

from seatrial_protocol.exit_record import ExitRecord
from seatrial_protocol.identity import RunIdentity
from seatrial_protocol.summary import Counts, LineCoverage, OmittedFiles, Outcome, Search, SlowTest, Summary
from seatrial_runner.report.facts import ID, Facts
from seatrial_runner.report.outcome import classify

NAMES = 10
"""Names of files that are kept."""
TAIL = 2000
"""Characters of pytest's output that are kept if not all tests passed."""
_SENTENCE = 8000
_STACK = re.compile(r"(?:Fatal Python error: .*\s+)?Current thread 0x")
"""How faulthandler begins its stacks; the innermost frame follows."""


def summarize(
    facts: Facts, run: RunIdentity, attempt: int, shard: int, omitted: Optional[OmittedFiles] = None
) -> Summary:
    """The content of ``summary.json``. The same facts give the same summary, so it may be uploaded twice."""
    record = facts.record or ExitRecord(0.0)
    session = facts.session
    outcome, error = classify(facts)
    ended_at = facts.last_event if facts.record is None else record.ended_at
    return Summary(
        run=run,
        attempt=attempt,
        shard=shard,
        outcome=outcome,
        complete=facts.finish is not None and facts.record is not None and record.exit_code == facts.finish,
        exit_code=record.exit_code,
        signal=record.signal,
        timed_out=record.timed_out,
        oom_killed=record.oom_killed,
        gate_timeout=record.gate_timeout,
        not_ready=record.not_ready or facts.not_ready,
        lost=record.lost,
        code=None if facts.session is not None else record.code,
        error=None if error is None else error[:_SENTENCE],
        # With xdist several may be running; a session that was finished leaves none.
        running=facts.running[0][:ID] if facts.running else None,
        tests=_counts(facts),
        pytest_counts=facts.pytest_counts,
        failures=tuple(facts.failures),
        slowest=tuple(SlowTest(name, round(took, 3)) for took, _, name in sorted(facts.slowest, reverse=True)),
        collection_errors=tuple(facts.errors),
        collection_error_count=facts.collection_errors,
        skipped_files=tuple(facts.skips),
        skipped_file_count=facts.skipped_files,
        never_ran=max((facts.collected or 0) - facts.ended, 0),
        stopped=facts.stopped,
        demands=facts.demands,
        finished_with=facts.finish,
        threads=facts.threads,
        lost_worker=None if facts.lost_worker is None else facts.lost_worker[:_SENTENCE],
        search=_search(facts),
        deselected=facts.deselected,
        test_timeouts=facts.timed_out,
        started_at=record.started_at if facts.gates_began is None else facts.gates_began,
        gates_open_at=facts.gates_open,
        first_test_at=facts.first_at,
        last_test_ended_at=facts.last_ended,
        ended_at=ended_at,
        pytest=None if session is None else session.pytest,
        python=None if session is None else session.python,
        notes=(*facts.notes, *_other_counts(facts)),
        coverage=None if facts.line_rate is None else LineCoverage(facts.line_rate),
        artifacts_omitted=omitted,
        output_tail="" if outcome == Outcome.PASSED else _tail(facts.output_tail, finished=facts.finish is not None),
    )


def _counts(facts: Facts) -> Counts:
    """As pytest counts: files that could not be collected are errors, files that skip themselves are skipped."""
    counts = dict(facts.tests)
    counts["errors"] += facts.collection_errors
    counts["skipped"] += facts.skipped_files
    total = max(facts.collected or 0, facts.ended) + facts.collection_errors + facts.skipped_files
    return Counts(total=total, **counts)


def _other_counts(facts: Facts) -> list[str]:
    """A note of pytest's own counts where they are not ours."""
    theirs = facts.pytest_counts
    if theirs is None:
        return []
    own = _counts(facts)
    pairs = (("passed", own.passed), ("failed", own.failed), ("error", own.errors), ("skipped", own.skipped))
    if all(theirs.get(category, 0) == count for category, count in pairs):
        return []
    counted = ", ".join(f"{theirs[category]} {category}" for category, _ in pairs if theirs.get(category))
    return [
        f"pytest's own line counts {counted or 'nothing'}: "
        "each failed subtest by itself, and what goes wrong in a test's teardown beside its call"
    ]


def _search(facts: Facts) -> Optional[Search]:
    found = facts.no_tests
    if found is None:
        return None
    return Search(
        found.python_files, found.markers, found.keywords, found.addopts, found.matching[:NAMES], found.others[:NAMES]
    )


def _tail(output: str, *, finished: bool) -> str:
    """The end of pytest's output; of a process that died or hung, rather the innermost frames of the stack it left."""
    stacks = [] if finished else list(_STACK.finditer(output))
    begin = len(output) - TAIL
    if stacks and stacks[-1].start() < begin:
        begin = stacks[-1].start()
    return output[max(begin, 0) :][:TAIL]
