"""What a Compose project says, in the parts that matter here; each with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.cli.init.compose.values import Origin
from seatrial.cli.init.places import Place

COMPLETED = "service_completed_successfully"


@dataclass(frozen=True)
class Text:
    """A text and where it stands."""

    value: str
    place: Place


@dataclass(frozen=True)
class Words:
    """A command: its words, and where it stands. No words: the image's own does not count."""

    words: tuple[str, ...]
    place: Place


@dataclass(frozen=True)
class EnvVariable:
    """A variable of a service. A value of None is one that Compose takes from the shell, and that is not known."""

    name: str
    value: str | None
    place: Place
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True)
class Port:
    """A port of a container, and the one of the machine that leads to it."""

    target: int
    published: int | None
    protocol: str
    place: Place


@dataclass(frozen=True)
class Mount:
    """A volume or a path of the machine in a container."""

    kind: str
    source: str
    target: str
    place: Place


@dataclass(frozen=True)
class Dependency:
    """Another service that must be there first, and how far."""

    name: str
    condition: str
    place: Place


@dataclass(frozen=True)
class HealthCheck:
    """How Compose sees that a service is healthy: `CMD` and words, `CMD-SHELL` and a text, or `NONE`."""

    test: tuple[str, ...]
    place: Place


@dataclass(frozen=True)
class Build:
    """How an image is built. `inline` is a Dockerfile in the compose file itself."""

    context: str
    dockerfile: str
    target: str
    args: Mapping[str, str]
    place: Place
    inline: str = ""


@dataclass(frozen=True)
class ComposeService:
    """One service."""

    name: str
    place: Place
    image: Text | None = None
    build: Build | None = None
    entrypoint: Words | None = None
    command: Words | None = None
    environment: Mapping[str, EnvVariable] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    expose: tuple[tuple[int, Place], ...] = ()
    mounts: tuple[Mount, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    health: HealthCheck | None = None
    profiles: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    """Other names under which it is reached."""
    working_dir: Text | None = None
    restart: str = ""
    replicas: int = 1
    shared_memory: Text | None = None
    missing_files: tuple[Text, ...] = ()
    """Files of variables that it names and that are not there; `place` is where it names them."""
    examples: tuple[Text, ...] = ()
    """Files of variables that were read in place of missing ones."""
    unplaced: tuple[Text, ...] = ()
    """Fields that nothing here stands for."""


@dataclass(frozen=True)
class ComposeProject:
    """All services that some files describe together."""

    name: str
    files: tuple[str, ...]
    services: Mapping[str, ComposeService]
    given_name: str = ""
    """The name that the files give it; `name` is the folder's without one."""
    unset: Mapping[str, Place] = field(default_factory=dict)
    required: Mapping[str, tuple[Place, str]] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    """Files that the variables in the compose files came from: `.env`, or an example of it."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Those values, by name."""

    def environment_value(self, name: str) -> str | None:
        """The value of a variable in the files of variables."""
        return self.variables.get(name)
