"""Known secrets don't leave with the results: what the operator lists is replaced by ``***`` in everything that is uploaded."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import Optional

from seatrial_runner.upload import CHUNK, Source

MASK = b"***"
BINARY_SIGN = b"\0"
"""What no text holds."""
_LOOKED_AT = 8 * 1024
"""Bytes of the beginning of a file by which it is told whether it is text."""


COPY_LIMIT = 256 * 1024**2
"""Bytes of a file of which a copy is made."""


class TooLarge(Exception):  # noqa: N818 - reads as what is wrong
    """A file can't be masked."""


class Mask:
    """Replaces secrets in bytes.

    Args:
        secrets: in all the ways in which they may be written, the longest first.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(secret.encode("utf-8", "surrogatepass") for secret in secrets)
        self._signs: list[bytes] = []  # those that hold no other: where none of these is, no secret is
        for secret in sorted(self._secrets, key=len):
            if not any(sign in secret for sign in self._signs):
                self._signs.append(secret)
        self.longest = max(map(len, self._secrets), default=0)
        """Bytes of the longest one."""

    @classmethod
    def read(cls, path: str) -> Mask:
        """The mask for the secrets that a file lists; for none if there is no such file.

        Raises:
            ValueError: it can't be read.
        """
        try:
            with open(path, encoding="utf-8") as file:
                return cls(json.load(file))
        except FileNotFoundError:
            return cls()
        except (OSError, TypeError, AttributeError) as error:
            raise ValueError(f"the list of what is to be masked, {path}, can't be read: {error}") from error

    def __call__(self, data: bytes, *, same_size: bool = False) -> bytes:
        """The same bytes without secrets; of the same size on wish, for files in which places count."""
        if not any(sign in data for sign in self._signs):
            return data
        for secret in self._secrets:
            if secret in data:
                data = data.replace(secret, b"*" * len(secret) if same_size else MASK)
        return data


class Masked:
    """A stream of bytes without secrets, also where a secret comes in two pieces.

    What may be the beginning of a secret is held back until more comes; a whole line never is.
    """

    def __init__(self, mask: Mask, *, same_size: bool = False) -> None:
        self._mask, self._same_size = mask, same_size
        self._held = b""
        self.hit = False
        """Whether anything was masked."""

    def feed(self, data: bytes) -> bytes:
        """What can be passed on now."""
        if not self._mask.longest:
            return data
        raw = self._held + data
        clean = self._mask(raw, same_size=self._same_size)
        self.hit = self.hit or clean != raw
        cut = max(clean.rfind(b"\n") + 1, len(clean) - self._mask.longest + 1, 0)
        self._held = clean[cut:]
        return clean[:cut]

    def end(self) -> bytes:
        """The rest."""
        held, self._held = self._held, b""
        return held


class Spool:
    """A file of our own that takes the place of one that must not be sent as it is."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()

    @property
    def fd(self) -> int:
        """The open file."""
        return self._file.fileno()

    def add(self, data: bytes) -> None:
        """Appends."""
        self._file.write(data)
        self._file.flush()

    def copy(self, fd: int, size: int) -> None:
        """Appends the first bytes of another file."""
        for chunk in _chunks(fd, size):
            self.add(chunk)

    def close(self) -> None:
        """Removes it."""
        self._file.close()


def masked_file(source: Source, mask: Mask) -> Optional[Spool]:
    """A copy of an open file without the secrets in it; None if it holds none.

    Raises:
        TooLarge: it holds some, and a copy would be too large for the collector's disk.
    """
    assert isinstance(source.content, int)
    if not mask.longest:
        return None
    binary = BINARY_SIGN in os.pread(source.content, min(_LOOKED_AT, source.size), 0)
    stream = Masked(mask, same_size=binary)
    for chunk in _chunks(source.content, source.size):
        stream.feed(chunk)
    stream.end()
    if not stream.hit:
        return None
    if source.size > COPY_LIMIT:
        raise TooLarge(f"it holds a secret, and more than {COPY_LIMIT} bytes are not masked")
    stream, spool = Masked(mask, same_size=binary), Spool()
    for chunk in _chunks(source.content, source.size):
        spool.add(stream.feed(chunk))
    spool.add(stream.end())
    return spool


def _chunks(fd: int, size: int) -> Iterator[bytes]:
    done = 0
    while done < size and (data := os.pread(fd, min(CHUNK, size - done), done)):
        done += len(data)
        yield data
