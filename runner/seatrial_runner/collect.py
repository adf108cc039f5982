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
import os
import signal
import stat
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

from seatrial_runner.artifacts import Omitted, find
from seatrial_runner.events import CHUNK, Event, Lines, Tail, parse
from seatrial_runner.report import Assembly, Case
from seatrial_runner.report.ctrf import Ctrf
from seatrial_runner.report.junit import JUnit
from seatrial_runner.report.summary import Facts, compact, encode, summarize
from seatrial_runner.upload import Archive, Damaged, Refused, Source, Unavailable

POLL = 0.025
"""Seconds between two looks at the files."""
LIVE_EVERY = 0.2
"""Seconds between two live messages."""
LIVE_BATCH = 512 * 1024
"""Bytes of one live message."""
LIVE_BACKLOG = 8 * 1024 * 1024
"""Bytes of live events kept while the archive doesn't answer."""
LIVE_TEXT = 4096
"""Characters of a text in a live event."""
LIVE_FAREWELL = 0.5
"""Seconds that the last live events may take at the end."""
PATIENCE = 60.0
"""Seconds for which the archive may be unavailable at the end."""
DAMAGED_TRIES = 3
TERMINATION_LIMIT = 4096
"""Bytes that Kubernetes keeps of a termination message."""
RECORD_LIMIT = 1024 * 1024
DEFAULT_ARTIFACTS_LIMIT = 1024**3
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
        token_file = os.path.join(env.get("SEATRIAL_TOKEN_DIR") or "/var/run/seatrial/upload", f"shard-{shard}")
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
            artifacts=tuple(artifacts),
            artifacts_limit=number("SEATRIAL_ARTIFACTS_LIMIT", DEFAULT_ARTIFACTS_LIMIT),
            results=env.get("SEATRIAL_RESULTS") or cls.results,
            artifacts_folder=env.get("SEATRIAL_ARTIFACTS_DIR") or cls.artifacts_folder,
            termination_log=env.get("SEATRIAL_TERMINATION_LOG") or cls.termination_log,
        )

    def open_archive(self) -> Archive:
        """A connection of its own to the archive."""
        return Archive(self.archive_url, self.token, self.uid, self.attempt, self.shard)


def live_form(event: Event) -> Optional[Event]:
    """What is told live of an event; None if it tells nothing that others don't."""
    kind = event["event"]
    if kind == "heartbeat" or (kind == "phase" and event.get("outcome") != "failed"):
        return None
    short = {name: value for name, value in event.items() if name not in ("stdout", "stderr", "log")}
    if kind == "collected":
        errors = [error for error in (event.get("errors") or ())[:5] if isinstance(error, dict)]
        short["errors"] = [{"id": error.get("id"), "message": error.get("message")} for error in errors]
    for name, value in short.items():
        if isinstance(value, str) and len(value) > LIVE_TEXT:
            short[name] = value[:LIVE_TEXT]
    return short


class Live:
    """Sends live events from a thread of its own, so that a slow archive delays nothing.

    They are for people who watch; the results don't depend on them. What doesn't fit the backlog is dropped and counted.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._changed = threading.Condition()
        self._closing = False
        self.refused: Optional[str] = None
        """Why the archive takes no live events of this shard."""
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._thread.start()

    def tell(self, event: Event) -> None:
        """Have an event sent soon."""
        line = encode(event) + b"\n"
        with self._changed:
            if self.refused is not None:
                return
            if self._bytes + len(line) > LIVE_BACKLOG:
                self._dropped += 1
                return
            if self._dropped:
                gap = encode({"t": event.get("t"), "event": "dropped", "count": self._dropped}) + b"\n"
                self._append(gap)
                self._dropped = 0
            self._append(line)
            self._changed.notify()

    def close(self, patience: float) -> None:
        """Send what is left, if the archive answers within so many seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(patience)

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    def _run(self) -> None:
        delay = LIVE_EVERY
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._lines) or self._closing)
                batch: list[bytes] = []
                size = 0
                while self._lines and (not batch or size + len(self._lines[0]) <= LIVE_BATCH):
                    batch.append(self._lines.popleft())
                    size += len(batch[-1])
                if not batch:
                    break
            try:
                self._archive.post_live(b"".join(batch))
                delay = LIVE_EVERY
                with self._changed:
                    self._bytes -= size
            except (Unavailable, Damaged):
                with self._changed:
                    self._lines.extendleft(reversed(batch))
                    if self._closing:
                        break
                delay = min(delay * 2, 5.0)
            except Refused as error:
                with self._changed:
                    self.refused = str(error)
                    self._lines.clear()
                    self._bytes = 0
                say(f"the archive takes no live events: {error}")
                break
            with self._changed:
                self._changed.wait_for(lambda: self._closing, delay)
        self._archive.close()


class Follower:
    """Follows the files in the results folder and keeps reports and facts up to date.

    Args:
        results: the folder that the launcher and the plugin write to.
        work: a folder for the reports.
        title: of the reports.
        tell: is given what shall be told live.
    """

    def __init__(self, results: str, work: str, title: str, tell: Callable[[Event], None]) -> None:
        self.facts = Facts()
        self.events = Tail(os.path.join(results, "events.jsonl"))
        self.gates = Tail(os.path.join(results, "gates.jsonl"))
        self.output = Tail(os.path.join(results, "output.log"))
        self.junit_path = os.path.join(work, "junit.xml")
        self.ctrf_path = os.path.join(work, "ctrf.json")
        self._record_path = os.path.join(results, "exit.json")
        self._title = title
        self._tell = tell
        self._event_lines = Lines()
        self._gate_lines = Lines()
        self._assembly = Assembly()
        self._junit = JUnit(self.junit_path)
        self._ctrf = Ctrf(self.ctrf_path)
        self._output_end = b""
        self._reported = False
        self.record_bytes: Optional[bytes] = None

    @property
    def finished(self) -> bool:
        """Whether pytest has finished its session; the reports are final then."""
        return self.facts.finish is not None

    def poll(self) -> bool:
        """Read what is new. True if the launcher's exit record is there; then all other files have been read whole."""
        there = self._read_record()
        for chunk in self.gates.chunks():
            for event in self._gate_lines.feed(chunk):
                self._gate(event)
        for chunk in self.events.chunks():
            for event in self._event_lines.feed(chunk):
                self._event(event)
        for chunk in self.output.chunks():
            self._output_end = (self._output_end + chunk)[-16 * 1024 :]
        return there

    def end(self) -> None:
        """Close the reports; nothing more is read."""
        for event in self._gate_lines.end():
            self._gate(event)
        if not self.finished:
            for event in self._event_lines.end():
                self._event(event)
        for tail in (self.gates, self.events, self.output):
            tail.seal()
            if tail.damage:
                self.facts.note(tail.damage)
        bad = self._event_lines.bad + self._gate_lines.bad
        if bad:
            self.facts.note(f"{bad} lines of events could not be read")
        self.facts.output_tail = self._output_end.decode("utf-8", "replace")
        self._report()

    def close(self) -> None:
        """Close all files."""
        self._report()
        for tail in (self.gates, self.events, self.output):
            tail.close()

    def _read_record(self) -> bool:
        if self.record_bytes is not None:
            return True
        try:
            fd = os.open(self._record_path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return False
            self.record_bytes = file.read(RECORD_LIMIT)
        try:
            record = parse(self.record_bytes)
        except ValueError:
            record = None
        if isinstance(record, dict):
            self.facts.record = record
        else:
            self.facts.note("the exit record could not be read")
        return True

    def _gate(self, event: Event) -> None:
        try:
            self.facts.add_gate_event(event)
            self._tell(event)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.facts.note(f"a gate event could not be understood: {error!r}"[:500])

    def _event(self, event: Event) -> None:
        if self.finished:
            return
        try:
            self.facts.add_event(event)
            cases = self._assembly.add(event)
            told = live_form(event)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.facts.note(f"an event could not be understood: {error!r}"[:500])
            return
        if told is not None:
            self._tell(told)
        for case in cases:
            self._case(case)
        if self.finished:
            self.events.seal()
            self._report()

    def _case(self, case: Case) -> None:
        self.facts.add_case(case)
        self._junit.add(case)
        self._ctrf.add(case)

    def _report(self) -> None:
        if self._reported:
            return
        self._reported = True
        self.facts.running = self._assembly.running
        for case in self._assembly.abandon():
            self._case(case)
        started = self.facts.first_at or self.facts.gates_began or 0.0
        ended = self.facts.last_event or started
        session = self.facts.session or {}
        properties = {name: session[name] for name in ("pytest", "python", "platform") if session.get(name)}
        self._junit.close(self._title, started, properties)
        self._ctrf.close(started, ended, session.get("pytest"), dict(properties))


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
        self._follower = Follower(settings.results, work, settings.run, self._live.tell)
        self._files: dict[str, dict[str, Any]] = {}
        self._omitted = Omitted()

    def run(self) -> tuple[str, dict[str, Any]]:
        """Collect and upload. Gives the manifest's digest and the summary.

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
        deadline = time.monotonic() + PATIENCE
        return self._insist(self._send_all, deadline)

    def close(self) -> None:
        """Close files and connections."""
        self._live.close(LIVE_FAREWELL)
        self._follower.close()
        self._archive.close()

    def _insist(self, action: Callable[[], tuple[str, dict[str, Any]]], deadline: float) -> tuple[str, dict[str, Any]]:
        """Try again while the archive is unavailable; what has arrived is not sent again."""
        delay, damaged = 0.05, 0
        while True:
            try:
                return action()
            except Unavailable as error:
                if time.monotonic() + delay > deadline:
                    raise
                self._tell_end({"error": f"archive unavailable: {error}"})  # in case this is killed while it waits
                say(f"archive unavailable, trying again: {error}")
            except Damaged as error:
                damaged += 1
                if damaged >= DAMAGED_TRIES:
                    raise Unavailable(str(error)) from error
                say(f"sending again: {error}")
                self._files.clear()  # the archive says at once which ones it has
            self._pause(delay)
            delay = min(delay * 2, 2.0)

    def _send_all(self) -> tuple[str, dict[str, Any]]:
        follower, settings = self._follower, self._settings
        self._send_reports()
        self._send_tail("output.log", follower.output)
        if follower.record_bytes is not None:
            self._send("exit.json", Source.of(follower.record_bytes))
        if settings.artifacts:
            self._send_artifacts()
        run = {"uid": settings.uid, "name": settings.run, "namespace": settings.namespace}
        summary = summarize(follower.facts, run, settings.attempt, settings.shard)
        omitted = self._omitted.told()
        if omitted is not None:
            summary["artifactsOmitted"] = omitted
        self._send("summary.json", Source.of(encode(summary)))
        self._live.close(LIVE_FAREWELL)  # watchers see the last test before the result
        files = [{"path": path, **self._files[path]} for path in sorted(self._files)]
        digest = self._archive.put_manifest(encode({"schema": 1, "run": run, "files": files}))
        return digest, summary

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

    def _send_artifacts(self) -> None:
        self._omitted = Omitted()
        settings = self._settings
        for found in find(settings.artifacts_folder, settings.artifacts, settings.artifacts_limit, self._omitted):
            try:
                self._send(f"artifacts/{found.name}", found.source)
            except Refused as error:
                if error.status not in (400, 413):
                    raise
                self._omitted.add(found.name, f"the archive refused it: {error}"[:300], found.source.size)

    def _send(self, path: str, source: Source) -> None:
        if path not in self._files:
            self._archive.put_file(path, source)
            self._files[path] = {"size": source.size, "sha256": source.sha256}

    def _tell_end(self, message: Mapping[str, Any]) -> None:
        write_termination(self._settings.termination_log, message)


def write_termination(path: str, message: Mapping[str, Any]) -> None:
    """Leave a message for the operator, where the kubelet reads it when the container has ended."""
    try:
        with open(path, "wb") as file:
            file.write(encode(message)[:TERMINATION_LIMIT])
    except OSError as error:
        say(f"the termination message can't be written: {error}")


def say(text: str) -> None:
    """A line for people, in the container's log."""
    print(f"seatrial: {text}", file=sys.stderr, flush=True)


def _hashed(fd: int) -> Source:
    digest, size = hashlib.sha256(), 0
    while data := os.pread(fd, CHUNK, size):
        digest.update(data)
        size += len(data)
    return Source(fd, size, digest.hexdigest())


def _pause(seconds: float) -> bool:
    """Wait so many seconds or until asked to end; the signals are blocked, so none is lost between two waits."""
    return signal.sigtimedwait(STOP_SIGNALS, seconds) is not None


def collect(env: Mapping[str, str], pause: Callable[[float], bool]) -> tuple[int, dict[str, Any]]:
    """Collect and upload as the environment says. Gives the exit status and the message for the operator."""
    try:
        settings = Settings.of(env)
        with (
            tempfile.TemporaryDirectory(prefix="seatrial-") as work,
            contextlib.closing(Collector(settings, pause, work)) as collector,
        ):
            digest, summary = collector.run()
    except Unavailable as error:
        return 1, {"error": f"archive unavailable: {error}"[:1000]}
    except Refused as error:
        return 1, {"error": f"the archive refused the results: {error}"[:1000]}
    except Exception as error:  # noqa: BLE001 - the operator must learn of whatever it is
        traceback.print_exc()
        return 1, {"error": f"the collector failed: {type(error).__name__}: {error}"[:1000]}
    room = TERMINATION_LIMIT - len(encode({"digest": digest, "summary": {}}))
    return 0, {"digest": digest, "summary": compact(summary, room)}


def main() -> int:
    """Run as a process: signals, exit status, termination message."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    status, message = collect(os.environ, _pause)
    if "error" in message:
        say(message["error"])
    write_termination(os.environ.get("SEATRIAL_TERMINATION_LOG") or Settings.termination_log, message)
    return status


if __name__ == "__main__":
    sys.exit(main())
