"""Which files `.seatrialignore` and `.dockerignore` leave out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from pathspec import GitIgnoreSpec, PathSpec
from pathspec.patterns.gitignore import GitIgnorePatternError

SEATRIAL_IGNORE = ".seatrialignore"
"""Written as a `.gitignore`."""
DOCKER_IGNORE = ".dockerignore"


@dataclass(frozen=True)
class Ignore:
    """The patterns of one file."""

    _spec: PathSpec[Any] | GitIgnoreSpec
    has_exceptions: bool
    """Whether a file in a folder that is left out may be taken again."""

    @classmethod
    def nothing(cls) -> Self:
        """Leaves nothing out."""
        return cls(GitIgnoreSpec.from_lines(()), False)

    @classmethod
    def of_git(cls, text: str) -> Self:
        """Patterns as in a `.gitignore`.

        Raises:
            ValueError: one is not valid; says which.
        """
        lines = text.splitlines()
        return cls(_valid(GitIgnoreSpec, lines), any(line.startswith("!") for line in lines))

    @classmethod
    def of_docker(cls, text: str) -> Self:
        """Patterns as in a `.dockerignore`: each begins at the top of the tree, and the last that matches decides.

        Raises:
            ValueError: one is not valid; says which.
        """
        lines = [line.strip() for line in text.splitlines()]
        anchored = [_anchored(line) for line in lines if line and not line.startswith("#")]
        return cls(_valid(PathSpec, anchored), any(line.startswith("!") for line in anchored))

    def leaves_out(self, path: str) -> bool:
        """Whether this file, or all of this folder unless there are exceptions, is left out."""
        return bool(self._spec.match_file(path))


def _anchored(pattern: str) -> str:
    """A pattern of Docker's as Git reads it: `tests` is `/tests`, which has all that is in it too."""
    exception = "!" if pattern.startswith("!") else ""
    return f"{exception}/{pattern.removeprefix('!').strip().removeprefix('./').strip('/')}"


def _valid(kind: type[PathSpec[Any]], lines: Sequence[str]) -> PathSpec[Any]:
    for line in lines:
        try:
            PathSpec.from_lines("gitignore", [line])
        except (GitIgnorePatternError, ValueError) as error:
            raise ValueError(f"{line!r} is not a valid pattern") from error
    return kind.from_lines(lines) if kind is GitIgnoreSpec else kind.from_lines("gitignore", lines)
