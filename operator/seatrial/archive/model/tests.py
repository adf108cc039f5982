"""Views of tests: frozen dataclasses for pages, reports, the API and its clients. Times are aware, in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic.dataclasses import dataclass

from seatrial.archive.model.json import CONFIG
from seatrial_protocol.events import BAD_OUTCOMES


@dataclass(frozen=True, config=CONFIG)
class FailureText:
    """One phase of a test that failed. Texts are bounded."""

    when: str
    """setup, call, teardown or collection."""
    message: str
    text: str
    """Traceback."""
    stdout: str = ""
    stderr: str = ""
    log: str = ""
    subtest: str = ""
    rerun: bool = False
    """The test was run again after it."""


@dataclass(frozen=True, config=CONFIG)
class TestRow:
    """One test of one attempt."""

    __test__: ClassVar = False

    uid: str
    attempt: int
    shard: int
    id: str
    """pytest's node id."""
    catalogue_id: str | None
    outcome: str
    """passed failed error skipped xfailed xpassed unfinished collection-error."""
    seconds: float
    started_at: datetime | None
    ended_at: datetime | None
    file: str | None
    line: int | None
    markers: tuple[str, ...]
    reruns: int
    flaky: bool
    """It failed, was run again and passed."""
    timed_out: bool
    message: str
    """One line: what went wrong, or why it was skipped."""
    failures: tuple[FailureText, ...] = ()
    """Only where one test is asked for."""

    @property
    def bad(self) -> bool:
        """Whether something went wrong."""
        return self.outcome in BAD_OUTCOMES


@dataclass(frozen=True, config=CONFIG)
class TestPage:
    """Some tests of a run."""

    __test__: ClassVar = False

    tests: tuple[TestRow, ...]
    next_cursor: str | None
    total: int
    """All that the filter lets through."""


@dataclass(frozen=True, config=CONFIG)
class TestPoint:
    """How one test went in one attempt of one run."""

    __test__: ClassVar = False

    uid: str
    run: str
    attempt: int
    shard: int
    at: datetime
    """When the test began; if that is not known, when the run was created."""
    outcome: str
    seconds: float
    flaky: bool
    message: str
    spec_hash: str


@dataclass(frozen=True, config=CONFIG)
class TestHistory:
    """How one test went lately, the newest first."""

    __test__: ClassVar = False

    namespace: str
    id: str
    catalogue_id: str | None
    points: tuple[TestPoint, ...]
    passed: int
    bad: int
    flaky: int
    """How often of these points; flaky ones are also among the passed."""
    median_seconds: float | None
    """Of those that passed."""


@dataclass(frozen=True, config=CONFIG)
class FlakyTest:
    """A test that passed and failed while nothing had changed."""

    namespace: str
    id: str
    catalogue_id: str | None
    flaked: int
    """Passed when it was run again, or went the other way than in another run of the same spec."""
    passed: int
    bad: int
    last_at: datetime
    """When the run began in which it was last flaky or bad."""
    last_uid: str
    message: str
    """Of that time."""

    @property
    def rate(self) -> float:
        """Of all its runs, the part in which it was flaky: 0 to 1."""
        return self.flaked / max(1, self.passed + self.bad)


@dataclass(frozen=True, config=CONFIG)
class DurationRow:
    """How long a test takes when it passes."""

    id: str
    seconds: float
    """Median."""
    passes: int
    """How many passes that was made of."""
