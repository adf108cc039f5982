"""What the tests of the runner share: events as the plugin writes them, and an archive that follows the rules."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

UID = "0b5c1f9e-6f0a-4a57-9d3e-1f2a3b4c5d6e"
TOKEN = "f00d" * 16
RUNNER = str(Path(__file__).parents[3] / "runner")

Event = dict[str, Any]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def lines(events: list[Event]) -> bytes:
    return b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)


def session(t: float = 100.0) -> Event:
    return {"t": t, "event": "session", "pytest": "8.4.1", "python": "3.13.1", "platform": "linux", "args": []}


def collected(count: int, *errors: str, deselected: int = 0, t: float = 100.1) -> Event:
    listed = [{"id": name, "message": f"ImportError: {name}", "text": f"E   ImportError: {name}"} for name in errors]
    return {"t": t, "event": "collected", "count": count, "deselected": deselected, "errors": listed,
            "errorCount": len(listed)}  # fmt: skip


def finish(status: int, t: float = 200.0, **more: Any) -> Event:
    return {"t": t, "event": "finish", "exitStatus": status, **more}


def start(nodeid: str, t: float = 101.0) -> Event:
    return {"t": t, "event": "start", "id": nodeid}


def ended(nodeid: str, outcome: str = "passed", seconds: float = 0.5, t: float = 102.0, **more: Any) -> Event:
    file = nodeid.partition("::")[0]
    return {"t": t, "event": "end", "id": nodeid, "outcome": outcome, "seconds": seconds, "catalogueId": None,
            "file": file, "line": 7, "markers": [], **more}  # fmt: skip


def failure(nodeid: str, message: str = "assert 1 == 2", when: str = "call", t: float = 101.5, **more: Any) -> Event:
    texts = {"text": f"E   {message}", "stdout": "", "stderr": "", "log": ""}
    return {"t": t, "event": "phase", "id": nodeid, "when": when, "outcome": "failed", "seconds": 0.1,
            "message": message, **texts, **more}  # fmt: skip


def whole(nodeid: str, outcome: str = "passed", **more: Any) -> list[Event]:
    """All events of one test."""
    failed = {"failed": [failure(nodeid)], "error": [failure(nodeid, when="setup")]}.get(outcome, [])
    return [start(nodeid), *failed, ended(nodeid, outcome, **more)]


def record(code: int | None = 0, **more: Any) -> Event:
    """The launcher's exit record."""
    return {"exitCode": code, "signal": None, "timedOut": False, "oomKilled": False, "startedAt": 99.0,
            "endedAt": 201.0, "error": None, "lost": [], **more}  # fmt: skip


Fault = Callable[[str, str], "int | None"]


@dataclass
class FakeArchive:
    """Stores in memory what is uploaded, by the archive's rules; ``fault`` may give a status to answer instead."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    manifest: bytes | None = None
    live: list[Event] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    connections: int = 0
    fault: Fault = lambda method, path: None
    code: str = ""
    """Of the answers to faults."""
    hang_up: bool = False
    """Close the connection after each answer without saying so, as a server does with a connection that was idle."""
    accepts: int = 1 << 60
    """Bytes of a file that are accepted; a larger one is refused before it is read."""

    def put(self, path: str, body: bytes, announced: str) -> tuple[int, Event]:
        if sha256(body) != announced:
            return 422, {"error": "other bytes arrived than were announced", "hint": "send it again"}
        if path in self.files:
            return (200, {}) if self.files[path] == body else (409, {"error": "stored with other bytes"})
        if self.manifest is not None:
            return 409, {"error": "sealed"}
        self.files[path] = body
        return 201, {}

    def seal(self, body: bytes) -> tuple[int, Event]:
        manifest = json.loads(body)
        wrong = [
            file["path"]
            for file in manifest["files"]
            if (sha256(self.files.get(file["path"], b"")), len(self.files.get(file["path"], b"")))
            != (file["sha256"], file["size"])
        ]
        if wrong:
            return 422, {"error": f"missing: {wrong}"}
        if self.manifest not in (None, body):
            return 409, {"error": "sealed with another manifest"}
        status = 200 if self.manifest else 201
        self.manifest = body
        return status, {"digest": f"sha256:{sha256(body)}"}

    @property
    def summary(self) -> dict[str, Any]:
        return dict(json.loads(self.files["summary.json"]))


@contextmanager
def serving(archive: FakeArchive) -> Iterator[FakeArchive]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            archive.connections += 1
            super().setup()

        def answer(self, status: int, listed: Event) -> None:
            body = b"" if status == 204 else json.dumps(listed).encode()
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle_one(self) -> None:
            self.close_connection = archive.hang_up
            size = int(self.headers["Content-Length"])
            if size > archive.accepts:
                self.close_connection = True
                self.answer(413, {"error": f"more than {archive.accepts} bytes"})
                return
            body = self.rfile.read(size)
            prefix = f"/v1/runs/{UID}/attempts/1/shards/0/"
            assert self.path.startswith(prefix), self.path
            path = unquote(self.path.removeprefix(prefix))
            archive.requests.append((self.command, path))
            status = archive.fault(self.command, path)
            if status is not None:
                self.answer(
                    status, {"error": f"told to answer {status}", "hint": "a test does this", "code": archive.code}
                )
            elif self.headers["Authorization"] != f"Bearer {TOKEN}":
                self.answer(401, {"error": "not the right token"})
            elif path == "live":
                archive.live += [json.loads(line) for line in body.splitlines()]
                self.answer(204, {})
            elif path == "manifest":
                self.answer(*archive.seal(body))
            else:
                self.answer(*archive.put(path.removeprefix("files/"), body, self.headers["Content-SHA256"]))

        do_PUT = do_POST = handle_one  # noqa: N815

        def log_message(self, *_args: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    archive.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
