"""The servers that play for the command: a test fails where its play fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import Servers, shows


async def fails(run: dict[str, Any]) -> None:
    assert run["metadata"]["name"] == "another"


def test_a_step_that_fails_interrupts_the_command(seatrial: Command, servers: Servers, file: Callable[[], str]) -> None:
    servers.play({"phase": "Starting", "namespace": "st-pr-1-abcde"}, shows("is starting"), fails)
    with pytest.raises(AssertionError, match="another") as caught:
        seatrial("run", file(), "--wait")
    assert caught.traceback[-1].name == "fails"


def test_a_step_that_fails_at_once_does_too(seatrial: Command, servers: Servers) -> None:
    servers.run()
    servers.play(fails)
    with pytest.raises(AssertionError, match="another"):
        seatrial("wait", "pr-1")
