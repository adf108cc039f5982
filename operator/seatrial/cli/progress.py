"""What is known of a run while it goes on: events in, lines for people out. Pure; the clock is the caller's.

Events come from two sources, the run's status and the archive's live stream; both may report the same thing, in either
order, and the live stream repeats itself when it is opened anew. Each thing gives one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from seatrial.api.status import ConditionType, Phase, TestCounts
from seatrial.cli.phrases import counts_text, plural, seconds
from seatrial.cli.run import Run
from seatrial.cli.terminal import one_line
from seatrial_protocol import events
from seatrial_protocol.exit_record import Unready

COUNT_LINE_SECONDS = 10.0
"""Between two lines on how many tests have ended."""
UNNOTICED_SECONDS = 10.0
"""After this time without a phase the operator is probably not running."""

_BAD = ("failed", "error")


class Mark(StrEnum):
    """What kind of line it is."""

    STEP = "step"
    READY = "ready"
    COUNT = "count"
    PASSED = "passed"
    """A test that passed (or was skipped): noted for those who follow every test."""
    SKIPPED = "skipped"
    BAD = "bad"
    HINT = "hint"


@dataclass(frozen=True)
class ProgressLine:
    """One thing that happened, in one line."""

    mark: Mark
    text: str


@dataclass
class ComponentState:
    """Something that the tests wait for: a service, the migrations, an app."""

    ready_after: float | None = None
    """Seconds, as its gate measured."""
    ready: bool = False
    error: str = ""


@dataclass
class RunProgress:
    """The state. `at` in all methods: seconds since the run was created."""

    parts: dict[str, ComponentState] = field(default_factory=dict)
    phase: str = ""
    environment: str = ""
    message: str = ""
    open: bool = False
    """Everything is ready, pytest may start."""
    total: int | None = None
    running: dict[str, float] = field(default_factory=dict)
    """Tests that have begun and not ended: since when."""
    finished: bool = False
    verdict: str = ""
    attempt: int = 0
    _streamed: dict[str, int] = field(default_factory=dict)
    _reported: dict[str, int] = field(default_factory=dict)
    _ended: set[tuple[int, str]] = field(default_factory=set)
    _collected: dict[int, int] = field(default_factory=dict)
    _failing: dict[str, str] = field(default_factory=dict)
    _finished_shards: set[int] = field(default_factory=set)
    _counted_at: float = 0.0
    _counted: int = 0
    _taken_up: bool = False

    @classmethod
    def of(cls, run: Run) -> RunProgress:
        """The state of a run of which only the spec is known."""
        return cls(parts={name: ComponentState() for name in run.dependencies})

    @property
    def counts(self) -> Mapping[str, int]:
        """Tests that have ended, by outcome: from the source that knows of more."""
        return max(self._streamed, self._reported, key=lambda counts: sum(counts.values()))

    @property
    def ended(self) -> int:
        """How many tests have ended."""
        return sum(self.counts.values())

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return self.counts.get("failed", 0) + self.counts.get("errors", 0)

    def status(self, run: Run, at: float) -> list[ProgressLine]:
        """Takes the run as the API server has it."""
        status = run.status
        lines: list[ProgressLine] = []
        self._attempt(status.attempt, lines)
        if (environment := status.namespace) and environment != self.environment:
            self.environment = environment
            if not run.verdict:
                early = status.phase in (Phase.PENDING, Phase.STARTING)
                lines.append(ProgressLine(Mark.STEP, f"environment {environment}" + (" is starting" if early else "")))
        self.phase = str(status.phase or self.phase)
        self._taken_up = self._taken_up or bool(self.phase)
        self.verdict = run.verdict
        message = one_line(status.message)
        if message != self.message:
            self.message = message
            if message and not self.verdict:
                lines.append(ProgressLine(Mark.HINT, message))
        if run.has(ConditionType.ENVIRONMENT_READY):
            lines += self._opened("")
        tests = status.tests or TestCounts()
        self._reported = {name: count for name, count in tests if name != "total" and count}
        self.total = max(self.total or 0, tests.total) or None
        if run.has(ConditionType.TESTS_FINISHED):
            lines += self._tests_ended()
        return lines

    def live(self, event: events.Event, attempt: int, shard: int, at: float) -> list[ProgressLine]:
        """Takes one event of a shard."""
        lines: list[ProgressLine] = []
        if attempt < self.attempt:
            return lines
        self._attempt(attempt, lines)
        self._taken_up = True
        match event:
            case events.Waiting():
                self.parts.setdefault(one_line(event.name), ComponentState())
            case events.Ready():
                lines += self._ready(one_line(event.name), event.seconds)
            case events.Open():
                lines += self._opened(seconds(event.seconds))
            case events.GateTimeout():
                lines += self._not_ready(event.not_ready)
            case events.Collected():
                lines += self._collect(shard, event)
            case events.Start():
                test = one_line(event.id)
                if (shard, test) not in self._ended:
                    self.running.setdefault(test, at)
            case events.Phase(outcome="failed"):
                self._failing.setdefault(one_line(event.id), one_line(event.message))
            case events.End():
                lines += self._end(shard, event)
            case events.Finish():
                self._finished_shards.add(shard)
                if self._finished_shards >= self._collected.keys():
                    lines += self._tests_ended()
        return lines

    def tick(self, at: float) -> list[ProgressLine]:
        """Time has passed."""
        if not self._taken_up and at >= UNNOTICED_SECONDS:
            self._taken_up = True  # reported once
            look = "kubectl get pods -A -l app.kubernetes.io/name=seatrial"
            return [ProgressLine(Mark.HINT, f"the operator has not accepted this run; is it running? {look}")]
        if self.ended == self._counted or self.finished or at - self._counted_at < COUNT_LINE_SECONDS:
            return []
        self._counted, self._counted_at = self.ended, at
        return [ProgressLine(Mark.COUNT, f"{self.of_total()} tests: {counts_text(self.counts)}")]

    def of_total(self) -> str:
        """`3/12`, or `3` while nobody knows how many there are."""
        return f"{self.ended}/{self.total}" if self.total else str(self.ended)

    def _attempt(self, attempt: int, lines: list[ProgressLine]) -> None:
        if attempt == self.attempt:
            return
        if self.attempt:
            lines.append(ProgressLine(Mark.STEP, f"attempt {attempt}, in a fresh environment"))
            fresh = RunProgress(parts={name: ComponentState() for name in self.parts}, phase=self.phase)
            self.__dict__.update(fresh.__dict__)
        self.attempt = attempt

    def _ready(self, name: str, after: float | None) -> list[ProgressLine]:
        part = self.parts.setdefault(name, ComponentState())
        if part.ready:
            return []
        part.ready, part.ready_after = True, after
        took = seconds(after)
        return [ProgressLine(Mark.READY, f"{name} ready" + (f" ({took})" if took else ""))]

    def _opened(self, after: str) -> list[ProgressLine]:
        if self.open:
            return []
        self.open = True
        for part in self.parts.values():
            part.ready = True
        return [ProgressLine(Mark.STEP, "everything is ready" + (f" ({after})" if after else "") + ", pytest starts")]

    def _not_ready(self, found: Iterable[Unready]) -> list[ProgressLine]:
        lines = []
        for one in found:
            name = one_line(one.name)
            part = self.parts.setdefault(name, ComponentState())
            if not part.error:
                part.error = one_line(one.error) or "no answer"
                lines.append(ProgressLine(Mark.BAD, f"{name} is not ready: {part.error}"))
        return lines

    def _collect(self, shard: int, event: events.Collected) -> list[ProgressLine]:
        known = shard in self._collected
        self._collected[shard] = event.count
        self.total = sum(self._collected.values())
        if known:
            return []
        lines = self._opened("")
        deselected = f", {event.deselected} deselected" if event.deselected else ""
        lines.append(ProgressLine(Mark.STEP, f"{plural(event.count, 'test')} collected{deselected}"))
        for error in event.errors:
            text = f"{one_line(error.id)} can't be collected: {one_line(error.message)}"
            lines.append(ProgressLine(Mark.BAD, text))
        return lines

    def _end(self, shard: int, event: events.End) -> list[ProgressLine]:
        test, outcome = one_line(event.id), event.outcome
        if (shard, test) in self._ended:
            return []
        self._ended.add((shard, test))
        self.running.pop(test, None)
        self._streamed[events.COUNT_OF[outcome]] = self._streamed.get(events.COUNT_OF[outcome], 0) + 1
        why, took = self._failing.pop(test, ""), seconds(event.seconds)
        tail = f" ({took})" if took else ""
        if outcome in _BAD:
            return [ProgressLine(Mark.BAD, f"{test}{tail}" + (f": {why}" if why else ""))]
        mark = Mark.PASSED if outcome in ("passed", "xpassed") else Mark.SKIPPED
        return [ProgressLine(mark, f"{test}{tail}" + ("" if outcome == "passed" else f" {outcome}"))]

    def _tests_ended(self) -> list[ProgressLine]:
        if self.finished:
            return []
        self.finished = True
        self.running.clear()
        if not self.counts:
            return [ProgressLine(Mark.STEP, "pytest ended")]
        return [ProgressLine(Mark.STEP, f"tests ended: {counts_text(self.counts)}")]
