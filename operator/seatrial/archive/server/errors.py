"""How the archive refuses: its rules as HTTP answers, the same on both ports."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from seatrial import tokens
from seatrial.archive.model.errors import (
    ArchiveRuleError,
    ConflictError,
    IncompleteError,
    InvalidError,
    NotFoundError,
    QuotaExceededError,
    TooLargeError,
    UnavailableError,
    VolumeFullError,
    WrongDigestError,
)
from seatrial_protocol.termination import Code

log = logging.getLogger(__name__)


class UnauthorizedError(ArchiveRuleError):
    """No token came with the request."""


class ForbiddenError(ArchiveRuleError):
    """The token is for something else."""


class TooSlowError(ArchiveRuleError):
    """The body stopped coming."""


# Per rule: HTTP status and the outcome that the metrics count.
REFUSALS: Mapping[type[ArchiveRuleError], tuple[int, str]] = {
    InvalidError: (400, "invalid"),
    UnauthorizedError: (401, "unauthorized"),
    ForbiddenError: (403, "forbidden"),
    NotFoundError: (404, "not_found"),
    TooSlowError: (408, "too_slow"),
    ConflictError: (409, "conflict"),
    TooLargeError: (413, "too_large"),
    WrongDigestError: (422, "wrong_digest"),
    IncompleteError: (422, "incomplete"),
    UnavailableError: (503, "unavailable"),
    QuotaExceededError: (507, "quota_exceeded"),
    VolumeFullError: (507, "volume_full"),
}


# What senders decide by, where the status is not enough.
CODES: Mapping[type[Exception], str] = {QuotaExceededError: Code.ARCHIVE_QUOTA_EXCEEDED}


def error_answer(
    status: int, error: str, hint: str, headers: Mapping[str, str] | None = None, code: str | None = None
) -> Response:
    """What every refusal looks like; `code`: for programs."""
    return JSONResponse({"error": error, "hint": hint} | ({"code": code} if code else {}), status, headers=headers)


async def refused(request: Request, error: Exception) -> Response:
    """The answer to what breaks a rule of the archive."""
    assert isinstance(error, ArchiveRuleError)
    status, _ = REFUSALS[type(error)]
    if status != 404:  # the operator and the command ask for what may not be there yet: no failure
        _log_failure(request, status, error.error)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return error_answer(status, error.error, error.hint, headers, CODES.get(type(error)))


async def http_error(request: Request, error: Exception) -> Response:
    """The answer to what no route takes."""
    assert isinstance(error, HTTPException)
    _log_failure(request, error.status_code, error.detail)
    hint = {404: "see the archive's paths in the documentation", 405: "the path exists, with another method"}
    return error_answer(error.status_code, error.detail, hint.get(error.status_code, ""), error.headers)


async def broken(request: Request, error: Exception) -> Response:
    """The answer when the archive itself failed; the server logs the traceback."""
    return error_answer(500, f"the archive failed: {type(error).__name__}", "see its log; sending again is safe")


def _log_failure(request: Request, status: int, error: str) -> None:
    peer = request.client.host if request.client else None
    log.warning(
        "refused",
        extra={"method": request.method, "path": request.url.path, "status": status, "error": error, "peer": peer},
    )


def authorize(request: Request, token: str) -> None:
    """Lets the request pass if it shows this token.

    Raises:
        UnauthorizedError, ForbiddenError: it shows none, or another one.
    """
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise UnauthorizedError("no token came with the request", "send Authorization: Bearer <token>")
    if not tokens.same(token, given.strip()):
        raise ForbiddenError(
            "the token is not good for this", "each token is good for one shard, or the evidence of one attempt, alone"
        )
