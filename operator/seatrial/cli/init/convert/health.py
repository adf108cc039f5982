"""From a health check to readiness: what is asked over HTTP, TCP or gRPC, or by a command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from seatrial.cli.init.compose.model import HealthCheck
from seatrial.cli.init.convert.commands import shell_script, split

_URL = re.compile(r"https?://[^\s'\"\\)|;&>]+")
_HEADER = re.compile(r"(?:-H|--header)[ =]?([\"'])([-A-Za-z0-9]+):\s*(.*?)\1")
_NC = re.compile(r"\bnc\b[^|&;]*?\s(\S+)\s+([0-9]{1,5})\b")
_DEV_TCP = re.compile(r"/dev/tcp/[^/\s]+/([0-9]{1,5})")
_SOCKET = re.compile(r"(?:connect|create_connection)\w*\(\s*\(\s*['\"][^'\"]*['\"]\s*,\s*([0-9]{1,5})")
_GRPC = re.compile(r"grpc_health_probe\b.*?-addr[= ]\S*?:([0-9]{1,5})")
_HTTP_TOOLS = re.compile(r"\b(curl|wget|http|httpie|urlopen|urllib|requests|httpx|fetch|healthcheck)\b")


@dataclass(frozen=True)
class Probe:
    """How to see that something can be used."""

    ready: dict[str, Any]
    """As the field `ready` has it."""
    port: int | None = None
    is_command: bool = False


def probe_of(health: HealthCheck | None) -> Probe | None:
    """What a health check asks; None if it asks nothing."""
    if health is None or not health.test or health.test[0] == "NONE":
        return None
    kind, rest = health.test[0], health.test[1:]
    if kind == "CMD-SHELL":
        text, words = " ".join(rest), ["/bin/sh", "-c", " ".join(rest)]
    else:
        words = list(rest if kind == "CMD" else health.test)
        script = shell_script(words)
        text = script if script is not None else " ".join(f'"{w}"' if " " in w else w for w in words)
    if not text.strip():
        return None
    return _http(text) or _tcp(text) or Probe({"exec": {"command": words}}, is_command=True)


def _http(text: str) -> Probe | None:
    match = _URL.search(text)
    if not match or not _HTTP_TOOLS.search(text):
        return None
    try:
        url = urlsplit(match[0])
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError:
        return None
    path = url.path or "/"
    if url.query:
        path += f"?{url.query}"
    get: dict[str, Any] = {"path": path}
    if url.scheme == "https":
        get["scheme"] = "HTTPS"
    headers = [{"name": name, "value": value} for _, name, value in _HEADER.findall(text)]
    if headers:
        get["httpHeaders"] = headers
    return Probe({"httpGet": get}, port)


def _tcp(text: str) -> Probe | None:
    if match := _GRPC.search(text):
        return Probe({"grpc": {}}, int(match[1]))
    for pattern, group in ((_NC, 2), (_DEV_TCP, 1), (_SOCKET, 1)):
        match = pattern.search(text)
        if match and 0 < int(match[group]) <= 65535:
            return Probe({"tcpSocket": {}}, int(match[group]))
    return None


def program(probe: Probe) -> str:
    """The program that a command runs, without its folder."""
    words = probe.ready.get("exec", {}).get("command", [])
    script = shell_script(words)
    first = split(script)[:1] if script is not None else words[:1]
    return first[0].rpartition("/")[2] if first else ""
