"""What happens in the user's pytest, as one JSON object a line in the file named by ``SEATRIAL_EVENTS``.

The events are listed in ``events.py``. Under pytest-xdist only the controller writes; the workers describe their tests
on the reports that they send. Whatever goes wrong here is said once on stderr and as an event, and never changes how
the user's session ends.
"""

# ruff: noqa: D102 - the hooks are documented by pytest
from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

import pytest

from seatrial_runner import measure
from seatrial_runner.limit import TIMED_OUT, TimeLimit

TEXT_LIMIT = 64 * 1024
"""Bytes kept of one text: a traceback, the captured output of one test. The beginning and the end are kept."""
MESSAGE_LIMIT = 1000
"""Characters kept of a one-line message."""
ERRORS_LIMIT = 100
"""Collection errors written with their text; further ones are counted."""
HEARTBEAT = 1.0
"""Seconds between two heartbeats."""

_NAME = re.compile(r"test_([a-z]{2,})_(\d+)(?![a-z0-9])", re.IGNORECASE)
_ID = re.compile(r"\b[A-Z]{2,}-\d+\b")
_TROUBLESOME = re.compile("[\x85\u2028\u2029\ud800-\udfff]")
"""In JSON: characters that some readers take for the end of a line, and those that UTF-8 can't hold."""
_ATTRIBUTE = "seatrial"
"""Attribute of a report with what is known of its test; pytest-xdist carries it from the worker to the controller."""

_RECORDER: pytest.StashKey[Recorder] = pytest.StashKey()


def catalogue_id(name: str, doc: Optional[str], markers: Sequence[pytest.Mark]) -> Optional[str]:
    """The id under which a test stands in its project's catalogue, for example ``INT-020``; None if it has none.

    The most explicit place wins: the marker ``catalogue("INT-020")`` or ``seatrial(id="INT-020")``, a docstring that
    begins with an id, the test's name (``test_int_020_rejects_bad_input``), an id anywhere in the docstring.
    """
    for mark in markers:
        value = mark.args[0] if mark.name == "catalogue" and mark.args else mark.kwargs.get("id")
        if mark.name in ("catalogue", "seatrial") and value:
            return str(value)
    text = (doc or "").strip()
    first = _ID.match(text)
    if first:
        return first.group()
    named = _NAME.match(name)
    if named:
        return f"{named.group(1).upper()}-{named.group(2)}"
    anywhere = _ID.search(text)
    return anywhere.group() if anywhere else None


def clean(text: str) -> str:
    """The same text, with what UTF-8 can't hold (lone surrogates) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def bounded(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text, cut in its middle to about ``limit`` bytes of UTF-8, saying how much was left out."""
    if len(text) <= limit:
        encoded = text.encode("utf-8", "backslashreplace")
        if len(encoded) <= limit:
            return encoded.decode("utf-8")
    begin = text[: limit // 4].encode("utf-8", "backslashreplace")[: limit // 4].decode("utf-8", "ignore")
    room = limit - limit // 4
    end = text[-room:].encode("utf-8", "backslashreplace")[-room:].decode("utf-8", "ignore")
    return f"{begin}\n[... {len(text) - len(begin) - len(end)} characters left out ...]\n{end}"


def first_line(text: str) -> str:
    """The first line that says something, at most ``MESSAGE_LIMIT`` characters."""
    for line in text.splitlines():
        if line.strip():
            return clean(line.strip()[:MESSAGE_LIMIT])
    return ""


def message_of(report: Union[pytest.TestReport, pytest.CollectReport]) -> str:
    """One line that says why a test failed, was skipped or could not be collected."""
    longrepr = report.longrepr
    if longrepr is None:
        return ""
    if isinstance(longrepr, tuple):
        reason = str(longrepr[2])
        return first_line(reason[len("Skipped: ") :] if reason.startswith("Skipped: ") else reason)
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None and crash.message:
        return first_line(str(crash.message))
    lines = str(longrepr).splitlines()
    errors = [line[1:] for line in lines if line.startswith("E ") and line[1:].strip()]
    least = min((len(line) - len(line.lstrip()) for line in errors), default=0)  # a SyntaxError comes after its source
    raised = [line for line in errors if not line[least].isspace()]
    return first_line("\n".join(raised or lines))


def describe_subtest(context: object) -> str:
    """How a subtest names itself: its message and parameters."""
    parts = [f"[{message}]"] if (message := getattr(context, "msg", None)) is not None else []
    parts += [f"{name}={value}" for name, value in (getattr(context, "kwargs", None) or {}).items()]
    return clean(" ".join(parts))[:MESSAGE_LIMIT]


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    escape = f"\\u{ord(character):04x}"
    return escape if character < "\ud800" else "\\" + escape  # a lone surrogate becomes the text of its escape


class EventLog:
    """A file of events, one JSON object a line. Each line is in the file when ``write`` returns.

    Only the process that opened it writes: a fork of it is silent. A test that closes descriptors which are not its own
    must not have the events go to whatever is opened next under that number.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd, self._identity = self._open()
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._torn = False

    @property
    def mine(self) -> bool:
        """Whether this process is the one that opened the file."""
        return os.getpid() == self._pid

    def write(self, event: str, **fields: object) -> None:
        """Append one event.

        Raises:
            OSError: the file can't be written, for example because its volume is full.
        """
        if not self.mine:
            return
        line = json.dumps({"t": round(time.time(), 6), "event": event, **fields}, ensure_ascii=False, default=str)
        data = _TROUBLESOME.sub(_escape, line).encode("utf-8") + b"\n"
        with self._lock:
            if _identity(self._fd) != self._identity:
                self._fd, self._identity = self._open()
            if self._torn:  # what a full disk left of a line must not spoil the next one
                data = b"\n" + data
            self._torn = True
            while data:
                data = data[os.write(self._fd, data) :]
            self._torn = False

    def close(self) -> None:
        """Write nothing more."""
        self._pid = -1
        if _identity(self._fd) == self._identity:
            os.close(self._fd)

    def _open(self) -> tuple[int, tuple[int, int]]:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        status = os.fstat(fd)
        return fd, (status.st_dev, status.st_ino)


def _identity(fd: int) -> Optional[tuple[int, int]]:
    """Which file this descriptor stands for; None if for none."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Heartbeat:
    """Writes an event each second, from a thread of its own, so that silence means that the process is gone or stuck.

    Python (since 3.12) warns of a fork in a process that has threads, and looks for them after the fork. So the thread
    ends before each fork, and ``go_on`` starts it again when the next test event is recorded.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._stop = threading.Event()
        self._thread: Optional[threading.Thread] = None
        os.register_at_fork(before=self.stop)

    def go_on(self) -> None:
        """Begin, if it does not beat already."""
        if self._thread is None and self._log.mine:
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._beat, args=(self._stop,), name="seatrial-heartbeat", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End; no heartbeat is written after this returned."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()

    def _beat(self, stop: threading.Event) -> None:
        with contextlib.suppress(OSError):  # the recorder's own next event meets the same error and reports it
            while not stop.wait(HEARTBEAT):
                self._log.write("heartbeat")


@dataclass
class Progress:
    """What is known of a test between its start and its end."""

    phases: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    reruns: int = 0
    to_be_rerun: bool = False
    """It failed, and is run again, from its set-up: nothing that is reported before then says how it ends."""
    xfail: bool = False
    torn_down: bool = False
    timed_out: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, when: str, outcome: str) -> None:
        """Take note of a phase. A phase is reported more than once where a test has subtests: the worst one counts."""
        ranks = ("", "skipped", "passed", "failed")
        self.phases[when] = max(self.phases.get(when, ""), outcome, key=ranks.index)

    @property
    def outcome(self) -> str:
        """The outcome of the whole test, in pytest's words."""
        setup, call, teardown = (self.phases.get(when) for when in ("setup", "call", "teardown"))
        if call == "failed":
            return "failed"
        if "failed" in (setup, teardown):
            return "error"
        if "skipped" in (setup, call):
            return "xfailed" if self.xfail else "skipped"
        return "xpassed" if self.xfail else "passed"


class Recorder:
    """The hooks that write the events. Registered in the process that the user started, not in xdist's workers."""

    def __init__(self, config: pytest.Config, log: EventLog, stderr: Optional[int]) -> None:
        self._config = config
        self._log = log
        self._stderr = stderr
        self._heartbeat = Heartbeat(log)
        self._complained = False
        self._session: Optional[pytest.Session] = None
        self._deselected = 0
        self._errors: list[dict[str, str]] = []
        self._error_count = 0
        self._count: Optional[int] = None
        self._told: Optional[tuple[Optional[int], int]] = None
        self._tests: dict[str, Progress] = {}

    @contextlib.contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        """Keep an error of ours away from the user's session; say it once on stderr and as an event."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the user's tests go on
            if self._complained or not self._log.mine:
                return
            self._complained = True
            text = f"could not record {doing}: {type(error).__name__}: {error}"
            with contextlib.suppress(OSError):
                os.write(2 if self._stderr is None else self._stderr, f"seatrial: {clean(text)}\n".encode())
            with contextlib.suppress(OSError):
                self._log.write("plugin-error", message=text)

    def start(self) -> None:
        """Write who runs what, and begin the heartbeat."""
        with self._guarded("the session"):
            self._log.write(
                "session",
                pytest=pytest.__version__,
                python=".".join(str(number) for number in sys.version_info[:3]),
                platform=f"{sys.platform}-{os.uname().machine}",
                rootdir=str(self._config.rootpath),
                args=[str(arg) for arg in self._config.invocation_params.args],
            )
            self._heartbeat.go_on()

    def measured(self, measurement: measure.Measurement) -> None:
        """Have the reports of coverage made, and write what came of it."""
        with self._guarded("the coverage"):
            if self._session is None or not self._log.mine:
                return
            lines = measurement.report()
            if lines is not None:
                self._log.write("coverage", **lines)
            for note in measurement.notes:
                self._log.write("plugin-error", message=clean(note[:MESSAGE_LIMIT]))

    def finish(self) -> None:
        """Write how the session ended, and nothing after it. Without a session (``--help``) there is no such event."""
        with self._guarded("the end of the session"):
            self._heartbeat.stop()
            if self._session is not None and self._log.mine:
                self._tell_collected()
                for nodeid in [nodeid for nodeid, test in self._tests.items() if test.torn_down]:
                    self._end(nodeid)  # run by a plugin that announces no ends
                self._log.write("finish", exitStatus=int(self._session.exitstatus))
            self._log.close()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            with self._guarded("a collection error"):
                self._error_count += 1
                if len(self._errors) < ERRORS_LIMIT:
                    self._errors.append(
                        {
                            "id": clean(report.nodeid),
                            "message": message_of(report),
                            "text": bounded(report.longreprtext),
                        }
                    )

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self._deselected += len(items)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        with self._guarded("the collection"):
            self._count = len(session.items)
            self._tell_collected()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        with self._guarded("the collection"):
            if self._count is None:
                self._count = len(ids)
                self._tell_collected()

    def _tell_collected(self) -> None:
        """Say what was collected; again only if more is known by now (errors of a slower worker of xdist)."""
        known = (self._count, self._error_count)
        if known in (self._told, (None, 0)):
            return
        self._told = known
        self._log.write(
            "collected",
            count=self._count or 0,
            deselected=self._deselected,
            errors=self._errors,
            errorCount=self._error_count,
        )

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        with self._guarded("the start of a test"):
            if nodeid in self._tests and self._tests[nodeid].to_be_rerun:
                return  # pytest-rerunfailures announces each attempt (since 16) or only the first one
            self._tests[nodeid] = Progress()
            self._heartbeat.go_on()
            self._log.write("start", id=nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        with self._guarded("a test"):
            self._phase(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        with self._guarded("the end of a test"):
            self._end(nodeid)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        with self._guarded("an interruption"):
            self._log.write("interrupted", kind=excinfo.typename, message=first_line(str(excinfo.value)))

    def pytest_internalerror(self, excrepr: object, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        with self._guarded("an internal error of pytest"):
            message = first_line(f"{excinfo.typename}: {excinfo.value}")
            self._log.write("internal-error", message=message, text=bounded(str(excrepr)))

    def _phase(self, report: pytest.TestReport) -> None:
        self._heartbeat.go_on()
        nodeid = report.nodeid
        if nodeid not in self._tests:  # a plugin that runs tests its own way and announces none
            self.pytest_runtest_logstart(nodeid)
        test = self._tests[nodeid]
        # xdist reports a test whose worker crashed with when="???", and nothing after it
        crashed = report.when not in ("setup", "call", "teardown")
        when = "call" if crashed else str(report.when)
        outcome = str(report.outcome)
        seconds = float(getattr(report, "duration", 0.0))
        facts = getattr(report, _ATTRIBUTE, None) or {}
        test.facts.update({name: value for name, value in facts.items() if value is not None})
        test.facts.setdefault("location", list(report.location))
        extra: dict[str, object] = {}
        if hasattr(report, "wasxfail"):
            test.xfail = True
            extra["wasxfail"] = clean(str(report.wasxfail))
        if facts.get("timedOut"):
            test.timed_out = extra["timedOut"] = True
        subtest = getattr(report, "context", None)
        if subtest is not None:
            extra["subtest"] = describe_subtest(subtest)
        else:  # a subtest's time is part of the test's own
            test.seconds += seconds
        if outcome in ("failed", "rerun"):
            extra.update(
                message=message_of(report),
                text=bounded(report.longreprtext),
                stdout=bounded(report.capstdout),
                stderr=bounded(report.capstderr),
                log=bounded(report.caplog),
            )
        elif outcome == "skipped":
            extra["message"] = message_of(report)
        if when == "setup":
            test.to_be_rerun = False
        if outcome == "rerun":
            test.reruns += 1
            test.to_be_rerun = True
            test.timed_out = False
            test.phases.clear()
        elif not test.to_be_rerun:
            test.add(when, outcome)
            test.torn_down = when == "teardown"
        known = "failed" if outcome == "rerun" else outcome
        rerun = {"rerun": True} if outcome == "rerun" else {}
        self._log.write("phase", id=nodeid, when=when, outcome=known, seconds=round(seconds, 6), **rerun, **extra)
        if crashed:
            self._end(nodeid)

    def _end(self, nodeid: str) -> None:
        test = self._tests.get(nodeid)
        if test is None or not test.phases:
            return  # to be run again, or interrupted: as yet a test that started and did not end
        del self._tests[nodeid]
        file, line, _ = test.facts["location"]
        self._log.write(
            "end",
            id=nodeid,
            outcome=test.outcome,
            seconds=round(test.seconds, 6),
            catalogueId=test.facts.get("catalogueId"),
            file=file,
            line=None if line is None else line + 1,
            markers=test.facts.get("markers", []),
            **({"reruns": test.reruns} if test.reruns else {}),
            **({"timedOut": True} if test.timed_out else {}),
        )


class Describer:
    """Puts on each report what only the process that runs the test knows: its catalogue id, markers, time-out."""

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, None]:
        outcome = yield
        if outcome.excinfo is not None:
            return
        report = outcome.get_result()
        expired = item.stash.get(TIMED_OUT, None)
        if expired is not None:
            del item.stash[TIMED_OUT]
            if report.outcome == "passed":  # the test caught the failure and went on
                report.outcome, report.longrepr = "failed", expired
        facts: dict[str, object] = {"timedOut": expired is not None}
        if report.when == "setup":
            with contextlib.suppress(Exception):  # a user's own kind of item may raise anything; then nothing is known
                marks = list(item.iter_markers())
                name = str(getattr(item, "originalname", None) or item.name)
                facts["catalogueId"] = catalogue_id(name, _docstring(item), marks)
                facts["markers"] = sorted({clean(mark.name) for mark in marks})
        setattr(report, _ATTRIBUTE, facts)


def _docstring(item: pytest.Item) -> Optional[str]:
    doc = getattr(getattr(item, "obj", None), "__doc__", None)
    return doc if isinstance(doc, str) else None


def _real_stderr() -> Optional[int]:
    """A copy of stderr as it is now: pytest captures descriptor 2 while tests run, but not while it is configured."""
    try:
        return os.dup(2)
    except OSError:
        return None


def _dump_stacks_on_sigterm(stderr: int) -> None:
    """Have all stacks written when the process is told to end: they say where a test hangs, even in native code."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    faulthandler.register(signal.SIGTERM, file=stderr, all_threads=True, chain=True)
    # the processes that a test forks are told to end all the time, and nothing is wrong with them
    os.register_at_fork(after_in_child=lambda: faulthandler.unregister(signal.SIGTERM))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and, as the environment asks for it, the recorder of events and the limit for one test."""
    config.addinivalue_line("markers", "catalogue(id): the test's id in the project's catalogue, for example INT-020")
    config.addinivalue_line("markers", "seatrial(id): the same, for projects that have another marker of that name")
    stderr = _real_stderr()
    config.pluginmanager.register(Describer(), "seatrial-describer")
    limit = os.environ.get("SEATRIAL_TEST_TIMEOUT", "")
    if limit:
        try:
            seconds = float(limit)
        except ValueError:
            raise pytest.UsageError(f"SEATRIAL_TEST_TIMEOUT must be a number of seconds, not {limit!r}") from None
        if seconds > 0:
            config.pluginmanager.register(TimeLimit(seconds, stderr), "seatrial-limit")
    measurement = measure.begin(config)  # an older pytest-xdist loads plugins in its workers only now
    if measurement is not None:
        config.pluginmanager.register(measurement, "seatrial-coverage")
    path = os.environ.get("SEATRIAL_EVENTS", "")
    if not path or hasattr(config, "workerinput"):
        return
    if os.environ.setdefault(measure.OWNER, str(os.getpid())) != str(os.getpid()):
        return  # started by a test of the session that is recorded
    try:
        log = EventLog(path)
    except OSError as error:
        print(f"seatrial: the events of this session can't be recorded: {error}", file=sys.stderr)
        return
    if stderr is not None:
        _dump_stacks_on_sigterm(stderr)
    recorder = Recorder(config, log, stderr)
    config.stash[_RECORDER] = recorder
    config.pluginmanager.register(recorder, "seatrial-recorder")
    recorder.start()


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Write the session's end. This is the last that pytest asks plugins for: nothing changes its exit status later."""
    recorder = config.stash.get(_RECORDER, None)
    if recorder is not None:
        measurement = config.stash.get(measure.MEASUREMENT, None)
        if measurement is not None:
            recorder.measured(measurement)
        recorder.finish()
