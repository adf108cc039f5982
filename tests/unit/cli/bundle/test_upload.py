"""Code of this machine in a run: `code: {local, mountPath}` in its file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.bundle.trees import fill
from tests.unit.cli.conftest import RUN, Command
from tests.unit.cli.servers import Servers, refusal


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return fill(tmp_path / "project", {
        "run.yaml": RUN + "  code: {local: src, mountPath: /app}\n", "src/test_a.py": "def test_a(): pass\n",
    })  # fmt: skip


def code_of(servers: Servers, name: str = "pr-1") -> dict[str, Any]:
    return dict(servers.find("integrationruns", name)["spec"]["code"])


def test_the_code_is_packed_and_uploaded(seatrial: Command, servers: Servers, project: Path) -> None:
    assert seatrial("bundle", str(project / "src")) == 0
    digest = seatrial.out.strip()
    assert seatrial("run", str(project / "run.yaml")) == 0, seatrial.err
    assert code_of(servers) == {"digest": digest, "mountPath": "/app"}
    assert servers.bundles == [f"default {digest}"]
    assert servers.writes == ["create strict dry", "create strict"]
    assert f"code {digest[:19]} uploaded in " in seatrial.out
    assert ": 1 file, " in seatrial.out


def test_unchanged_code_is_not_uploaded_again(seatrial: Command, servers: Servers, project: Path) -> None:
    assert seatrial("run", str(project / "run.yaml")) == 0
    assert seatrial("run", str(project / "run.yaml"), "--name", "second") == 0
    assert "is in the archive: 1 file, " in seatrial.out
    assert code_of(servers) == code_of(servers, "second")
    assert servers.writes[2:] == ["create strict"]
    (project / "src/test_a.py").write_text("def test_a(): assert 1\n")
    assert seatrial("run", str(project / "run.yaml"), "--name", "third") == 0
    assert len(servers.bundles) == 2


def test_each_namespace_has_its_own(seatrial: Command, servers: Servers, project: Path) -> None:
    for namespace in ("team-a", "team-b"):
        assert seatrial("run", str(project / "run.yaml"), "-n", namespace) == 0
    assert [line.split()[0] for line in servers.bundles] == ["team-a", "team-b"]


def test_nothing_is_uploaded_for_a_run_that_is_refused(seatrial: Command, servers: Servers, project: Path) -> None:
    servers.refusals = [refusal(400, 'strict decoding error: unknown field "spec.tests.markerz"')]
    assert seatrial("run", str(project / "run.yaml")) == 4
    assert servers.bundles == []


def test_who_may_not_create_runs_uploads_nothing(seatrial: Command, servers: Servers, project: Path) -> None:
    servers.everybody.may_create = False
    assert seatrial("run", str(project / "run.yaml")) == 3
    assert "you may not create runs in namespace default" in seatrial.err
    assert "read the archive" not in seatrial.err
    assert servers.writes == []


def test_local_code_of_standard_input_is_in_this_folder(
    seatrial: Command, servers: Servers, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr("sys.stdin", io.StringIO((project / "run.yaml").read_text()))
    assert seatrial("run", "-") == 0
    assert len(servers.bundles) == 1


def test_a_digest_passes_as_it_is(seatrial: Command, servers: Servers, project: Path) -> None:
    digest = "sha256:" + "a" * 64
    (project / "run.yaml").write_text(RUN + f"  code: {{digest: '{digest}', mountPath: /app}}\n")
    assert seatrial("run", str(project / "run.yaml")) == 0
    assert code_of(servers)["digest"] == digest
    assert servers.writes == ["create strict"]


def test_a_folder_that_is_not_there(seatrial: Command, servers: Servers, project: Path) -> None:
    (project / "run.yaml").write_text(RUN + "  code: {local: none, mountPath: /app}\n")
    assert seatrial("run", str(project / "run.yaml")) == 4
    assert f"there is no folder {project}/none" in seatrial.err
    assert servers.writes == []


def test_a_bundle_for_kubectl(seatrial: Command, servers: Servers, project: Path) -> None:
    assert seatrial("bundle", str(project / "src"), "--upload", "-n", "team-a") == 0
    assert servers.bundles == [f"team-a {seatrial.out.strip()}"]
    assert "uploaded" in seatrial.err
    assert seatrial("bundle", str(project / "src"), "--upload", "-n", "team-a") == 0
    assert "is in the archive" in seatrial.err


def test_code_that_is_gone_can_not_run_again(seatrial: Command, servers: Servers, project: Path) -> None:
    assert seatrial("run", str(project / "run.yaml")) == 0
    assert seatrial("rerun", "pr-1") == 0
    for bundle in (servers.archive.folder / "bundles").glob("*/*"):
        bundle.unlink()
    assert seatrial("rerun", "pr-1") == 4
    assert "the code of run pr-1 is in the archive no longer" in seatrial.err
