"""What the API server itself accepts and refuses: every rule of the schema, with a right and a wrong object."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest

from seatrial.kube.client import Cluster
from seatrial.kube.errors import InvalidError
from seatrial.kube.kinds import RUN
from tests.unit.api.admission import ACCEPTED, ALLOWED_CHANGES, BASE, LEASE, ORDERED, REFUSED, REFUSED_CHANGES, RESUMED


@dataclass
class Draft:
    """A run that is never really created."""

    spec: dict[str, Any]

    def body(self) -> dict[str, Any]:
        spec = {k: v for k, v in {**copy.deepcopy(BASE), **self.spec}.items() if v is not None}
        metadata = {"generateName": "draft-", "namespace": "default"}
        return {"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", "metadata": metadata, "spec": spec}


@pytest.mark.cluster
@pytest.mark.parametrize("spec", [pytest.param(spec, id=name) for name, spec in ACCEPTED.items()])
async def test_accepts(cluster: Cluster, spec: dict[str, Any]) -> None:
    created = await cluster.create(Draft(spec).body(), strict=True, dry_run=True)
    assert created["spec"]["timeouts"]["environment"]  # defaults are filled in by the schema


@pytest.mark.cluster
@pytest.mark.parametrize(("spec", "says"), [pytest.param(*case, id=name) for name, case in REFUSED.items()])
async def test_refuses(cluster: Cluster, spec: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidError) as refused:
        await cluster.create(Draft(spec).body(), strict=True, dry_run=True)
    assert says in refused.value.message


@pytest.mark.cluster
async def test_what_may_change_and_what_not(bench: Any) -> None:
    # an image that can't be pulled keeps the run in its first phases while it is looked at
    lists = {field: items for field, (items, _) in ORDERED.items()}
    name = await bench.start({"tests": {"image": "localhost:1/no-such-image:0"}, **lists})
    for spec, says in REFUSED_CHANGES.values():
        with pytest.raises(InvalidError) as refused:
            await bench.cluster.patch(RUN, name, bench.namespace, {"spec": spec})
        assert says in refused.value.message
        assert "only cancel and retention can" in refused.value.message
    for field, (items, says) in ORDERED.items():
        with pytest.raises(InvalidError, match=says):
            await bench.cluster.patch(RUN, name, bench.namespace, {"spec": {field: items[::-1]}})
    spec, says = LEASE
    with pytest.raises(InvalidError, match=says):
        await bench.cluster.patch(RUN, name, bench.namespace, {"spec": spec})
    for spec in ALLOWED_CHANGES.values():
        await bench.cluster.patch(RUN, name, bench.namespace, {"spec": spec})
    spec, says = RESUMED
    with pytest.raises(InvalidError, match=says):
        await bench.cluster.patch(RUN, name, bench.namespace, {"spec": spec})
