"""What services, migrations, apps and tests share: variables, resources, readiness, ConfigMap references."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from seatrial.api.base import Model, cel, rules
from seatrial.api.scalars import IntOrString, Quantities, Word

# --- parts that several sections share -------------------------------------------------------------------------------


class EnvVar(Model):
    """One environment variable. `$(NAME)` in a value stands for a variable that comes earlier in the list."""

    name: Annotated[str, Field(max_length=253, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
    """Its name. Names that begin with `SEATRIAL_` are taken."""
    value: Annotated[str, Field(max_length=32768)] = ""
    """Its value; `$$(NAME)` is a literal `$(NAME)`. There is no `valueFrom`: a run reads no Secrets of its namespace."""


Env = Annotated[tuple[EnvVar, ...], Field(max_length=200)]
Command = Annotated[tuple[Word, ...], Field(max_length=100)]


class Resources(Model):
    """What the container asks for and may use at most, as in a Pod."""

    requests: Quantities = {}
    """What is set aside for it, such as `cpu: 100m`, `memory: 256Mi`."""
    limits: Quantities = {}
    """What it may use at most. More memory than this ends the container, more `ephemeral-storage` its pod."""


class HttpReady(Model):
    """Ready when this path answers with 2xx or 3xx."""

    path: Annotated[str, Field(max_length=1024, pattern=r"^/")] = "/"
    """The path, with a query if one is needed."""
    port: IntOrString | None = None
    """A port's number, or for a service its name in `ports`."""


class TcpReady(Model):
    """Ready when this port accepts a connection."""

    port: IntOrString | None = None
    """A port's number, or for a service its name in `ports`."""


class GrpcReady(Model):
    """Ready when the standard gRPC health service answers SERVING."""

    port: IntOrString | None = None
    """A port's number, or for a service its name in `ports`."""
    service: Annotated[str, Field(max_length=253)] = ""
    """The name asked for; empty asks about the whole server."""


class ExecReady(Model):
    """Ready when this command ends with 0 inside the container (asked once a second by the kubelet)."""

    command: Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)]
    """The program and its arguments, without a shell."""


class Ready(Model):
    """How to see that it can be used: exactly one of http, tcp, grpc, exec. `port` defaults to the first port."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "[has(self.http), has(self.tcp), has(self.grpc), has(self.exec)].filter(x, x).size() == 1",
                "give exactly one of http, tcp, grpc or exec",
            )
        )
    )
    http: HttpReady | None = None
    """Ask a path over HTTP."""
    tcp: TcpReady | None = None
    """Open a connection."""
    grpc: GrpcReady | None = None
    """Ask the gRPC health service."""
    exec: ExecReady | None = None
    """Run a command in the container."""


class AppReady(Model):
    """How to see that the app can be used: exactly one of http, tcp, grpc. `port` defaults to the app's port."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "[has(self.http), has(self.tcp), has(self.grpc)].filter(x, x).size() == 1",
                "give exactly one of http, tcp or grpc",
            )
        )
    )
    http: HttpReady | None = None
    """Ask a path over HTTP."""
    tcp: TcpReady | None = None
    """Open a connection."""
    grpc: GrpcReady | None = None
    """Ask the gRPC health service."""


class ConfigMapRef(Model):
    """A ConfigMap in the run's own namespace."""

    config_map: Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")]
    """Its name. It is copied into the environment when the run starts."""
