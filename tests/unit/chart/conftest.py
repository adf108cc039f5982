"""Renders the chart; without helm these tests are skipped."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
import yaml

from tests.unit.chart.rendering import Rendered, find_helm, run_helm


@pytest.fixture(scope="session")
def template() -> Callable[..., subprocess.CompletedProcess[str]]:
    helm = find_helm()
    if helm is None:
        pytest.skip("no helm: `make cluster` puts one into the cache, or install it from https://helm.sh")
    return lambda *arguments: run_helm(helm, arguments)


@pytest.fixture(scope="session")
def render(template: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., Rendered]:
    """render("a.b=1", ..., kubernetes="1.36.0"): the objects with these values."""

    def render(*values: str, kubernetes: str = "1.36.0") -> Rendered:
        done = template("--kube-version", kubernetes, *(part for value in values for part in ("--set", value)))
        assert done.returncode == 0, done.stderr
        return Rendered(tuple(o for o in yaml.safe_load_all(done.stdout) if o))

    return render
