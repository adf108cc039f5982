"""Specs that nobody thought of, on a real API server: no object of a run that it accepts is refused.

`SEATRIAL_FUZZ=1000 pytest tests/api/test_specs.py` tries as many, others each time.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import event, given, reject

from seatrial.api.run import IntegrationRun
from seatrial.environment.manifests import Inputs, environment
from seatrial.environment.problems import problems
from seatrial.kube.client import Cluster
from seatrial.kube.errors import AlreadyExistsError, InvalidError
from seatrial.settings import Settings
from tests.api.test_manifests import objects
from tests.unit.environment.support import CONFIG_MAPS, KEY, NOW
from tests.unit.specs.strategy import SPECS, profile

pytestmark = pytest.mark.apiserver
SETTINGS = Settings(key=KEY)


@profile(40)
@given(spec=SPECS)
async def test_no_object_of_a_run_that_the_schema_accepts_is_refused(
    admin: Cluster, operator: Cluster, spec: dict[str, Any]
) -> None:
    draft = {"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", "metadata": {"generateName": "draft-"}}
    try:
        made = await admin.create(draft | {"metadata": {**draft["metadata"], "namespace": "default"}, "spec": spec},
                                  strict=True, dry_run=True)  # fmt: skip
    except InvalidError:
        event("refused by a rule of the schema")
        reject()  # by a CEL rule, which the strategy knows only in part
    run = IntegrationRun.parse({"metadata": {"name": "specs", "uid": "specs"}, "spec": made["spec"]})
    if problems(run, CONFIG_MAPS, SETTINGS.budget):
        event("refused with a path")
        return
    event("created")
    result = environment(run, SETTINGS, Inputs(CONFIG_MAPS, NOW))
    try:  # left over for the next example, with the operator's rights
        await operator.create(result.namespace, strict=True)
        await operator.create(result.role_binding, strict=True)
    except AlreadyExistsError:
        pass
    manifests = [manifest for manifest in objects(result) if manifest["kind"] != "RoleBinding"]
    answers = await asyncio.gather(
        *(operator.create(manifest, strict=True, dry_run=True) for manifest in manifests), return_exceptions=True
    )
    refused = [
        (str(answer), json.dumps(manifest)[:2000])
        for manifest, answer in zip(manifests, answers, strict=True)
        if isinstance(answer, BaseException)
    ]
    assert not refused
