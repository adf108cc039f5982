"""What one run may ask for at most."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from seatrial.environment.problems import problems
from seatrial.settings import Budget, Settings
from tests.unit.environment.support import CONFIG_MAPS, KEY, container, make, render

BUDGET = Budget(
    replicas=10, cpu="2", memory="4Gi", disk="8Gi", storage="10Gi", artifacts="5Mi", lifetime=timedelta(hours=3)
)
APP = {"image": "i"}


def requesting(**requests: str) -> dict[str, Any]:
    return {"image": "i", "resources": {"requests": requests}}


@pytest.mark.parametrize(
    ("spec", "path", "message"),
    [
        ({"apps": {"a": APP | {"replicas": 4}, "b": APP | {"replicas": 7}}}, "spec.apps.b.replicas",
         "all apps have 11 replicas, and a run may have at most 10 here; ask for less, or raise the chart value "
         "environments.budget.replicas"),
        ({"apps": {"a": requesting(cpu="500m") | {"replicas": 4}}}, "spec.apps.a.resources.requests.cpu",
         "all pods request 2.025 CPUs, and a run may have at most 2 here"),
        ({"tests": requesting(cpu="1E")}, "spec.tests.resources.requests.cpu", "all pods request 1e+18 CPUs"),
        ({"services": {"postgres": {"resources": {"requests": {"memory": "4Gi"}}}}},
         "spec.services.postgres.resources.requests.memory",
         "all pods request 4.1 GiB, and a run may have at most 4Gi"),
        ({"migrations": [{"name": "m", "command": ["c"], **requesting(memory="5Gi")}]},
         "spec.migrations[0].resources.requests.memory", "5.1 GiB"),
        ({"apps": {"a": {"image": "i", "resources": {"limits": {"ephemeral-storage": "9Gi"}}}}},
         "spec.apps.a.resources.limits.ephemeral-storage", "9.0 GiB may be written, and a run may have at most 8Gi"),
        ({"sharedVolume": {"mountPath": "/s", "size": "1Ti"}}, "spec.sharedVolume.size",
         "a volume of 1Ti is asked for, and a run may have at most 10Gi here"),
        ({"retention": {"maxLifetime": "4h"}}, "spec.retention.maxLifetime",
         "the environment may live for 4h, and a run may have at most 3h here"),
    ],
)  # fmt: skip
def test_more_is_refused_with_field_and_limit(spec: Any, path: str, message: str) -> None:
    (found,) = problems(make(json.dumps(spec)), CONFIG_MAPS, BUDGET)
    assert found.path == path
    assert message in found.message


def test_what_fits_exactly_is_accepted() -> None:
    spec = {
        "apps": {"a": requesting(cpu="197.5m") | {"replicas": 10}},
        "tests": {"image": "i", "resources": {"limits": {"ephemeral-storage": "8Gi"}}},
        "sharedVolume": {"mountPath": "/s", "size": "10Gi"},
        "retention": {"maxLifetime": "3h"},
    }
    assert problems(make(json.dumps(spec)), CONFIG_MAPS, BUDGET) == ()


def test_the_collector_takes_no_more_artifacts_than_that() -> None:
    env = container(render(make(""), Settings(key=KEY, budget=BUDGET)), "Job", "tests", "collector")["env"]
    assert {"name": "SEATRIAL_ARTIFACTS_LIMIT", "value": str(5 * 2**20)} in env
