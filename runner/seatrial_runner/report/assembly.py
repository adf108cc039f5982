"""From events to finished tests."""

from __future__ import annotations

from typing import Optional

from seatrial_protocol import limits
from seatrial_protocol.events import Collected, CollectionError, End, Event, Phase, SkippedFile, Start
from seatrial_runner.report.cases import FAILURES_LIMIT, Case, Failure


class Assembly:
    """Takes events in order and gives each test once it has ended. Holds only the tests that are running.

    A file of events that nobody wrote honestly may start tests without end. Beyond ``most`` characters held, failures
    keep their messages alone; beyond twice as many, the oldest tests count as unfinished.
    """

    def __init__(self, most: float = float("inf")) -> None:
        self._open: dict[str, Case] = {}
        self._errors = 0
        self._skips = 0
        self._most = most
        self._held = 0

    @property
    def running(self) -> list[str]:
        """Ids of the tests that have started and not ended, the oldest first."""
        return list(self._open)

    def add(self, event: Event) -> list[Case]:
        """Take an event; gives what is finished by it."""
        if isinstance(event, Start):
            self._close(event.id)
            self._open_case(event.id, event.t)
        elif isinstance(event, Phase):
            case = self._open.get(event.id) or self._open_case(event.id, event.t)
            before = _characters(case)
            _add_phase(case, event, brief=self._held > self._most)
            self._held += _characters(case) - before
        elif isinstance(event, End):
            return [_ended(self._close(event.id) or Case(event.id, None), event)]
        elif isinstance(event, Collected):
            errors, skips = event.errors[self._errors :], event.skips[self._skips :]
            self._errors += len(errors)
            self._skips += len(skips)
            return [
                *(_not_collected(error, event.t) for error in errors),
                *(_skipped_file(skip, event.t) for skip in skips),
            ]
        return self._too_many() if self._held > 2 * self._most else []

    def abandon(self) -> list[Case]:
        """The tests that will never end, because the process that ran them has."""
        cases, self._open, self._held = list(self._open.values()), {}, 0
        return [_unfinished(case) for case in cases]

    def _open_case(self, test_id: str, t: float) -> Case:
        case = self._open[test_id] = Case(test_id, t)
        self._held += _characters(case)
        return case

    def _close(self, test_id: str) -> Optional[Case]:
        case = self._open.pop(test_id, None)
        if case is not None:
            self._held -= _characters(case)
        return case

    def _too_many(self) -> list[Case]:
        found = []
        while self._held > 2 * self._most and self._open:
            oldest = self._close(next(iter(self._open)))
            assert oldest is not None
            found.append(_unfinished(oldest))
        return found


def _characters(case: Case) -> int:
    """What a running test takes, about."""
    failures = sum(len(f.message) + len(f.text) + len(f.stdout) + len(f.stderr) + len(f.log) for f in case.failures)
    return 500 + len(case.id) + len(case.reason) + failures


def _unfinished(case: Case) -> Case:
    case.failures.append(Failure("call", "did not finish: the process of the tests ended"))
    return case


def _add_phase(case: Case, event: Phase, *, brief: bool) -> None:
    if event.outcome == "failed":
        if len(case.failures) < FAILURES_LIMIT and brief:
            case.failures.append(Failure(event.when, event.message, subtest=event.subtest, rerun=event.rerun))
        elif len(case.failures) < FAILURES_LIMIT:
            case.failures.append(
                Failure(
                    event.when,
                    event.message,
                    event.text,
                    event.stdout,
                    event.stderr,
                    event.log,
                    event.subtest,
                    event.rerun,
                )
            )
    elif event.outcome == "skipped" or event.wasxfail is not None:
        case.reason = event.wasxfail or event.message


def _ended(case: Case, event: End) -> Case:
    case.outcome = event.outcome
    case.seconds = min(max(event.seconds, 0.0), limits.SECONDS)
    case.ended = event.t if case.started is None else max(event.t, case.started)
    case.catalogue_id = event.catalogue_id
    case.file = event.file
    case.line = event.line
    case.markers = list(event.markers)
    case.reruns = event.reruns
    case.timed_out = event.timed_out
    return case


def _not_collected(error: CollectionError, t: float) -> Case:
    failure = Failure("collection", error.message, error.text)
    return Case(error.id, t, "collection-error", ended=t, file=error.id or None, failures=[failure], is_file=True)


def _skipped_file(skip: SkippedFile, t: float) -> Case:
    return Case(skip.id, t, "skipped", ended=t, file=skip.id or None, reason=skip.message, is_file=True)
