"""Whatever pods write is read, or is an error with a name; `make fuzz` tries thousands, others each time."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.events import KINDS, parse_event
from seatrial_protocol.exit_record import ExitRecord
from seatrial_protocol.hints import Hint
from seatrial_protocol.manifest import Manifest
from seatrial_protocol.summary import Summary
from seatrial_protocol.termination import TerminationMessage
from seatrial_runner.artifacts import archived_name, pattern
from seatrial_runner.lines import Lines
from seatrial_runner.record_key import opened
from tests.unit.specs.strategy import profile

PARSERS: dict[str, Callable[[bytes], Any]] = {
    "event": parse_event,
    "exit record": ExitRecord.parse,
    "hint": Hint.parse,
    "manifest": Manifest.parse,
    "summary": Summary.parse,
    "termination message": TerminationMessage.parse,
}
NAMES = ("t", "id", "event", "outcome", "seconds", "exitCode", "endedAt", "startedAt", "lost", "notReady", "run", "uid",
         "files", "path", "size", "sha256", "schema", "attempt", "shard", "tests", "code", "message", "count", "errors",
         "when", "name", "error", "signal", "counts", "demands")  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(sorted(KINDS))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=6),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12)
DOCUMENTS = st.binary(max_size=200) | (VALUES | OBJECTS).map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize("kind", PARSERS)
def test_a_document_is_read_or_refused_by_name(kind: str) -> None:
    @profile(40)
    @given(DOCUMENTS)
    def check(content: bytes) -> None:
        with contextlib.suppress(ProtocolError):
            PARSERS[kind](content)

    check()


@profile(40)
@given(st.lists(DOCUMENTS, max_size=10), st.integers(1, 50))
def test_lines_come_out_the_same_in_any_pieces(documents: list[bytes], size: int) -> None:
    data = b"\n".join(documents)
    whole, cut = Lines(), Lines()
    expected = [*whole.feed(data), *whole.end()]
    pieces = [data[begin : begin + size] for begin in range(0, len(data), size)]
    found = [event for piece in pieces for event in cut.feed(piece)]
    assert [*found, *cut.end()] == expected
    assert cut.bad == whole.bad


@profile(40)
@given(st.text(max_size=40), st.binary(max_size=40).filter(lambda name: b"\0" not in name))
def test_a_glob_is_a_pattern_or_refused(glob: str, name: bytes) -> None:
    archived_name(name.decode("utf-8", "surrogateescape")).encode()
    with contextlib.suppress(ValueError):
        pattern(glob).fullmatch(name.decode("utf-8", "replace"))


@profile(40)
@given(st.binary(max_size=100))
def test_no_record_opens_without_its_key(content: bytes) -> None:
    assert opened(content, "a" * 64) is None
    assert opened(b"a" * 64 + b"\n" + content, "a" * 64) == content
