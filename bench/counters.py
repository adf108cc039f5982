"""What the operator asks of the API server: as the API server counts it, and as the operator does.

`apiserver_request_total` does not say who asked. But the API server counts each request under the FlowSchema that it
matched, and a FlowSchema matches by account and verb: two that match the operator's account alone separate its writes
and its reads from everybody else's, without a change to the API server.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from seatrial.kube.client import Cluster
from seatrial.kube.errors import AlreadyExistsError, NotFoundError
from seatrial.kube.kinds import Kind
from seatrial.kube.service import proxy_path
from seatrial.metrics import WRITES

OPERATOR_NAMESPACE = "seatrial-system"
OPERATOR = "seatrial-operator"
"""Name of the operator's Service and of its ServiceAccount."""
_FLOW_SCHEMA = Kind("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", "flowschemas", namespaced=False)
_FLOWS = {
    "seatrial-bench-writes": ("create", "update", "patch", "delete", "deletecollection"),
    "seatrial-bench-reads": ("get", "list"),  # not watch: a watch that is opened again asks for nothing
}
Metric = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
"""(name, labels) to value."""


@dataclass(frozen=True)
class Counts:
    """Requests of the operator since it started (`own_`) or since the FlowSchemas are there."""

    writes: float
    reads: float
    own_writes: float
    own_reads: float
    runs: float
    """Runs whose environment was cleaned up."""

    def since(self, before: Counts) -> Counts:
        """What was added."""
        return Counts(**{f.name: getattr(self, f.name) - getattr(before, f.name) for f in fields(self)})


def parse(text: str) -> Metric:
    """The samples of a metrics page."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(metrics: Metric, name: str, **labels: str) -> float:
    """The sum of the samples of this name that have these labels."""
    wanted = set(labels.items())
    return sum(value for (found, has), value in metrics.items() if found == name and wanted <= has)


def counts(api_server: Metric, operator: Metric) -> Counts:
    """The counts that two metrics pages hold."""
    own = {
        verb: total(operator, "seatrial_api_requests_total", verb=verb)
        for verb in ("GET", "POST", "PUT", "PATCH", "DELETE")
    }
    dispatched = "apiserver_flowcontrol_dispatched_requests_total"
    return Counts(
        writes=total(api_server, dispatched, flow_schema="seatrial-bench-writes"),
        reads=total(api_server, dispatched, flow_schema="seatrial-bench-reads"),
        own_writes=sum(value for verb, value in own.items() if verb in WRITES),
        own_reads=own["GET"],
        runs=total(operator, "seatrial_api_writes_per_run_count"),
    )


def flow_schema(name: str, verbs: tuple[str, ...]) -> dict[str, Any]:
    """Counts these verbs of the operator's account; they are treated as those of any other service account."""
    everything = {
        "verbs": list(verbs),
        "apiGroups": ["*"],
        "resources": ["*"],
        "clusterScope": True,
        "namespaces": ["*"],
    }
    account = {"name": OPERATOR, "namespace": OPERATOR_NAMESPACE}
    return {
        "apiVersion": _FLOW_SCHEMA.api_version,
        "kind": _FLOW_SCHEMA.kind,
        "metadata": {"name": name},
        "spec": {
            "priorityLevelConfiguration": {"name": "workload-low"},
            "matchingPrecedence": 8000,  # just before `service-accounts`
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [
                {"subjects": [{"kind": "ServiceAccount", "serviceAccount": account}], "resourceRules": [everything]}
            ],
        },
    }


class Counters:
    """Both metrics pages of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def read(self) -> Counts:
        """The counts of this moment."""
        return counts(parse(await text_of(self._cluster, "/metrics")), await self.operator())

    async def operator(self) -> Metric:
        """The operator's metrics."""
        proxy = proxy_path(OPERATOR_NAMESPACE, OPERATOR, "metrics")
        return parse(await text_of(self._cluster, f"{proxy}/metrics"))

    async def memory(self) -> float:
        """Resident memory of the operator's process, in bytes."""
        return total(await self.operator(), "process_resident_memory_bytes")


async def text_of(cluster: Cluster, path: str) -> str:
    """What the API server, or what is behind it, answers as text."""
    response = await cluster.open("GET", path, headers={"Accept": "*/*"})
    try:
        return await response.text()
    finally:
        response.close()


@asynccontextmanager
async def counting(cluster: Cluster) -> AsyncIterator[Counters]:
    """The FlowSchemas are there while this lasts."""
    for name, verbs in _FLOWS.items():
        try:
            await cluster.create(flow_schema(name, verbs))
        except AlreadyExistsError:  # an earlier measurement was killed
            continue
    try:
        yield Counters(cluster)
    finally:
        for name in _FLOWS:
            try:
                await cluster.delete(_FLOW_SCHEMA, name)
            except NotFoundError:
                continue
