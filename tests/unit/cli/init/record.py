"""Records the manifests of all projects anew: `python -m tests.unit.cli.init.record`; look at the difference."""

from __future__ import annotations

import tempfile
from pathlib import Path

from seatrial.cli.init.convert.manifest import Manifest, manifest
from seatrial.cli.init.folder import Folder
from seatrial.cli.init.gather import compose_files, gather
from seatrial.cli.init.write import written
from tests.unit.cli.init.projects import NAMES, golden, project


def made(root: Path) -> tuple[Manifest, str]:
    """The manifest of a project, and its text."""
    folder = Folder(root)
    files = compose_files(folder)
    found = manifest(gather(folder, files))
    return found, written(found, files)


def main() -> None:
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            golden(name).write_text(made(project(name, Path(folder)))[1])


if __name__ == "__main__":
    main()
