"""What a command line does: runs tests, prepares a database, serves a port."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.cli.init.compose.model import ComposeService, Words
from seatrial.cli.init.places import Place
from seatrial.cli.init.sources.dockerfile import Dockerfile

_SHELLS = ("sh", "bash", "ash", "dash", "/bin/sh", "/bin/bash", "/usr/bin/bash")
_TESTS = re.compile(r"(?:^|[\s/;&|\"'])(?:pytest|py\.test)(?:$|[\s;&|\"'])|\bpython3?\s+-m\s+pytest\b")
_OTHER_RUNNER = re.compile(
    r"\bmanage\.py\s+test\b|\bpython3?\s+-m\s+unittest\b|(?:^|[\s/])(?:tox|nox)(?:$|\s)|\bmake\s+test"
)
_MIGRATION = re.compile(
    r"\balembic\b[^&|;]*\bupgrade\b|\bmanage\.py\s+migrate\b|\bflask\b[^&|;]*\bdb\s+upgrade\b|\baerich\s+upgrade\b"
    r"|\byoyo\s+apply\b|\bpiccolo\s+migrations\s+forwards\b|\bdbmate\b.*\bup\b|\bflyway\b.*\bmigrate\b"
    r"|\bpython3?\s+-m\s+[\w.]*migrat\w*|\bprisma\s+migrate\s+deploy\b"
)
_SERVER = re.compile(
    r"\b(uvicorn|gunicorn|hypercorn|daphne|granian|runserver|celery|fastapi\s+(run|dev)|flask\s+run|waitress-serve|rq\s+worker"
    r"|arq|dramatiq|faststream|litestar\s+run|streamlit|sanic|supervisord|npm|node|yarn)\b"
)
_PORT = re.compile(
    r"(?:--port[ =]|-p[ =]?|--bind[ =]\S*?:|-b[ =]?\S*?:|runserver\s+\S*?:|--server\.port[ =]|--http-port[ =])"
    r"([0-9]{2,5})\b"
)


@dataclass(frozen=True)
class Process:
    """What a container starts. Without a command it is the image's own, and `args` are its arguments."""

    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    place: Place | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """All that is known of it."""
        return (*self.command, *self.args)

    @property
    def text(self) -> str:
        """As one would type it."""
        script = shell_script(self.words)
        return script if script is not None else " ".join(self.words)


def process_of(service: ComposeService, dockerfile: Dockerfile | None) -> Process:
    """What a service starts: its own command, else the Dockerfile's."""
    entry: Words | None = service.entrypoint
    given: Words | None = service.command
    if dockerfile is not None:
        if entry is None:
            entry = dockerfile.entrypoint
            given = given or dockerfile.command
        command = (*(entry.words if entry else ()), *(given.words if given else ()))
        place = given.place if given and given.words else entry.place if entry else None
        return Process(command=command, place=place)
    if entry is not None and entry.words:
        return Process((*entry.words, *(given.words if given else ())), (), (given or entry).place)
    return Process((), given.words if given else (), given.place if given else None)


def shell_script(words: Sequence[str]) -> str | None:
    """The script of `sh -c SCRIPT`; None if it is no such command."""
    if len(words) >= 3 and words[0] in _SHELLS and words[1].startswith("-") and words[1].endswith("c"):
        return words[2]
    return None


def runs_tests(text: str) -> bool:
    """Whether it runs pytest."""
    return bool(_TESTS.search(text))


def runs_other_tests(text: str) -> bool:
    """Whether it runs tests with something else, which may run pytest in turn."""
    return bool(_OTHER_RUNNER.search(text))


def is_migration(text: str) -> bool:
    """Whether it brings a database's schema up to date and then ends."""
    return bool(_MIGRATION.search(text)) and not _SERVER.search(text) and not runs_tests(text)


def mentions_migration(text: str) -> bool:
    """Whether it brings a database's schema up to date, whatever else it does."""
    return bool(_MIGRATION.search(text))


def port_of(text: str) -> int | None:
    """The port that a command line makes a server listen on."""
    match = _PORT.search(text)
    number = int(match[1]) if match else 0
    return number if 0 < number <= 65535 else None


def steps(text: str) -> list[str]:
    """The commands of a script that are joined by `&&`, `;` or line ends."""
    parts = re.split(r"\s*(?:&&|;|\n)\s*", text)
    return [part.strip() for part in parts if part.strip()]


def split(text: str) -> list[str]:
    """The words of a command; cut at spaces if its quotes don't match."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
