"""What a request to the archive can fail with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from seatrial_protocol.termination import Code


class ArchiveError(Exception):
    """Something about the archive; the message is for people."""


class ArchiveUnavailableError(ArchiveError):
    """The archive can't be reached, or fails itself; a retry may help."""


class ArchiveRefusedError(ArchiveError):
    """The archive answered that it won't; asking again won't help."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ArchiveClosedError(ArchiveRefusedError):
    """Somebody between us and the archive lets nothing through: the API server, or a proxy."""


class ArchiveQuotaExceededError(ArchiveRefusedError):
    """The namespace's share of the archive is full."""


class ArchiveNotFoundError(ArchiveRefusedError):
    """The archive itself says that it has no such thing."""


class ArchiveCorruptError(ArchiveError):
    """What the archive gave is not what the manifest vouches for."""


@contextmanager
def unavailable() -> Iterator[None]:
    """Turns what may go wrong on the way into ArchiveUnavailableError."""
    try:
        yield
    except httpx.HTTPError as error:
        raise ArchiveUnavailableError(f"the archive can't be reached: {str(error) or type(error).__name__}") from error


def refusal(status: int, body: bytes) -> ArchiveError:
    """What an answer other than success means; between us and the archive others may have answered."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    reported = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(reported, str):
        problem = f"HTTP {status}: {excerpt(body)}"
        if status in (401, 403):
            return ArchiveClosedError(f"the way to the archive is closed: {problem}", status)
        return ArchiveUnavailableError(f"the archive did not answer, something else did: {problem}")
    hint = answer.get("hint")
    message = f"{reported} ({hint})" if hint else reported
    if answer.get("code") == Code.ARCHIVE_QUOTA_EXCEEDED:
        return ArchiveQuotaExceededError(f"the archive refused: {message}", status)
    if status >= 500 or status in (408, 429):
        return ArchiveUnavailableError(f"the archive fails: {message}")
    if status == httpx.codes.NOT_FOUND:
        return ArchiveNotFoundError(message, status)
    return ArchiveRefusedError(f"the archive refused: {message}", status)


def excerpt(body: bytes) -> str:
    """The beginning of a body, safe in a message."""
    return ascii(body[:200].decode(errors="replace"))
