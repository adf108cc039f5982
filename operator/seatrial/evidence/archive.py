"""Uploads evidence and records to the archive."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from seatrial import tokens
from seatrial.archive.client.errors import refusal, unavailable
from seatrial.archive.client.transport import direct
from seatrial.archive.model.keys import EVIDENCE
from seatrial.archive.model.manifest import digest_of
from seatrial.archive.model.record import Record

_TIMEOUT = httpx.Timeout(10.0, connect=3.0, pool=None)
"""None for a free connection: waiting for one does not mean that the archive is silent."""


def encode(value: Any) -> bytes:
    """A JSON value as it is stored: the same value always gives the same bytes."""
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode("utf-8", "replace")


class EvidenceArchive:
    """Writes evidence on the archive's upload port, records on its read port, and asks there what it has.

    Every method raises ArchiveUnavailableError (later may help) and ArchiveRefusedError (it won't).
    """

    def __init__(
        self, upload_url: str, read_url: str, key: bytes, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Connects to nothing yet; `transport`: how to reach it, for tests."""
        self._upload, self._read, self._key = upload_url.rstrip("/"), read_url.rstrip("/"), key
        self._client = httpx.AsyncClient(transport=transport or direct(upload_url, read_url), timeout=_TIMEOUT)

    async def __aenter__(self) -> EvidenceArchive:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def digest(self, uid: str, attempt: int) -> tuple[str, int] | None:
        """The digest of the manifest and the number of files, once the evidence of an attempt is complete."""
        url = f"{self._read}{_path(uid, attempt)}/manifest"
        response = await self._request("GET", url, tokens.feed_token(self._key), fine=(404,))
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        return digest_of(response.content), len(response.json()["files"])

    async def put_file(self, uid: str, attempt: int, path: str, content: bytes) -> dict[str, Any]:
        """Stores a file; returns its entry in the manifest.

        An earlier try may have stored it with other bytes, since logs grow. What is stored stays, and counts.
        """
        where = f"{_path(uid, attempt)}/files/{quote(path)}"
        token = tokens.evidence_token(self._key, uid, attempt)
        headers = {"Content-SHA256": hashlib.sha256(content).hexdigest()}
        answer = await self._request("PUT", self._upload + where, token, content=content, headers=headers, fine=(409,))
        if answer.status_code == httpx.codes.CONFLICT:
            stored = await self._request("GET", self._read + where, tokens.feed_token(self._key))
            content = stored.content
        return {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    async def seal(self, uid: str, attempt: int, run: Mapping[str, str], files: list[dict[str, Any]]) -> str:
        """Stores the manifest: from then on nothing of the evidence changes. Returns its digest."""
        body = encode({"schema": 1, "run": dict(run), "files": sorted(files, key=lambda f: str(f["path"]))})
        token = tokens.evidence_token(self._key, uid, attempt)
        answer = await self._request("PUT", f"{self._upload}{_path(uid, attempt)}/manifest", token, content=body)
        return str(answer.json()["digest"])

    async def put_record(self, uid: str, record: Record) -> None:
        """Stores a run as it is now; the last record counts."""
        url = f"{self._read}/v1/runs/{quote(uid, safe='')}/record"
        await self._request("PUT", url, tokens.feed_token(self._key), content=encode(record.to_json()))

    async def _request(
        self,
        method: str,
        url: str,
        token: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        fine: tuple[int, ...] = (),
    ) -> httpx.Response:
        sent = {"Authorization": f"Bearer {token}", **(headers or {})}
        if content is not None:
            sent.setdefault("Content-Type", "application/octet-stream")
        with unavailable():
            response = await self._client.request(method, url, content=content, headers=sent)
        if response.is_success or (response.status_code in fine and _is_its_own(response)):
            return response
        raise refusal(response.status_code, response.content)


def _is_its_own(response: httpx.Response) -> bool:
    """Whether the archive itself gave this answer, and not something between."""
    try:
        return isinstance(response.json().get("error"), str)
    except (ValueError, AttributeError):
        return False


def _path(uid: str, attempt: int) -> str:
    return f"/v1/runs/{quote(uid, safe='')}/attempts/{attempt}/{EVIDENCE}"
