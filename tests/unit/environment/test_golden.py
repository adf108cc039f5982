"""The manifests, compared exactly; `SEATRIAL_GOLDEN=write pytest tests/unit/environment` writes the files."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import yaml

from seatrial.environment.problems import problems
from seatrial.settings import Budget
from tests.unit.environment.support import CASES, CONFIG_MAPS, HERE, case, inside, load

ROOT = HERE.parents[2]


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(name: str) -> str:
    result = case(name)
    return yaml.dump_all([result.namespace, *inside(result)], Dumper=_Dumper, sort_keys=False, width=160)


@pytest.mark.parametrize("name", CASES)
def test_manifests_are_as_written_down(name: str) -> None:
    path = HERE / "golden" / f"{name}.yaml"
    if os.environ.get("SEATRIAL_GOLDEN") == "write":
        path.write_text(dump(name))
    assert dump(name) == path.read_text()


def dump_elsewhere(seed: int) -> str:
    """All cases, rendered by a process of its own, whose sets and dictionaries of strings have this hash seed."""
    program = "from tests.unit.environment.test_golden import *; print(*map(dump, CASES))"
    path = os.pathsep.join(str(ROOT / folder) for folder in ("operator", "runner", "."))
    variables = os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": path}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, env=variables, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_every_process_gives_the_same_manifests() -> None:
    assert dump_elsewhere(1) == dump_elsewhere(2)


def test_no_golden_file_is_left_without_its_run() -> None:
    assert sorted(path.stem for path in (HERE / "golden").glob("*.yaml")) == CASES


@pytest.mark.parametrize("name", CASES)
def test_the_written_runs_are_acceptable(name: str) -> None:
    assert problems(load(name), CONFIG_MAPS, Budget()) == ()
