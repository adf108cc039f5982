"""Whatever comes instead of a document is an error with a name, and costs little."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.events import KINDS, parse_event
from seatrial_protocol.exit_record import ExitRecord
from seatrial_protocol.hints import Hint
from seatrial_protocol.manifest import Manifest
from seatrial_protocol.summary import Summary
from seatrial_protocol.termination import TerminationMessage

MEGABYTES = {"manifest.json": 40}
"""The longest list of files is larger than the 10 MB of all others."""
MAX = 1_048_576
"""Bytes of an event."""
PARTS = [{"name": "postgres", "error": "refused", "code": "address-silent"}]
EVENTS: dict[str, dict[str, Any]] = {
    "session": {"pytest": "8.4.1", "python": "3.13.1", "platform": "linux"},
    "collected": {"count": 2, "deselected": 1, "errors": [{"id": "a.py", "message": "m", "text": "t"}],
                  "errorCount": 1, "skips": [{"id": "b.py", "message": "m"}], "skipCount": 1},
    "start": {"id": "a.py::a"},
    "phase": {"id": "a.py::a", "when": "call", "outcome": "failed", "seconds": 0.5, "message": "m", "text": "t",
              "stdout": "o", "stderr": "e", "log": "l", "wasxfail": "w", "subtest": "s", "timedOut": True,
              "rerun": True},
    "end": {"id": "a.py::a", "outcome": "passed", "seconds": 0.5, "catalogueId": "INT-020", "file": "a.py", "line": 7,
            "markers": ["slow"], "reruns": 1, "timedOut": True},
    "interrupted": {"kind": "KeyboardInterrupt", "message": "m"},
    "internal-error": {"message": "m", "text": "t"},
    "conftest-error": {"path": "p", "message": "m"},
    "coverage": {"lines": 10, "covered": 5},
    "plugin-error": {"message": "m"},
    "worker-lost": {"worker": "gw0", "message": "m", "text": "t"},
    "no-tests": {"pythonFiles": ["test_*.py"], "markers": "m", "keywords": "k", "addopts": "-q", "matching": ["a.py"],
                 "others": ["b.py"]},
    "finish": {"exitStatus": 1, "counts": {"passed": 1}, "stopped": "s", "threads": ["t"],
               "demands": [{"code": "coverage", "limit": 90.0, "was": 80.0}]},
    "waiting": {"name": "postgres"},
    "ready": {"name": "postgres", "seconds": 1.5},
    "open": {"seconds": 1.5},
    "timeout": {"notReady": PARTS},
    "bundle": {"seconds": 1.5, "files": 500, "size": 5_000_000, "lockFiles": ["uv.lock"]},
    "dropped": {"count": 5},
    "progress": {"passed": 1, "failed": 1, "errors": 1, "skipped": 1, "xfailed": 1, "xpassed": 1, "total": 6},
}  # fmt: skip
FILE = {"path": "a", "size": 1, "sha256": "0" * 64}
DOCUMENTS: dict[str, tuple[Callable[[bytes], Any], dict[str, Any]]] = {
    **{kind: (parse_event, {"t": 1.5, "event": kind, **fields}) for kind, fields in EVENTS.items()},
    "exit.json": (ExitRecord.parse, {"endedAt": 1.5, "exitCode": 1, "signal": "SIGTERM", "timedOut": False,
                                     "oomKilled": False, "gateTimeout": False, "notReady": PARTS, "startedAt": 1.0,
                                     "code": "stopped", "error": "e", "lost": PARTS}),
    "summary.json": (Summary.parse, {"run": {"uid": "u"}, "attempt": 1, "shard": 0, "outcome": "passed",
                                     "tests": {"total": 1}, "failures": [{"id": "a", "message": "m"}], "notes": ["n"],
                                     "slowest": [{"id": "a", "seconds": 1.0}], "outputTail": "o", "error": "e"}),
    "manifest.json": (Manifest.parse, {"schema": 1, "run": {"uid": "u"}, "files": [FILE]}),
    "a hint": (Hint.parse, {"component": "c", "file": "f", "line": "l", "title": "t", "advice": "a"}),
    "termination": (TerminationMessage.parse, {"code": "stopped", "message": "m"}),
}  # fmt: skip


def test_every_event_of_the_protocol_is_here() -> None:
    assert set(EVENTS) == set(KINDS)


@pytest.mark.parametrize("kind", EVENTS)
def test_every_field_of_an_event_is_read_and_written_again(kind: str) -> None:
    document = DOCUMENTS[kind][1]
    event = parse_event(json.dumps(document))
    assert event.to_json() == document
    assert type(event) is KINDS[kind]


def hostile(document: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """What may come instead of this document, and the field that the error must name (empty: the document)."""
    whole = json.dumps(document).encode()
    for end in range(0, len(whole) - 1, max(1, len(whole) // 6)):
        yield "", whole[:end]
    for name, value in document.items():
        other = "x" if isinstance(value, (bool, dict)) else {"x": [1]}
        for wrong in ([[1]], other, True if not isinstance(value, bool) else 5):
            yield name, json.dumps({**document, name: wrong}).encode()
        if isinstance(value, str):
            yield name, json.dumps({**document, name: "x" * 1_000_000}).encode()
        if isinstance(value, (int, float)):
            yield name, json.dumps({**document, name: -1e300}).encode()
            yield "", b"%s, %s: %s}" % (whole[:-1], json.dumps(name).encode(), b"9" * 50_000)
        if isinstance(value, list):
            yield name, json.dumps({**document, name: [*value, None]}).encode()
    for name, value in document.items():
        if isinstance(value, list):
            yield name, json.dumps({**document, name: value * 60_000}).encode()
            break
    first = json.dumps(next(iter(document))).encode()
    yield "", b"{%s: %s}" % (first, b"[" * 100_000 + b"]" * 100_000)
    yield "", b"{%s: %s}" % (first, b'{"a":' * 100_000 + b"1" + b"}" * 100_000)
    yield "", whole[:-1] + b',"x":"' + b"x" * 100 * MAX + b'"}'
    yield "", b"[" * 900_000
    yield "", b'{"a":"' + b'\\"[' * 300_000
    yield "", b"[" + b"[]," * 300_000 + b"[]]"
    yield "", b"{" + b'"":1,' * 150_000 + b'"":1}'
    yield "", b"[" + b"1e9," * 200_000 + b"1]"
    yield "", '"{}"'.format("\U0001f600" * 200_000).encode()
    yield "", b"\xff" * 900_000
    yield "", b"null"


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_what_is_wrong_has_a_name_and_costs_little(kind: str) -> None:
    parse, document = DOCUMENTS[kind]
    assert parse(json.dumps(document).encode())
    for name, data in hostile(document):
        tracemalloc.start()
        try:
            with pytest.raises(ProtocolError) as raised:
                parse(data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < MEGABYTES.get(kind, 10) * 1_000_000, data[:80]
        assert raised.value.document
        assert raised.value.problem
        if name and raised.value.path:
            assert raised.value.path.partition("[")[0].partition(".")[0] == name
        assert len(str(raised.value)) < 1000
