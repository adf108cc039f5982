"""Follows one shard to its end and uploads its results."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from typing import Callable, Optional

from seatrial_protocol.decode import dump
from seatrial_protocol.identity import RunIdentity
from seatrial_protocol.manifest import Manifest, ManifestFile
from seatrial_runner.artifacts import Found, Omitted, find
from seatrial_runner.follow import ResultsFollower
from seatrial_runner.live import Live
from seatrial_runner.mask import TooLargeError, masked_file
from seatrial_runner.record_key import give, record_key
from seatrial_runner.report.summary import summarize
from seatrial_runner.settings import Settings
from seatrial_runner.tail import CHUNK, Tail
from seatrial_runner.upload import DamagedError, RefusedError, Source, UnavailableError

log = logging.getLogger(__name__)

POLL = 0.025
"""Seconds between two looks at the files."""
LIVE_FAREWELL = 0.5
"""Seconds that the last live events may take at the end."""
DAMAGED_TRIES = 3
COVERAGE = "coverage/**"
"""What the plugin measured, among the results."""


class Collector:
    """Follows one shard to its end and uploads what it left.

    Args:
        settings: what to collect, and where to upload it.
        pause: waits so many seconds, or until the collector is asked to end, and says whether it is.
        work: a folder for reports.
        on_unavailable: called each time the archive can't be reached at the end; the collector may be killed after it.
    """

    def __init__(
        self,
        settings: Settings,
        pause: Callable[[float], bool],
        work: str,
        on_unavailable: Callable[[UnavailableError], None],
    ) -> None:
        self._settings = settings
        self._pause = pause
        self._on_unavailable = on_unavailable
        self._archive = settings.open_archive()
        self._live = Live(settings.open_archive())
        key = record_key(settings.token)
        give(key, settings.results, settings.own)
        self._follower = ResultsFollower(settings.results, work, settings.run, self._live.offer, settings.mask, key)
        self._files: dict[str, ManifestFile] = {}
        self._omitted = Omitted()

    def run(self) -> str:
        """Collect and upload. Gives the manifest's digest.

        Raises:
            UnavailableError: the archive did not answer for too long.
            RefusedError: the archive will not take the results.
        """
        follower = self._follower
        stopping = False
        early = False
        while not follower.poll() and not stopping:
            if follower.finished and not early:
                # pytest's process takes a while to end: time to send what is final
                early = True
                with contextlib.suppress(UnavailableError, DamagedError, RefusedError):  # the end meets it again
                    self._send_reports()
            stopping = self._pause(POLL)
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
            except UnavailableError as error:
                if time.monotonic() + delay > deadline:
                    raise
                self._on_unavailable(error)
                log.warning("archive unavailable, trying again: %s", error)
            except DamagedError as error:
                damaged += 1
                if damaged >= DAMAGED_TRIES:
                    raise UnavailableError(str(error)) from error
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
        started, below = self._tests_started_ns(), settings.artifacts_below
        self._send_found(settings.artifacts_folder, settings.artifacts, "artifacts/", started, below)
        run = RunIdentity(settings.uid, settings.run, settings.namespace)
        omitted = self._omitted.in_summary()
        summary = summarize(follower.facts, run, settings.attempt, settings.shard, omitted)
        self._send("summary.json", Source.of(dump(summary.to_json())))
        self._live.close(LIVE_FAREWELL)  # watchers see the last test before the result
        manifest = Manifest(1, run, tuple(self._files[path] for path in sorted(self._files)))
        return self._archive.put_manifest(dump(manifest.to_json()))

    def _tests_started_ns(self) -> Optional[int]:
        """When pytest's process started, as the launcher recorded it; None if it did not, or nobody knows."""
        record = self._follower.facts.record
        return None if record is None or record.started_at is None else int(record.started_at * 1e9)

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
        self,
        folder: str,
        globs: tuple[str, ...],
        prefix: str = "",
        since_ns: Optional[int] = None,
        below: str = "",
    ) -> None:
        for found in find(folder, globs, self._settings.artifacts_limit, self._omitted, since_ns, below):
            try:
                self._send_masked(found, prefix)
            except RefusedError as error:
                if error.status not in (400, 413):
                    raise
                self._omitted.add(found.name, f"the archive refused it: {error}"[:300], found.source.size)

    def _send_masked(self, found: Found, prefix: str) -> None:
        path, source = prefix + found.name, found.source
        if path in self._files:
            return
        try:
            spool = masked_file(source, self._settings.mask)
        except TooLargeError as error:
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
            self._files[path] = ManifestFile(path, source.size, source.sha256)


def _hashed(fd: int) -> Source:
    digest, size = hashlib.sha256(), 0
    while data := os.pread(fd, CHUNK, size):
        digest.update(data)
        size += len(data)
    return Source(fd, size, digest.hexdigest())
