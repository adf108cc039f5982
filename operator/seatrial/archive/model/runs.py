"""Views of runs: frozen dataclasses that pages, reports, the API and its clients share. All times are aware, in UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any

from pydantic import AliasChoices, Field
from pydantic.dataclasses import dataclass

from seatrial.archive.model.json import CONFIG
from seatrial.archive.model.summaries import parse_summary
from seatrial_protocol.summary import Summary


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
    namespace_uid: str
    """A recreated namespace has another; empty: not known."""
    name: str
    created_at: datetime
    attempt: int
    """The last one."""
    phase: str
    """Of the IntegrationRun; `Deleted` if it was deleted before it had a verdict; empty if only results are known."""
    verdict: str | None
    """Passed, Failed, Errored, Cancelled; None before it."""
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
        """Its creation, which the API server notes in whole seconds; the start, if that is in the same second."""
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


PHASES = (
    ("queued", "waiting for the operator"),
    ("started", "environment"),
    ("environment_ready", "pytest: start and collection"),
    ("first_test", "tests"),
    ("last_test", "results and verdict"),
    ("verdict", "clean-up"),
)
"""What goes on from each moment of a timeline."""


@dataclass(frozen=True, config=CONFIG)
class Component:
    """One container of an attempt."""

    name: str
    role: str
    """service, migrations, app or tests."""
    shard: int | None = None
    """Of the tests' pods; None: there is one."""
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
    """summary.json, as it was written."""
    problems: tuple[str, ...] = ()
    """What of the result could not be read."""

    @cached_property
    def facts(self) -> Summary | None:
        """The summary as the protocol has it; None if there is none that fits."""
        return parse_summary(self.summary)[0]


def complete_shard(
    number: int, digest: str, archived_at: datetime, summary: dict[str, Any], problems: Iterable[str] = ()
) -> Shard:
    """The shard with this result; what is wrong with its summary is one of the problems."""
    wrong = parse_summary(summary)[1]
    return Shard(number, True, digest, archived_at, summary, (*([wrong] if wrong else ()), *problems))


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
