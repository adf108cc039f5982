"""From a saved file to its verdict without an image of it: the command packs the working tree, the pods lay it out.

The project is one that its developers run with docker-compose: fixed credentials, every port on 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.conftest import call

if TYPE_CHECKING:
    from tests.e2e.conftest import Bench

pytestmark = pytest.mark.cluster
PROJECTS = Path(__file__).parent / "projects"
SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
TESTS = "tests/test_shop.py"


@dataclass(frozen=True)
class Said:
    """What the command printed, and how it ended."""

    code: int
    text: str


@pytest.fixture
async def project(tmp_path: Path) -> Path:
    """A clone of the project."""
    clone = tmp_path / "laptop"
    shutil.copytree(PROJECTS / "laptop", clone)
    await call("git", "init", "--quiet", str(clone))
    return clone


async def seatrial(folder: Path, *arguments: str) -> Said:
    """Runs the command in a folder."""
    process = await asyncio.create_subprocess_exec(
        SEATRIAL, *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return Said(process.returncode or 0, out.decode())


async def run(bench: Bench, folder: Path, name: str) -> Said:
    """`seatrial run` of the folder's seatrial.yaml, to its verdict."""
    said = await seatrial(folder, "--namespace", bench.namespace, "run", "--name", name, "--wait")
    if f"run {name} created" in said.text:
        bench.uids.append(await bench.uid(name))
    return said


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a manifest."""
    manifest = yaml.safe_load(file.read_text())
    change(manifest["spec"])
    file.write_text(yaml.safe_dump(manifest))


async def test_a_project_of_docker_compose_runs_from_its_tree_unchanged(bench: Bench, project: Path) -> None:
    said = await run(bench, project, "first")
    assert said.code == 0, said.text
    assert re.search(r"^code sha256:[0-9a-f]{12} uploaded", said.text, re.MULTILINE), said.text
    status = await bench.cleaned_up("first")
    assert (status["verdict"], status["testsSummary"]) == ("Passed", "3/3")
    assert "artifacts/reports/junit.xml" in await bench.files("first"), "what the suite's own options write is kept"

    tests = project / TESTS
    tests.write_text(tests.read_text().replace('.text == "3"', '.text == "4"'))
    said = await run(bench, project, "second")
    assert said.code == 1, said.text
    (failure,) = (await bench.verdict("second"))["failures"]
    assert failure["id"] == f"{TESTS}::test_an_article_is_stored_once"

    tests.write_text(tests.read_text().replace('.text == "4"', '.text == "3"'))
    (project / "local.secret").write_text("git ignores it")
    said = await run(bench, project, "third")
    assert said.code == 0, said.text
    assert "uploaded" not in said.text, "the tree is the first one again, and the archive has it"


async def test_a_manifest_written_by_init_passes_as_it_is(bench: Bench, project: Path) -> None:
    (project / "seatrial.yaml").unlink()
    said = await seatrial(project, "init")
    assert said.code == 0, said.text
    said = await run(bench, project, "by-init")
    assert said.code == 0, said.text


async def test_a_manifest_with_the_digest_is_applied_like_any_other(bench: Bench, project: Path) -> None:
    said = await run(bench, project, "uploads")
    assert said.code == 0, said.text
    digest = (await seatrial(project, "bundle")).text.split()[0]
    spec = yaml.safe_load((project / "seatrial.yaml").read_text())["spec"]
    status = await bench.run({**spec, "code": {"digest": digest, "mountPath": "/app"}})
    assert (status["verdict"], status["testsSummary"]) == ("Passed", "3/3")


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        (
            lambda spec: spec.update(code={"digest": f"sha256:{'0' * 64}", "mountPath": "/app"}),
            "BundleMissing", "uploads it",
        ),
        (
            lambda spec: spec["forwards"].update({"18001": "nobody"}),
            "InvalidSpec", "spec.forwards",
        ),
    ],
    ids=["no such bundle", "a forward to nobody"],
)  # fmt: skip
async def test_what_can_not_be_laid_out_says_why(
    bench: Bench, project: Path, change: Callable[[dict[str, Any]], object], reason: str, says: str
) -> None:
    spec = yaml.safe_load((project / "seatrial.yaml").read_text())["spec"]
    spec["code"] = {"digest": f"sha256:{'0' * 64}", "mountPath": "/app"}
    change(spec)
    status = await bench.run(spec)
    assert (status["verdict"], status["reason"]) == ("Errored", reason)
    assert says in status["message"]
