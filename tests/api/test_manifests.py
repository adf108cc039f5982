"""What the operator creates for a run, on a real API server: every object is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from seatrial.environment.manifests import Environment
from seatrial.kube.client import Cluster
from seatrial.kube.kinds import NAMESPACE
from tests.unit.environment.support import CASES, case, inside

pytestmark = pytest.mark.apiserver
Object = dict[str, Any]


def objects(result: Environment) -> Iterator[Object]:
    """The objects in an environment, and each pod that a Deployment or a Job would make."""
    for manifest in inside(result):
        yield manifest
        if (template := manifest.get("spec", {}).get("template")) and manifest["kind"] in ("Deployment", "Job"):
            metadata = {**template.get("metadata", {}), **{k: manifest["metadata"][k] for k in ("name", "namespace")}}
            yield {"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}


@pytest.mark.parametrize("name", CASES)
async def test_no_object_of_an_accepted_run_is_refused(admin: Cluster, operator: Cluster, name: str) -> None:
    namespace = case(name).namespace
    where = namespace["metadata"]["name"]
    await operator.create(namespace, strict=True)
    for manifest in objects(case(name)):
        await operator.create(manifest, strict=True, dry_run=manifest["kind"] != "RoleBinding")
        await apply(admin, manifest)
    await admin.delete(NAMESPACE, where)


async def apply(admin: Cluster, manifest: Object) -> None:
    """Server-side apply, as a dry run."""
    kind = await admin.discover(manifest)
    query = {"fieldManager": "tests", "force": "true", "fieldValidation": "Strict", "dryRun": "All"}
    await admin.request(
        "PATCH", kind.path(manifest["metadata"]["namespace"], manifest["metadata"]["name"]), kind.plural,
        query=query, body=manifest, content_type="application/apply-patch+yaml",
    )  # fmt: skip
