"""Fixtures of the tests of the runner."""

from __future__ import annotations

import pytest

from tests.unit.runner.recorded import Recorded


@pytest.fixture
def recorded(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    return Recorded(pytester, monkeypatch)
