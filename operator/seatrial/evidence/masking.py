"""Known secrets never leave an environment in the clear: which values are secret, how they may be written, and `***` in their place."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
_PIECES = range(12, 41)
"""Characters of the beginning or end of a long random value that give it away: pytest shows `'5zipd9bxad0r...9a37m0hbba2da'`."""
_RANDOM = re.compile(r"[A-Za-z0-9_=-]{20,}")
SHORTEST = 6
"""Characters of a value that is masked; a shorter one would be found in words that are no secret."""
_SECRET_NAME = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|PWD$|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|(^|_)KEY(_|$)|(^|_)AUTH(_|$)",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")
_REFERENCE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_]*\)")


def secret_values(env: Iterable[Mapping[str, Any]]) -> set[str]:
    """The secrets among variables (`name`, `value`): what is under a name that says so, and the passwords in URLs.

    `$(OTHER)` stands for another variable, so only what is around it counts.
    """
    found: set[str] = set()
    for entry in env:
        value = str(entry.get("value") or "")
        texts = [value] if _SECRET_NAME.search(str(entry.get("name") or "")) else _PASSWORD_IN_URL.findall(value)
        for text in texts:
            found.update(part for part in _REFERENCE.split(text) if part)
    return found


def forms(values: Iterable[str]) -> tuple[str, ...]:
    """All ways in which these values may be written, the longest first: as they are, in JSON, as Python shows them, in a URL, in Base64.

    Of a long random value its beginning and its end are such ways too, since programs abbreviate.
    In Base64 a value begins at one of three places within a group of characters; what depends on its neighbours is left out.
    A value of several lines is looked for line by line, as logs have it.
    """
    written: set[str] = set()
    for value in values:
        for part in {value, *(line.strip() for line in value.splitlines())}:
            if len(part) < SHORTEST:
                continue
            written |= {part, json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], repr(part)[1:-1]}
            if _RANDOM.fullmatch(part):
                written |= {piece for size in _PIECES if size < len(part) for piece in (part[:size], part[-size:])}
            written |= {quote(part, safe=""), quote(part), quote_plus(part)}
            written.add(base64.b64encode(part.encode("utf-8", "surrogatepass")).decode().rstrip("="))
            for before in range(3):
                raw = b"\0" * before + part.encode("utf-8", "surrogatepass")
                whole = len(raw) // 3 * 4
                for encode in (base64.b64encode, base64.urlsafe_b64encode):
                    written.add(encode(raw).decode()[(0, 2, 3)[before] : whole])
    return tuple(sorted((w for w in written if len(w) >= SHORTEST), key=lambda w: (-len(w), w)))


def shortest_of(written: Sequence[str]) -> list[str]:
    """Those that hold no other: where none of these is, no secret is."""
    kept: list[str] = []
    for each in sorted(written, key=len):
        if not any(other in each for other in kept):
            kept.append(each)
    return kept


class Masker:
    """Puts `***` in the place of secrets.

    Args:
        written: the secrets, in all their `forms`.
    """

    def __init__(self, written: Iterable[str] = ()) -> None:
        self._texts = tuple(written)
        self._shortest = shortest_of(self._texts)
        self._bytes = tuple(text.encode("utf-8", "surrogatepass") for text in self._texts)
        self._signs = tuple(text.encode("utf-8", "surrogatepass") for text in self._shortest)

    def data(self, content: bytes) -> bytes:
        """Bytes of a log."""
        if any(sign in content for sign in self._signs):
            for secret in self._bytes:
                content = content.replace(secret, MASK.encode())
        return content

    def text(self, content: str) -> str:
        """One text."""
        if any(sign in content for sign in self._shortest):
            for secret in self._texts:
                content = content.replace(secret, MASK)
        return content

    def tree(self, value: Any) -> Any:
        """A JSON value: every text in it, names of fields too, and the whole value of a variable that holds a secret."""
        match value:
            case str():
                return self.text(value)
            case Mapping():
                masked = {self.text(str(k)): self.tree(v) for k, v in value.items()}
                if secret_values([value]):
                    masked["value"] = MASK
                return masked
            case list() | tuple():
                return [self.tree(each) for each in value]
        return value
