"""No spec that the schema accepts makes the operator raise, or write more than its bounds allow.

`make test` tries 25, the same ones each time; `SEATRIAL_FUZZ=5000 pytest tests/unit/specs` tries 5,000 others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from hypothesis import given, target

from seatrial.api.run import IntegrationRun
from seatrial.environment import secrets
from seatrial.environment.manifests import Inputs, environment
from seatrial.environment.problems import problems
from seatrial.environment.variables import RUN_BYTES
from seatrial.facts.attempt import AttemptFacts
from seatrial.lifecycle.plan import plan
from seatrial.masking.masker import Masker
from seatrial.settings import Budget, Settings
from seatrial_protocol import limits
from tests.unit.environment.support import CONFIG_MAPS, KEY, NOW, all_containers, inside
from tests.unit.specs.strategy import SPECS, profile

SETTINGS = Settings(key=KEY)


def leaves(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, part in value.items():
                yield name
                yield from leaves(part)
        case list():
            for part in value:
                yield from leaves(part)


@profile(25)
@given(spec=SPECS)
def test_what_the_schema_accepts_is_refused_with_a_path_or_rendered_within_bounds(spec: dict[str, Any]) -> None:
    began = time.process_time()
    run = IntegrationRun.parse({"metadata": {"name": "r", "namespace": "team-a", "uid": "u-1"}, "spec": spec})
    found = problems(run, CONFIG_MAPS, Budget())
    assert all(problem.path.startswith("spec") and problem.message for problem in found)
    plan(run, AttemptFacts(), NOW)
    if not found:
        result = environment(run, SETTINGS, Inputs(CONFIG_MAPS, NOW))
        written = len(json.dumps([result.namespace, *inside(result)]))
        assert written < 6 * RUN_BYTES + 2 * limits.MASKS.size  # what JSON and Base64 add to it, at worst
        for where, container in all_containers(result):
            names = [entry["name"] for entry in container.get("env", ())]
            assert len(names) == len(set(names)), where
    masker = Masker(secrets.masks(run.scope, run.spec, SETTINGS))
    masked = masker.tree(json.loads(json.dumps(spec)))
    target(time.process_time() - began)  # no limit: hypothesis looks for slower ones by it
    for secret in secrets.own(run.spec):
        if len(secret) >= 6 and "*" not in secret:
            assert not any(secret in leaf for leaf in leaves(masked))
