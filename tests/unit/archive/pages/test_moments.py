from __future__ import annotations

import pytest

from seatrial.archive.server.pages import moments

BEGAN = 1_795_273_430.0  # 2026-11-21T15:03:50Z
LOG = (
    b"2026-11-21T15:03:50.1Z one\n"
    b"2026-11-21T15:03:51Z two\n"
    b"2026-11-21T15:03:51.500000001Z three\n"
    b"2026-11-21T15:03:53.25Z four\n"
)


def texts(log: bytes, since: float, until: float) -> list[str]:
    """Those of the stretch itself."""
    moment = moments.moment({"app": log}, BEGAN + since, BEGAN + until)
    return [line.text for line in moment.lines if moment.since <= line.at <= moment.until]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (0, 10, ["one", "two", "three", "four"]),
        (0.2, 1.2, ["two"]),
        (1, 1, ["two"]),  # both ends belong to it
        (1.4, 3.3, ["three", "four"]),
        (2, 3, []),
        (-100, -50, []),
        (50, 100, []),
    ],
)
def test_lines_of_a_stretch(since, until, expected):
    assert texts(LOG, since, until) == expected


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (b"", []),
        (b"\n\n", []),
        (b"no time at all\n", []),
        (b"# truncated: 5 MiB of the beginning are left out\n" + LOG, ["one", "two", "three", "four"]),
        (LOG.rstrip(b"\n"), ["one", "two", "three", "four"]),  # the last line was being written
        (b"2026-11-21T15:03:50Z\n", [""]),
        (b"2026-11-21T15:03:50Z \xff\xfe\n", ["\ufffd\ufffd"]),
        (b"2026-11-21T15:03:50Z \x1b[31mred\x1b[0m\r\n", ["red"]),
        (b"2026-11-21T15:03:50.3Z b\n2026-11-21T15:03:50.1Z a\n", ["b", "a"]),  # two streams, nearly in order
    ],
)
def test_odd_logs(log, expected):
    assert texts(log, 0, 10) == expected


def test_lines_of_all_components_in_the_order_of_time():
    logs = {"db": b"2026-11-21T15:03:50.5Z lost\n", "app": LOG}
    lines = moments.moment(logs, BEGAN, BEGAN + 2).lines
    assert [(line.component, line.text) for line in lines] == [
        ("app", "one"),
        ("db", "lost"),
        ("app", "two"),
        ("app", "three"),
    ]
    assert [round(line.at - BEGAN, 3) for line in lines] == [0.1, 0.5, 1.0, 1.5]


def test_around_a_test_what_pytest_reports_is_left_out():
    """It is the failure that stands beside it."""
    logs = {"tests": LOG, "app": LOG}
    lines = moments.moment(logs, BEGAN + 0.9, BEGAN + 1.2).lines
    assert [(line.component, line.text) for line in lines] == [
        ("app", "one"),
        ("tests", "two"),
        ("app", "two"),
        ("app", "three"),
    ]


def test_who_says_most_does_not_crowd_out_the_others_and_its_last_lines_stay():
    noise = b"".join(b"2026-11-21T15:03:50.%03dZ tick %d\n" % (n, n) for n in range(500))
    moment = moments.moment({"noise": noise, "app": LOG}, BEGAN, BEGAN + 5, each=10)
    assert moment.left_out == 490
    assert [line.text for line in moment.lines if line.component == "noise"][-1] == "tick 499"
    assert sum(line.component == "app" for line in moment.lines) == 4


def test_a_large_log_is_searched_not_read():
    log = b"".join(
        b"2026-11-21T%02d:%02d:%02dZ line %d\n" % (n // 3600, n // 60 % 60, n % 60, n) for n in range(80_000)
    )
    for at in (0, 1, 40_000, 79_999):
        start = BEGAN - 54_230 + at  # 15:03:50 is so many seconds after midnight
        around = [f"line {n}" for n in (at - 1, at, at + 1) if 0 <= n < 80_000]
        assert [line.text for line in moments.moment({"app": log}, start, start).lines] == around


def test_pages_of_all_logs():
    first = moments.page({"app": LOG, "db": b"2026-11-21T15:03:50.5Z lost\n"}, 0, 3)
    assert [line.text for line in first.lines] == ["one", "lost", "two"]
    assert first.more
    rest = moments.page({"app": LOG}, first.until + 0.001, 3)
    assert [line.text for line in rest.lines] == ["three", "four"]
    assert not rest.more
    found = moments.page({"app": LOG}, 0, 3, "TH")
    assert [line.text for line in found.lines] == ["three"]


@pytest.mark.parametrize(
    ("text", "tone"),
    [
        ("INFO: all is well", ""),
        ("ERROR: no", "error"),
        ("psycopg.OperationalError: gone", "error"),
        ("dial tcp: connection refused", "error"),
        ("level=error msg=x", "error"),
        ("WARN  slow", "warning"),
        ("DeprecationWarning: old", ""),
        ("terror is a word", ""),
        ('column "x" does not exist', "error"),
    ],
)
def test_what_words_sound_like(text, tone):
    assert moments.tone_of(text) == tone


def test_an_endless_line_is_cut():
    text = moments.clean("x" * 10_000)
    assert len(text) < 4_100
    assert "6000 more characters" in text


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        (b"2026-11-21T15:03:50.250Z x", BEGAN + 0.25),
        (b"2026-11-21T15:03:50Z", BEGAN),
        (b"yesterday", None),
        (b"", None),
    ],
)
def test_time_of_a_line(line, seconds):
    assert moments.time_of(line) == seconds


def test_a_little_of_what_was_before_and_after():
    ticks = b"".join(b"2026-11-21T15:03:%02d.%dZ tick %d\n" % (50 + n // 10, n % 10, n) for n in range(60))
    lines = [line.text for line in moments.moment({"app": ticks}, BEGAN + 2, BEGAN + 3).lines]
    assert lines == [f"tick {n}" for n in range(15, 41)]
    few = [line.text for line in moments.moment({"app": LOG}, BEGAN + 0.9, BEGAN + 1.2).lines]
    assert few == ["one", "two", "three"]  # no more than a second away
