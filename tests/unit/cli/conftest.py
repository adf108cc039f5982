from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from seatrial.cli import connect
from seatrial.cli.connect import Session, Target
from seatrial.cli.main import main
from tests.unit.cli.fakes import FakeArchive, FakeCluster


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def archive() -> FakeArchive:
    return FakeArchive()


class Command:
    """Calls the command as a shell would; keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        code = main(list(arguments))
        captured = self._capsys.readouterr()
        self.out, self.err = captured.out, captured.err
        return code


@pytest.fixture
def seatrial(
    cluster: FakeCluster,
    archive: FakeArchive,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    @asynccontextmanager
    async def fake(target: Target) -> AsyncIterator[Session]:
        transport = httpx.MockTransport(lambda request: httpx.Response(200, text=request.url.path))
        yield Session(cluster, archive, target.namespace or cluster.default_namespace, transport)

    monkeypatch.setattr(connect, "connect", fake)
    return Command(capsys)


RUN = """\
apiVersion: seatrial.dev/v1alpha1
kind: IntegrationRun
metadata: {name: pr-1}
spec:
  services: {postgres: {}}
  tests: {image: t}
"""


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str = RUN) -> str:
        path = tmp_path / "run.yaml"
        path.write_text(text)
        return str(path)

    return write
