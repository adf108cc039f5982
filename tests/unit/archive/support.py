from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from seatrial import tokens
from seatrial.archive.client.client import ArchiveClient
from seatrial.archive.server.access.kubernetes import Reviewer
from seatrial.archive.server.context import Archive
from seatrial.archive.server.live.limits import Limits
from seatrial.archive.server.serve import Running, running
from seatrial.archive.server.settings import Settings
from seatrial.archive.server.storage import Storage

KEY = b"k" * 32
UID = "0b5c1f9e-6f0a-4a57-9d3e-1f2a3b4c5d6e"


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def summary(uid: str = UID, attempt: int = 1, shard: int = 0, **more: Any) -> bytes:
    run = {"uid": uid, "name": "pr-1234", "namespace": "team-a"}
    tests = {"total": 2, "passed": 2}
    return json.dumps(
        {"schema": 1, "run": run, "attempt": attempt, "shard": shard, "outcome": "passed", "tests": tests} | more
    ).encode()


def manifest(files: dict[str, bytes], uid: str = UID) -> bytes:
    entries = [{"path": path, "size": len(body), "sha256": sha256(body)} for path, body in files.items()]
    return json.dumps({"schema": 1, "run": {"uid": uid}, "files": entries}).encode()


def record(uid: str = UID, attempt: int = 1, **more: Any) -> bytes:
    base = {
        "uid": uid,
        "attempt": attempt,
        "name": "pr-1234",
        "namespace": "team-a",
        "createdAt": "2026-05-04T12:00:00Z",
    }
    return json.dumps(base | more).encode()


@dataclass
class Uploads:
    """Uploads of one set: a shard's results as from its collector, or (shard None) evidence as from the operator."""

    http: httpx.AsyncClient
    uid: str = UID
    attempt: int = 1
    shard: int | None = 0
    token: str = ""

    def __post_init__(self) -> None:
        if self.shard is None:
            self.token = self.token or tokens.evidence_token(KEY, self.uid, self.attempt)
        else:
            self.token = self.token or tokens.upload_token(KEY, self.uid, self.attempt, self.shard)

    @property
    def path(self) -> str:
        part = "evidence" if self.shard is None else f"shards/{self.shard}"
        return f"/v1/runs/{self.uid}/attempts/{self.attempt}/{part}"

    @property
    def vital(self) -> dict[str, bytes]:
        if self.shard is None:
            return {"run.json": record(self.uid, self.attempt)}
        return {"summary.json": summary(self.uid, self.attempt, self.shard)}

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def put(self, path: str, body: Any, digest: str | None = None) -> httpx.Response:
        headers = self.authorization | {"Content-SHA256": digest or sha256(body)}
        return await self.http.put(f"{self.path}/files/{quote(path)}", content=body, headers=headers)

    async def seal(self, body: bytes) -> httpx.Response:
        return await self.http.put(f"{self.path}/manifest", content=body, headers=self.authorization)

    async def live(self, *events: dict[str, Any]) -> httpx.Response:
        body = "".join(json.dumps({"t": 1.0, **event}) + "\n" for event in events)
        return await self.http.post(f"{self.path}/live", content=body, headers=self.authorization)

    async def whole(self, files: dict[str, bytes] | None = None) -> str:
        """Uploads a complete set and returns its digest."""
        files = self.vital | (files or {})
        for path, body in files.items():
            answer = await self.put(path, body)
            assert answer.status_code == 201, answer.text
        answer = await self.seal(manifest(files, self.uid))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["digest"])


@dataclass
class Server:
    """A running archive, from outside."""

    upload_port: int
    read_port: int
    folder: Path
    upload: httpx.AsyncClient
    read: httpx.AsyncClient
    archive: Archive | None = None  # of a server in this process

    async def caught_up(self) -> None:
        """Returns when the history knows what is sealed."""
        assert self.archive is not None
        await self.archive.ingest.caught_up()

    async def put_record(self, uid: str = UID, **more: Any) -> httpx.Response:
        """As the operator tells of a run."""
        record = {"uid": uid, "name": "pr-1234", "namespace": "team-a", "createdAt": "2026-05-04T12:00:00Z"} | more
        headers = {"Authorization": f"Bearer {tokens.feed_token(KEY)}"}
        return await self.read.put(f"/v1/runs/{uid}/record", json=record, headers=headers)

    def shard(self, uid: str = UID, attempt: int = 1, shard: int = 0, token: str = "") -> Uploads:
        return Uploads(self.upload, uid, attempt, shard, token)

    def evidence(self, uid: str = UID, attempt: int = 1, token: str = "") -> Uploads:
        return Uploads(self.upload, uid, attempt, None, token)

    @asynccontextmanager
    async def lone_shard(self, shard: int) -> AsyncIterator[Uploads]:
        """A shard with its own client: one client for hundreds would check all its connections at each request."""
        async with http(self.upload_port) as client:
            yield Uploads(client, shard=shard)

    def client(self, token: str | None = None, **more: Any) -> ArchiveClient:
        return ArchiveClient(f"http://127.0.0.1:{self.read_port}", token or tokens.feed_token(KEY), **more)

    def incoming(self) -> list[Path]:
        return list((self.folder / "incoming").iterdir())


async def stored(server: Server, uploads: Uploads, path: str) -> bytes | None:
    """What a reader gets."""
    answer = await server.read.get(f"{uploads.path}/files/{quote(path)}")
    return answer.content if answer.status_code == 200 else None


def http(port: int) -> httpx.AsyncClient:
    """A client of a port; it speaks no TLS, so the authorities' certificates need not be read, which takes 25 ms."""
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=300, verify=False)


@asynccontextmanager
async def connected(upload_port: int, read_port: int, folder: Path) -> AsyncIterator[Server]:
    async with http(upload_port) as upload, http(read_port) as read:
        yield Server(upload_port, read_port, folder, upload, read)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(KEY)
    return path


@pytest.fixture
def settings(tmp_path: Path, key_file: Path) -> Settings:
    return Settings(
        folder=tmp_path / "archive", key_file=key_file, host="127.0.0.1", upload_port=0, read_port=0, stop_seconds=5
    )


@pytest.fixture
def backend() -> Storage | None:
    """Where the bytes lie; None: in the folder."""
    return None


Serve = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def serve(settings: Settings, backend: Storage | None) -> Serve:
    """Serves with these settings changed: `async with serve(max_file_bytes=10) as server`."""

    @asynccontextmanager
    async def start(
        limits: Limits | None = None, reviewer: Reviewer | None = None, **changes: Any
    ) -> AsyncIterator[Server]:
        if limits is not None:
            changes["live"] = limits
        async with running(settings.model_copy(update=changes), backend, reviewer) as ports:
            ports_of: Running = ports
            async with connected(ports_of.upload_port, ports_of.read_port, settings.folder) as server:
                server.archive = ports_of.archive
                yield server

    return start


@pytest.fixture
async def server(serve: Serve) -> AsyncIterator[Server]:
    async with serve() as started:
        yield started


class Process:
    """The archive as its own process, so that it can be killed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "seatrial.archive"], env=os.environ | environment, stdout=subprocess.PIPE, text=True
        )
        self.lines: list[dict[str, Any]] = []

    def wait_for(self, message: str) -> dict[str, Any]:
        """The first log line with this message from now on; fails when the process ends without it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))
            if message in self.lines[-1]["message"]:
                return self.lines[-1]
        raise AssertionError(f"ended with {self.process.wait()} and never said {message!r}: {self.lines}")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def environment(tmp_path: Path, key_file: Path) -> dict[str, str]:
    """The program's settings: the folder tmp_path/archive and free ports."""
    return {
        "SEATRIAL_ARCHIVE_DIR": str(tmp_path / "archive"),
        "SEATRIAL_KEY_FILE": str(key_file),
        "SEATRIAL_ARCHIVE_HOST": "127.0.0.1",
        "SEATRIAL_ARCHIVE_UPLOAD_PORT": "0",
        "SEATRIAL_ARCHIVE_READ_PORT": "0",
    }


@pytest.fixture
def spawn(environment: dict[str, str]) -> Iterator[Callable[..., Process]]:
    """Starts the archive as a process of its own, with these variables too."""
    processes = []

    def start(**changes: str) -> Process:
        processes.append(Process(environment | changes))
        return processes[-1]

    yield start
    for process in processes:
        process.end()
