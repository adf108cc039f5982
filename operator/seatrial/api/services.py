"""Backing services."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from seatrial.api.base import Model, cel, rules
from seatrial.api.container import Command, ConfigMapRef, Env, Ready, Resources
from seatrial.api.scalars import BucketName, DatabaseName, Image, PortNumber

# --- services --------------------------------------------------------------------------------------------------------


class ServiceType(StrEnum):
    """What a backing service is. A service named like a type has that type."""

    POSTGRES = "postgres"
    MINIO = "minio"
    TEMPORAL = "temporal"
    REDIS = "redis"
    CUSTOM = "custom"


WELL_KNOWN = tuple(t.value for t in ServiceType if t is not ServiceType.CUSTOM)


SearchAttributeType = Literal["Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList"]
_FIELDS_OF_TYPE = {
    "postgres": ("version", "databases", "extensions", "initSQL", "storage"),
    "minio": ("buckets",),
    "temporal": ("namespaces", "searchAttributes"),
    "custom": ("image", "command", "args", "ports", "env", "ready"),
}


def _only_for(kind: str) -> dict[str, str]:
    fields = _FIELDS_OF_TYPE[kind]
    absent = " && ".join(f"!has(self.{name})" for name in fields)
    return cel(f"!has(self.type) || self.type == '{kind}' || ({absent})", f"{', '.join(fields)}: only for type {kind}")


class Service(Model):
    """One backing service; the key in `services` is its DNS name in the environment.

    Typed services (postgres, minio, temporal, redis) take the fields of their type, `type: custom` runs any image.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(_only_for(kind) for kind in _FIELDS_OF_TYPE),
            cel("!has(self.type) || self.type != 'custom' || has(self.image)", "type custom needs an image"),
            cel(
                "!has(self.ready) || (has(self.ports) && self.ports.size() > 0)",
                "ready needs at least one entry in ports",
            ),
        )
    )
    type: ServiceType | None = None
    """What it is. May be left out for a service that is called like a type."""
    resources: Resources | None = None
    """What it asks for and may use at most. For postgres with `storage: Memory` the data count as memory."""
    # postgres
    version: Literal["17"] | None = None
    """Postgres: the major version. There is one."""
    databases: Annotated[tuple[DatabaseName, ...], Field(max_length=20)] | None = None
    """Postgres: databases to create. The first is the one in `PGDATABASE`; without any it is `postgres`."""
    extensions: Annotated[tuple[Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9_-]+$")], ...],
                          Field(max_length=20)] | None = None  # fmt: skip
    """Postgres: extensions to create in every database. The image has those of Debian's contrib package and pgvector."""
    init_sql: Annotated[ConfigMapRef | None, Field(alias="initSQL")] = None
    """Postgres: its `*.sql` files run once, in the order of their names, in the first database."""
    storage: Literal["Memory", "Disk"] | None = None
    """Postgres: where the data are. `Memory` is the default and the faster one."""
    # minio
    buckets: Annotated[tuple[BucketName, ...], Field(max_length=50)] | None = None
    """MinIO: buckets to create. The first is the one in `S3_BUCKET`."""
    # temporal
    namespaces: Annotated[tuple[Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")], ...],
                          Field(max_length=20)] | None = None  # fmt: skip
    """Temporal: namespaces to create. The first is the one in `TEMPORAL_NAMESPACE`; without any it is `default`."""
    search_attributes: Annotated[dict[str, SearchAttributeType], Field(max_length=40)] | None = None
    """Temporal: custom search attributes and their types."""
    # custom
    image: Image | None = None
    """Custom: the image. It runs as uid 65532 with a read-only root; `/tmp` can be written."""
    command: Command | None = None
    """Custom: replaces the image's entry point."""
    args: Command | None = None
    """Custom: arguments of the entry point or of `command`."""
    ports: Annotated[dict[str, PortNumber], Field(max_length=20)] | None = None
    """Custom: ports by name. The main one is called `http`, else it is the first by name."""
    env: Env | None = None
    """Custom: its variables. It is told nothing about the other services."""
    ready: Ready | None = None
    """Custom: how to see that it can be used. Without it: its main port accepts a connection, or it runs if it has none."""

    def type_under(self, name: str) -> ServiceType:
        """The type of this service when it is called `name`."""
        if self.type is not None:
            return self.type
        return ServiceType(name) if name in WELL_KNOWN else ServiceType.CUSTOM
