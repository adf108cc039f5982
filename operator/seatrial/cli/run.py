"""A run as the commands see it, read once from what the API server or the archive gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, ValidationError

from seatrial.api.base import StatusModel
from seatrial.api.labels import MIGRATIONS, TESTS
from seatrial.api.status import ConditionType, IntegrationRunStatus
from seatrial.archive.model.json import to_json
from seatrial.archive.model.report import Report, instant
from seatrial.cli.errors import CliError, Exit


class _Metadata(StatusModel):
    name: str
    namespace: str
    uid: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class _Migration(StatusModel):
    name: str = ""


class _App(StatusModel):
    port: int | None = None
    ports: dict[str, int] | None = None


class _Spec(StatusModel):
    """What the commands need of a spec; one of another version of the schema is read too."""

    services: dict[str, Any] = Field(default_factory=dict)
    migrations: tuple[_Migration, ...] = ()
    apps: dict[str, _App | None] = Field(default_factory=dict)


class Run(StatusModel):
    """A run."""

    metadata: _Metadata
    spec: _Spec = _Spec()
    status: IntegrationRunStatus = IntegrationRunStatus()

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Reads an object as the API server gives it.

        Raises:
            CliError: it can't be read.
        """
        try:
            return cls.model_validate({k: body[k] for k in ("metadata", "spec", "status") if body.get(k) is not None})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise CliError(
                f"the run can't be read: {where}: {first['msg']}",
                hint="this command may be older than the operator: seatrial version",
                code=Exit.INFRASTRUCTURE,
            ) from error

    @classmethod
    def of_archive(cls, report: Report) -> Self:
        """The run that the archive reports on."""
        run, last = report.run, report.run.last
        status = {
            "phase": run.phase or None,
            "verdict": run.verdict,
            "reason": run.reason,
            "message": run.message,
            "attempt": run.attempt,
            "tests": to_json(run.tests),
            "failures": [
                {"id": test.id, "catalogueId": test.catalogue_id or "", "message": test.message}
                for test in report.failed
            ],
            "slowest": [{"id": test.id, "seconds": str(test.seconds)} for test in report.slowest],
            "results": {"digest": last.digest if last else ""},
            "timeline": to_json(last.timeline) if last else {},
        }
        return cls.of({"metadata": {"name": run.name, "namespace": run.namespace, "uid": run.uid}, "status": status})

    @property
    def name(self) -> str:
        """Its name."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """Its namespace; that of its environment is `status.namespace`."""
        return self.metadata.namespace

    @property
    def uid(self) -> str:
        """Its uid."""
        return self.metadata.uid

    @property
    def created(self) -> float | None:
        """When it was created, in unix seconds."""
        return instant(self.metadata.creation_timestamp)

    @property
    def verdict(self) -> str:
        """Its verdict; empty as long as it has none."""
        return str(self.status.verdict or "")

    @property
    def state(self) -> str:
        """Its verdict, else its phase; empty as long as no operator has taken it up."""
        return self.verdict or str(self.status.phase or "")

    @property
    def components(self) -> list[str]:
        """The components of its environment, the tests first."""
        migrations = [MIGRATIONS] if self.spec.migrations else []
        return [TESTS, *self.spec.services, *migrations, *self.spec.apps]

    @property
    def dependencies(self) -> list[str]:
        """The components that its tests wait for."""
        with_port = [name for name, app in self.spec.apps.items() if app and (app.port or app.ports)]
        return [*self.spec.services, *([MIGRATIONS] if self.spec.migrations else []), *with_port]

    def has(self, condition: ConditionType) -> bool:
        """Whether this condition is true."""
        return any(c.type == condition and c.status == "True" for c in self.status.conditions)
