"""What the default test image sets, with the plugins that it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.unit.runner.recorded import Recorded

pytest_plugins = ["pytester"]

IMAGE = Path(__file__).parents[3] / "images" / "pytest"
SOURCE = """
    import asyncio
    import pytest

    @pytest.mark.asyncio
    async def test_async(): await asyncio.sleep(0)
    def test_plain(): pass
"""


def image_env(name: str) -> str:
    """A variable of the image."""
    (line,) = re.findall(rf"^ENV {name}=(.*)$", (IMAGE / "Dockerfile").read_text(), re.MULTILINE)
    (value,) = shlex.split(line)
    return value


@pytest.mark.parametrize("ini", ["filterwarnings = error", "asyncio_default_fixture_loop_scope = session"])
@pytest.mark.parametrize("args", [(), ("-pxdist", "-n1")], ids=["alone", "xdist"])
def test_warnings_as_errors(recorded: Recorded, args: tuple[str, ...], ini: str) -> None:
    recorded.env(PYTEST_ADDOPTS=image_env("PYTEST_ADDOPTS"))
    recorded.pytester.makeini(f"[pytest]\n{ini}\n")
    result = recorded.run(SOURCE, "-p", "pytest_asyncio.plugin", "-p", "anyio.pytest_plugin", *args)
    assert result.ret == 0
    result.assert_outcomes(passed=2)
    setting = ini.partition(" = ")[2] if "loop_scope" in ini else None
    result.stdout.fnmatch_lines([f"*asyncio_default_fixture_loop_scope={setting}*"] if not args else [])
