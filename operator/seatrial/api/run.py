"""IntegrationRun: the spec, and the resource as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from seatrial.api.base import Model, cel, component_names, list_map, rules
from seatrial.api.code import Code
from seatrial.api.container import Env
from seatrial.api.forwards import Forwards
from seatrial.api.policy import Retention, Timeouts
from seatrial.api.scope import RunRef, Scope
from seatrial.api.services import Service, service_types
from seatrial.api.status import IntegrationRunStatus
from seatrial.api.system import App, Migration, SharedVolume, Tests

MUTABLE = ("cancel", "retention")
"""Fields of the spec that may change after the run was created."""
_IMMUTABLE = ("services", "code", "forwards", "env", "migrations", "apps", "sharedVolume", "tests", "timeouts")
_LIST_MAPS = ("env", "migrations")


def _immutable(field: str) -> dict[str, str]:
    """A field that can't change. List maps are equal in any order; here order counts, so they become lists."""
    as_list = ".map(m, m)" if field in _LIST_MAPS else ""
    same = f"self.{field}{as_list} == oldSelf.{field}{as_list}"
    return cel(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})",
        f"spec.{field} can't change after creation (only {' and '.join(MUTABLE)} can): "
        "delete this run and apply a new one, or use another name",
    )


_NO_WAY_BACK = cel("self || !oldSelf", "a cancelled run can't be resumed: start a new one")


class IntegrationRunSpec(Model):
    """What to start, in which order it follows from what it is, and which tests to run against it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *map(_immutable, _IMMUTABLE),
            cel(
                "!has(self.services) || !has(self.apps) || self.services.all(k, !(k in self.apps))",
                "a service and an app can't have the same name",
            ),
            cel(
                "has(self.tests.image) || has(self.tests.source) || has(self.code)",
                "tests: give an image that holds the tests, or code or source.configMapRef for the default image",
            ),
        )
    )
    services: Annotated[
        dict[str, Service], Field(max_length=20, json_schema_extra=rules(component_names(), *service_types()))
    ] = {}
    """Backing services by name. Each is empty, and this run's alone."""
    code: Code | None = None
    """Files over those of the images of migrations, apps and tests, so that a change needs no new image."""
    forwards: Forwards = {}
    """Ports of 127.0.0.1 and ::1 in the tests' pod that lead to a service or an app, such as `"15432": postgres` or
    `"18000": "controller:metrics"`: a suite that was written against published ports of docker-compose runs
    unchanged. Migrations and apps have them with `forwards: true`."""
    env: Env = ()
    """Given to migrations, apps and tests."""
    migrations: Annotated[tuple[Migration, ...], Field(max_length=20, json_schema_extra=list_map("name"))] = ()
    """Steps that prepare the services, one after the other."""
    apps: Annotated[dict[str, App], Field(max_length=30, json_schema_extra=rules(component_names()))] = {}
    """The system under test by name. All start at once when the migrations are done."""
    shared_volume: SharedVolume | None = None
    """One volume that all apps and the tests see."""
    tests: Tests
    """The pytest suite."""
    timeouts: Timeouts = Timeouts()
    """How long each part may take."""
    retention: Retention = Retention()
    """How long the environment and the record are kept. May change later."""
    cancel: Annotated[bool, Field(json_schema_extra=rules(_NO_WAY_BACK))] = False
    """`true` ends the run as Cancelled. May change later, once."""


class Metadata(BaseModel):
    """What is used of an object's metadata."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )
    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()


class IntegrationRun(BaseModel):
    """One run: a fresh environment, its tests, its verdict."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    metadata: Metadata
    spec: IntegrationRunSpec
    status: IntegrationRunStatus = IntegrationRunStatus()

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Reads an object as the API server gives it.

        Raises:
            pydantic.ValidationError: when the spec is not valid.
        """
        return cls.model_validate({k: body[k] for k in ("metadata", "spec", "status") if body.get(k) is not None})

    @property
    def ref(self) -> RunRef:
        """Which run this is."""
        return RunRef(self.metadata.namespace, self.metadata.name, self.metadata.uid)

    @property
    def scope(self) -> Scope:
        """The run's current attempt and its environment."""
        return Scope(self.ref, self.status.attempt)
