"""``manifest.json``: names every file of a set with its size and digest. It comes last and seals the set."""

from __future__ import annotations

import re
from typing import Any, Optional

from seatrial_protocol import limits
from seatrial_protocol.decode import Contract, contract, field, integer, items, kind_of, part, string, wrong
from seatrial_protocol.identity import RunIdentity

_SHA256 = re.compile(r"[0-9a-f]{64}")


def _sha256(value: Any) -> str:
    if not isinstance(value, str):
        raise wrong(f"expected text, found {kind_of(value)}")
    if not _SHA256.fullmatch(value):
        raise wrong("not a SHA-256 in lower-case hex digits")
    return value


@contract("manifest's file")
class ManifestFile(Contract):
    """One file that a manifest vouches for."""

    path: str = string(limits.PATH)
    size: int = integer(high=limits.BYTES)
    """Bytes."""
    sha256: str = field(_sha256)
    """In hex."""


@contract("manifest", limits.MANIFEST)
class Manifest(Contract):
    """The files of a set."""

    schema: int = integer(low=1, high=1)
    run: RunIdentity = part(RunIdentity)
    files: tuple[ManifestFile, ...] = items(ManifestFile, limits.FILES)

    def file(self, path: str) -> Optional[ManifestFile]:
        """The entry of the file with this name, if there is one."""
        return next((file for file in self.files if file.path == path), None)
