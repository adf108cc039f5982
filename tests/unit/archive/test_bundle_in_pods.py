"""From a folder to the processes of an environment: packed, put, rendered, fetched and unpacked by the real parts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from seatrial.api.run import IntegrationRun
from seatrial.archive.server.threads import in_thread
from seatrial.cli.bundle.listing import list_tree
from seatrial.cli.bundle.pack import Bundle, pack
from seatrial.environment.manifests import Inputs, environment
from seatrial.settings import Settings
from tests.unit.archive.support import KEY, Serve, Server
from tests.unit.archive.test_bundles import Team, put
from tests.unit.environment.support import NOW, container, environment_of

LAUNCHER = Path(__file__).parents[3] / "runner" / "launch"
SHOW = (
    'import json, os; print(json.dumps({"cwd": os.getcwd(), "lib": open("../lib.py").read(), '
    '"link": open("link.py").read(), "own": open("../of_image.txt").read(), '
    '"token": os.environ.get("SEATRIAL_BUNDLE_TOKEN")}))'
)


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The launcher, built."""
    if shutil.which("go") is None:
        pytest.skip("needs Go")
    program = tmp_path_factory.mktemp("launcher") / "launch"
    environment = os.environ | {"CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", program, "."], cwd=LAUNCHER, env=environment, check=True)
    return program


@pytest.fixture
async def server(serve: Serve) -> AsyncIterator[Server]:
    async with serve(reviewer=Team()) as started:
        yield started


@pytest.fixture
def packed(tmp_path: Path) -> Bundle:
    """A project: a library of its own over the image's, tests, and a link."""
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / "lib.py").write_text("of the bundle")
    (project / "tests" / "link.py").symlink_to("../lib.py")
    return pack(project, list_tree(project), tmp_path / "bundle.tar.gz")


def command_of(bundle: Bundle, server: Server, launcher: Path, root: Path) -> tuple[list[str], dict[str, str]]:
    """The command and the variables of a migration as they are rendered, below another root and running something else.

    What it waits for does not exist here.
    """
    step = {"name": "m", "image": "i", "command": ["python3", "-c", SHOW], "workingDir": "/app/tests"}
    spec = {"code": {"digest": bundle.digest, "mountPath": "/app"}, "migrations": [step], "tests": {"image": "i"}}
    run = IntegrationRun.parse({"metadata": {"name": "a", "namespace": "team-a", "uid": "u-1"}, "spec": spec})
    settings = Settings(key=KEY, archive_upload_url=f"http://127.0.0.1:{server.upload_port}")
    result = environment(run, settings, Inputs({}, NOW))
    words = container(result, "Pod", "migrations", "m")["command"]
    moved = [word.replace("/seatrial-image", f"{root}/image") for word in words[1:]]
    moved = [
        f"{root}{word}" if word in ("/app", "/app/tests") else word.replace(":/app", f":{root}/app") for word in moved
    ]
    beacon = moved.index("--beacon")  # which would keep it
    variables = environment_of(result, "Pod", "migrations", "m") | {"PATH": os.environ["PATH"]}
    termination = ["--termination-log", f"{root}/termination"]
    return [str(launcher), moved[0], *termination, *moved[1:beacon], *moved[beacon + 2 :]], variables


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of a container: its image's, and the empty volume at /app."""
    (tmp_path / "root" / "image" / "app").mkdir(parents=True)
    (tmp_path / "root" / "app").mkdir()
    (tmp_path / "root" / "image" / "app" / "of_image.txt").write_text("of the image")
    (tmp_path / "root" / "image" / "app" / "lib.py").write_text("of the image")
    (tmp_path / "root" / "termination").touch()
    return tmp_path / "root"


async def test_a_process_runs_in_the_bundle_over_its_image(
    server: Server, launcher: Path, packed: Bundle, root: Path
) -> None:
    assert (await put(server, packed.path.read_bytes())).status_code == 201
    command, variables = command_of(packed, server, launcher, root)
    for _ in ("first", "started again in its pod"):
        ended = await in_thread(subprocess.run, command, env=variables, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout) == {
            "cwd": f"{root}/app/tests",
            "lib": "of the bundle",
            "link": "of the bundle",
            "own": "of the image",
            "token": None,
        }


async def test_a_bundle_that_nobody_put_is_named(server: Server, launcher: Path, packed: Bundle, root: Path) -> None:
    command, variables = command_of(packed, server, launcher, root)
    ended = await in_thread(subprocess.run, command, env=variables, capture_output=True, text=True)
    assert ended.returncode != 0
    assert json.loads((root / "termination").read_text())["code"] == "bundle-missing"
