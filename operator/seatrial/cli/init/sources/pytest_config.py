"""Reads pytest's configuration: pytest.ini, pyproject.toml, tox.ini, setup.cfg, in pytest's own order."""

from __future__ import annotations

import configparser
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.cli.init.compose.model import Text
from seatrial.cli.init.folder import Folder, joined
from seatrial.cli.init.places import Place, ReadError

FILES = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_SECTIONS = {"pyproject.toml": "tool.pytest.ini_options", "setup.cfg": "tool:pytest"}


@dataclass(frozen=True)
class PytestConfig:
    """What pytest is configured to do in a folder."""

    folder: str
    place: Place
    testpaths: tuple[str, ...] = ()
    testpaths_place: Place | None = None
    markers: tuple[Text, ...] = ()
    """Names of markers, with where they are declared."""
    addopts: tuple[str, ...] = ()
    addopts_place: Place | None = None
    env: bool = False
    """Whether pytest-env sets variables from it."""

    @property
    def deselected(self) -> tuple[str, ...]:
        """The markers that its own options leave out: `-m "not slow and not e2e"`."""
        expression = option(self.addopts, "-m")
        parts = re.split(r"\s+and\s+", expression.strip()) if expression else []
        matches = [re.fullmatch(r"\(?\s*not\s+([A-Za-z_][A-Za-z0-9_]*)\s*\)?", part) for part in parts]
        return tuple(match[1] for match in matches if match) if all(matches) else ()


def option(words: Sequence[str], name: str) -> str:
    """The value of a short option of pytest: `-m x`, `-mx`, `-m=x`; the last one counts."""
    found = ""
    for index, word in enumerate(words):
        if word == name and index + 1 < len(words):
            found = words[index + 1]
        elif word.startswith(name) and len(word) > len(name) and not word.startswith("--"):
            found = word[len(name) :].removeprefix("=")
    return found


def read(folder: Folder, where: str) -> PytestConfig | None:
    """The configuration in a folder; None if there is none.

    Raises:
        ReadError: the file can't be read, or is not what its name says.
    """
    for name in FILES:
        path = joined(where, name)
        text = folder.text(path) if folder.is_file(path) else None
        if text is None:
            continue
        fields = _toml(text, path) if name.endswith(".toml") else _ini(text, path, _SECTIONS.get(name, "pytest"))
        if fields is not None or name in ("pytest.ini", ".pytest.ini"):
            return _config(fields or {}, text, path, where)
    return None


def _toml(text: str, path: str) -> Mapping[str, Any] | None:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ReadError(path, f"not valid TOML: {error}") from error
    pytest = document.get("tool", {}).get("pytest") if isinstance(document.get("tool", {}), dict) else None
    if not isinstance(pytest, dict):
        return None
    options = pytest.get("ini_options", pytest)
    return options if isinstance(options, dict) else None


def _ini(text: str, path: str, section: str) -> Mapping[str, Any] | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ReadError(path, f"not a valid ini file: {error.message.splitlines()[0]}") from error
    return dict(parser[section]) if parser.has_section(section) else None


def _config(fields: Mapping[str, Any], text: str, path: str, where: str) -> PytestConfig:
    begin = _line_of(text, r"\[(tool\.pytest(\.ini_options)?|tool:pytest|pytest)\]", 1)

    def place(name: str) -> Place:
        return Place(path, _line_of(text, rf"\s*{name}\s*=", begin, begin))

    names = [match[0] for line in _lines(fields.get("markers")) if (match := re.match(r"[A-Za-z_]\w*", line))]
    markers = [Text(name, Place(path, _line_of(text, rf".*\b{name}\b", begin, begin))) for name in names]
    return PytestConfig(
        folder=where,
        place=Place(path, begin),
        testpaths=tuple(path for line in _lines(fields.get("testpaths")) for path in line.split()),
        testpaths_place=place("testpaths"),
        markers=tuple(markers),
        addopts=tuple(_options(fields.get("addopts"))),
        addopts_place=place("addopts"),
        env="env" in fields or "env_files" in fields,
    )


def _lines(value: object) -> list[str]:
    lines = value.splitlines() if isinstance(value, str) else value if isinstance(value, list) else []
    return [line.strip() for line in lines if isinstance(line, str) and line.strip()]


def _options(value: object) -> list[str]:
    if isinstance(value, list):
        return [word for word in value if isinstance(word, str)]
    try:
        return shlex.split(value) if isinstance(value, str) else []
    except ValueError:
        return []


def _line_of(text: str, pattern: str, default: int, after: int = 1) -> int:
    """The first line from `after` on that begins like the pattern."""
    for number, line in enumerate(text.split("\n"), 1):
        if number >= after and re.match(pattern, line):
            return number
    return default
