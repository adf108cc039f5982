"""From what the history and the stored files tell to what the templates show. Pure; every text in it may be hostile."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import yaml

from seatrial.amounts import duration
from seatrial.archive.model.errors import InvalidError
from seatrial.archive.model.keys import by_name
from seatrial.archive.model.manifest import Manifest
from seatrial.archive.model.questions import RunFilter
from seatrial.archive.model.runs import Counts, RunDetail, RunRow
from seatrial.archive.model.tests import TestHistory, TestPage
from seatrial.archive.server.pages.moments import clean, time_of, tone_of
from seatrial.archive.server.pages.timeline import WIDTH
from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.hints import Hint, parse_hints

VERDICTS = ("Passed", "Failed", "Errored", "Cancelled")
SPANS = {"1h": "last hour", "24h": "last day", "7d": "last 7 days", "30d": "last 30 days"}
OUTCOMES = ("bad", "failed", "error", "passed", "skipped", "xfailed", "xpassed", "flaky")

_HINTS, _NOTES = 12, 50
_HINT_TEXT = 1_000  # characters
_TREND_HEIGHT = 100.0
_SPAN = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_LABEL = re.compile(r"[^=\s]+=\S*")
_PLAIN = (".log", ".txt", ".json", ".jsonl", ".xml", ".md", ".yaml", ".yml", ".csv", ".py", ".html", ".svg", ".js", ".css",
          ".toml", ".ini", ".sql", ".out", ".err")  # fmt: skip
_PICTURES = (".png", ".jpg")


# Words and numbers


@dataclass(frozen=True)
class Tone:
    """How a verdict or an outcome is shown: never by colour alone."""

    word: str
    css: str
    sign: str


_TONES = {
    "Passed": Tone("Passed", "good", "✓"),
    "Failed": Tone("Failed", "bad", "✗"),
    "Errored": Tone("Errored", "broken", "!"),
    "Cancelled": Tone("Cancelled", "idle", "\N{EN DASH}"),
    "Deleted": Tone("Deleted", "idle", "\N{EN DASH}"),
    "passed": Tone("passed", "good", "✓"),
    "failed": Tone("failed", "bad", "✗"),
    "error": Tone("error", "bad", "✗"),
    "collection-error": Tone("not collected", "bad", "✗"),
    "unfinished": Tone("did not finish", "bad", "✗"),
    "skipped": Tone("skipped", "idle", "\N{EN DASH}"),
    "xfailed": Tone("failed as expected", "idle", "\N{EN DASH}"),
    "xpassed": Tone("passed unexpectedly", "good", "✓"),
}


def tone(word: str) -> Tone:
    """How this verdict, outcome or phase is shown; a phase stands for a run that goes on."""
    return _TONES.get(word) or Tone(word or "Pending", "busy", "…")


def stamp(at: datetime | None) -> str:
    """A moment in full: `2026-11-21 15:03:50 UTC`."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(seconds: float) -> str:
    """A moment of a day, as logs are read: `15:03:50.123`."""
    whole = math.floor(seconds * 1000)
    return datetime.fromtimestamp(whole / 1000, UTC).strftime("%H:%M:%S.") + f"{whole % 1000:03}"


def rfc3339(seconds: float) -> str:
    """The moment, as a parameter of an address; cut, not rounded, to microseconds."""
    return datetime.fromtimestamp(math.floor(seconds * 1e6) / 1e6, UTC).isoformat().replace("+00:00", "Z")


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago: `just now`, `5 min ago`, `3 h ago`, `2 days ago`, then the date."""
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    if seconds < 45:
        return "just now"
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min ago"
    if seconds < 86_400:
        return f"{seconds // 3600:.0f} h ago"
    if seconds < 14 * 86_400:
        days = int(seconds // 86_400)
        return f"{days} day{'s' if days > 1 else ''} ago"
    return at.astimezone(UTC).strftime("%Y-%m-%d")


def number(count: int) -> str:
    """A number with thin spaces between its thousands."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


# Addresses


def root(path: str) -> str:
    """The relative address of the archive's root as seen from a page: pages work under any prefix that a proxy puts before them."""
    return "../" * max(0, path.strip("/").count("/")) or "./"


def query(**parameters: object) -> str:
    """`?a=1&b=2` of those that say something; sequences are repeated."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", (), [])}
    return "?" + urlencode(given, doseq=True, quote_via=quote) if given else "?"


def time_parameter(text: str, now: datetime, name: str) -> datetime | None:
    """A moment given in an address: `24h` (so long ago), a date, or a date and time (UTC unless it says otherwise).

    Raises:
        InvalidError: it is none of these.
    """
    if not text:
        return None
    if match := _SPAN.fullmatch(text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        at = datetime.fromisoformat(text)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidError(
            f"{name}={text[:60]!r} is not a time", "use 24h, 7d, 2026-01-31 or 2026-01-31T15:00:00Z"
        ) from error
    return at


def date_parameter(text: str, name: str) -> datetime | None:
    """The first moment after `time_parameter`'s dates; used where a day is meant as a whole."""
    at = time_parameter(text, datetime.now(UTC), name)
    return at + timedelta(days=1) if at is not None and len(text) == 10 else at


# Lists of runs


@dataclass(frozen=True)
class RunQuestion:
    """The filters of the list of runs, as the address has them."""

    namespace: str = ""
    verdict: str = ""
    reason: str = ""
    text: str = ""
    labels: tuple[str, ...] = ()
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str], labels: Iterable[str]) -> RunQuestion:
        """The question in these parameters.

        Raises:
            InvalidError: a label is not `key=value`, or a verdict is none.
        """
        asked = cls(
            labels=tuple(text for label in labels if (text := label.strip())),
            **{
                name: parameters.get(name, "").strip()
                for name in ("namespace", "verdict", "reason", "text", "since", "until")
            },
        )
        for label in asked.labels:
            if not _LABEL.fullmatch(label):
                raise InvalidError(f"label={label[:60]!r} is not a label", "write key=value, for example branch=main")
        if asked.verdict not in ("", "running", *VERDICTS):
            raise InvalidError(
                f"verdict={asked.verdict[:60]!r} is not a verdict", f"use running or {', '.join(VERDICTS)}"
            )
        return asked

    def filter(self, namespaces: frozenset[str] | None, now: datetime) -> RunFilter:
        """The history's filter for it.

        Raises:
            InvalidError: a time can't be understood.
        """
        pairs = tuple((key, value) for key, _, value in (label.partition("=") for label in self.labels))
        return RunFilter(
            namespaces=namespaces,
            namespace=self.namespace or None,
            verdict=self.verdict if self.verdict in VERDICTS else None,
            active=True if self.verdict == "running" else None,
            reason=self.reason or None,
            text=self.text or None,
            labels=pairs,
            since=time_parameter(self.since, now, "since"),
            until=date_parameter(self.until, "until"),
        )

    def address(self, **changes: object) -> str:
        """The address of the list with these filters, some of them changed."""
        mine = {
            "namespace": self.namespace,
            "verdict": self.verdict,
            "reason": self.reason,
            "text": self.text,
            "label": self.labels,
            "since": self.since,
            "until": self.until,
        }
        return query(**(mine | changes))

    @property
    def any(self) -> bool:
        """Whether anything is filtered."""
        return self != RunQuestion()


# One run


def goes_on(run: RunRow) -> bool:
    """Whether a verdict is still to come."""
    return run.verdict is None and run.phase != "Deleted"


def hints(body: bytes, stored: Collection[str]) -> tuple[Hint, ...]:
    """The hints in hints.json, causes first, as much of them as one reads. `stored` are the files that a hint may point to."""
    try:
        found = sorted(parse_hints(body), key=lambda hint: not hint.cause)[:_HINTS]
    except ProtocolError:
        return ()
    return tuple(_bounded(hint, hint.file if hint.file in stored else "") for hint in found)


def _bounded(hint: Hint, file: str) -> Hint:
    component, line, title, advice = (
        clean(text)[:_HINT_TEXT] for text in (hint.component, hint.line, hint.title, hint.advice)
    )
    return replace(hint, component=component, line=line, title=title, advice=advice, file=file)


def notes(body: bytes) -> tuple[str, ...]:
    """What could not be gathered, and why: the texts in notes.json; none if it can't be read."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    texts = found if isinstance(found, list) else ()
    return tuple(clean(text)[:_HINT_TEXT] for text in texts if isinstance(text, str))[:_NOTES]


@dataclass(frozen=True)
class Share:
    """A part of all tests."""

    outcome: str
    count: int
    x: float
    width: float


def shares(counts: Counts) -> tuple[Share, ...]:
    """What became of the tests, as parts of one bar; those that never ran are its empty end."""
    parts = [(name, getattr(counts, name)) for name in ("failed", "errors", "passed", "xpassed", "xfailed", "skipped")]
    whole = max(1, counts.total, sum(count for _, count in parts))
    found, x = list[Share](), 0.0
    for name, count in parts:
        if count:
            width = WIDTH * count / whole
            found.append(Share(name, count, round(x, 1), round(width, 1)))
            x += width
    return tuple(found)


def told(counts: Counts) -> str:
    """The counts in words: `2 failed, 40 passed, 1 skipped of 43`."""
    names = {"failed": "failed", "errors": "with errors", "passed": "passed", "xpassed": "passed unexpectedly",
             "xfailed": "failed as expected", "skipped": "skipped"}  # fmt: skip
    parts = [f"{number(count)} {word}" for name, word in names.items() if (count := getattr(counts, name))]
    if not parts:
        return "no test has ended" if counts.total else "no tests"
    ended = sum(getattr(counts, name) for name in names)
    missing = [f"{number(counts.total - ended)} not run"] if counts.total > ended else []
    return ", ".join(parts + missing)


_BAD = {
    "failed": ("failed test", "failed tests"),
    "collection-error": ("file not collected", "files not collected"),
    "unfinished": ("test did not finish", "tests did not finish"),
}


def told_bad(page: TestPage) -> str:
    """What went wrong, in words: `2 failed tests, 1 test did not finish`; if not all are on the page: `200 failed tests`."""
    outcomes = ["failed" if test.outcome not in _BAD else test.outcome for test in page.tests]
    counts = {what: outcomes.count(what) for what in _BAD} if page.total == len(outcomes) else {"failed": page.total}
    return ", ".join(f"{number(count)} {_BAD[what][count > 1]}" for what, count in counts.items() if count)


def manifest_again(run: RunDetail) -> str:
    """A manifest that starts the same run once more, under a new name."""
    labels = {"labels": dict(run.labels)} if run.labels else {}
    prefix = run.name[:50].rstrip("-.") + "-"
    return yaml.safe_dump(
        {
            "apiVersion": "seatrial.dev/v1alpha1",
            "kind": "IntegrationRun",
            "metadata": {"generateName": prefix, "namespace": run.namespace, **labels},
            "spec": run.spec,
        },
        sort_keys=False,
        allow_unicode=True,
        width=120,
    )


def safe_link(address: str) -> str:
    """The address if it is one of the web; else nothing: a link must not run anything."""
    return address if re.match(r"https?://[^\s\"'<>]+\Z", address) else ""


# Files


@dataclass(frozen=True)
class FileRow:
    """A stored file."""

    part: str
    path: str
    size: int
    sha256: str
    address: str
    """Relative to `runs/<uid>/`: the viewer's page, or empty if it can only be downloaded."""
    download: str
    """Relative to the archive's root."""
    picture: bool


def files(uid: str, attempt: int, part: str, manifest: Manifest) -> tuple[FileRow, ...]:
    """The files of one set, by name; the many of coverage's HTML last."""
    where = "evidence" if part == "evidence" else f"shards/{part}"
    rows = []
    for file in sorted(manifest.files, key=lambda file: by_name(file.path)):
        quoted = quote(file.path)
        suffix = file.path[file.path.rfind(".") :].lower()
        picture = suffix in _PICTURES
        readable = picture or suffix in _PLAIN or "." not in file.path.rpartition("/")[2]
        rows.append(
            FileRow(
                part,
                file.path,
                file.size,
                file.sha256,
                f"files/{attempt}/{part}/{quoted}" if readable else "",
                f"v1/runs/{uid}/attempts/{attempt}/{where}/files/{quoted}",
                picture,
            )
        )
    return tuple(rows)


@dataclass(frozen=True)
class TextLine:
    """A line of a file."""

    number: int
    text: str
    tone: str
    marked: bool = False


@dataclass(frozen=True)
class TextPage:
    """Some lines of a file."""

    lines: tuple[TextLine, ...]
    count: int
    """Lines of the file."""
    found: int | None
    """How many lines hold the text that was looked for; None if none was."""
    previous: int | None
    """Number of the first line of the page before; None on the first page."""
    next: int | None


def text_page(body: bytes, first: int, limit: int, text: str = "", around: float | None = None) -> TextPage:
    """A page of a file.

    Args:
        body: the file.
        first: number of the first line wanted; lines are counted from 1.
        limit: lines of a page.
        text: only lines that hold it, in any case.
        around: unix seconds: instead of `first`, the page around the first line that was logged then or later; it is marked.
    """
    raw = body.split(b"\n")
    if raw and not raw[-1]:
        raw.pop()
    wanted = text.casefold()
    mark = 0
    if around is not None and not wanted:
        mark = next(
            (n for n, line in enumerate(raw, 1) if (at := time_of(line)) is not None and at >= around - 1e-6), 0
        )
        first = max(1, mark - limit // 4)
    if wanted:
        matching = [(n, line) for n, line in enumerate(raw, 1) if wanted in line.decode("utf-8", "replace").casefold()]
        numbers = [n for n, _ in matching if n >= first]
        chosen = [(n, line) for n, line in matching if n >= first][:limit]
        before = [n for n, _ in matching if n < first]
        previous = before[-limit:][0] if before else None
        following = numbers[limit] if len(numbers) > limit else None
    else:
        first = min(max(1, first), max(1, len(raw)))
        chosen = list(enumerate(raw[first - 1 : first - 1 + limit], first))
        previous = max(1, first - limit) if first > 1 else None
        following = first + limit if first + limit <= len(raw) else None
    lines = tuple(_text_line(n, line, marked=n == mark) for n, line in chosen)
    return TextPage(lines, len(raw), len(matching) if wanted else None, previous, following)


def _text_line(number: int, line: bytes, *, marked: bool) -> TextLine:
    text = clean(line.decode("utf-8", "replace"))
    return TextLine(number, text, tone_of(text), marked)


# One test


@dataclass(frozen=True)
class TrendBar:
    """One run of a test in its trend."""

    x: float
    y: float
    width: float
    height: float
    css: str
    label: str
    uid: str
    attempt: int


@dataclass(frozen=True)
class Trend:
    """How long a test took in its last runs, the oldest first, drawn 1000 wide and 100 high."""

    bars: tuple[TrendBar, ...]
    top: float
    """Seconds at the upper edge."""
    median_y: float | None


def trend(history: TestHistory) -> Trend:
    """The drawing of a test's history."""
    points = tuple(reversed(history.points))
    top = max((point.seconds for point in points), default=0.0) or 1.0
    slot = WIDTH / max(12, len(points))
    bars = []
    for place, point in enumerate(points):
        height = max(2.0, _TREND_HEIGHT * point.seconds / top)
        shown = tone(point.outcome)
        word = "flaky" if point.flaky else shown.word
        label = f"{word} in {duration(point.seconds)}, {stamp(point.at)}, run {point.run}"
        css = "flaky" if point.flaky else shown.css
        bars.append(
            TrendBar(round(place * slot, 1), round(_TREND_HEIGHT - height, 1), round(slot * 0.8, 1), round(height, 1),
                     css, label, point.uid, point.attempt)
        )  # fmt: skip
    median = history.median_seconds
    return Trend(tuple(bars), top, None if median is None else round(_TREND_HEIGHT * (1 - min(1.0, median / top)), 1))


def split_id(node: str) -> tuple[str, str]:
    """A node id as file and rest, so that the eye finds the test's name."""
    head, bracket, parameters = node.partition("[")
    path, separator, name = head.partition("::")
    return (path, name + bracket + parameters) if separator else ("", node)


def colours(names: Sequence[str]) -> dict[str, int]:
    """A number from 0 to 7 for each component: the same on all pages of a run."""
    return {name: place % 8 for place, name in enumerate(sorted(names))}


def short_digest(image_id: str) -> str:
    """The digest of an image, short enough for a table: `sha256:0123456789ab`."""
    digest = image_id.rpartition("@")[2]
    return digest[:19] if digest.startswith("sha256:") else digest[:40]
