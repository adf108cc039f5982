"""How the operator and the command reach the archive.

The archive is reached directly (`http://seatrial-archive:8081`) or through the Kubernetes API server's service proxy:
then `base_url` has a path, and transport (TLS, client certificates) and headers (a token) come from a kubeconfig.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from seatrial.archive.client.errors import (
    ArchiveCorruptError,
    ArchiveError,
    ArchiveNotFoundError,
    ArchiveUnavailableError,
    excerpt,
    refusal,
    unavailable,
)
from seatrial.archive.client.feed import FeedConnected, FeedEvent, FeedLost, parse_feed
from seatrial.archive.client.live import LiveEvent, server_sent
from seatrial.archive.client.transport import direct
from seatrial.archive.client.urls import bundle_url, file_url, run_url, set_url
from seatrial.archive.model.errors import InvalidError
from seatrial.archive.model.keys import SUMMARY, SetKey, check_path
from seatrial.archive.model.manifest import digest_of, parse_manifest, parse_object
from seatrial.archive.model.report import Report
from seatrial.archive.model.tests import TestPage, TestRow
from seatrial.retry import Backoff
from seatrial_protocol import limits
from seatrial_protocol.manifest import Manifest, ManifestFile

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
# Both streams say something every 10 s; one that is silent for longer is dead, even if nobody closed it.
_PAUSES = (0.1, 5.0)
"""Seconds before a stream is opened again: the first and the longest."""
_STREAM_TIMEOUT = httpx.Timeout(25.0, connect=5.0)
_PAGE = 1_000
"""Tests that are asked for at once."""
_UPLOAD_TIMEOUT = httpx.Timeout(60.0, connect=5.0, read=300.0)  # it is silent while it stores what came
_VERIFY_TIMEOUT = httpx.Timeout(600.0, connect=5.0)  # it is silent while it reads a set

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ShardResult:
    """The complete, verified result of one shard."""

    uid: str
    attempt: int
    shard: int
    digest: str  # of the manifest's bytes: sha256:<hex>
    manifest: Manifest
    summary: dict[str, Any]


class ArchiveClient:
    """A client of the archive's read port; use it as an async context, or call `aclose`.

    Every method raises ArchiveUnavailableError and ArchiveRefusedError, except where it says otherwise.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            base_url: where `/v1` and the rest are found; may have a path.
            token: the operator's; people's come in `headers`, or they need none (see `seatrial.cli.connect`).
            transport: how to reach it: httpx.AsyncHTTPTransport(verify=<ssl context>) for instance.
            headers: sent with every request.
        """
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={**({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})},
            transport=transport or direct(base_url),
            timeout=_TIMEOUT,
            follow_redirects=False,
        )

    async def __aenter__(self) -> ArchiveClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    async def find(self, namespace: str, name: str) -> str | None:
        """The uid of the last run of this name; None if none is known."""
        query = str(httpx.QueryParams({"namespace": namespace, "name": name, "limit": 1}))
        runs = (await self._object(f"v1/runs?{query}"))["runs"]
        return str(runs[0]["uid"]) if runs else None

    async def run(self, uid: str) -> dict[str, Any] | None:
        """What is kept of a run: its attempts and shards with digests and summaries; None if it is unknown."""
        return await _found(self._object(run_url(uid)))

    async def report(self, uid: str) -> Report | None:
        """The essence of a run; None if it is unknown."""
        body = await _found(self._bytes(f"{run_url(uid)}/report.json"))
        try:
            return None if body is None else TypeAdapter(Report).validate_json(body)
        except ValidationError as error:
            raise ArchiveUnavailableError(f"what answered is not the archive: {excerpt(body or b'')}") from error

    async def tests(self, uid: str, outcome: str | None = None) -> AsyncGenerator[TestRow, None]:
        """The tests of the last attempt that has results, those that went wrong first.

        Args:
            uid: of the run.
            outcome: only tests with this one; `bad`: all that went wrong.
        """
        query: dict[str, str | int] = {"limit": _PAGE, **({"outcome": outcome} if outcome else {})}
        while True:
            body = await self._bytes(f"{run_url(uid)}/tests?{httpx.QueryParams(query)}")
            try:
                page = TypeAdapter(TestPage).validate_json(body)
            except ValidationError as error:
                raise ArchiveUnavailableError(f"what answered is not the archive: {excerpt(body)}") from error
            for test in page.tests:
                yield test
            if not page.next_cursor:
                return
            query["cursor"] = page.next_cursor

    async def report_as(self, uid: str, name: str) -> AsyncGenerator[bytes, None]:
        """A run as junit.xml, junit.xml?strict=true, ctrf.json, summary.md, report.json or coverage.xml, in chunks."""
        async with self._stream(f"{run_url(uid)}/{name}", _TIMEOUT) as response:
            async for piece in response.aiter_bytes(256 * 1024):
                yield piece

    async def sets(self, uid: str) -> list[SetKey]:
        """The complete sets of a run: results of shards, and evidence."""
        found = await _found(self._object(f"{run_url(uid)}/files"))
        return [SetKey(uid, entry["attempt"], entry["shard"]) for entry in (found or {}).get("sets", ())]

    async def manifest(self, uid: str, attempt: int, shard: int | None) -> tuple[str, Manifest] | None:
        """The manifest of a shard, or (None) of the evidence, and the digest of its bytes; None as long as there is
        none.

        Raises:
            ArchiveCorruptError: it is not a manifest of this run.
        """
        body = await _found(self._bytes(f"{set_url(uid, attempt, shard)}/manifest"))
        if body is None:
            return None
        try:
            return digest_of(body), parse_manifest(body, SetKey(uid, attempt, shard))
        except InvalidError as error:
            raise ArchiveCorruptError(f"the archive's manifest of run {uid} can't be used: {error}") from error

    async def result(self, uid: str, attempt: int, shard: int) -> ShardResult | None:
        """A shard's result, its summary checked against the manifest; None as long as it is not complete.

        Raises:
            ArchiveCorruptError: the summary is not the one that the manifest vouches for.
        """
        found = await self.manifest(uid, attempt, shard)
        if found is None:
            return None
        digest, manifest = found
        body = await self._bytes(file_url(uid, attempt, shard, SUMMARY))
        file = manifest.file(SUMMARY)
        if file is None or hashlib.sha256(body).hexdigest() != file.sha256:
            raise ArchiveCorruptError(f"{SUMMARY} of run {uid} is not the one that its manifest vouches for")
        try:
            summary = parse_object(body, SUMMARY, limits.SUMMARY)
        except InvalidError as error:
            raise ArchiveCorruptError(f"the archive's summary of run {uid} can't be used: {error}") from error
        return ShardResult(uid, attempt, shard, digest, manifest, summary)

    async def download(self, uid: str, attempt: int, shard: int | None, file: ManifestFile, folder: Path) -> Path:
        """Downloads one file of the manifest into the folder, under its own path, and returns where it is.

        It gets its name only once all its bytes are there and have the digest of the manifest.

        Raises:
            ArchiveCorruptError: the bytes are not those that the manifest vouches for, or the name is not safe.
            OSError: the folder can't be written.
        """
        try:
            target = folder / check_path(file.path)
        except InvalidError as error:
            raise ArchiveCorruptError(str(error)) from error
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        partial = target.with_name(f".{secrets.token_hex(8)}.part")
        found, size = hashlib.sha256(), 0
        try:
            with partial.open("wb") as writer:
                async with self._stream(file_url(uid, attempt, shard, file.path), _TIMEOUT) as response:
                    async for chunk in response.aiter_bytes(256 * 1024):
                        found.update(chunk)
                        size += len(chunk)
                        await asyncio.to_thread(writer.write, chunk)
            if (size, found.hexdigest()) != (file.size, file.sha256):
                raise ArchiveCorruptError(
                    f"{file.path}: {size} bytes came that are not those that the manifest vouches for"
                )
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    async def verify(self, uid: str | None) -> AsyncGenerator[dict[str, Any], None]:
        """Has every file of a run read again (None: of all runs): what was found of each set, see
        `archive.verify.Checked`.

        Raises:
            ArchiveUnavailableError: it ended before all was read.
        """
        url = f"{run_url(uid)}/verify" if uid else "v1/verify"
        async with self._stream(url, _VERIFY_TIMEOUT) as response:
            async for line in response.aiter_lines():
                found = json.loads(line)
                if found["state"] == "done":
                    return
                yield found
        raise ArchiveUnavailableError("the archive ended before everything was verified; see its log")

    async def has_bundle(self, namespace: str, sha256: str) -> bool:
        """Whether the namespace has the bundle with this digest (64 hex digits); that counts as a use of it.

        Raises:
            ArchiveRefusedError: you may not create runs in this namespace, too.
        """
        first_byte = {"Range": "bytes=0-0"}  # HEAD would not show who refuses: the archive, or a proxy in between
        return await _found(self._bytes(bundle_url(namespace, sha256), first_byte)) is not None

    async def put_bundle(
        self,
        namespace: str,
        sha256: str,
        path: Path,
        progress: Callable[[int], object] = lambda sent: None,
        patience_seconds: float = 30.0,
    ) -> None:
        """Uploads the file as the namespace's bundle with this digest; one that is there already stays.

        Args:
            namespace: whose it will be.
            sha256: of the file's bytes, in hex.
            path: of the file.
            progress: receives how many bytes have been sent; starts anew when the upload does.
            patience_seconds: so long an upload that breaks is begun again.

        Raises:
            ArchiveRefusedError: it is too large, or you may not create runs in this namespace, too.
            OSError: the file can't be read.
        """
        backoff = Backoff(*_PAUSES)
        loop = asyncio.get_running_loop()
        give_up = loop.time() + patience_seconds
        while True:
            try:
                if not await self.has_bundle(namespace, sha256):  # refused here, it is refused before it is sent
                    await self._put(bundle_url(namespace, sha256), path, progress)
                return
            except ArchiveUnavailableError:
                if loop.time() > give_up:
                    raise
            await backoff.wait()

    async def _put(self, url: str, path: Path, progress: Callable[[int], object]) -> None:
        with path.open("rb") as file:
            length = {"Content-Length": str(os.fstat(file.fileno()).st_size)}
            with unavailable():
                response = await self._client.put(
                    url, content=_pieces(file, progress), headers=length, timeout=_UPLOAD_TIMEOUT
                )
        if not response.is_success:
            raise refusal(response.status_code, response.content)

    async def feed(self) -> AsyncGenerator[FeedEvent, None]:
        """Everything that the operator acts upon, of all runs, for as long as it is read.

        Never ends and never raises for the archive's sake: a lost feed is reported as FeedLost and reopened with
        growing pauses (0.1 s to 5 s), and FeedConnected reports that it is open.
        """
        backoff = Backoff(*_PAUSES)
        reported: str | None = None
        while True:
            try:
                async with aclosing(self._feed_once()) as events:
                    async for event in events:
                        if isinstance(event, FeedConnected):
                            backoff.reset()
                            reported = None
                        yield event
                reason = "the archive ended it"
            except ArchiveError as error:
                reason = str(error)
            if reason != reported:
                reported = reason
                yield FeedLost(reason)
            await backoff.wait()

    async def _feed_once(self) -> AsyncGenerator[FeedEvent, None]:
        async with self._stream("v1/feed", _STREAM_TIMEOUT) as response:
            async for line in response.aiter_lines():
                if line and (event := parse_feed(line)) is not None:
                    yield event

    async def live(self, uid: str, patience_seconds: float = 30.0) -> AsyncGenerator[LiveEvent, None]:
        """Follows a run: what is kept of it, then what happens, until its result (an event called "result").

        A stream that breaks is opened again where it was, and so is one that is not there yet: the archive shows a run
        to people only once the operator has sent its record.

        Raises:
            ArchiveUnavailableError, ArchiveRefusedError: it could not be opened for `patience_seconds`.
        """
        backoff = Backoff(*_PAUSES)
        headers: dict[str, str] = {}
        loop = asyncio.get_running_loop()
        give_up = loop.time() + patience_seconds
        while True:
            try:
                async with self._stream(f"{run_url(uid)}/live", _STREAM_TIMEOUT, headers) as response:
                    if response.status_code == httpx.codes.NO_CONTENT:
                        return  # complete
                    async for event in server_sent(response.aiter_lines()):
                        headers["Last-Event-ID"] = event.id
                        yield event
                        backoff.reset()
                        give_up = loop.time() + patience_seconds
            except (ArchiveUnavailableError, ArchiveNotFoundError):
                if loop.time() > give_up:
                    raise
            await backoff.wait()

    async def _bytes(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        with unavailable():
            response = await self._client.get(url, headers=headers)
        if response.is_success:
            return response.content
        raise refusal(response.status_code, response.content)

    async def _object(self, url: str) -> dict[str, Any]:
        body = await self._bytes(url)
        try:
            value: dict[str, Any] = json.loads(body)
        except ValueError as error:
            raise ArchiveUnavailableError(f"what answered is not the archive: {excerpt(body)}") from error
        return value

    @asynccontextmanager
    async def _stream(
        self, url: str, limits: httpx.Timeout, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx.Response]:
        with unavailable():
            async with self._client.stream("GET", url, headers=dict(headers or {}), timeout=limits) as response:
                if not response.is_success:
                    raise refusal(response.status_code, await response.aread())
                yield response


async def _pieces(file: BinaryIO, progress: Callable[[int], object]) -> AsyncIterator[bytes]:
    sent = 0
    while piece := await asyncio.to_thread(file.read, 256 * 1024):
        yield piece
        sent += len(piece)
        progress(sent)


async def _found(asked: Awaitable[T]) -> T | None:
    try:
        return await asked
    except ArchiveNotFoundError:
        return None
