from __future__ import annotations

import pytest

from bench.calm import busy_share

#             user nice system idle iowait irq softirq steal guest guest_nice
BEFORE = "cpu  100 0 100 1000 50 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"


@pytest.mark.parametrize(
    ("after", "share"),
    [
        ("cpu  100 0 100 1200 50 0 0 0 0 0\n", 0.0),
        ("cpu  100 0 100 1100 150 0 0 0 0 0\n", 0.0),
        ("cpu  150 0 150 1100 50 0 0 0 0 0\n", 0.5),
        ("cpu  120 10 150 1000 50 10 5 5 0 0\n", 1.0),
        ("cpu  100 0 100 1000 50 0 0 0 0 0\n", 0.0),
    ],
)
def test_the_share_of_time_that_was_used(after: str, share: float) -> None:
    assert busy_share(BEFORE, after) == share


def test_without_readings_nothing_is_claimed() -> None:
    assert busy_share("", "") == -1
