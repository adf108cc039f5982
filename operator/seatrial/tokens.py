"""All secrets that Seatrial hands out are derived here, from two keys. Nothing is stored; each pass derives the same.

With the archive's key the operator derives tokens, and the archive the same ones to check them. With the environments'
key the operator derives credentials of services and signs namespaces; the archive does not have it. Each derivation has
its own prefix, so no value of one kind can ever equal a value of another kind.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

MIN_KEY_BYTES = 32
PASSWORD_LENGTH = 32
_LETTERS_AND_DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789"


def read_key(path: Path) -> bytes:
    """The key: the bytes of the file, unchanged.

    Raises:
        ValueError: the file can't be read or holds less than 32 bytes.
    """
    try:
        key = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"the key file {path} can't be read: {error.strerror}; is the Secret mounted there?"
        ) from error
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(
            f"the key file {path} holds {len(key)} bytes; at least {MIN_KEY_BYTES} random bytes are needed"
        )
    return key


def upload_token(key: bytes, uid: str, attempt: int, shard: int) -> str:
    """What the collector of one shard shows to upload: good for this run, attempt and shard alone (64 hex digits)."""
    return _derive(key, f"upload/{uid}/{attempt}/{shard}").hex()


def evidence_token(key: bytes, uid: str, attempt: int) -> str:
    """What the operator shows to upload the evidence of one attempt: good for nothing else (64 hex digits)."""
    return _derive(key, f"evidence/{uid}/{attempt}").hex()


def bundle_token(key: bytes, namespace: str, sha256: str) -> str:
    """What a pod shows to fetch one bundle (`sha256`: 64 hex digits) of its run's namespace (64 hex digits)."""
    return _derive(key, f"bundle/{namespace}/{sha256}").hex()


def feed_token(key: bytes) -> str:
    """What the operator shows to read the archive's feed (64 hex digits)."""
    return _derive(key, "feed").hex()


def password(key: bytes, scope_id: str, name: str) -> str:
    """The credential called `name` of one attempt (`Scope.id`): 32 characters of a-z and 0-9, which need no quoting.

    `key`: that of the environments.
    """
    number = int.from_bytes(_derive(key, f"password/{scope_id}/{name}"), "big")
    characters = []
    for _ in range(PASSWORD_LENGTH):
        number, index = divmod(number, len(_LETTERS_AND_DIGITS))
        characters.append(_LETTERS_AND_DIGITS[index])
    return "".join(characters)


def namespace_signature(key: bytes, scope_id: str, name: str) -> str:
    """What the operator writes on the namespace called `name` of one attempt (`Scope.id`), and nobody else can.

    `key`: that of the environments.
    """
    return _derive(key, f"namespace/{scope_id}/{name}").hex()


def same(expected: str, given: str) -> bool:
    """Whether two tokens are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


def _derive(key: bytes, purpose: str) -> bytes:
    return hmac.new(key, purpose.encode(), hashlib.sha256).digest()
