"""How bundles are named: by namespace and digest. Pure; shared by the server and its clients."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seatrial.archive.model.errors import InvalidError
from seatrial.archive.model.keys import quoted

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BundleKey:
    """One bundle of one namespace."""

    namespace_uid: str
    sha256: str
    """64 hex digits, of the stored bytes."""

    def __str__(self) -> str:
        return f"bundle sha256:{self.sha256}"


def bundle_path(namespace: str, sha256: str) -> str:
    """Where the API has the bundle, behind `/v1/`.

    Raises:
        InvalidError: this is no name of a namespace, or no digest (64 lower-case hex digits).
    """
    if not _NAMESPACE.fullmatch(namespace):
        raise InvalidError(f"{quoted(namespace)} is not the name of a namespace", "use metadata.namespace of the run")
    if not _SHA256.fullmatch(sha256):
        raise InvalidError(
            f"{quoted(sha256)} is not the digest of a bundle", "use its SHA-256 as 64 lower-case hex digits"
        )
    return f"namespaces/{namespace}/bundles/{sha256}"
