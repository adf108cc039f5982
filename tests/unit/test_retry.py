"""Pauses between tries."""

from __future__ import annotations

import pytest

from seatrial.retry import pause_after, varied


@pytest.mark.parametrize(
    ("failures", "at_least", "seconds"),
    [(1, 0, 0.25), (2, 0, 0.5), (3, 0, 1.0), (9, 0, 60.0), (500, 0, 60.0), (1, 7.0, 7.0), (9, 99.0, 99.0)],
)
def test_failures_wait_longer_and_longer(failures: int, at_least: float, seconds: float) -> None:
    assert pause_after(failures, 0.25, 60.0, at_least) == seconds
    assert seconds <= varied(seconds) <= 1.25 * seconds
