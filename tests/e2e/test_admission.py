"""What the API server itself accepts and refuses: every rule of the schema, with a right and a wrong object."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest

from seatrial.kube.client import Cluster
from seatrial.kube.errors import InvalidError
from seatrial.kube.kinds import RUN

BASE: dict[str, Any] = {"tests": {"image": "i"}}
OK: dict[str, dict[str, Any]] = {
    "minimal": {},
    "all services": {
        "services": {
            "postgres": {"version": "17", "databases": ["app"], "extensions": ["pgcrypto"], "storage": "Memory"},
            "minio": {"buckets": ["artifacts"]},
            "temporal": {"namespaces": ["default"], "searchAttributes": {"Customer": "Keyword"}},
            "redis": {},
            "orders-db": {"type": "postgres", "initSQL": {"configMap": "seed"}},
            "emulator": {"type": "custom", "image": "i", "ports": {"http": 8080}, "ready": {"http": {"path": "/"}}},
        }
    },
    "app with readiness": {"apps": {"api": {"image": "i", "port": 8000, "ready": {"grpc": {}}}}},
    "quantities": {"apps": {"api": {"image": "i", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}}},
    "durations": {"timeouts": {"environment": "1m30s", "tests": "2h"}, "retention": {"passed": "0s"}},
    "artifacts": {"tests": {"image": "i", "artifacts": ["logs/**", "report.html"]}},
    "names of 40 characters": {
        "services": {"p" * 40: {"type": "postgres", "initSQL": {"configMap": "seed.sql-1"}}},
        "migrations": [{"name": "m" * 40, "image": "i", "command": ["a"]}],
        "apps": {"a" * 40: {"image": "i"}},
    },
    "shared volume": {"sharedVolume": {"mountPath": "/sessions", "env": "WORKER_SESSIONS_DIR"}},
}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no tests": ({"tests": None}, "spec.tests"),
    "typo": ({"servces": {}}, "servces"),
    "typo inside": ({"tests": {"image": "i", "marker": "x"}}, "marker"),
    "neither image nor source": ({"tests": {"markers": "x"}}, "give an image that holds the tests"),
    "unknown service without type": ({"services": {"db": {}}}, "needs a type"),
    "unknown type": ({"services": {"db": {"type": "mysql"}}}, "mysql"),
    "custom without image": ({"services": {"x": {"type": "custom"}}}, "type custom needs an image"),
    "field of another type": ({"services": {"minio": {"databases": ["a"]}}}, "minio has fields of another type"),
    "field of another explicit type": (
        {"services": {"x": {"type": "redis", "buckets": ["abc"]}}}, "only for type minio",
    ),
    "postgres with a field of another type": (
        {"services": {"postgres": {"namespaces": ["a"]}}}, "postgres has fields of another type",
    ),
    "temporal with a field of another type": (
        {"services": {"temporal": {"buckets": ["abc"]}}}, "temporal has fields of another type",
    ),
    "redis with a field of another type": ({"services": {"redis": {"image": "i"}}}, "redis has fields of another type"),
    "explicit minio with a field of postgres": (
        {"services": {"x": {"type": "minio", "databases": ["a"]}}}, "only for type postgres",
    ),
    "explicit postgres with a field of temporal": (
        {"services": {"x": {"type": "postgres", "searchAttributes": {"A": "Int"}}}}, "only for type temporal",
    ),
    "explicit temporal with a field of custom": (
        {"services": {"x": {"type": "temporal", "env": [{"name": "A"}]}}}, "only for type custom",
    ),
    "custom with a field of minio": (
        {"services": {"x": {"type": "custom", "image": "i", "buckets": ["abc"]}}}, "only for type minio",
    ),
    "service name of 41 characters": ({"services": {"p" * 41: {"type": "postgres"}}}, "at most 40 characters"),
    "app name of 41 characters": ({"apps": {"a" * 41: {"image": "i"}}}, "at most 40 characters"),
    "migration name of 41 characters": (
        {"migrations": [{"name": "m" * 41, "image": "i", "command": ["a"]}]}, "spec.migrations[0].name",
    ),
    "ConfigMap of no possible name": ({"tests": {"source": {"configMap": "My_Tests"}}}, "configMap"),
    "service name": ({"services": {"Post_Gres": {"type": "postgres"}}}, "names must be lower case"),
    "reserved service name": ({"services": {"migrations": {"type": "postgres"}}}, "are taken"),
    "reserved app name": ({"apps": {"tests": {"image": "i"}}}, "are taken"),
    "app named like a service": (
        {"services": {"redis": {}}, "apps": {"redis": {"image": "i"}}}, "can't have the same name",
    ),
    "readiness twice": (
        {"apps": {"a": {"image": "i", "port": 1, "ready": {"http": {}, "tcp": {}}}}}, "exactly one of http, tcp or grpc",
    ),
    "readiness of a service twice": (
        {"services": {"x": {
            "type": "custom", "image": "i", "ports": {"http": 1}, "ready": {"http": {}, "exec": {"command": ["true"]}},
        }}},
        "exactly one of http, tcp, grpc or exec",
    ),
    "readiness of a service in no way": (
        {"services": {"x": {"type": "custom", "image": "i", "ports": {"http": 1}, "ready": {}}}},
        "exactly one of http, tcp, grpc or exec",
    ),
    "readiness in no way": ({"apps": {"a": {"image": "i", "port": 1, "ready": {}}}}, "exactly one of http, tcp or grpc"),
    "readiness without port": ({"apps": {"a": {"image": "i", "ready": {"tcp": {}}}}}, "ready needs a port"),
    "custom readiness without ports": (
        {"services": {"x": {"type": "custom", "image": "i", "ready": {"exec": {"command": ["true"]}}}}},
        "at least one entry in ports",
    ),
    "migration without command": ({"migrations": [{"name": "m", "image": "i"}]}, "command"),
    "migrations of one name": (
        {"migrations": [{"name": "m", "image": "i", "command": ["a"]}, {"name": "m", "image": "i", "command": ["b"]}]},
        "Duplicate value",
    ),
    "duration": ({"timeouts": {"tests": "ten minutes"}}, "spec.timeouts.tests"),
    "database name": ({"services": {"postgres": {"databases": ["a-b"]}}}, "databases"),
    "bucket name": ({"services": {"minio": {"buckets": ["A"]}}}, "buckets"),
    "artifact outside": ({"tests": {"image": "i", "artifacts": ["/etc/**"]}}, "artifacts"),
    "option as path": ({"tests": {"image": "i", "paths": ["--collect-only"]}}, "paths"),
    "secret in env": ({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}, "valueFrom"),
    "port": ({"apps": {"a": {"image": "i", "port": 70000}}}, "port"),
}  # fmt: skip
ALLOWED: dict[str, dict[str, Any]] = {
    "cancel": {"cancel": True},
    "retention": {"retention": {"failed": "1h"}},
}
FORBIDDEN: dict[str, tuple[dict[str, Any], str]] = {
    "services": ({"services": {"redis": {}}}, "spec.services can't change after creation"),
    "tests": ({"tests": {"markers": "other"}}, "spec.tests can't change after creation"),
    "env": ({"env": [{"name": "A", "value": "1"}]}, "spec.env can't change"),
    "apps": ({"apps": {"a": {"image": "i"}}}, "spec.apps can't change"),
    "migrations": ({"migrations": [{"name": "m", "image": "i", "command": ["a"]}]}, "spec.migrations can't change"),
    "timeouts": ({"timeouts": {"tests": "1s"}}, "spec.timeouts can't change"),
    "sharedVolume": ({"sharedVolume": {"mountPath": "/x"}}, "spec.sharedVolume can't change"),
}
LEASE = ({"retention": {"maxLifetime": "9h"}}, "maxLifetime can't change after creation")


@dataclass
class Draft:
    """A run that is never really created."""

    spec: dict[str, Any]

    def body(self) -> dict[str, Any]:
        spec = {k: v for k, v in {**copy.deepcopy(BASE), **self.spec}.items() if v is not None}
        metadata = {"generateName": "draft-", "namespace": "default"}
        return {"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", "metadata": metadata, "spec": spec}


@pytest.mark.cluster
@pytest.mark.parametrize("spec", [pytest.param(spec, id=name) for name, spec in OK.items()])
async def test_accepts(cluster: Cluster, spec: dict[str, Any]) -> None:
    created = await cluster.create(Draft(spec).body(), strict=True, dry_run=True)
    assert created["spec"]["timeouts"]["environment"]  # defaults are filled in by the schema


@pytest.mark.cluster
@pytest.mark.parametrize(("spec", "says"), [pytest.param(*case, id=name) for name, case in WRONG.items()])
async def test_refuses(cluster: Cluster, spec: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidError) as refused:
        await cluster.create(Draft(spec).body(), strict=True, dry_run=True)
    assert says in refused.value.message


@pytest.mark.cluster
async def test_what_may_change_and_what_not(bench: Any) -> None:
    # an image that can't be pulled keeps the run in its first phases while it is looked at
    name = await bench.start({"tests": {"image": "localhost:1/no-such-image:0"}})
    for spec, says in FORBIDDEN.values():
        with pytest.raises(InvalidError) as refused:
            await bench.cluster.patch(RUN, name, bench.namespace, {"spec": spec})
        assert says in refused.value.message
        assert "only cancel and retention can" in refused.value.message
    spec, says = LEASE
    with pytest.raises(InvalidError, match=says):
        await bench.cluster.patch(RUN, name, bench.namespace, {"spec": spec})
    for spec in ALLOWED.values():
        await bench.cluster.patch(RUN, name, bench.namespace, {"spec": spec})
    with pytest.raises(InvalidError, match="can't be resumed"):
        await bench.cluster.patch(RUN, name, bench.namespace, {"spec": {"cancel": False}})
