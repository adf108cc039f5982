"""Files that grow while the tests run, read as they grow."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from typing import Optional

from seatrial_runner.mask import Mask, Masked, Spool

CHUNK = 1024 * 1024
"""Bytes read at once."""


class Tail:
    """A file that appears at some time and then grows: each byte is read once, and hashed as it is read.

    The file is kept open from the first sight of it, so what was read can be sent even if somebody deletes it. From the
    first secret in it on, a copy without secrets takes its place.
    """

    def __init__(self, path: str, mask: Optional[Mask] = None) -> None:
        self.path = path
        self.size = 0
        """Bytes to be sent so far."""
        self.damage = ""
        """What somebody did to the file that its writer never does; empty if nothing."""
        self._hash = hashlib.sha256()
        self._fd: Optional[int] = None
        self._sealed = False
        self._read = 0
        self._mask = mask or Mask()
        self._masked = Masked(self._mask)
        self._spool: Optional[Spool] = None

    @property
    def present(self) -> bool:
        """Whether the file has been seen."""
        return self._fd is not None

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of what was read so far."""
        return self._hash.hexdigest()

    @property
    def fd(self) -> int:
        """The open file; its first ``size`` bytes are those that were read and hashed."""
        assert self._fd is not None
        return self._fd if self._spool is None else self._spool.fd

    def seal(self) -> bytes:
        """Read nothing more: the file is what it is now. Gives what was held back of it."""
        self._sealed = True
        return self._take(self._masked.end())

    def _take(self, data: bytes) -> bytes:
        """These bytes, clean, are the next to be sent."""
        if self._spool is None and self._masked.hit:
            self._spool = Spool()
            self._spool.copy(self.own_fd, self.size)
        if self._spool is not None:
            self._spool.add(data)
        self.size += len(data)
        self._hash.update(data)
        return data

    @property
    def own_fd(self) -> int:
        """The open file as its writer knows it."""
        assert self._fd is not None
        return self._fd

    @property
    def has_grown(self) -> bool:
        """Whether the file has more than what was read of it."""
        return self._fd is not None and os.fstat(self._fd).st_size > self._read

    def close(self) -> None:
        """Close the file; it is not followed any more."""
        self._sealed = True
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        if self._spool is not None:
            self._spool.close()

    def chunks(self) -> Iterator[bytes]:
        """What has been appended since the last time."""
        if self._fd is None and not self._sealed:
            try:
                self._fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                return
            if not stat.S_ISREG(os.fstat(self._fd).st_mode):
                self.damage = f"{os.path.basename(self.path)} is not a regular file"
                os.close(self._fd)
                self._fd, self._sealed = None, True
                return
        while not self._sealed:
            data = os.pread(self.own_fd, CHUNK, self._read)
            if not data:
                if os.fstat(self.own_fd).st_size < self._read:
                    self._truncated()
                return
            self._read += len(data)
            yield self._take(self._masked.feed(data))

    def _truncated(self) -> None:
        """Somebody cut the file. What is left of it is sent; what was read of the rest is not forgotten."""
        self.damage = f"{os.path.basename(self.path)} was cut short while it was written"
        self._sealed = True
        if self._spool is not None:  # the copy has what was read
            return
        self._hash, self._masked = hashlib.sha256(), Masked(self._mask)
        self.size = self._read = 0
        while data := os.pread(self.own_fd, CHUNK, self._read):
            self._read += len(data)
            self._take(self._masked.feed(data))
