"""One body on its way to the storage."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from seatrial.archive.model.errors import TooLargeError, WrongDigestError
from seatrial.archive.server.storage.folder import full_volume_reported
from seatrial.archive.server.threads import in_thread

# What is held of one upload before it goes to disk: bounds memory (200 uploads at once: 25 MiB) and the number of
# thread hops.
_BATCH_BYTES = 128 * 1024


class Incoming:
    """One body on its way to the storage, under a name that nobody asks for."""

    def __init__(self, path: Path, max_bytes: int, setting: str = "") -> None:
        """Makes no file yet; `setting`: the one that bounds its bytes."""
        self.path = path
        self.size = 0
        self._max_bytes = max_bytes
        self._setting = setting
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()

    def write(self, data: bytes | bytearray) -> None:
        """Takes more bytes.

        Raises:
            TooLargeError, VolumeFullError: they are too many, or no space is left.
        """
        self.size += len(data)
        if self.size > self._max_bytes:
            raise TooLargeError(
                f"the file is larger than {self._max_bytes} bytes",
                f"make it smaller, or raise {self._setting}",
            )
        self._hash.update(data)
        with full_volume_reported():
            if self._file is None:
                self._file = self.path.open("xb", buffering=0)
            view = memoryview(data)
            while view:  # a nearly full volume takes a part of the bytes, and refuses with the next write
                view = view[self._file.write(view) :]

    def finish(self, rest: bytes | bytearray) -> str:
        """Takes the last bytes and returns the SHA-256 (hex) of all."""
        self.write(rest)
        assert self._file is not None
        with full_volume_reported():
            self._file.close()
        return self._hash.hexdigest()

    def discard(self) -> None:
        """Removes what is left under the passing name."""
        if self._file is not None:
            self._file.close()
            self.path.unlink(missing_ok=True)


@asynccontextmanager
async def received(
    folder: Path, chunks: AsyncIterator[bytes], sha256: str, what: str, max_bytes: int, setting: str
) -> AsyncIterator[Incoming]:
    """A body that came whole, for as long as the context is open; whoever wants to keep it moves it away.

    Args:
        folder: where it lies meanwhile.
        chunks: the body.
        sha256: its digest as it was announced (hex).
        what: it is, for messages.
        max_bytes: that it may have.
        setting: the one that bounds them.

    Raises:
        TooLargeError, WrongDigestError: it is larger, or has another digest.
        VolumeFullError: no space is left.
    """
    incoming = Incoming(folder / secrets.token_hex(16), max_bytes, setting)
    try:
        batch = bytearray()
        async for chunk in chunks:
            batch += chunk
            if len(batch) >= _BATCH_BYTES:
                await in_thread(incoming.write, batch)
                batch = bytearray()
        found = await in_thread(incoming.finish, batch)
        if found != sha256:
            raise WrongDigestError(
                f"{what}: {incoming.size} bytes arrived with SHA-256 {found}, announced was {sha256}",
                "the file changed while it was sent, or the transfer was damaged; send it again",
            )
        yield incoming
    finally:
        await in_thread(incoming.discard)
