"""Replaces known secrets, which the operator lists, by ``***`` in everything that is uploaded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import Optional

from seatrial_protocol import limits, masks
from seatrial_protocol.masks import MASK, Finder
from seatrial_protocol.signs import Span
from seatrial_runner.upload import CHUNK, Source

BINARY_SIGN = b"\0"
"""What no text holds."""
_LOOKED_AT = 8 * 1024
"""Bytes of the beginning of a file that decide whether it is text."""
COPY_LIMIT = 256 * 1024**2
"""Bytes of a file of which a copy is made."""


class TooLargeError(Exception):
    """A file can't be masked."""


class Mask:
    """Replaces secrets in bytes.

    Args:
        secrets: in all the ways in which they may be written.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.finder = Finder(secret.encode("utf-8", "surrogatepass") for secret in secrets)

    @property
    def longest(self) -> int:
        """Bytes of the longest secret."""
        return self.finder.longest

    @classmethod
    def read(cls, path: str) -> Mask:
        """The mask for the secrets that a file lists; for none if there is no such file.

        Raises:
            ValueError: it can't be read.
        """
        try:
            with open(path, "rb") as file:
                return cls(masks.parse(file.read(limits.MASKS.size + 1)))
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise ValueError(f"the list of masks, {path}, can't be read: {error}") from error

    def __call__(self, data: bytes) -> bytes:
        """The same bytes without secrets."""
        return self.finder.masked(data)


class Masked:
    """A stream of bytes without secrets, also where a secret comes in two pieces.

    What may be the beginning of a secret is held back until more comes; a whole line never is. With `same_size` a
    secret gives way to as many stars as it had bytes, for files in which places count.
    """

    def __init__(self, mask: Mask, *, same_size: bool = False) -> None:
        self._finder, self._same_size = mask.finder, same_size
        self._held = b""
        self._begun = 0
        """How many of the held bytes belong to a secret whose beginning has been passed on."""
        self.hit = False
        """Whether anything was masked."""

    def feed(self, data: bytes) -> bytes:
        """What can be passed on now."""
        if not self._finder.longest:
            return data
        raw = self._held + data
        return self._pass_on(raw, max(raw.rfind(b"\n") + 1, len(raw) - self._finder.longest + 1, 0))

    def end(self) -> bytes:
        """The rest."""
        return self._pass_on(self._held, len(self._held))

    def _pass_on(self, raw: bytes, cut: int) -> bytes:
        """The first bytes, clean; the others are held."""
        spans = self._finder.spans(raw)
        self.hit = self.hit or bool(spans)
        clean, position, begun = [], 0, 0
        for begin, end in self._with_begun(spans):
            if begin >= cut:
                break
            clean += [raw[position:begin], self._stars(begin, min(end, cut))]
            position, begun = min(end, cut), max(end - cut, 0)
        clean.append(raw[position:cut])
        self._held, self._begun = raw[cut:], begun
        return b"".join(clean)

    def _with_begun(self, spans: Iterable[Span]) -> Iterator[Span]:
        """The spans, and before them the one that has begun earlier, as far as it goes."""
        begun = self._begun
        for begin, end in spans:
            if begin < begun:
                begun = max(begun, end)
            else:
                yield from ((0, begun),) if begun else ()
                begun = 0
                yield begin, end
        yield from ((0, begun),) if begun else ()

    def _stars(self, begin: int, end: int) -> bytes:
        if self._same_size:
            return b"*" * (end - begin)
        return b"" if begin == 0 and self._begun else MASK


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
        TooLargeError: it holds some, and a copy would be too large for the collector's disk.
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
        raise TooLargeError(f"it holds a secret, and more than {COPY_LIMIT} bytes are not masked")
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
