"""Files of sets over HTTP. Tests wrote them, so anybody did: nothing of them may run in a browser."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from seatrial.archive.model.keys import SetKey
from seatrial.archive.server.sets.store import Store
from seatrial.archive.server.storage import Entry

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-cache",
}
_SHOWN_AS = {
    ".json": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    **dict.fromkeys((".jsonl", ".log", ".md", ".txt", ".xml", ".yaml", ".yml"), "text/plain; charset=utf-8"),
}
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def shown_as(path: str) -> str | None:
    """The type under which a browser may show the file; None: it may only be downloaded."""
    return _SHOWN_AS.get(PurePosixPath(path).suffix.lower())


async def file_response(store: Store, key: SetKey, path: str, request: Request) -> Response:
    """The file, or the part of it that the request's Range asks for.

    Raises:
        InvalidError, NotFoundError: see `Store.file`.
    """
    entry = await asyncio.to_thread(store.file, key, path)
    return entry_response(entry, store.content, request)


def entry_response(entry: Entry, content: Callable[[Entry, int, int], Iterator[bytes]], request: Request) -> Response:
    """The stored file, or the part of it that the request's Range asks for; `content` reads it from, to before."""
    etag = f'"{hashlib.sha256(entry.version.encode()).hexdigest()[:32]}"'
    name = PurePosixPath(entry.name).name
    shown = shown_as(name)
    headers = {
        **HEADERS,
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"{'inline' if shown else 'attachment'}; filename*=utf-8''{quote(name, safe='')}",
    }
    if request.headers.get("If-None-Match") == etag:
        return Response(status_code=304, headers=headers)
    start, end = 0, entry.size
    asked = request.headers.get("Range") if request.headers.get("If-Range", etag) == etag else None
    if (part := byte_range(asked, entry.size)) is not None:
        start, end = part
        if start >= end:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{entry.size}"})
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{entry.size}"
    headers["Content-Length"] = str(end - start)
    status = 200 if part is None else 206
    media_type = shown or "application/octet-stream"
    if request.scope.get("head"):
        return Response(status_code=status, headers=headers, media_type=media_type)
    return _Streamed(content(entry, start, end), status, headers, media_type)


class _Streamed(StreamingResponse):
    """Closes what it reads when it ends, also when the reader went away: else that waits for the garbage collector."""

    def __init__(self, content: Iterator[bytes], status: int, headers: Mapping[str, str], media_type: str) -> None:
        self._content = content
        super().__init__(content, status, headers, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self._content, Generator):
                self._content.close()


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and end (exclusive) of what a Range header asks for; the end is not above the first if nothing of it
    is there.

    None for the whole: no header, or one that asks for more than one range, which nobody has to honour.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size
