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

pytestmark = pytest.mark.apiserver


@dataclass
class Draft:
    """A run that nobody takes up."""

    spec: dict[str, Any]

    def body(self) -> dict[str, Any]:
        spec = {k: v for k, v in {**copy.deepcopy(BASE), **self.spec}.items() if v is not None}
        metadata = {"generateName": "draft-", "namespace": "default"}
        return {"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("spec", [pytest.param(spec, id=name) for name, spec in ACCEPTED.items()])
async def test_accepts(admin: Cluster, spec: dict[str, Any]) -> None:
    created = await admin.create(Draft(spec).body(), strict=True, dry_run=True)
    assert created["spec"]["timeouts"]["environment"]  # defaults are filled in by the schema


@pytest.mark.parametrize(("spec", "expected"), [pytest.param(*case, id=name) for name, case in REFUSED.items()])
async def test_refuses(admin: Cluster, spec: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidError) as refused:
        await admin.create(Draft(spec).body(), strict=True, dry_run=True)
    assert expected in refused.value.message


async def test_what_may_change_and_what_not(admin: Cluster) -> None:
    async def change(spec: dict[str, Any]) -> None:
        await admin.patch(RUN, name, "default", {"spec": spec})

    lists = {field: items for field, (items, _) in ORDERED.items()}
    name = (await admin.create(Draft(lists).body(), strict=True))["metadata"]["name"]
    for spec, expected in REFUSED_CHANGES.values():
        with pytest.raises(InvalidError) as refused:
            await change(spec)
        assert expected in refused.value.message
        assert "only cancel and retention can" in refused.value.message
    for field, (items, expected) in ORDERED.items():
        with pytest.raises(InvalidError, match=expected):
            await change({field: items[::-1]})
    spec, expected = LEASE
    with pytest.raises(InvalidError, match=expected):
        await change(spec)
    for spec in ALLOWED_CHANGES.values():
        await change(spec)
    spec, expected = RESUMED
    with pytest.raises(InvalidError, match=expected):
        await change(spec)
