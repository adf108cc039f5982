"""What others wrote, on a terminal."""

from __future__ import annotations

import pytest

from seatrial.cli.terminal import log_line, one_line


def test_text_from_outside_is_one_line_that_does_not_steer_the_terminal() -> None:
    assert one_line("a\x1b]0;title\x07\nb\r\u202ec") == "a ]0;title b c"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain: ü ✓", "plain: ü ✓"),
        ("a\tb", "a\tb"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[1;38:2:1:2:3mfine\x1b[m", "\x1b[1;38:2:1:2:3mfine\x1b[m"),
        ("\x1b[" + "1;" * 50 + "mtoo long", "too long"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;ZXZpbA==\x1b\\after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never ended", ""),
        ("\x1bP1$r0m\x1b\\after", "after"),
        ("\x1b[2J\x1b[1;1Hcleared", "cleared"),
        ("\x1bcreset", "reset"),
        ("\x9b2J\x9d0;title\x9c", " 2J 0;title "),
        ("real\rforged", "real forged"),
        ("bell\x07\x08\x7f", "bell "),
        ("\u202egnp.exe", " gnp.exe"),
        ("split\x1b", "split "),
    ],
)
def test_a_line_of_a_log_keeps_its_colours_and_nothing_else(written: str, shown: str) -> None:
    assert log_line(written) == shown
