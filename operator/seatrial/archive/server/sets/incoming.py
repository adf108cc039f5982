"""One body on its way to the storage."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

from seatrial.archive.model.errors import TooLargeError
from seatrial.archive.server.storage.folder import full_volume_reported


class Incoming:
    """One body on its way to the storage, under a name that nobody asks for."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.size = 0
        self._max_bytes = max_bytes
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
                "make it smaller, or raise SEATRIAL_ARCHIVE_MAX_FILE",
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
