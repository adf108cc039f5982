"""From events to finished tests."""

from __future__ import annotations

from seatrial_protocol import limits
from seatrial_protocol.events import Collected, CollectionError, End, Event, Phase, SkippedFile, Start
from seatrial_runner.report.cases import FAILURES_LIMIT, Case, Failure


class Assembly:
    """Takes events in order and gives each test once it has ended. Holds only the tests that are running."""

    def __init__(self) -> None:
        self._open: dict[str, Case] = {}
        self._errors = 0
        self._skips = 0

    @property
    def running(self) -> list[str]:
        """Ids of the tests that have started and not ended, the oldest first."""
        return list(self._open)

    def add(self, event: Event) -> list[Case]:
        """Take an event; gives what is finished by it."""
        if isinstance(event, Start):
            self._open[event.id] = Case(event.id, event.t)
        elif isinstance(event, Phase):
            _add_phase(self._open.setdefault(event.id, Case(event.id, event.t)), event)
        elif isinstance(event, End):
            case = self._open.pop(event.id) if event.id in self._open else Case(event.id, None)
            return [_ended(case, event)]
        elif isinstance(event, Collected):
            errors, skips = event.errors[self._errors :], event.skips[self._skips :]
            self._errors += len(errors)
            self._skips += len(skips)
            return [
                *(_not_collected(error, event.t) for error in errors),
                *(_skipped_file(skip, event.t) for skip in skips),
            ]
        return []

    def abandon(self) -> list[Case]:
        """The tests that will never end, because the process that ran them has."""
        cases, self._open = list(self._open.values()), {}
        for case in cases:
            case.failures.append(Failure("call", "did not finish: the process of the tests ended"))
        return cases


def _add_phase(case: Case, event: Phase) -> None:
    if event.outcome == "failed":
        if len(case.failures) < FAILURES_LIMIT:
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
