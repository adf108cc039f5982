"""Wrong values are refused, and values.yaml and its schema know the same ones."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
import yaml

from tests.unit.chart.rendering import CHART, Object, Rendered

Render = Callable[..., Rendered]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("archiv.persistence.enabled=false", "archiv"),
        ("archive.persistence.enable=false", "enable"),
        ("archive.persistence.size=lots", "size"),
        ("archive.maxFile=0", "maxFile"),
        ("archive.bucket=http://x", "bucket"),
        ("archive.database=mysql://x/y", "database"),
        ("archive.retention.age=30d", "age"),
        ("archive.patienceSeconds=0", "patienceSeconds"),
        ("operator.replicas=2", "replicas"),
        ("operator.logLevel=loud", "logLevel"),
        ("operator.sweepSeconds=0", "sweepSeconds"),
        ("images.pullPolicy=Sometimes", "pullPolicy"),
        ("images.operators=x", "operators"),
        ("tools=imagevolume", "tools"),
        ("janitor.schedule=often", "schedule"),
        ("environments.dns=null", "dns"),
        ("uninstall.timeoutSeconds=0", "timeoutSeconds"),
        ("admissionPolicy.enabled=maybe", "enabled"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    template: Callable[..., subprocess.CompletedProcess[str]], value: str, complaint: str
) -> None:
    done = template("--set", value)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_values_and_schema_know_the_same_keys() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def check(value: object, part: Object, path: str) -> None:
        if isinstance(value, dict) and "properties" in part:
            assert part["additionalProperties"] is False, path
            for key, inner in value.items():
                check(inner, part["properties"][key], f"{path}.{key}")
            unknown = set(part["properties"]) - set(value) - {"global", "claims", "requests", "limits"}
            assert not unknown, f"{path}: in the schema, not in values.yaml: {unknown}"

    check(values, schema, "values")


def test_too_old_a_kubernetes_is_refused(template: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = template("--kube-version", "1.29.9")
    assert done.returncode != 0
    assert "1.30" in done.stderr
