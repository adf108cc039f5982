"""docs/reference.md: the resource field by field, and what containers get, asked of the modules that decide it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from seatrial.api.names import API_VERSION, KIND
from seatrial.api.run import MUTABLE, IntegrationRun, IntegrationRunSpec
from seatrial.api.status import IntegrationRunStatus
from seatrial.environment import env, resources, services
from seatrial.environment.objects import Manifest
from seatrial.generate.fields import cell, objects
from seatrial.settings import Settings

_EXAMPLE_SERVICES: dict[str, Any] = {
    "postgres": {"databases": ["app"]},
    "minio": {"buckets": ["artifacts"]},
    "temporal": {},
    "redis": {},
    "mail": {"type": "custom", "image": "registry.example/mail:1", "ports": {"http": 8025, "smtp": 1025}},
    "orders-db": {"type": "postgres"},
}
_EXAMPLE: dict[str, Any] = {
    "metadata": {"name": "<name of the run>", "namespace": "default", "uid": "<uid of the run>"},
    "spec": {
        "services": _EXAMPLE_SERVICES,
        "apps": {"controller": {"image": "registry.example/app:1", "port": 8000, "ports": {"metrics": 9090}}},
        "sharedVolume": {"mountPath": "/sessions", "env": "SESSIONS_DIR"},
        "tests": {"image": "registry.example/tests:1"},
    },
}


def variables() -> list[tuple[str, str, str]]:
    """The variables of an example's containers: where from, their names, their values in words."""
    run = IntegrationRun.parse(_EXAMPLE)
    parts = env.contract(
        run.scope, run.spec, services.backings(run.spec.services, Settings()), shard=True, shared_volume=True
    )
    return [(part.path, entry["name"], _value(entry)) for part in parts for entry in part.entries]


def _value(entry: Manifest) -> str:
    if "value" in entry:
        return f"`{entry['value']}`"
    source = entry["valueFrom"]
    if "secretKeyRef" in source:
        return "from the environment's Secret"
    return "number of the shard, from 0; in the tests' container only"


def _variables() -> Iterator[str]:
    last = ""
    yield from ("| from | variable | value |", "| --- | --- | --- |")
    for path, name, value in variables():
        yield f"| {f'`{path}`' if path != last else ''} | `{name}` | {cell(value)} |"
        last = path


def _defaults() -> Iterator[str]:
    parts: Iterable[tuple[str, resources.Defaults]] = (
        *((f"service of type {kind}", default) for kind, default in resources.SERVICES.items()),
        ("migration", resources.MIGRATION),
        ("app", resources.APP),
        ("tests", resources.TESTS),
        ("collector, beside the tests", resources.COLLECTOR),
    )
    yield from (
        "| container | CPU request | memory request | memory limit | disk limit |",
        "| --- | --- | --- | --- | --- |",
    )
    for what, default in parts:
        yield f"| {what} | {default.cpu} | {default.memory} | {default.memory_limit} | {default.disk_limit} |"


def document() -> str:
    """The page."""
    return "\n".join(
        [
            "# Reference",
            "",
            "Generated from `operator/seatrial/api` by `python -m seatrial.generate`; do not edit.",
            "",
            f"`apiVersion: {API_VERSION}`, `kind: {KIND}` (short name `irun`), namespaced. `kubectl explain "
            "irun.spec` shows the same.",
            "",
            "- A duration is written as `90s`, `5m` or `1h30m`; quantities and names of objects are Kubernetes' own.",
            "- Unknown fields are refused by `kubectl` (strict validation is its default) and by `seatrial run`. Other "
            "clients may drop them silently: let them ask for `fieldValidation=Strict`.",
            f"- After creation only {' and '.join(f'`spec.{name}`' for name in MUTABLE)} can change.",
            "- What a schema can't check (a missing ConfigMap, two parts that set the same variable, a mount over "
            "another) ends the run at once as `Errored`, reason `InvalidSpec`, with the field's path.",
            "",
            *objects(IntegrationRunSpec, "spec", status=False),
            *objects(IntegrationRunStatus, "status", status=True),
            "## What containers get",
            "",
            "Migrations, apps and tests get these variables, before `spec.env` and their own `env`, so a value can use "
            "them: `postgresql+asyncpg://$(PGUSER):$(PGPASSWORD)@$(PGHOST)/app`. Custom services get only `HOME` and "
            "their own `env`. The shared volume's variable goes to apps and tests.",
            "",
            "The table is for a run with these services: `postgres` with the database `app`, `minio` with the bucket "
            "`artifacts`, `temporal`, `redis`, a custom `mail`, a second Postgres `orders-db`; with an app "
            "`controller` on port 8000 and a shared volume. The first service of a type has the plain names (the one "
            "that is called like the type, else the first by name), each further one its own prefix.",
            "",
            *_variables(),
            "",
            "## Default resources",
            "",
            "Requests are small, so that many environments fit a node. There is no CPU limit. "
            "The disk limit is `ephemeral-storage`: logs and all that is written to `/tmp` and the pod's other empty "
            "volumes, each of which may become as large. A pod that writes more is ended: `Evicted`. None of it is set "
            "aside on a node.",
            "",
            *_defaults(),
            "",
        ]
    )
