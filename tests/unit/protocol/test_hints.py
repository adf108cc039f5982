"""hints.json: what the operator writes is what the archive reads, and nothing else is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.hints import COUNT, Hint, hints_to_json, parse_hints

HINT = Hint(
    component="api",
    file="logs/api.log",
    line="KeyError: 'TOKEN_FILE'",
    title="variable TOKEN_FILE is not set",
    advice="Set it in spec.env.",
    code="variable-missing",
    data={"what": "TOKEN_FILE"},
    at=datetime(2026, 3, 1, 12, 0, 1, 123456, UTC),
    cause=True,
)


def document(**changes: Any) -> str:
    return json.dumps([HINT.to_json() | changes])


def test_what_is_written_is_read() -> None:
    assert parse_hints(json.dumps(hints_to_json([HINT]))) == (HINT,)
    assert HINT.to_json()["at"] == "2026-03-01T12:00:01.123456Z"


def test_of_an_older_operator_there_is_no_code() -> None:
    (hint,) = parse_hints(document(code=None, data=None, at=None))
    assert (hint.code, hint.data, hint.at) == ("", None, None)


@pytest.mark.parametrize(
    "wrong",
    [{"line": None}, {"line": 5}, {"line": "x" * 20_000}, {"at": "soon"}, {"at": 1}, {"cause": "perhaps"},
     {"data": {"what": []}}, {"data": {str(n): "" for n in range(9)}}, {"code": "x" * 41}],
)  # fmt: skip
def test_a_hint_that_is_none_is_left_out(wrong: dict[str, Any]) -> None:
    assert parse_hints(document(**wrong)) == ()
    with pytest.raises(ProtocolError, match=f"hint: {next(iter(wrong))}"):
        Hint.parse(HINT.to_json() | wrong)


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 1000, b'"' + b"x" * 3_000_000 + b'"', document()[:-5]])
def test_a_document_that_is_no_list_is_an_error(data: bytes | str) -> None:
    with pytest.raises(ProtocolError, match="hints: "):
        parse_hints(data)


def test_so_many_are_read() -> None:
    assert len(parse_hints(json.dumps([HINT.to_json()] * (COUNT + 1)))) == COUNT
