"""Where the time of an attempt went: phases, and of each component when it was waited for, started and ran. Pure.

The chart is a table with one small drawing in each row, so that it can be read without seeing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from seatrial.amounts import duration
from seatrial.api.labels import role_rank
from seatrial.archive.model.runs import PHASES, Attempt, Component
from seatrial.archive.model.tests import TestRow
from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.events import GateTimeout, Ready, parse_event

WIDTH = 1000.0
"""Of a drawing, in its own units."""
_NARROWEST = 2.0  # a bar that can still be seen
_MARKS = 200  # failed tests shown in a row
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_FINE_ENDS = ("", "Completed")
_PYTEST_ENDS = (*range(1, 6), 75)  # 75: what it waited for did not come


@dataclass(frozen=True)
class Bar:
    """A stretch of a row."""

    kind: str
    """`phase`, `wait` (a pod without a process yet), `start` (its process does not answer yet), `run`, or `bad`."""
    x: float
    width: float
    label: str


@dataclass(frozen=True)
class Mark:
    """A point of a row: a failed test, the end of a process that should not have ended."""

    x: float
    label: str


@dataclass(frozen=True)
class Row:
    """One line of the chart."""

    name: str
    role: str
    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    text: str
    """The same in words."""
    bad: bool = False


@dataclass(frozen=True)
class Phase:
    """A part of the attempt's time."""

    name: str
    css: str
    seconds: float
    share: float
    """Of the time until the verdict, 0 to 1; 0 for what came after it."""
    going_on: bool


@dataclass(frozen=True)
class Chart:
    """The whole of it."""

    began: datetime
    seconds: float
    """Length of the axis."""
    ticks: tuple[str, ...]
    """Labels at even distances, the first at 0, the last at the axis' end."""
    phases: tuple[Phase, ...]
    rows: tuple[Row, ...]

    @property
    def grid(self) -> tuple[float, ...]:
        """Where lines are drawn."""
        parts = max(1, len(self.ticks) - 1)
        return tuple(round(WIDTH * number / parts, 1) for number in range(1, parts))


@dataclass(frozen=True)
class Gates:
    """What the tests waited for."""

    ready: Mapping[str, datetime] = field(default_factory=dict)
    """Since when each part answered, as far as they have seen."""
    missing: frozenset[str] = frozenset()
    """The parts that never answered."""


def gates(body: bytes) -> Gates:
    """What gates.jsonl shows, as far as it can be read."""
    ready, missing = dict[str, datetime](), set[str]()
    for line in body.splitlines():
        try:
            event = parse_event(line)
        except ProtocolError:
            continue
        if isinstance(event, Ready):
            ready[event.name] = datetime.fromtimestamp(event.t, UTC)
        elif isinstance(event, GateTimeout):
            missing |= {part.name for part in event.not_ready}
    return Gates(ready, frozenset(missing))


def chart(
    attempt: Attempt, created: datetime, failed: Sequence[TestRow], now: datetime, waited: Gates | None = None
) -> Chart:
    """The chart of one attempt.

    Args:
        attempt: what is known of it.
        created: when the run was created: where the axis begins for its first attempt.
        failed: its tests that went wrong; shown as marks.
        now: where an attempt that has not ended is drawn to.
        waited: what its tests waited for, if that is known already.
    """
    line = attempt.timeline
    began = min([created] if attempt.attempt == 1 else [], default=None) or line.queued or line.started or created
    known = [(name, at) for name, _ in PHASES if (at := getattr(line, name)) is not None]
    # What ended after the verdict belongs to its time; before the axis there is nothing.
    steps = [(name, max(began, min(at, line.verdict or at))) for name, at in known]
    over = line.verdict is not None
    last = line.cleaned_up if line.cleaned_up is not None and over else (line.verdict if over else now)
    ends = [at for part in attempt.components if (at := part.ended_at) is not None] if over else []
    total = max(0.001, max((at - began).total_seconds() for at in [last or now, *ends]))
    axis, ticks = _axis(total)
    scale = _Scale(began, axis)
    phases, bars = _phases(
        steps, began, last or now, over=line.cleaned_up is not None, scale=scale, verdict=line.verdict
    )
    stop = line.verdict or now
    words = f"verdict after {duration(_between(began, stop))}" if over else f"{duration(_between(began, stop))} so far"
    rows = [Row("run", "", bars, (), words)]
    parts = sorted(attempt.components, key=lambda part: (role_rank(part.role), part.created_at or began, part.name))
    sharded = len({part.shard for part in parts if part.shard is not None}) > 1
    for part in parts:
        row = _component(
            part, scale, stop, _failed_in(part, failed), line.environment_ready, waited or Gates(), sharded=sharded
        )
        if row.bad or part.container != "collector":  # the uploader of the results is of interest if it failed
            rows.append(row)
    return Chart(began, axis, ticks, phases, tuple(rows))


class _Scale:
    """From moments to the drawing's units."""

    def __init__(self, began: datetime, seconds: float) -> None:
        self._began = began
        self._seconds = seconds

    def x(self, at: datetime) -> float:
        return round(min(WIDTH, max(0.0, (at - self._began).total_seconds() / self._seconds * WIDTH)), 1)

    def bar(self, kind: str, since: datetime, until: datetime, what: str) -> Bar:
        x, end = self.x(since), self.x(until)
        width = round(max(_NARROWEST, end - x), 1)
        return Bar(kind, round(min(x, WIDTH - width), 1), width, f"{what} {_took(since, until)}")


def _phases(
    steps: Sequence[tuple[str, datetime]],
    began: datetime,
    last: datetime,
    *,
    over: bool,
    scale: _Scale,
    verdict: datetime | None,
) -> tuple[tuple[Phase, ...], tuple[Bar, ...]]:
    """The phases and their bars: each lasts until the next one that is known."""
    names = dict(PHASES)
    whole = _between(began, verdict or last) or 0.001
    phases, bars = list[Phase](), list[Bar]()
    for number, (step, at) in enumerate(steps):
        is_last = number == len(steps) - 1
        until = last if is_last else steps[number + 1][1]
        if step == "verdict" and not over:
            continue  # kept for somebody to look into: no work goes on
        seconds = _between(at, until)
        if seconds < 0.001 and not is_last:
            continue
        share = 0.0 if step == "verdict" else min(1.0, seconds / whole)
        css = step.replace("_", "-")
        phases.append(Phase(names[step], css, seconds, share, going_on=is_last and verdict is None))
        bars.append(scale.bar(f"phase {css}", at, until, names[step]))
    return tuple(phases), tuple(bars)


def _is_pytest(part: Component) -> bool:
    return part.role == "tests" and part.container in ("", "tests")


def _failed_in(part: Component, failed: Iterable[TestRow]) -> tuple[TestRow, ...]:
    """The tests that failed in this container."""
    if not _is_pytest(part):
        return ()
    return tuple(test for test in failed if part.shard is None or test.shard == part.shard)


def _ready(part: Component, first: datetime, opened: datetime | None, waited: Gates) -> datetime | None:
    """Since when it answered. Gates know; probes only show that something listens, and look later."""
    if part.name in waited.missing:
        return None
    known = [at for at in (waited.ready.get(part.name), part.ready_at, opened) if at is not None]
    since = [at for at in known if at >= first]  # the process before this one may have been ready too
    return min(since, default=first if known else None)


def _component(
    part: Component,
    scale: _Scale,
    stop: datetime,
    failed: Iterable[TestRow],
    opened: datetime | None,
    waited: Gates,
    *,
    sharded: bool,
) -> Row:
    """A component's row: a drawing, and the same in words."""
    bars, words = list[Bar](), list[str]()
    end = part.ended_at or stop
    bad = part.restarts > 0 or part.ended not in _FINE_ENDS or bool(part.exit_code)
    if _is_pytest(part) and part.exit_code in _PYTEST_ENDS and part.ended != "OOMKilled":
        bad = False  # the tests themselves say what failed
    first = part.started_at
    if part.created_at is not None:
        until = first or end
        bars.append(scale.bar("wait", part.created_at, until, "scheduling, image pull"))
        words.append(f"started after {_took(part.created_at, until)}" if first is not None else "never started")
    if first is not None and _is_pytest(part):
        until = max(first, min(opened or end, end))
        bars.append(scale.bar("start", first, until, "waits for the environment"))
        words.append(f"waited {_took(first, until)}")
        if opened is not None:
            bars.append(scale.bar("run", until, end, "runs"))
            words.append(f"ran {_took(until, end)}")
    elif first is not None and part.role in ("tests", "migrations"):
        seen = waited.ready.get(part.name, opened)
        done = part.ended_at or (seen and max(first, seen))
        bars.append(scale.bar("run", first, done or end, "runs"))
        words += [f"ran {_took(first, done)}"] if done else []  # a migration's process answers for it when it is done
    elif first is not None:
        ready = _ready(part, first, opened, waited)
        until = ready or end
        bars.append(scale.bar("start", first, until, "starts"))
        if ready is not None:
            words.append(f"ready {_took(first, ready)} later")
            bars.append(scale.bar("run", ready, end, "runs"))
        elif bad or part.name in waited.missing:
            words.append("never ready")
    marks = [Mark(scale.x(test.ended_at), f"failed: {test.id}") for test in failed if test.ended_at is not None][
        :_MARKS
    ]
    if bad:
        ending = end_of(part)
        words.append(ending)
        if part.ended_at is not None:
            marks.append(Mark(scale.x(part.ended_at), ending))
    shard = f"shard {part.shard}" if sharded and part.shard is not None else ""
    container = "" if part.container == part.name else part.container
    name = " ".join(word for word in (part.name, shard, container) if word)
    return Row(name, part.role, tuple(bars), tuple(marks), ", ".join(words), bad)


def end_of(part: Component) -> str:
    """How its process ended, in words: `out of memory, exit 137, restarted 2 times`; empty if it did not."""
    words = []
    if part.ended == "OOMKilled":
        words.append("killed: out of memory")
    elif part.ended not in ("", "Completed", "Error"):
        words.append(part.ended)
    if part.exit_code is not None:
        words.append(f"exit {part.exit_code}")
    if part.restarts:
        words.append(f"restarted {part.restarts} time{'s' if part.restarts > 1 else ''}")
    return ", ".join(words)


def _axis(seconds: float) -> tuple[float, tuple[str, ...]]:
    """A length not below `seconds` and the labels of four to nine ticks, at even distances."""
    step = next((step for step in _STEPS if seconds / step <= 8), _STEPS[-1] * (int(seconds / _STEPS[-1] / 8) + 1))
    count = max(1, -int(-seconds // step))
    unit, name = next((u, n) for u, n in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")) if step >= u or u == 1)
    return step * count, tuple(f"{step * number / unit:g} {name}" for number in range(count + 1))


def _took(since: datetime, until: datetime) -> str:
    """The time between two moments, in whole seconds where Kubernetes gives no more."""
    seconds = _between(since, until)
    if since.microsecond or until.microsecond or seconds >= 60:
        return duration(seconds)
    return f"{seconds:.0f} s" if seconds else "less than 1 s"


def _between(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds())
