"""A time limit for each test, inside the process that runs it."""

# ruff: noqa: D102 - the hooks are documented by pytest
from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Optional

import pytest

from seatrial_runner.recording.item_facts import attach
from seatrial_runner.recording.system import MAIN_THREAD, System, elapsed

TIMED_OUT: pytest.StashKey[str] = pytest.StashKey()
"""On an item that ran over its limit: the message of its failure."""

REPEAT_SECONDS = 5.0
"""Seconds until a test that swallowed the failure, or whose clean-up hangs, is failed once more."""


class TimeLimit:
    """Fails a test that runs longer than its limit, by a signal in the main thread.

    Set-up and call share the limit. Teardown has the same limit of its own, so that a test which used up its time can
    still clean up. A test stuck in native code that never returns to Python can't be failed from inside: the limit of
    the whole run ends it.

    A test or plugin that uses SIGALRM itself keeps it: then the limit applies only if it comes before theirs.

    Args:
        seconds: the limit of one test.
        stderr: descriptor to which the stacks of all threads are written when a test is failed.
    """

    def __init__(self, seconds: float, stderr: Optional[int]) -> None:
        self.seconds = seconds
        self._stderr = stderr
        self._deadline = 0.0

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, None]:
        self._deadline = elapsed() + self.seconds
        with self._armed(item, "set-up"):
            yield

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, None]:
        with self._armed(item, "call"):
            yield

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, None]:
        self._deadline = elapsed() + self.seconds
        with self._armed(item, "teardown"):
            yield

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, None]:
        outcome = yield
        expired = item.stash.get(TIMED_OUT, None)
        if expired is None or outcome.excinfo is not None:
            return
        del item.stash[TIMED_OUT]
        report = outcome.get_result()
        if report.outcome == "passed":  # the test caught the failure and went on
            report.outcome, report.longrepr = "failed", expired
        attach(report, {"timedOut": True})

    @contextmanager
    def _armed(self, item: pytest.Item, when: str) -> Iterator[None]:
        if System.get_ident() != MAIN_THREAD:
            yield  # only the main thread can be interrupted by a signal
            return
        began = elapsed()
        left = max(self._deadline - began, 0.001)
        theirs, interval = System.getitimer(signal.ITIMER_REAL)
        before = System.getsignal(signal.SIGALRM)
        if 0 < theirs <= left or (theirs == 0 and callable(before)):
            yield
            return

        def expired(_signal: int, _frame: Optional[FrameType]) -> None:
            __tracebackhide__ = True  # the failure shows where the test was, not this
            item.stash[TIMED_OUT] = (
                f"the test ran over its limit of {self.seconds:g} s (the limit for one test), in its {when}"
            )
            if self._stderr is not None:
                System.dump_traceback(self._stderr, all_threads=True)
            pytest.fail(item.stash[TIMED_OUT])

        System.signal(signal.SIGALRM, expired)
        System.setitimer(signal.ITIMER_REAL, left, REPEAT_SECONDS)
        try:
            yield
        finally:
            if System.getitimer(signal.ITIMER_REAL)[1] == REPEAT_SECONDS:  # still ours, whosever the handler is now
                System.setitimer(signal.ITIMER_REAL, 0)
            if System.getsignal(signal.SIGALRM) is expired:
                System.signal(signal.SIGALRM, signal.SIG_DFL if before is None else before)
                if theirs > 0:
                    System.setitimer(signal.ITIMER_REAL, max(theirs - (elapsed() - began), 0.001), interval)
