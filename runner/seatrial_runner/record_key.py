"""The key by which the collector knows that the launcher, and nothing that it started, wrote the exit record.

The collector writes it to the results folder when it starts. The launcher reads and deletes it before it starts the
tests, and puts it before the record when every process of the tests is gone.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from typing import Optional

FILE = "launcher.key"
"""In the results folder."""
GIVEN = "seatrial-launcher-key-given"
"""In a folder of the collector's own that outlives its process: there if the key has been written once."""


def record_key(token: str) -> str:
    """The key of the shard with this upload token; a collector that is started anew has the same."""
    return hmac.new(token.encode(), b"exit record", hashlib.sha256).hexdigest()


def give(key: str, results: str, own: str) -> None:
    """Write the key for the launcher, once: when it has been taken, whoever writes to the folder would see another."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(os.path.join(own, GIVEN), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        partial = os.path.join(results, f".{FILE}")
        fd = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="ascii") as file:
            file.write(f"{key}\n")
        os.replace(partial, os.path.join(results, FILE))


def opened(content: bytes, key: str) -> Optional[bytes]:
    """The record in the content of ``exit.json``; None if it does not begin with the key."""
    line, _, record = content.partition(b"\n")
    return record if hmac.compare_digest(line, key.encode()) else None
