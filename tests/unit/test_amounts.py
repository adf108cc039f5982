from __future__ import annotations

import pytest

from seatrial.amounts import duration, size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0 ms"), (0.0123, "12 ms"), (0.9999, "1.0 s"), (3.44, "3.4 s"), (59.96, "1 min 00 s"),
     (125, "2 min 05 s"),
     (3780, "1 h 03 min"), (400_000, "4 days")],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * 2**20, "3.0 MiB"), (5 * 2**30, "5.0 GiB"),
     (2**50, "1048576.0 GiB")],
)  # fmt: skip
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
