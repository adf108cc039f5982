"""What containers request and may use at most."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.api.container import Resources
from seatrial.environment import resources
from tests.unit.environment.support import container, find, make, pod_spec, render


@pytest.mark.parametrize(
    ("requests", "limits", "expected"),
    [
        ({}, {}, ({"cpu": "25m", "memory": "64Mi"}, {"memory": "1Gi"})),
        ({"cpu": "1"}, {"cpu": 2}, ({"cpu": "1", "memory": "64Mi"}, {"memory": "1Gi", "cpu": 2})),
        ({}, {"memory": "32Mi"}, ({"cpu": "25m", "memory": "32Mi"}, {"memory": "32Mi"})),
        ({}, {"cpu": "10m"}, ({"cpu": "10m", "memory": "64Mi"}, {"memory": "1Gi", "cpu": "10m"})),
        ({"memory": "2Gi"}, {}, ({"cpu": "25m", "memory": "2Gi"}, {"memory": "2Gi"})),
        ({"example.com/gpu": 1}, {"example.com/gpu": 1},
         ({"cpu": "25m", "memory": "64Mi", "example.com/gpu": 1}, {"memory": "1Gi", "example.com/gpu": 1})),
    ],
)  # fmt: skip
def test_resources(requests: Any, limits: Any, expected: Any) -> None:
    found = resources.resources(resources.APP, Resources(requests=requests, limits=limits))
    assert (found["requests"].pop("ephemeral-storage"), found["limits"].pop("ephemeral-storage")) == ("0", "2Gi")
    assert (found["requests"], found["limits"]) == expected


def test_what_may_be_written_is_the_users_to_say() -> None:
    result = render(
        make(
            """
            services: {minio: {resources: {limits: {ephemeral-storage: 9Gi}}}}
            tests: {image: i, resources: {limits: {ephemeral-storage: 8Gi}, requests: {ephemeral-storage: 1Gi}}}
            """
        )
    )
    assert container(result, "Pod", "minio")["resources"]["limits"]["ephemeral-storage"] == "9Gi"
    tests = pod_spec(find(result, "Job", "tests"))
    assert tests["containers"][0]["resources"]["requests"]["ephemeral-storage"] == "1Gi"
    sizes = {v["name"]: v["emptyDir"]["sizeLimit"] for v in tests["volumes"] if "emptyDir" in v}
    assert sizes == {"tmp": "8Gi", "results": "8Gi", "collector-tmp": "1Gi"}
    (data,) = (v for v in pod_spec(find(result, "Pod", "minio"))["volumes"] if v["name"] == "data")
    assert data["emptyDir"] == {"sizeLimit": "9Gi"}


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), (2, 2), ("250m", 0.25), ("1.5Gi", 1.5 * 2**30), ("1k", 1000), ("1e3", 1000), ("1E", 10**18), ("2.", 2),
     (".5", 0.5)],
)  # fmt: skip
def test_quantities(text: int | str, number: float) -> None:
    assert resources.quantity(text) == number


@pytest.mark.parametrize("text", ["", "1 Gi", "-1", "1GB", "Gi", "1e", "one", "1.2.3"])
def test_no_quantities(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        resources.quantity(text)
