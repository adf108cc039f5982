"""``summary.json``: the facts of a shard. The collector writes it; the verdict is the operator's."""

from __future__ import annotations

from typing import Optional

from seatrial_protocol import limits
from seatrial_protocol.decode import (
    Contract,
    contract,
    flag,
    integer,
    integers,
    items,
    moment,
    number,
    one_of,
    part,
    string,
    strings,
)
from seatrial_protocol.events import Demand
from seatrial_protocol.exit_record import Unready
from seatrial_protocol.identity import RunIdentity

_LINE = 4096
_SENTENCES = 16 * 1024


class Outcome:
    """How the tests' process ended."""

    PASSED = "passed"
    """The narrowest: session and process ended with status 0, every collected test ended, at least one, none badly."""
    FAILED = "failed"
    NO_TESTS = "no-tests"
    COLLECTION_ERROR = "collection-error"
    USAGE_ERROR = "usage-error"
    """pytest refused its arguments."""
    INTERNAL_ERROR = "internal-error"
    """pytest or a plugin failed."""
    INTERRUPTED = "interrupted"
    DIED = "died"
    """The process ended without finishing its session."""
    TIMEOUT = "timeout"
    GATE_TIMEOUT = "gate-timeout"
    NO_PYTEST = "no-pytest"
    NOT_STARTED = "not-started"
    """The launcher could not start it; ``code`` says why."""
    NO_EXIT_RECORD = "no-exit-record"
    """The launcher was killed too."""
    INCONSISTENT = "inconsistent"
    """The exit record can't be read or is not the launcher's, or something else than the plugin wrote events."""


OUTCOMES = tuple(value for name, value in vars(Outcome).items() if name.isupper())


@contract("counts")
class Counts(Contract):
    """How many tests did what. ``flaky`` ones are also among the passed."""

    total: int = integer(default=0)
    """All that were collected, or all that ended if that is more."""
    passed: int = integer(default=0)
    failed: int = integer(default=0)
    errors: int = integer(default=0)
    skipped: int = integer(default=0)
    xfailed: int = integer(default=0)
    xpassed: int = integer(default=0)
    flaky: int = integer(default=0)

    @property
    def bad(self) -> int:
        """Tests that failed or had an error."""
        return self.failed + self.errors


@contract("failure")
class FailedTest(Contract):
    """A test that failed, or a file that could not be collected."""

    id: str = string(_LINE)
    catalogue_id: Optional[str] = string(_LINE, default=None)
    message: str = string(_LINE, default="")


@contract("collection error")
class FailedFile(Contract):
    """A file that could not be collected."""

    id: str = string(_LINE)
    message: str = string(_LINE, default="")


@contract("skipped file")
class SkippedFile(Contract):
    """A file that skips itself."""

    id: str = string(_LINE)
    message: str = string(_LINE, default="")


@contract("search")
class Search(Contract):
    """What tests were looked for by, and names of the files that are there."""

    python_files: tuple[str, ...] = strings(limits.NAMES, _LINE, default=())
    markers: str = string(_LINE, default="")
    keywords: str = string(_LINE, default="")
    addopts: str = string(_LINE, default="")
    matching: tuple[str, ...] = strings(limits.NAMES, _LINE, default=())
    """Files whose names match ``python_files``."""
    others: tuple[str, ...] = strings(limits.NAMES, _LINE, default=())


@contract("slow test")
class SlowTest(Contract):
    """One of the tests that took longest."""

    id: str = string(_LINE)
    seconds: float = number()


@contract("coverage")
class LineCoverage(Contract):
    """What was measured."""

    line_rate: float = number(high=1.0)
    """The part of the lines that ran."""


@contract("omitted file")
class OmittedFile(Contract):
    """A file that was not uploaded."""

    path: str = string(limits.PATH)
    reason: str = string(_LINE, default="")


@contract("omitted artifacts")
class OmittedFiles(Contract):
    """What was not uploaded, and why."""

    files: int = integer(default=0)
    bytes: int = integer(high=limits.BYTES, default=0)
    examples: tuple[OmittedFile, ...] = items(OmittedFile, limits.ENTRIES, default=())


@contract("summary", limits.SUMMARY)
class Summary(Contract):
    """Facts of one shard. Times are seconds since 1970."""

    run: RunIdentity = part(RunIdentity)
    attempt: int = integer(high=99_999)
    shard: int = integer(high=99_999)
    outcome: str = one_of(OUTCOMES)
    """One of ``Outcome``."""
    schema: int = integer(low=1, high=1, default=1)
    complete: bool = flag(default=False)
    """pytest finished its session, and its process ended with the same status."""
    exit_code: Optional[int] = integer(high=255, default=None)
    signal: Optional[str] = string(limits.CODE, default=None)
    timed_out: bool = flag(default=False)
    oom_killed: bool = flag(default=False)
    gate_timeout: bool = flag(default=False)
    not_ready: tuple[Unready, ...] = items(Unready, limits.PARTS, default=())
    lost: tuple[Unready, ...] = items(Unready, limits.PARTS, default=())
    """What no longer answered when the process had ended badly."""
    code: Optional[str] = string(limits.CODE, default=None, omit=True)
    """Why the tests' process never started: one of ``termination.Code``."""
    error: Optional[str] = string(_SENTENCES, default=None)
    """How it ended, for people; None if the numbers say it all."""
    running: Optional[str] = string(_LINE, default=None)
    """The test that ran when the process ended."""
    tests: Counts = part(Counts, default=Counts())
    pytest_counts: Optional[dict[str, int]] = integers(limits.NAMES, limits.LABEL, default=None, omit=True)
    """Of pytest's last line, by its categories."""
    never_ran: int = integer(default=0, omit=True)
    """Tests that were collected and did not end."""
    stopped: Optional[str] = string(_LINE, default=None, omit=True)
    """Why tests were left out."""
    demands: tuple[Demand, ...] = items(Demand, limits.NAMES, default=(), omit=True)
    """What the project demands beyond its tests, and did not get."""
    finished_with: Optional[int] = integer(low=-(2**31), high=2**31, default=None, omit=True)
    """The exit status with which pytest finished its session."""
    threads: tuple[str, ...] = strings(limits.NAMES, _LINE, default=(), omit=True)
    """Names of those that keep the process from its end."""
    lost_worker: Optional[str] = string(_SENTENCES, default=None, omit=True)
    """Why the first worker of pytest-xdist was lost."""
    search: Optional[Search] = part(Search, default=None, omit=True)
    """If nothing was collected."""
    failures: tuple[FailedTest, ...] = items(FailedTest, limits.ENTRIES, default=())
    """The first ones."""
    slowest: tuple[SlowTest, ...] = items(SlowTest, limits.ENTRIES, default=())
    collection_errors: tuple[FailedFile, ...] = items(FailedFile, limits.ENTRIES, default=())
    """The first ones."""
    collection_error_count: int = integer(default=0)
    skipped_files: tuple[SkippedFile, ...] = items(SkippedFile, limits.ENTRIES, default=(), omit=True)
    """The first ones."""
    skipped_file_count: int = integer(default=0, omit=True)
    deselected: int = integer(default=0)
    test_timeouts: int = integer(default=0)
    """Tests that ran over the limit for one test."""
    started_at: Optional[float] = moment(default=None)
    gates_open_at: Optional[float] = moment(default=None)
    first_test_at: Optional[float] = moment(default=None)
    last_test_ended_at: Optional[float] = moment(default=None)
    ended_at: Optional[float] = moment(default=None)
    pytest: Optional[str] = string(limits.LABEL, default=None)
    """Its version."""
    python: Optional[str] = string(limits.LABEL, default=None)
    notes: tuple[str, ...] = strings(limits.ENTRIES, _LINE, default=())
    """Oddities that people should know of."""
    coverage: Optional[LineCoverage] = part(LineCoverage, default=None, omit=True)
    artifacts_omitted: Optional[OmittedFiles] = part(OmittedFiles, default=None, omit=True)
    output_tail: str = string(_SENTENCES, default="", omit=True)
    """The end of pytest's output, if not all tests passed."""
