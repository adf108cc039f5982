"""The hooks that write the events. Registered in the process that the user started, not in xdist's workers."""

# ruff: noqa: D102 - the hooks are documented by pytest
from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any, Optional

import pytest

from seatrial_runner.measure import Measurement
from seatrial_runner.recording.collection import Collection
from seatrial_runner.recording.event_log import EventLog, encode
from seatrial_runner.recording.item_facts import ATTRIBUTE, failure_fields, item_facts
from seatrial_runner.recording.no_tests import looked_for, names_found
from seatrial_runner.recording.open_test import OUTCOMES, OpenTest
from seatrial_runner.recording.session_end import pytest_counts, staying_threads, stopped_because, unmet_demands
from seatrial_runner.recording.system import WALL_OFFSET, System, elapsed
from seatrial_runner.recording.text import MESSAGE_LIMIT, bounded, clean, describe_subtest, first_line, message_of

INTERRUPTED = 2


class Recorder:
    """Whatever goes wrong in it is reported once on stderr and as an event, and never changes how the session ends.

    Args:
        config: of the session.
        log: is written.
        stderr: descriptor for what goes wrong; pytest captures descriptor 2 while tests run.
    """

    def __init__(self, config: pytest.Config, log: EventLog, stderr: Optional[int]) -> None:
        self._config = config
        self._log = log
        self._stderr = stderr
        self._failed = False
        self._session: Optional[pytest.Session] = None
        self._status: Optional[int] = None  # of a session that never started
        self._collection = Collection()
        self._item: Optional[pytest.Item] = None
        self._another_follows = False
        self._tests: dict[str, OpenTest] = {}
        self._reported: object = None
        # with these options no test has a call
        self._calls_nothing = bool(getattr(config.option, "setuponly", False))

    def start(self) -> None:
        """Write who runs what."""
        try:
            self._log.write(
                "session",
                pytest=pytest.__version__,
                python=".".join(str(number) for number in sys.version_info[:3]),
                platform=f"{sys.platform}-{os.uname().machine}",
                rootdir=str(self._config.rootpath),
                args=[str(arg) for arg in self._config.invocation_params.args],
            )
        except Exception as error:  # noqa: BLE001 - here and below: whatever it is, the user's tests go on
            self._complain("the session", error)

    def measured(self, measurement: Measurement) -> None:
        """Have the reports of coverage made, and write what came of it."""
        try:
            if self._session is None or self._log.silent:
                return
            lines = measurement.report()
            if lines is not None:
                self._log.write("coverage", **lines)
            for note in measurement.notes:
                self._log.write("plugin-error", message=clean(note[:MESSAGE_LIMIT]))
        except Exception as error:  # noqa: BLE001
            self._complain("the coverage", error)

    def finish(self) -> None:
        """Write how the session ended, and nothing after it. Without a session (``--help``) there is no such event."""
        try:
            if not self._log.silent:
                self._finish()
        except Exception as error:  # noqa: BLE001
            self._complain("the end of the session", error)
        self._log.close()

    def _finish(self) -> None:
        session, config = self._session, self._config
        if session is None:
            if self._status is not None:
                self._log.write("finish", exitStatus=self._status)
            return
        self._write_collected()
        for nodeid, test in list(self._tests.items()):
            if "teardown" in test.phases and not test.to_be_rerun:  # run by a plugin that announces no ends
                self._end(nodeid, test)
        if self._collection.is_empty:
            self._log.write("no-tests", **looked_for(config), **names_found(config))
        counts = pytest_counts(config)
        self._log.write(
            "finish",
            exitStatus=int(session.exitstatus),
            counts=counts,
            stopped=stopped_because(session),
            demands=unmet_demands(config, counts or {}),
            threads=staying_threads(),
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        try:
            self._log.append("")
        except Exception as error:  # noqa: BLE001
            self._complain("the end of a test", error)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed or report.skipped:
            try:
                self._collection.add(report)
            except Exception as error:  # noqa: BLE001
                self._complain("a collection error", error)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._collection.deselected += len(items)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._collection.count = len(session.items)
        self._write_collected()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        if self._collection.count is None:
            self._collection.count = len(ids)
            self._write_collected()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        if error is not None:
            try:
                lines = [line for line in str(error).splitlines() if line.strip()]
                name = clean(str(node.gateway.id)[:MESSAGE_LIMIT])
                message = first_line(lines[-1]) if lines else ""
                self._log.write("worker-lost", worker=name, message=message, text=bounded(str(error)))
            except Exception as wrong:  # noqa: BLE001
                self._complain("the end of a worker", wrong)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: Optional[pytest.Item]) -> None:
        self._item = item
        self._another_follows = nextitem is not None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        try:
            self._start(nodeid)
        except Exception as error:  # noqa: BLE001
            self._complain("the start of a test", error)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        try:
            test = self._tests.get(report.nodeid)
            known = report.__dict__
            if (
                test is None
                or report.outcome != "passed"
                or not report.duration > 0
                or test.to_be_rerun
                or test.unreported is not None
                or "context" in known
                or "wasxfail" in known
                or ATTRIBUTE in known
            ):
                self._report(report, test)
                return
            # nearly all reports are of this kind: what is done here, each test pays for three times
            self._reported = report
            if report.when == "setup":
                self._describe(test, report, known)
            test.seconds += report.duration
            if test.phases.get(report.when) != "failed":
                test.phases[report.when] = "passed"
        except Exception as error:  # noqa: BLE001
            self._complain("a test", error)

    def pytest_exception_interact(self, node: object, report: Any) -> None:
        """Failures come here, also those that a plugin keeps back, because it runs the test again."""
        if report is self._reported or not isinstance(report, pytest.TestReport):
            return
        try:
            test = self._tests.get(report.nodeid)
            if test is not None and report.failed:
                test.unreported = {"when": report.when, **failure_fields(report)}
        except Exception as error:  # noqa: BLE001
            self._complain("a failure", error)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        try:
            test = self._tests.get(nodeid)
            if test is not None and (test.has_ended or (self._calls_nothing and test.phases)):
                self._end(nodeid, test)
        except Exception as error:  # noqa: BLE001
            self._complain("the end of a test", error)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        try:
            if self._session is None:
                status = getattr(excinfo.value, "returncode", None)
                self._status = INTERRUPTED if status is None else int(status)
            self._log.write("interrupted", kind=excinfo.typename, message=first_line(str(excinfo.value)))
        except Exception as error:  # noqa: BLE001
            self._complain("an interruption", error)

    def pytest_internalerror(self, excrepr: object, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        try:
            message = first_line(f"{excinfo.typename}: {excinfo.value}")
            self._log.write("internal-error", message=message, text=bounded(str(excrepr)))
        except Exception as error:  # noqa: BLE001
            self._complain("an internal error of pytest", error)

    def _complain(self, doing: str, error: Exception) -> None:
        """Say once what went wrong here."""
        if self._failed or self._log.silent:
            return
        self._failed = True
        text = f"could not record {doing}: {type(error).__name__}: {error}"
        with contextlib.suppress(OSError):
            System.write(2 if self._stderr is None else self._stderr, f"seatrial: {clean(text)}\n".encode())
        with contextlib.suppress(OSError):
            self._log.write("plugin-error", message=clean(text)[:MESSAGE_LIMIT])

    def _write_collected(self) -> None:
        try:
            known = self._collection.news()
            if known is not None:
                self._log.write("collected", **known)
        except Exception as error:  # noqa: BLE001
            self._complain("the collection", error)

    def _start(self, nodeid: str) -> OpenTest:
        test = self._tests.get(nodeid)
        if test is not None and (test.to_be_rerun or not test.has_ended):
            if test.unreported is not None:
                self._write_kept_back(nodeid, test, test.unreported)
            test.phases.clear()
            return test  # pytest-rerunfailures announces each attempt (since 16) or only the first one
        began = elapsed()
        test = self._tests[nodeid] = OpenTest(began, encode_basestring(nodeid))
        self._log.append(f'{{"t": {WALL_OFFSET + began:.6f}, "event": "start", "id": {test.json_id}}}\n')
        return test

    def _write_kept_back(self, nodeid: str, test: OpenTest, failure: dict[str, Any]) -> None:
        """The failure of an attempt that the plugin flaky did not report."""
        test.unreported = None
        test.rerun()
        when = failure.pop("when")
        self._log.write("phase", id=nodeid, when=when, outcome="failed", seconds=0.0, rerun=True, **failure)

    def _report(self, report: pytest.TestReport, test: Optional[OpenTest]) -> None:
        self._reported = report
        nodeid = report.nodeid
        context = getattr(report, "context", None)
        if test is None:
            if context is not None:
                self._late_subtest(report)
                return
            test = self._start(nodeid)  # a plugin that runs tests its own way and announces none
        # xdist reports a test whose worker crashed with when="???", and nothing after it
        crashed = report.when not in ("setup", "call", "teardown")
        when = "call" if crashed else str(report.when)
        facts = getattr(report, ATTRIBUTE, None) or {}
        if when == "setup" or not test.location[0]:
            self._describe(test, report, facts)
        seconds = facts.get("seconds")
        if seconds is None:
            seconds = test.time(float(getattr(report, "duration", 0.0)), elapsed())
        if context is None:  # a subtest's time is part of the test's own
            test.seconds += seconds
        self._note_kept_back(test, when, facts)
        if test.is_new_attempt(when):
            test.to_be_rerun = False
        is_rerun = report.outcome not in OUTCOMES
        if is_rerun:
            test.rerun()
        elif not test.to_be_rerun:
            test.add(when, report.outcome)
        timed_out = bool(facts.get("timedOut"))
        if timed_out and not is_rerun:
            test.timed_out = True
        if report.outcome != "passed" or hasattr(report, "wasxfail"):
            self._write_phase(test, report, nodeid, when, seconds, is_rerun, timed_out)
        if crashed:
            self._end(nodeid, test)

    def _describe(self, test: OpenTest, report: pytest.TestReport, facts: dict[str, Any]) -> None:
        test.location = report.location
        if "markers" in facts:
            test.catalogue_id, test.markers = facts["catalogueId"], facts["markers"]
        elif self._item is not None and self._item.nodeid == report.nodeid:
            test.catalogue_id, test.markers = item_facts(self._item)

    def _note_kept_back(self, test: OpenTest, when: str, facts: dict[str, Any]) -> None:
        kept_back = facts.get("unreported")
        if kept_back is not None and kept_back["when"] not in test.phases and not test.to_be_rerun:
            test.unreported = kept_back
        elif test.unreported is not None and test.unreported["when"] == when:
            test.unreported = None

    def _write_phase(
        self,
        test: OpenTest,
        report: pytest.TestReport,
        nodeid: str,
        when: str,
        seconds: float,
        is_rerun: bool,
        timed_out: bool,
    ) -> None:
        extra: dict[str, object] = {}
        if is_rerun:
            extra["rerun"] = True
        if hasattr(report, "wasxfail"):
            test.xfail = True
            extra["wasxfail"] = clean(str(report.wasxfail)[:MESSAGE_LIMIT])
        if timed_out:
            extra["timedOut"] = True
        context = getattr(report, "context", None)
        if context is not None:
            extra["subtest"] = describe_subtest(context)
        if is_rerun or report.outcome == "failed":
            extra.update(failure_fields(report))
        elif report.outcome == "skipped":
            extra["message"] = message_of(report)
        outcome = "failed" if is_rerun else report.outcome
        self._log.write("phase", id=nodeid, when=when, outcome=outcome, seconds=seconds, **extra)

    def _late_subtest(self, report: Any) -> None:
        """A subtest that reports after the end of its test changes nothing about it; a failure counts by itself.

        So it does in pytest's own counts.
        """
        if report.failed:
            nodeid = report.nodeid
            test = self._start(nodeid)
            test.location = report.location
            test.add("call", "failed")
            self._write_phase(test, report, nodeid, "call", 0.0, is_rerun=False, timed_out=False)
            self._end(nodeid, test)

    def _end(self, nodeid: str, test: OpenTest) -> None:
        del self._tests[nodeid]
        file, row, _ = test.location
        more = f', "reruns": {test.reruns}' if test.reruns else ""
        if test.timed_out:
            more += ', "timedOut": true'
        now = elapsed()
        seconds = min(test.seconds, now - test.started + 0.001)
        markers = encode(test.markers) if test.markers else "[]"
        catalogue_id = "null" if test.catalogue_id is None else encode(test.catalogue_id)
        line = (
            f'{{"t": {WALL_OFFSET + now:.6f}, "event": "end", "id": {test.json_id}, "outcome": "{test.outcome}", '
            f'"seconds": {seconds:.6f}, "catalogueId": {catalogue_id}, "file": {encode_basestring(file)}, '
            f'"line": {"null" if row is None else row + 1}, "markers": {markers}{more}}}\n'
        )
        if self._another_follows:
            self._log.hold(line)  # the next test starts at once
        else:
            self._log.append(line)
