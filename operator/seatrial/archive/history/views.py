"""What the history tells: frozen dataclasses, which pages, reports and the API share. All times are aware, in UTC.

`to_json` writes them as the API does: camelCase, times as RFC 3339.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AliasChoices, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

CONFIG = ConfigDict(alias_generator=to_camel, populate_by_name=True)

TestOrder = Literal["bad-first", "duration", "id"]


def to_json(view: Any) -> Any:
    """The view as plain JSON values."""
    return _adapter(view).dump_python(view, mode="json", by_alias=True)


def to_json_bytes(view: Any) -> bytes:
    """The view as JSON text."""
    return _adapter(view).dump_json(view, by_alias=True)


def _adapter(view: Any) -> TypeAdapter[Any]:
    kind: Any = type(view)
    return _adapter_of(kind)


@lru_cache
def _adapter_of(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


# Questions


@dataclass(frozen=True)
class RunFilter:
    """Which runs; all that is given must hold."""

    namespaces: frozenset[str] | None = None
    """Only those that the reader may see; None: all."""
    namespace: str | None = None
    name: str | None = None
    verdict: str | None = None
    reason: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    since: datetime | None = None
    """Created at this moment or later."""
    until: datetime | None = None
    """Created before this moment."""
    active: bool | None = None
    """True: only those that wait for their verdict; False: only the others."""
    text: str | None = None
    """Part of the name or of the message, in any case."""
    image: str | None = None
    """Part of a container's image or of its digest."""


@dataclass(frozen=True)
class TestFilter:
    """Which tests of a run; all that is given must hold."""

    __test__: ClassVar = False  # pytest: no test

    outcome: str | None = None
    """One of pytest's outcomes, `unfinished`, `collection-error`, or `bad` (all that went wrong), or `flaky`."""
    text: str | None = None
    """Part of the node id or of the catalogue id, in any case."""
    attempt: int | None = None
    """None: the last one that has results."""


# Runs


@dataclass(frozen=True, config=CONFIG)
class Counts:
    """How many tests did what. `flaky` ones are also among the passed."""

    total: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    xfailed: int = 0
    xpassed: int = 0
    flaky: int = 0


@dataclass(frozen=True, config=CONFIG)
class RunRow:
    """A run in a list."""

    uid: str
    namespace: str
    name: str
    created_at: datetime
    attempt: int
    """The last one."""
    phase: str
    """Of the IntegrationRun; `Deleted` if it was deleted before it had a verdict; empty if only results are known."""
    verdict: str | None
    """Passed, Failed, Errored, Cancelled; None while there is none."""
    reason: str
    message: str
    labels: dict[str, str]
    started_by: str
    started_with: str
    started_link: str
    """Who started it, with which program, and where that was (a CI job's page); each may be empty."""
    spec_hash: str
    started_at: datetime | None
    ended_at: datetime | None
    """When its verdict was written."""
    tests: Counts
    """Of the last attempt that has results."""

    @property
    def began_at(self) -> datetime:
        """Its creation, which the API server notes in whole seconds; if it was taken up within that second, that moment."""
        taken_up = self.started_at
        at_once = taken_up is not None and 0 <= (taken_up - self.created_at).total_seconds() < 1
        return taken_up if taken_up is not None and at_once else self.created_at

    @property
    def seconds(self) -> float | None:
        """From its beginning to its verdict."""
        return None if self.ended_at is None else max(0.0, (self.ended_at - self.began_at).total_seconds())


@dataclass(frozen=True, config=CONFIG)
class RunPage:
    """Some runs, the newest first."""

    runs: tuple[RunRow, ...]
    next_cursor: str | None
    """Gives the next page; None: this is the last one."""
    total: int
    """All that the filter lets through."""


@dataclass(frozen=True, config=CONFIG)
class Timeline:
    """When an attempt got how far."""

    queued: datetime | None = None
    started: datetime | None = None
    environment_ready: datetime | None = None
    first_test: datetime | None = None
    last_test: datetime | None = None
    verdict: datetime | None = None
    cleaned_up: Annotated[
        datetime | None, Field(validation_alias=AliasChoices("cleanedUp", "cleaned_up", "reclaimed"))
    ] = None  # the last: in histories of version 0.1.0


@dataclass(frozen=True, config=CONFIG)
class Component:
    """One container of an attempt."""

    name: str
    role: str
    """service, migrations, app or tests."""
    container: str = ""
    image: str = ""
    image_id: str = ""
    """The image that the node ran, by digest."""
    created_at: datetime | None = None
    started_at: datetime | None = None
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    restarts: int = 0
    ended: str = ""
    """Why it ended: OOMKilled, Error, Completed, ..."""


@dataclass(frozen=True, config=CONFIG)
class Shard:
    """The result of one shard, if it is complete."""

    shard: int
    complete: bool
    digest: str | None
    """Of the manifest: sha256:<hex>."""
    archived_at: datetime | None
    summary: dict[str, Any] | None
    """summary.json."""


@dataclass(frozen=True, config=CONFIG)
class Evidence:
    """What was gathered of an attempt's environment."""

    digest: str
    archived_at: datetime


@dataclass(frozen=True, config=CONFIG)
class Attempt:
    """One attempt of a run."""

    attempt: int
    verdict: str | None
    reason: str
    message: str
    environment: str
    """Name of its namespace."""
    digest: str
    """Of the result that its verdict was taken from; may be empty."""
    timeline: Timeline
    components: tuple[Component, ...]
    shards: tuple[Shard, ...]
    evidence: Evidence | None


@dataclass(frozen=True, config=CONFIG)
class RunDetail(RunRow):
    """All of one run but its tests."""

    spec: dict[str, Any]
    """As the user gave it; empty if it is not known."""
    attempts: tuple[Attempt, ...]

    @property
    def last(self) -> Attempt | None:
        """The last attempt."""
        return self.attempts[-1] if self.attempts else None


# Tests


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
        return self.outcome in BAD


BAD = ("failed", "error", "collection-error", "unfinished")
"""Outcomes that mean that something went wrong."""


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
