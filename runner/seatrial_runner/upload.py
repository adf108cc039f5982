"""The archive's upload side, over one connection that is kept open."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional, Union
from urllib.parse import quote, urlsplit

from seatrial_protocol.termination import Code

CHUNK = 256 * 1024
"""Bytes sent at once of a file. A smaller file goes out together with its headers."""
CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 30.0


class UnavailableError(Exception):
    """The archive did not answer, or can't take anything now: try again later."""


class RefusedError(Exception):
    """The archive answered that it will not take this; trying the same again changes nothing.

    ``status`` is its HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class QuotaExceededError(RefusedError):
    """The run's namespace may store no more."""


class DamagedError(Exception):
    """The bytes that arrived were not those that were announced, or not all are there: send them again."""


@dataclass(frozen=True)
class Source:
    """Bytes to upload: in memory, or the first ``size`` bytes of an open file."""

    content: Union[bytes, int]
    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> Source:
        """A source in memory."""
        return cls(content, len(content), hashlib.sha256(content).hexdigest())

    def body(self) -> Union[bytes, Iterator[bytes]]:
        """What is sent."""
        if isinstance(self.content, bytes):
            return self.content
        if self.size <= CHUNK:
            return b"".join(self._chunks(self.content))
        return self._chunks(self.content)

    def _chunks(self, fd: int) -> Iterator[bytes]:
        sent = 0
        while sent < self.size:
            data = os.pread(fd, min(CHUNK, self.size - sent), sent)
            if not data:  # cut short since it was hashed; what arrives will not have the digest announced
                raise DamagedError("a file was cut short while it was sent")
            sent += len(data)
            yield data


class Uploader:
    """Writes the files of one shard.

    Args:
        url: of the archive, for example ``http://archive.seatrial-system:8080``.
        token: good for this shard only.
        uid: of the run.
        attempt: its number.
        shard: its number.

    Raises:
        ValueError: the URL is none that can be used.
    """

    def __init__(self, url: str, token: str, uid: str, attempt: int, shard: int) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not the URL of an archive, such as http://archive:8080")
        self._where = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=CONNECT_TIMEOUT)
        self._base = f"{parts.path.rstrip('/')}/v1/runs/{uid}/attempts/{attempt}/shards/{shard}"
        self._headers = {"Authorization": f"Bearer {token}"}

    def put_file(self, path: str, source: Source) -> None:
        """Store a file; that the same bytes are there already is fine.

        Raises:
            UnavailableError, RefusedError, DamagedError: see there.
        """
        self._request("PUT", f"/files/{quote(path)}", source, {"Content-SHA256": source.sha256})

    def put_manifest(self, manifest: bytes) -> str:
        """Seal the shard. Gives the manifest's digest, ``sha256:<hex>``.

        Raises:
            UnavailableError, RefusedError, DamagedError: see there; DamagedError names files that are missing.
        """
        source = Source.of(manifest)
        answer = self._request("PUT", "/manifest", source, {"Content-SHA256": source.sha256})
        expected = f"sha256:{source.sha256}"
        try:
            digest = json.loads(answer)["digest"]
        except (ValueError, KeyError, TypeError):
            raise DamagedError(f"the archive's answer to the manifest was not understood: {answer[:200]!r}") from None
        if digest != expected:
            raise DamagedError(f"the archive has a manifest with digest {digest}, sent was {expected}")
        return expected

    def post_live(self, lines: bytes) -> None:
        """Send what happens now, as JSON lines.

        Raises:
            UnavailableError, RefusedError, DamagedError: see there.
        """
        self._request("POST", "/live", Source.of(lines), {"Content-Type": "application/x-ndjson"})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _request(self, method: str, path: str, source: Source, headers: dict[str, str]) -> bytes:
        reused = self._connection.sock is not None
        try:
            status, answer = self._exchange(method, path, source, headers)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if not reused or isinstance(error, socket.timeout):
                raise UnavailableError(f"{self._where}: {_cause(error)}") from error
            # a connection that was idle may have been closed by the other side; that says nothing about the archive
            try:
                status, answer = self._exchange(method, path, source, headers)
            except (OSError, http.client.HTTPException) as second:
                self._connection.close()
                raise UnavailableError(f"{self._where}: {_cause(second)}") from second
        except DamagedError:
            self._connection.close()
            raise
        if status in (200, 201, 204):
            return answer
        message = f"{method} {path}: HTTP {status}{_detail(answer)}"
        if status == 422:
            raise DamagedError(message)
        if _refusal(answer).get("code") == Code.ARCHIVE_QUOTA_EXCEEDED:
            raise QuotaExceededError(status, message)
        if status >= 500 or status in (408, 425, 429):
            raise UnavailableError(f"{self._where}: {message}")
        raise RefusedError(status, message)

    def _exchange(self, method: str, path: str, source: Source, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = self._connection
        if connection.sock is None:
            connection.timeout = CONNECT_TIMEOUT
            connection.connect()
            assert connection.sock is not None
            connection.sock.settimeout(ANSWER_TIMEOUT)
        try:
            connection.request(
                method,
                self._base + path,
                body=source.body(),
                headers={**self._headers, **headers, "Content-Length": str(source.size)},
            )
        except (BrokenPipeError, ConnectionResetError):
            # refused before all was sent: the answer says why, if it is still there to be read
            answer = _answer_left(connection)
            if answer is None:
                raise
            return answer
        response = connection.getresponse()
        body = response.read()
        if response.will_close:
            connection.close()
        return response.status, body


def _answer_left(connection: http.client.HTTPConnection) -> Optional[tuple[int, bytes]]:
    try:
        response = http.client.HTTPResponse(connection.sock, method="PUT")
        response.begin()
        answer = response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    connection.close()
    return answer


def _cause(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__


def _detail(answer: bytes) -> str:
    """The archive's own words: its errors are JSON objects with ``error`` and ``hint``."""
    refusal = _refusal(answer)
    text = answer[:1000].decode("utf-8", "replace").strip()
    if "error" in refusal:
        text = str(refusal["error"]) + (f" ({refusal['hint']})" if refusal.get("hint") else "")
    return f": {text[:500]}" if text else ""


def _refusal(answer: bytes) -> dict[str, object]:
    """The archive's answer as an object; empty if somebody else gave it."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
