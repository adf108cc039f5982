"""The forms in which a value may be written, and how many of them are searched for."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus

from seatrial_protocol import limits

SHORTEST = 6
"""Characters of a value that is masked; a shorter one would be found in words that are no secret."""
_PIECES = range(12, 41)
"""Characters at either end of a long random value that give it away: pytest shows `'5zipd9bxad0r...9a37m0hbba2da'`."""
_RANDOM = re.compile(r"[A-Za-z0-9_=-]{20,}")


def forms(values: Iterable[str]) -> tuple[str, ...]:
    """The forms in which these values may be written, the longest first.

    At most `limits.MASKS`: if there are more, the likelier ones of all values come first, of short values before long
    ones. What is left out is never a value as it is (see `plain_size`).
    """
    parts = _parts(values)
    kept: dict[str, None] = {}
    room = limits.MASKS.size - len("[]")
    for spellings in _SPELLINGS:
        for part in parts:
            for text in spellings(part):
                if len(text) < SHORTEST or text in kept:
                    continue
                room -= _json_size(text)
                if room < 0 or len(kept) == limits.MASKS.entries - 1:
                    return _longest_first(kept)
                kept[text] = None
    return _longest_first(kept)


def plain_size(values: Iterable[str]) -> int:
    """How much of `limits.MASKS.size` the values take as they are; beyond it, some could not be masked at all."""
    return sum(_json_size(part) for part in _parts(values))


def _longest_first(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(texts, key=lambda text: (-len(text), text)))


def _json_size(text: str) -> int:
    return len(json.dumps(text)) + len(",")


def _parts(values: Iterable[str]) -> list[str]:
    """The values, and the lines of those of several lines, as logs have them; the shortest first."""
    found = {part for value in values for part in (value, *(line.strip() for line in value.splitlines()))}
    return sorted((part for part in found if len(part) >= SHORTEST), key=lambda part: (len(part), part))


def _plain(part: str) -> Iterator[str]:
    yield part


def _quoted(part: str) -> Iterator[str]:
    """In JSON, as Python shows them, in a URL."""
    yield json.dumps(part)[1:-1]
    yield json.dumps(part, ensure_ascii=False)[1:-1]
    yield repr(part)[1:-1]
    data = _bytes(part)
    yield quote(data, safe="")
    yield quote(data)
    yield quote_plus(data)


def _base64(part: str) -> Iterator[str]:
    """In Base64 a value begins at one of three places within a group; what depends on its neighbours is left out."""
    data = _bytes(part)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(data).decode().rstrip("=")
        for before in range(3):
            raw = b"\0" * before + data
            yield encode(raw).decode()[(0, 2, 3)[before] : len(raw) // 3 * 4]


def _abbreviated(part: str) -> Iterator[str]:
    """The beginning and the end of a long random value, since programs abbreviate."""
    if _RANDOM.fullmatch(part):
        for size in _PIECES:
            if size < len(part):
                yield part[:size]
                yield part[-size:]


def _rare(part: str) -> Iterator[str]:
    """In capitals, in hexadecimal digits, in Base32, backwards."""
    data = _bytes(part)
    yield part.upper()
    yield data.hex()
    yield data.hex().upper()
    yield base64.b32encode(data).decode().rstrip("=")
    yield base64.b32encode(data).decode()[: len(data) // 5 * 8]
    yield part[::-1]


_SPELLINGS: tuple[Callable[[str], Iterator[str]], ...] = (_plain, _quoted, _base64, _abbreviated, _rare)
"""The likelier ones first."""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
