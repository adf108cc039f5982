"""Lines about connections: to whom one was refused, and where a program listens. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from seatrial.api import labels
from seatrial.evidence.codes import Code
from seatrial.evidence.findings import Context

REFUSED = re.compile(
    r"connection refused|ECONNREFUSED|ConnectionRefusedError|Connect call failed|All connection attempts failed", re.I
)
REFUSED_SIGNS = (
    "connection refused", "econnrefused", "connectionrefusederror", "connect call failed",
    "all connection attempts failed",
)  # fmt: skip
LISTENING_SIGNS = ("listening", "running", "serving", "started")
_LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")
_ADDRESS = re.compile(
    r"host='(?P<a>[\w.-]{1,253})', port=(?P<ap>\d{1,5})|\('(?P<b>[\w.:-]{1,253})', (?P<bp>\d{1,5})"
    r"|(?P<e>\[?::1\]?):(?P<ep>\d{2,5})\b"
    r"|(?:(?<=//)|(?<![\w./-]))(?!\S{0,200}\.(?:py|js|ts|go):)(?P<c>[A-Za-z0-9][\w.-]{0,252}):(?P<cp>\d{2,5})\b"
    r"|server at \"(?P<d>[^\"]{1,253})\"[^\n]{0,200}port (?P<dp>\d{1,5})"
)
_LISTENS = re.compile(
    r"(?:listening|running|serving|started)\b[^\n]{0,200}?"
    r"(?P<host>127\.0\.0\.1|localhost|\[::1?\]|0\.0\.0\.0|\*):(?P<port>\d{2,5})\b",
    re.I,
)


def is_loopback(host: str) -> bool:
    """Whether this is an address of a pod's own."""
    return host.lower() in _LOOPBACK


def listening(line: str) -> tuple[str, int] | None:
    """Host and port at which a program says that it listens."""
    found = _LISTENS.search(line)
    return (found["host"], int(found["port"])) if found else None


def localhost_port(url: str) -> int:
    """The port of a URL on localhost; 0 if it is on another host, or none."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return 0
    return port if is_loopback(parts.hostname or "") else 0


def refusal(line: str, context: Context) -> tuple[Code, dict[str, str]]:
    """Whose connection was refused, by a line that says that one was."""
    found = _ADDRESS.search(line)
    values = found.groupdict() if found else {}
    key = next((key for key in "abcde" if values.get(key)), "")
    host, port = (values[key], int(values[f"{key}p"])) if key else ("", 0)
    if is_loopback(host) or host == "0.0.0.0":  # noqa: S104 - an address that is read, not bound
        return refusal_of_localhost(port, context)
    first = host.split(".")[0]
    name = first if first in context.roles else context.ports.get(port, "")
    if name == labels.MIGRATIONS:
        return Code.MIGRATIONS_LATE, {"name": name}
    if name:
        return Code.REFUSED_ENDED if name in context.broken else Code.REFUSED, {"name": name}
    return (Code.REFUSED_ADDRESS, {"address": f"{host}:{port}"}) if host else (Code.REFUSED_SOMEWHERE, {})


def refusal_of_localhost(port: int, context: Context) -> tuple[Code, dict[str, str]]:
    """A component asked at its own pod's address for what listens in another pod."""
    if name := context.ports.get(port):
        return Code.REFUSED_LOCALHOST_OF, {"port": str(port), "name": name}
    return Code.REFUSED_LOCALHOST, {"port": str(port)}
