"""The telling lines of a traceback."""

from __future__ import annotations

import pytest

from seatrial.archive.model.report import excerpt
from tests.unit.report.samples import TRACEBACK

CHAINED = """\
    def connect():
        x = 1
>       socket.connect()
E       ConnectionRefusedError: refused

lib/socket.py:836: ConnectionRefusedError

During handling of the above exception, another exception occurred:

    def test_http():
>       urlopen("http://orders")

test_shop.py:12:
_ _ _ _
        many = "more lines"
        many = "more lines"
>       raise URLError(err)
E       urllib.error.URLError: refused
E       with more said

lib/urllib.py:1351: URLError
"""


@pytest.mark.parametrize(
    ("text", "lines", "expected"),
    [
        ("", 5, []),
        ("one\ntwo\n", 5, ["one", "two"]),
        ("\n".join("abcdefgh"), 5, ["a", "b", "c", "...", "h"]),
        (
            TRACEBACK,
            8,
            [
                '        order = client.order("anchor")',
                "        client.pay(order)",
                '>       assert client.state(order) == "paid"',
                "E       AssertionError: assert 'open' == 'paid'",
                "E         - paid",
                "E         + open",
                "",
                "tests/test_orders.py:41: AssertionError",
            ],
        ),
        (
            CHAINED,
            8,
            [
                "    def connect():",
                "        x = 1",
                ">       socket.connect()",
                "E       ConnectionRefusedError: refused",
                "",
                "...",
                "E       urllib.error.URLError: refused",
                "lib/urllib.py:1351: URLError",
            ],
        ),
        ("\x1b[31mE   red\x1b[0m", 5, ["E   red"]),
    ],
)
def test_excerpt(text: str, lines: int, expected: list[str]) -> None:
    assert excerpt(text, lines) == expected
