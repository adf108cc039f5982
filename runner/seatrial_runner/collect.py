"""The collector: a sidecar of the tests that uploads their results.

While the tests run it follows what the plugin and the launcher write, sends it live, and keeps the reports up to date.
When the launcher has recorded how pytest ended, or the kubelet asks to end, little is left to do: send what is new,
then the manifest. Everything that is sent depends on the files alone, so a collector that is started again sends the
same bytes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from typing import Callable

from seatrial_protocol.termination import Code, TerminationMessage
from seatrial_runner.collector import Collector
from seatrial_runner.settings import Settings
from seatrial_runner.upload import QuotaExceededError, RefusedError, UnavailableError

log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _unavailable(error: UnavailableError) -> TerminationMessage:
    return TerminationMessage(Code.ARCHIVE_UNAVAILABLE, f"archive unavailable: {error}")


def write_termination(path: str, message: TerminationMessage) -> None:
    """Leave a message for the operator, where the kubelet reads it when the container has ended."""
    try:
        with open(path, "wb") as file:
            file.write(message.encode())
    except OSError as error:
        log.error("the termination message can't be written: %s", error)


def _pause(seconds: float) -> bool:
    """Wait so many seconds or until asked to end; the signals are blocked, so none is lost between two waits."""
    return signal.sigtimedwait(STOP_SIGNALS, seconds) is not None


def collect(env: Mapping[str, str], pause: Callable[[float], bool]) -> tuple[int, TerminationMessage]:
    """Collect and upload as the environment says. Gives the exit status and the message for the operator."""
    try:
        settings = Settings.from_env(env)
    except ValueError as error:
        return 1, TerminationMessage(Code.SETTINGS_WRONG, str(error))

    def on_unavailable(error: UnavailableError) -> None:
        write_termination(settings.termination_log, _unavailable(error))

    try:
        with (
            tempfile.TemporaryDirectory(prefix="seatrial-") as work,
            contextlib.closing(Collector(settings, pause, work, on_unavailable)) as collector,
        ):
            digest = collector.run()
    except UnavailableError as error:
        return 1, _unavailable(error)
    except QuotaExceededError as error:
        return 1, TerminationMessage(Code.ARCHIVE_QUOTA_EXCEEDED, str(error))
    except RefusedError as error:
        return 1, TerminationMessage(Code.RESULTS_REFUSED, f"the archive refused the results: {error}")
    except Exception as error:
        log.exception("the collector failed")
        return 1, TerminationMessage(Code.COLLECTOR_FAILED, f"the collector failed: {type(error).__name__}: {error}")
    return 0, TerminationMessage(Code.DELIVERED, digest=digest)


def main() -> int:
    """Run as a process: signals, exit status, termination message."""
    logging.basicConfig(format="seatrial: %(message)s", level=logging.INFO)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    status, message = collect(os.environ, _pause)
    if status:
        log.error("%s", message.message)
    write_termination(os.environ.get("SEATRIAL_TERMINATION_LOG") or Settings.termination_log, message)
    return status


if __name__ == "__main__":
    sys.exit(main())
