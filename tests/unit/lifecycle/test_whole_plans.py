"""Nothing of a plan changes unnoticed: no field of its status, no condition, message, action or Event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.lifecycle.plans import FILE, all_shown

EXPECTED: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
SHOWN = all_shown()


@pytest.mark.parametrize("name", sorted(EXPECTED.keys() | SHOWN.keys()))
def test_the_whole_plan_is_as_it_was(name: str) -> None:
    """After a change that is meant: `python -m tests.unit.lifecycle.plans`, and read the difference."""
    assert SHOWN.get(name) == EXPECTED.get(name)
