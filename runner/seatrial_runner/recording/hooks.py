"""The plugin's own hooks: what is registered at a session's start, as the environment asks for it."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Generator
from typing import Any, Optional

import pytest

from seatrial_runner import measure
from seatrial_runner.limit import TimeLimit
from seatrial_runner.recording.event_log import EventLog
from seatrial_runner.recording.item_facts import WorkerReporter
from seatrial_runner.recording.recorder import Recorder
from seatrial_runner.recording.text import first_line

EVENTS = "SEATRIAL_EVENTS"
TEST_TIMEOUT = "SEATRIAL_TEST_TIMEOUT"

_RECORDER: pytest.StashKey[Recorder] = pytest.StashKey()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, None]:
    """Begin to measure before anything of the suite is imported, and record it if a conftest.py ends the process."""
    measure.begin(early_config, early_config.known_args_namespace)
    outcome = yield
    if outcome.excinfo is None:
        return
    log = _open_log(early_config)
    if log is not None:
        try:
            _write_early_end(log, outcome.excinfo[1])
        except Exception as error:  # noqa: BLE001 - it must not hide the one that is on its way
            print(f"seatrial: could not record how the session ended: {error}", file=sys.stderr)
        log.close()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and, as the environment asks for it, the recorder of events and the limit for one test."""
    config.addinivalue_line("markers", "catalogue(id): the test's id in the project's catalogue, for example INT-020")
    config.addinivalue_line("markers", "seatrial(id): the same, for projects that have another marker of that name")
    stderr = _real_stderr()
    _limit_tests(config, stderr)
    measurement = measure.begin(config)  # an older pytest-xdist loads plugins in its workers only now
    if measurement is not None:
        config.pluginmanager.register(measurement, "seatrial-coverage")
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(WorkerReporter(), "seatrial-worker")
        return
    log = _open_log(config)
    if log is None:
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


def _write_early_end(log: EventLog, error: BaseException) -> None:
    path = getattr(error, "path", None)
    if not isinstance(error, Exception):  # sys.exit(), Ctrl-C
        log.write("interrupted", kind=type(error).__name__, message=first_line(str(error)))
    elif path is not None:  # pytest's ConftestImportFailure; it has no `cause` before pytest 8
        cause = getattr(error, "cause", error.__cause__)
        log.write("conftest-error", path=str(path), message=first_line(f"{type(cause).__name__}: {cause}"))


def _limit_tests(config: pytest.Config, stderr: Optional[int]) -> None:
    limit = os.environ.get(TEST_TIMEOUT, "")
    if not limit:
        return
    try:
        seconds = float(limit)
    except ValueError:
        raise pytest.UsageError(f"{TEST_TIMEOUT} must be a number of seconds, not {limit!r}") from None
    if seconds > 0:
        config.pluginmanager.register(TimeLimit(seconds, stderr), "seatrial-limit")


def _open_log(config: pytest.Config) -> Optional[EventLog]:
    """The file of events, if this is the process to be recorded: no worker, and not started by one of its tests."""
    path = os.environ.get(EVENTS, "")
    if not path or hasattr(config, "workerinput"):
        return None
    if os.environ.setdefault(measure.OWNER, str(os.getpid())) != str(os.getpid()):
        return None
    try:
        return EventLog(path)
    except OSError as error:
        print(f"seatrial: the events of this session can't be recorded: {error}", file=sys.stderr)
        return None


def _real_stderr() -> Optional[int]:
    """A copy of stderr as it is now: pytest captures descriptor 2 while tests run, but not while it is configured."""
    try:
        return os.dup(2)
    except OSError:
        return None


def _dump_stacks_on_sigterm(stderr: int) -> None:
    """Have all stacks written at a signal to end: they show where a test hangs, even in native code."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    faulthandler.register(signal.SIGTERM, file=stderr, all_threads=True, chain=True)
    # the processes that a test forks get this signal all the time, and nothing is wrong with them
    unregister = faulthandler.unregister
    os.register_at_fork(after_in_child=lambda: unregister(signal.SIGTERM))
