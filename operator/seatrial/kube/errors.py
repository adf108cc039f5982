"""What a request to the API server can fail with."""

from __future__ import annotations

import json
from collections.abc import Sequence

from seatrial_protocol.text import shorten


class ClusterError(Exception):
    """A request that did not succeed. `status` is the HTTP status, 0 when there was no answer.

    `causes` are the API server's details, one (field path, message) each.
    """

    def __init__(
        self,
        message: str,
        status: int = 0,
        reason: str = "",
        causes: Sequence[tuple[str, str]] = (),
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.reason = message, status, reason
        self.causes, self.retry_after = tuple(causes), retry_after


class NotFoundError(ClusterError):
    """404."""


class AlreadyExistsError(ClusterError):
    """409 on a create."""


class ConflictError(ClusterError):
    """409 on a change: somebody else was first."""


class InvalidError(ClusterError):
    """400, 413 or 422: the object is not valid, or too large; trying again won't help."""


class ForbiddenError(ClusterError):
    """401 or 403."""


class GoneError(ClusterError):
    """410: the resource version is too old to watch from."""


class UnavailableError(ClusterError):
    """429, 5xx or no answer: worth another try, after `retry_after` seconds if that is given."""


def error_of(status: int, body: str, method: str) -> ClusterError:
    """The error that an API server's answer stands for."""
    try:
        answer = json.loads(body)
        answer = answer if isinstance(answer, dict) else {}
    except ValueError:
        answer = {}
    message = str(answer.get("message") or shorten(body.strip(), 500) or f"HTTP {status}")
    reason = str(answer.get("reason") or "")
    details = answer.get("details") or {}
    causes = [(str(c.get("field", "")), str(c.get("message", ""))) for c in details.get("causes") or ()]
    retry_after = float(details.get("retryAfterSeconds") or 0)
    kind: type[ClusterError]
    match status:
        case 404:
            kind = NotFoundError
        case 409 if reason == "AlreadyExists" or (not reason and method == "POST"):
            kind = AlreadyExistsError
        case 409:
            kind = ConflictError
        case 400 | 413 | 422:
            kind = InvalidError
        case 401 | 403:
            kind = ForbiddenError
        case 410:
            kind = GoneError
        case 429:
            kind = UnavailableError
        case _ if status >= 500:
            kind = UnavailableError
        case _:
            kind = ClusterError
    return kind(message, status, reason, causes, retry_after)
