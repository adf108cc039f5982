"""Which variables hold secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_SECRET_NAME = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|PWD$|SECRET|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|(^|_)KEY(_|$)|(^|_)(AUTH|AUTHORIZATION|COOKIE)(_|$)",
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
