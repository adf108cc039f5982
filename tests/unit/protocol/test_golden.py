"""What the launcher writes (its own tests compare it with the same files) is read, and written again the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial_protocol.events import GATE_EVENTS, Bundle, parse_event
from seatrial_protocol.exit_record import ExitRecord, Unready
from seatrial_protocol.termination import Code, TerminationMessage

GOLDEN = Path(__file__).parent / "golden"
STARTED, ENDED = 1767225600.25, 1767225660.5

EXIT_RECORDS = {
    "passed": ExitRecord(ENDED, exit_code=0, started_at=STARTED),
    "killed": ExitRecord(
        ENDED, signal="SIGKILL", timed_out=True, oom_killed=True, started_at=STARTED,
        lost=(Unready("postgres", "connection refused"),),
    ),
    "gates-timed-out": ExitRecord(
        ENDED, gate_timeout=True, not_ready=(
            Unready("api", "HTTP 503"), Unready("migrations", "no answer"),
            Unready("redis", "no connection within 1s", Code.ADDRESS_SILENT),
        ),
        code=Code.GATES_TIMED_OUT,
    ),
    "bundle-missing": ExitRecord(
        ENDED, code=Code.BUNDLE_MISSING, error="the archive has no bundle sha256:00 for this namespace",
    ),
    "not-found": ExitRecord(
        ENDED, code=Code.PROGRAM_NOT_FOUND,
        error="executable not found: python (nor python3): the image needs Python on its PATH",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXIT_RECORDS)
def test_exit_records(name: str) -> None:
    document = (GOLDEN / f"exit-record-{name}.json").read_bytes()
    assert ExitRecord.parse(document) == EXIT_RECORDS[name]
    assert EXIT_RECORDS[name].to_json() == json.loads(document)


def test_every_exit_record_is_read() -> None:
    assert {path.stem for path in GOLDEN.glob("exit-record-*")} == {f"exit-record-{name}" for name in EXIT_RECORDS}


def test_every_code_of_the_launcher_is_known() -> None:
    known = {value for name, value in vars(Code).items() if name.isupper()}
    assert set(json.loads((GOLDEN / "launcher-codes.json").read_text())) <= known


def test_gate_events() -> None:
    lines = (GOLDEN / "gate-events.jsonl").read_text().splitlines()
    found = [parse_event(line) for line in lines]
    assert {type(event) for event in found} == set(GATE_EVENTS)
    assert Bundle(1767225600.75, seconds=1, files=500, size=5_000_000, lock_files=("uv.lock",)) in found
    assert [event.to_json() for event in found] == [json.loads(line) for line in lines]


def test_termination_messages() -> None:
    launcher = (GOLDEN / "termination-launcher.json").read_text()
    message = 'not ready after 300s: api (tcp://api:8080: "refused" <&> ü)'
    assert TerminationMessage.find(launcher) == TerminationMessage(Code.GATES_TIMED_OUT, message)
    collector = (GOLDEN / "termination-collector.json").read_text()
    found = TerminationMessage.find(collector)
    assert found is not None
    assert found.code == Code.ARCHIVE_UNAVAILABLE
    assert found.encode().decode() == collector.strip()
