"""All that is read of a project before anything is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.cli.init.compose.model import ComposeProject
from seatrial.cli.init.places import Place
from seatrial.cli.init.sources.alembic import AlembicConfig
from seatrial.cli.init.sources.dockerfile import Dockerfile
from seatrial.cli.init.sources.pytest_config import PytestConfig
from seatrial.cli.init.sources.scripts import Script
from seatrial.cli.init.sources.test_code import StartedContainer

FILE, FOLDER = "file", "folder"


@dataclass(frozen=True)
class Material:
    """What a project has."""

    name: str
    compose: ComposeProject | None = None
    dockerfiles: Mapping[str, Dockerfile] = field(default_factory=dict)
    """By the service that is built of it."""
    unread: tuple[tuple[Place, str], ...] = ()
    """Dockerfiles that can't be read: where they are named, and why."""
    root_dockerfile: Dockerfile | None = None
    """The one in the project's folder, where no compose file builds it."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Of paths that are mounted or copied: `file` or `folder`; others are not there."""
    sql: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By mounted path: the texts of the initial SQL there, by name. Names that are no SQL have an empty text."""
    pytest: PytestConfig | None = None
    tests_root: str = "."
    """The folder that has the tests' folder or pytest's configuration."""
    tests_folder: str = ""
    """The folder with the tests that a system is needed for, such as `tests/integration`; empty if there is none."""
    alembic: AlembicConfig | None = None
    migrated_by_tests: Place | None = None
    """Where the test code itself brings the schema up to date."""
    containers: tuple[StartedContainer, ...] = ()
    script: Script | None = None
    """A script that starts the system and its tests by hand."""
    ignored_env: bool = False
    """Whether there is a `.env` that git ignores: no bundle has it."""
    has_pytest: Mapping[str, Place] = field(default_factory=dict)
    """By Dockerfile: where pytest is installed in its image."""
    packages: Mapping[str, Place] = field(default_factory=dict)
    """Packages that the project declares."""

    @property
    def source(self) -> str:
        """The file that most of it is from."""
        return self.compose.files[0] if self.compose else "."
