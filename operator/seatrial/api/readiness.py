"""How to see that a service or an app can be used: handlers as in a Pod's probes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from seatrial.api.base import Model, cel, rules
from seatrial.api.scalars import IntOrString, Word


class HttpHeader(Model):
    """One header of a request."""

    name: Annotated[str, Field(max_length=128, pattern=r"^[-A-Za-z0-9]+$")]
    """Its name; `Host` is the host that is asked for."""
    value: Annotated[str, Field(max_length=2048, pattern=r"^[^\x00-\x1f\x7f]*$")]
    """Its value."""


class HttpGet(Model):
    """Ready when this path answers with 2xx or 3xx."""

    path: Annotated[str, Field(max_length=1024, pattern=r"^/")] = "/"
    """The path, with a query if one is needed."""
    port: IntOrString | None = None
    """A port's number, or for a service its name in `ports`."""
    scheme: Literal["HTTP", "HTTPS"] = "HTTP"
    """With `HTTPS` any certificate is trusted, as in a Pod's probe."""
    http_headers: Annotated[tuple[HttpHeader, ...], Field(max_length=20)] = ()
    """Headers to send."""


class TcpSocket(Model):
    """Ready when this port accepts a connection."""

    port: IntOrString | None = None
    """A port's number, or for a service its name in `ports`."""


class Grpc(Model):
    """Ready when the standard gRPC health service answers SERVING."""

    port: IntOrString | None = None
    """A port's number, or for a service its name in `ports`."""
    service: Annotated[str, Field(max_length=253)] = ""
    """The name asked for; empty asks about the whole server."""


class Exec(Model):
    """Ready when this command ends with 0 inside the container (asked once a second by the kubelet)."""

    command: Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)]
    """The program and its arguments, without a shell."""


def _exactly_one(*handlers: str) -> dict[str, str]:
    given = ", ".join(f"has(self.{name})" for name in handlers)
    named = f"{', '.join(handlers[:-1])} or {handlers[-1]}"
    return cel(f"[{given}].filter(x, x).size() == 1", f"give exactly one of {named}")


class AppReadiness(Model):
    """How to see that the app can be used: exactly one of httpGet, tcpSocket, grpc.

    `port` defaults to the app's port.
    """

    model_config = ConfigDict(json_schema_extra=rules(_exactly_one("httpGet", "tcpSocket", "grpc")))
    http_get: HttpGet | None = None
    """Ask a path over HTTP."""
    tcp_socket: TcpSocket | None = None
    """Open a connection."""
    grpc: Grpc | None = None
    """Ask the gRPC health service."""

    @property
    def asked(self) -> HttpGet | TcpSocket | Grpc | None:
        """The handler that asks a port."""
        return self.http_get or self.tcp_socket or self.grpc


class Readiness(AppReadiness):
    """How to see that it can be used: exactly one of httpGet, tcpSocket, grpc, exec.

    `port` defaults to the first port.
    """

    model_config = ConfigDict(json_schema_extra=rules(_exactly_one("httpGet", "tcpSocket", "grpc", "exec")))
    exec: Exec | None = None
    """Run a command in the container."""
