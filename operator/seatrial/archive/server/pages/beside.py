"""What the components logged beside a test. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.archive.model.tests import TestRow
from seatrial.archive.server.pages import moments
from seatrial.archive.server.pages.addresses import query
from seatrial.archive.server.pages.words import rfc3339


def moment_of(test: TestRow, logs: Mapping[str, bytes], lines: int) -> moments.Moment | None:
    """What was logged while the test ran, about `lines` of it; None if nothing can be known of it."""
    if not logs or test.started_at is None:
        return None
    begin = test.started_at.timestamp()
    end = test.ended_at.timestamp() if test.ended_at else begin + 3600  # it never ended: what came after it
    return moments.moment(logs, begin, end, each=max(10, lines // len(logs)))


def logs_address(test: TestRow) -> str:
    """The query of the page of logs, from a second before the test on."""
    at = rfc3339(test.started_at.timestamp() - 1) if test.started_at else None
    return query(attempt=test.attempt, since=at)
