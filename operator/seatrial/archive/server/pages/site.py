"""What the pages are made from: the history, the stored files, and who asks."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from seatrial.archive.model.errors import NotFoundError
from seatrial.archive.model.keys import SetKey, check_uid
from seatrial.archive.model.manifest import parse_manifest
from seatrial.archive.model.runs import Attempt, RunDetail
from seatrial.archive.server.access.readers import Reader
from seatrial.archive.server.history.history import History
from seatrial.archive.server.pages.render import Renderer
from seatrial_protocol.manifest import Manifest

log = logging.getLogger(__name__)

_READ = 16 * 2**20  # bytes of a file that a page looks at
_READERS_OF_LOGS = 2  # at the same time


class Files(Protocol):
    """The stored files."""

    def manifest(self, key: SetKey) -> bytes:
        """The manifest of a set.

        Raises:
            NotFoundError: the set is not complete.
        """
        ...

    def chunks(self, key: SetKey, path: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """A file's bytes from `start` to before `end`.

        Raises:
            InvalidError, NotFoundError: there can't be, or there is no such file.
        """
        ...


class Site:
    """All that a page needs."""

    def __init__(self, history: History, files: Files, reader: Callable[[Request], Awaitable[Reader]]) -> None:
        self.history = history
        self.files = files
        self.reader = reader
        self.renderer = Renderer()
        self._reading = threading.BoundedSemaphore(_READERS_OF_LOGS)

    async def readable(self, request: Request) -> RunDetail:
        """The run of the address.

        Raises:
            NotFoundError: it does not exist, or the reader may not know of it.
        """
        reader = await self.reader(request)
        uid = check_uid(request.path_params["uid"])
        run = await asyncio.to_thread(self.history.runs.get, uid)
        if run is None or not await reader.may_read(run.namespace, run.namespace_uid):
            raise NotFoundError(
                f"there is no run {uid}",
                "it never existed, the archive has deleted it, or you may not read it",
            )
        return run

    def manifests(self, uid: str, attempt: Attempt) -> dict[SetKey, Manifest]:
        """The manifests of the attempt's complete sets, evidence first."""
        keys = [SetKey(uid, attempt.attempt, None)] if attempt.evidence else []
        keys += [SetKey(uid, attempt.attempt, shard.shard) for shard in attempt.shards if shard.complete]
        found = {}
        for key in keys:
            try:
                found[key] = parse_manifest(self.files.manifest(key), key)
            except NotFoundError:  # removed a moment ago: its time was over
                log.info("a set of a run went while its page was made", extra={"set": str(key)})
        return found

    @contextmanager
    def logs_of(
        self, uid: str, attempt: Attempt | None, evidence: Manifest | None = None
    ) -> Iterator[Mapping[str, bytes]]:
        """The logs of the attempt's components, by name; of long ones the end. In memory: for few readers at a time."""
        if attempt is None or attempt.evidence is None:
            yield {}
            return
        key = SetKey(uid, attempt.attempt, None)
        evidence = evidence or parse_manifest(self.files.manifest(key), key)
        files = {
            file.path.removeprefix("logs/").removesuffix(".log"): file
            for file in evidence.files
            if file.path.startswith("logs/") and file.path.endswith(".log")
        }
        with self._reading:
            yield {
                name: b"".join(self.files.chunks(key, file.path, max(0, file.size - _READ)))
                for name, file in sorted(files.items())
            }

    def read(self, key: SetKey, path: str) -> tuple[bytes, int]:
        """The file's beginning, and how many bytes of it these are if there are more; else 0."""
        body = b"".join(self.files.chunks(key, path, 0, _READ + 1))
        return (body[:_READ], _READ) if len(body) > _READ else (body, 0)


Page = Callable[[Site, Request], Awaitable[Response]]


def attempt_of(run: RunDetail, wanted: str | None) -> Attempt | None:
    """The attempt that the address names; else the last one, if there is any.

    Raises:
        NotFoundError: the run has no such attempt.
    """
    if not wanted:
        return run.last
    found = next((attempt for attempt in run.attempts if str(attempt.attempt) == wanted), None)
    if found is None:
        raise NotFoundError(f"the run has no attempt {wanted[:20]}", "its page lists its attempts")
    return found
