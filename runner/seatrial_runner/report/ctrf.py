"""CTRF JSON (https://ctrf.io), the common test report format."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Optional, TextIO

from seatrial_protocol.events import BAD_OUTCOMES
from seatrial_runner import __version__
from seatrial_runner.report.cases import Case

SPEC_VERSION = "0.0.0"
_STATUS = {"passed": "passed", "xpassed": "passed", "skipped": "skipped", "xfailed": "skipped"}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


class Ctrf:
    """Writes the report case by case; memory doesn't grow with the number of tests."""

    def __init__(self, path: str) -> None:
        self._file: TextIO = open(path, "w", encoding="utf-8", errors="replace")  # noqa: SIM115 - see close()
        self._count = dict.fromkeys(("tests", "passed", "failed", "skipped", "pending", "other", "flaky"), 0)
        head = {"reportFormat": "CTRF", "specVersion": SPEC_VERSION, "generatedBy": f"seatrial {__version__}"}
        self._file.write(json.dumps(head)[:-1] + ', "results": {"tests": [')

    def add(self, case: Case) -> None:
        """Append a test."""
        status = _STATUS.get(case.outcome, "failed")
        self._file.write(",\n" if self._count["tests"] else "\n")
        self._file.write(json.dumps(_test(case, status), ensure_ascii=False))
        self._count["tests"] += 1
        self._count[status] += 1
        self._count["flaky"] += case.flaky

    def close(self, started: float, ended: float, pytest: Optional[str], environment: dict[str, object]) -> None:
        """Write the rest.

        Args:
            started: unix seconds.
            ended: unix seconds.
            pytest: its version, if known.
            environment: what else is known of the run, as ``extra`` of CTRF's environment.
        """
        tool = {"name": "pytest"} if pytest is None else {"name": "pytest", "version": pytest}
        times = {"start": _milliseconds(started), "stop": _milliseconds(ended)}
        stamp = datetime.fromtimestamp(ended, timezone.utc).isoformat(timespec="milliseconds")
        rest = {"summary": {**self._count, **times}, "tool": tool, "environment": {"extra": environment}}
        self._file.write("\n], " + json.dumps(rest, ensure_ascii=False)[1:] + f', "timestamp": "{stamp}"}}\n')
        self._file.close()


def _test(case: Case, status: str) -> dict[str, object]:
    parents, name = case.names
    test: dict[str, object] = {"name": name or case.id or "collection", "status": status}
    test["duration"] = _milliseconds(case.seconds)
    if case.started is not None and case.ended is not None:
        test["start"], test["stop"] = _milliseconds(case.started), _milliseconds(case.ended)
    if parents:
        test["suite"] = parents
    if case.message:
        test["message"] = case.message
    test["rawStatus"] = case.outcome
    if case.file is not None:
        test["filePath"] = case.file
    if case.line is not None:
        test["line"] = case.line
    if case.markers:
        test["tags"] = case.markers
    test["retries"] = case.reruns
    test["flaky"] = case.flaky
    retries = [failure for failure in case.failures if failure.rerun]
    if retries:
        test["retryAttempts"] = [
            {"attempt": number, "status": "failed", "message": failure.message, "trace": failure.text}
            for number, failure in enumerate(retries, 1)
        ]
    if case.outcome in BAD_OUTCOMES and case.failures:
        last = case.final[-1]
        test["trace"] = "\n\n".join(failure.text for failure in case.final if failure.text)
        test["stdout"] = last.stdout.splitlines()
        test["stderr"] = last.stderr.splitlines()
    test["extra"] = {"id": case.id, "catalogueId": case.catalogue_id}
    return test
