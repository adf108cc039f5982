"""What each page shows: one frozen dataclass a page. Templates get its fields, and nothing else of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from seatrial.archive.model.runs import Attempt, Counts, RunDetail, RunPage
from seatrial.archive.model.tests import FlakyTest, TestHistory, TestPage, TestRow
from seatrial.archive.server.pages.files import FileRow, TextPage
from seatrial.archive.server.pages.moments import Moment
from seatrial.archive.server.pages.questions import LogsQuestion, RunQuestion, TestsQuestion
from seatrial.archive.server.pages.timeline import Chart
from seatrial.archive.server.pages.trend import Trend
from seatrial_protocol.hints import Hint


@dataclass(frozen=True)
class View:
    """A page; `here` is its place in the navigation."""

    template: ClassVar[str]
    here: ClassVar[str] = ""


@dataclass(frozen=True)
class RunsView(View):
    """The list of runs."""

    template = "runs.html"
    here = "runs"
    page: RunPage
    asked: RunQuestion
    namespaces: tuple[str, ...]
    first_page: bool


@dataclass(frozen=True)
class FlakyView(View):
    """Flaky tests."""

    template = "flaky.html"
    here = "flaky"
    tests: tuple[FlakyTest, ...]
    namespace: str
    namespaces: tuple[str, ...]
    since: str


@dataclass(frozen=True)
class HistoryView(View):
    """How one test went lately."""

    template = "history.html"
    history: TestHistory
    trend: Trend


@dataclass(frozen=True)
class Detail:
    """A failed test on the page of its run."""

    test: TestRow
    moment: Moment | None
    logs: str
    """The logs from a second before it on: the query of their address."""


@dataclass(frozen=True)
class Group:
    """A set's files on the page of its run."""

    title: str
    files: tuple[FileRow, ...]
    more: int
    """Files that are not listed."""


@dataclass(frozen=True)
class Output:
    """The end of what a shard's pytest printed."""

    shard: int
    text: str


@dataclass(frozen=True)
class RunView(View):
    """One attempt of a run."""

    template = "run.html"
    run: RunDetail
    attempt: Attempt | None
    """None: nothing is known of any."""
    counts: Counts
    """Of this attempt, all shards together."""
    bad: TestPage
    manifest: str
    """A manifest that starts the run once more; empty: its spec is not known."""
    left_out: tuple[str, ...] = ()
    """Tests that did not run, and why."""
    slowest: tuple[TestRow, ...] = ()
    details: tuple[Detail, ...] = ()
    hints: tuple[Hint, ...] = ()
    notes: tuple[str, ...] = ()
    """What of the evidence could not be gathered."""
    chart: Chart | None = None
    """None: nothing was ever started."""
    logs: tuple[str, ...] = ()
    """Components with logs."""
    colours: Mapping[str, int] | None = None
    groups: tuple[Group, ...] = ()
    outputs: tuple[Output, ...] = ()
    reports: tuple[str, ...] = ()
    line_rate: float | None = None
    remarks: tuple[str, ...] = ()
    """What the runner noticed."""


@dataclass(frozen=True)
class TestsView(View):
    """The tests of one attempt."""

    __test__: ClassVar = False

    template = "tests.html"
    run: RunDetail
    counts: Counts
    shards: tuple[int, ...]
    page: TestPage
    asked: TestsQuestion
    first_page: bool


@dataclass(frozen=True)
class TestView(View):
    """One test of one attempt."""

    __test__: ClassVar = False

    template = "test.html"
    run: RunDetail
    test: TestRow
    sharded: bool
    """The attempt has several shards."""
    moment: Moment | None
    logs: str
    colours: Mapping[str, int]


@dataclass(frozen=True)
class LogsView(View):
    """The logs of one attempt on one time axis."""

    template = "logs.html"
    run: RunDetail
    moment: Moment
    asked: LogsQuestion
    components: tuple[str, ...]
    chosen: tuple[str, ...]
    colours: Mapping[str, int]


@dataclass(frozen=True)
class FileView(View):
    """One file of a set."""

    template = "file.html"
    run: RunDetail
    attempt: int
    part: str
    path: str
    length: int
    """Bytes."""
    download: str
    """The file's address."""
    picture: bool
    page: TextPage | None
    """None: it is a picture."""
    text: str
    first: str
    cut: int
    """Only so many bytes are shown; 0: all."""


@dataclass(frozen=True)
class SignInView(View):
    """The form for a token."""

    template = "sign_in.html"
    next: str
    problem: str = ""


@dataclass(frozen=True)
class ErrorView(View):
    """What does not work, and what to do."""

    template = "error.html"
    status: int
    title: str
    error: str
    hint: str
