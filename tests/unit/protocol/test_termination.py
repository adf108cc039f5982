"""TerminationMessage messages: short enough to be kept whole, and understood also when they were not."""

from __future__ import annotations

import pytest

from seatrial_protocol.termination import Code, TerminationMessage

LONG = {"ascii": "x" * 9000, "two bytes": "ü" * 9000, "escapes": "\x01" * 9000, "quotes": '"\\' * 4500}


@pytest.mark.parametrize("kind", LONG)
def test_a_message_of_any_length_is_written_so_that_it_is_kept_whole(kind: str) -> None:
    data = TerminationMessage(Code.COLLECTOR_FAILED, LONG[kind], "sha256:" + "0" * 64).encode()
    assert len(data) <= 4096
    back = TerminationMessage.parse(data)
    assert back.message
    assert LONG[kind].startswith(back.message)
    assert back.digest.endswith("0")


@pytest.mark.parametrize("kind", LONG)
def test_the_code_survives_whatever_length_is_kept(kind: str) -> None:
    data = TerminationMessage(Code.GATES_TIMED_OUT, LONG[kind]).encode().decode()
    for kept in range(len('{"code":"gates-timed-out","message":"'), len(data), 7):
        found = TerminationMessage.find(data[:kept])
        assert found is not None, data[:kept]
        assert found.code == Code.GATES_TIMED_OUT
        assert LONG[kind].startswith(found.message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "not ready after 300s: postgres",
        "Traceback",
        "{}",
        '{"code":5}',
        '{"code":"',
        '{"code":"BAD","mess',
        "[" * 5000,
    ],
)
def test_the_end_of_a_log_is_none_of_ours(message: str) -> None:
    assert TerminationMessage.find(message) is None
