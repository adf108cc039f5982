"""The collector: a sidecar of the tests that brings their results to the archive.

While the tests run it follows what the plugin and the launcher write, tells the archive live, and keeps the reports up
to date. When the launcher has recorded how pytest ended, or the kubelet asks to end, little is left to do: send what is
new, then the manifest. Everything that is sent depends on the files alone, so a collector that is started again sends
the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.exit_record import ExitRecord
from seatrial_protocol.termination import Code, TerminationMessage
from seatrial_runner.artifacts import Found, Omitted, find
from seatrial_runner.events import CHUNK, Tail
from seatrial_runner.follow import Follower
from seatrial_runner.live import Live
from seatrial_runner.mask import Mask, TooLarge, masked_file
from seatrial_runner.report.summary import encode, summarize
from seatrial_runner.upload import Archive, Damaged, Refused, Source, Unavailable

log = logging.getLogger(__name__)

POLL = 0.025
"""Seconds between two looks at the files."""
LIVE_FAREWELL = 0.5
"""Seconds that the last live events may take at the end."""
PATIENCE = 60
"""Seconds for which the archive may be unavailable at the end, if nothing else is said."""
DAMAGED_TRIES = 3
DEFAULT_ARTIFACTS_LIMIT = 1024**3
COVERAGE = "coverage/**"
"""What the plugin measured, among the results."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Settings:
    """What the collector is told by its environment."""

    run: str
    namespace: str
    uid: str
    attempt: int
    shard: int
    archive_url: str
    token: str
    patience: float = PATIENCE
    mask: Mask = field(default_factory=Mask)
    artifacts: tuple[str, ...] = ()
    artifacts_limit: int = DEFAULT_ARTIFACTS_LIMIT
    results: str = "/results"
    artifacts_folder: str = "/artifacts"
    termination_log: str = "/dev/termination-log"

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Settings:
        """Read the environment.

        Raises:
            ValueError: something is missing or wrong; the message says what.
        """

        def need(name: str) -> str:
            if not env.get(name):
                raise ValueError(f"the environment variable {name} is not set")
            return env[name]

        def number(name: str, default: Optional[int] = None) -> int:
            text = env.get(name, "") or ("" if default is None else str(default))
            if not text.isdecimal():
                raise ValueError(f"the environment variable {name} must be a whole number, not {text!r}")
            return int(text)

        try:
            artifacts = json.loads(env.get("SEATRIAL_ARTIFACTS") or "[]")
        except ValueError:
            artifacts = None
        if not isinstance(artifacts, list) or not all(isinstance(each, str) for each in artifacts):
            raise ValueError("SEATRIAL_ARTIFACTS must be a JSON list of globs")
        shard = number("JOB_COMPLETION_INDEX", 0)
        told = env.get("SEATRIAL_TOKEN_DIR") or "/var/run/seatrial/upload"
        token_file = os.path.join(told, f"shard-{shard}")
        try:
            with open(token_file, encoding="ascii") as file:
                token = file.read().strip()
        except (OSError, ValueError) as error:
            raise ValueError(f"the upload token {token_file} can't be read: {error}") from error
        return cls(
            run=need("SEATRIAL_RUN"),
            namespace=need("SEATRIAL_RUN_NAMESPACE"),
            uid=need("SEATRIAL_RUN_UID"),
            attempt=number("SEATRIAL_ATTEMPT", 1),
            shard=shard,
            archive_url=need("SEATRIAL_ARCHIVE_URL"),
            token=token,
            patience=number("SEATRIAL_ARCHIVE_PATIENCE", PATIENCE),
            mask=Mask.read(os.path.join(told, "masks")),
            artifacts=tuple(artifacts),
            artifacts_limit=number("SEATRIAL_ARTIFACTS_LIMIT", DEFAULT_ARTIFACTS_LIMIT),
            results=env.get("SEATRIAL_RESULTS") or cls.results,
            artifacts_folder=env.get("SEATRIAL_ARTIFACTS_DIR") or cls.artifacts_folder,
            termination_log=env.get("SEATRIAL_TERMINATION_LOG") or cls.termination_log,
        )

    def open_archive(self) -> Archive:
        """A connection of its own to the archive."""
        return Archive(self.archive_url, self.token, self.uid, self.attempt, self.shard)


class Collector:
    """Follows one shard to its end and uploads what it left.

    Args:
        settings: what to collect, and where to bring it.
        pause: waits so many seconds, or until the collector is told to end, and says whether it is.
        work: a folder for reports.
    """

    def __init__(self, settings: Settings, pause: Callable[[float], bool], work: str) -> None:
        self._settings = settings
        self._pause = pause
        self._archive = settings.open_archive()
        self._live = Live(settings.open_archive())
        self._follower = Follower(settings.results, work, settings.run, self._live.tell, settings.mask)
        self._files: dict[str, dict[str, Any]] = {}
        self._omitted = Omitted()

    def run(self) -> str:
        """Collect and upload. Gives the manifest's digest.

        Raises:
            Unavailable: the archive did not answer for too long.
            Refused: the archive will not take the results.
        """
        follower = self._follower
        told_to_end = False
        early = False
        while not follower.poll() and not told_to_end:
            if follower.finished and not early:
                # pytest's process takes a while to end: time to send what is final
                early = True
                with contextlib.suppress(Unavailable, Damaged, Refused):  # if it matters, the end will tell
                    self._send_reports()
            told_to_end = self._pause(POLL)
        follower.end()
        deadline = time.monotonic() + self._settings.patience
        return self._insist(self._send_all, deadline)

    def close(self) -> None:
        """Close files and connections."""
        self._live.close(LIVE_FAREWELL)
        self._follower.close()
        self._archive.close()

    def _insist(self, action: Callable[[], str], deadline: float) -> str:
        """Try again while the archive is unavailable; what has arrived is not sent again."""
        delay, damaged = 0.05, 0
        while True:
            try:
                return action()
            except Unavailable as error:
                if time.monotonic() + delay > deadline:
                    raise
                # in case this is killed while it waits
                write_termination(self._settings.termination_log, _unavailable(error))
                log.warning("archive unavailable, trying again: %s", error)
            except Damaged as error:
                damaged += 1
                if damaged >= DAMAGED_TRIES:
                    raise Unavailable(str(error)) from error
                log.warning("sending again: %s", error)
                self._files.clear()  # the archive says at once which ones it has
            self._pause(delay)
            delay = min(delay * 2, 2.0)

    def _send_all(self) -> str:
        follower, settings = self._follower, self._settings
        self._send_reports()
        self._send_tail("output.log", follower.output)
        if follower.record_bytes is not None:
            self._send("exit.json", Source.of(follower.record_bytes))
        self._omitted = Omitted()
        self._send_found(settings.results, (COVERAGE,))
        # junit.xml, htmlcov, screenshots and whatever else the tests wrote need not be asked for
        self._send_found(settings.artifacts_folder, settings.artifacts, "artifacts/", self._tests_started_ns())
        run = {"uid": settings.uid, "name": settings.run, "namespace": settings.namespace}
        summary = summarize(follower.facts, run, settings.attempt, settings.shard)
        omitted = self._omitted.told()
        if omitted is not None:
            summary["artifactsOmitted"] = omitted
        self._send("summary.json", Source.of(encode(summary)))
        self._live.close(LIVE_FAREWELL)  # watchers see the last test before the result
        files = [{"path": path, **self._files[path]} for path in sorted(self._files)]
        return self._archive.put_manifest(encode({"schema": 1, "run": run, "files": files}))

    def _tests_started_ns(self) -> Optional[int]:
        """When pytest's process started, as the launcher recorded it; None if it did not, or nobody knows."""
        try:
            record = ExitRecord.parse(self._follower.record_bytes or b"")
        except ProtocolError:
            return None
        return None if record.started_at is None else int(record.started_at * 1e9)

    def _send_reports(self) -> None:
        """What is final when pytest has finished its session."""
        self._send_tail("gates.jsonl", self._follower.gates)
        self._send_tail("events.jsonl", self._follower.events)
        for name, path in (("junit.xml", self._follower.junit_path), ("ctrf.json", self._follower.ctrf_path)):
            if name not in self._files:
                with open(path, "rb") as file:
                    self._send(name, _hashed(file.fileno()))

    def _send_tail(self, name: str, tail: Tail) -> None:
        if tail.present:
            self._send(name, Source(tail.fd, tail.size, tail.sha256))

    def _send_found(
        self, folder: str, globs: tuple[str, ...], prefix: str = "", since_ns: Optional[int] = None
    ) -> None:
        for found in find(folder, globs, self._settings.artifacts_limit, self._omitted, since_ns):
            try:
                self._send_masked(found, prefix)
            except Refused as error:
                if error.status not in (400, 413):
                    raise
                self._omitted.add(found.name, f"the archive refused it: {error}"[:300], found.source.size)

    def _send_masked(self, found: Found, prefix: str) -> None:
        path, source = prefix + found.name, found.source
        if path in self._files:
            return
        try:
            spool = masked_file(source, self._settings.mask)
        except TooLarge as error:
            self._omitted.add(found.name, str(error), source.size)
            return
        if spool is None:
            self._send(path, source)
            return
        with contextlib.closing(spool):
            self._send(path, _hashed(spool.fd))

    def _send(self, path: str, source: Source) -> None:
        if path not in self._files:
            self._archive.put_file(path, source)
            self._files[path] = {"size": source.size, "sha256": source.sha256}


def _unavailable(error: Unavailable) -> TerminationMessage:
    return TerminationMessage(Code.ARCHIVE_UNAVAILABLE, f"archive unavailable: {error}")


def write_termination(path: str, message: TerminationMessage) -> None:
    """Leave a message for the operator, where the kubelet reads it when the container has ended."""
    try:
        with open(path, "wb") as file:
            file.write(message.encode())
    except OSError as error:
        log.error("the termination message can't be written: %s", error)


def _hashed(fd: int) -> Source:
    digest, size = hashlib.sha256(), 0
    while data := os.pread(fd, CHUNK, size):
        digest.update(data)
        size += len(data)
    return Source(fd, size, digest.hexdigest())


def _pause(seconds: float) -> bool:
    """Wait so many seconds or until asked to end; the signals are blocked, so none is lost between two waits."""
    return signal.sigtimedwait(STOP_SIGNALS, seconds) is not None


def collect(env: Mapping[str, str], pause: Callable[[float], bool]) -> tuple[int, TerminationMessage]:
    """Collect and upload as the environment says. Gives the exit status and the message for the operator."""
    try:
        settings = Settings.of(env)
    except ValueError as error:
        return 1, TerminationMessage(Code.SETTINGS_WRONG, str(error))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="seatrial-") as work,
            contextlib.closing(Collector(settings, pause, work)) as collector,
        ):
            digest = collector.run()
    except Unavailable as error:
        return 1, _unavailable(error)
    except Refused as error:
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
