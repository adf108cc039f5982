"""Reads which packages a project declares, and whether a Dockerfile installs pytest."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.cli.init.folder import Folder, joined
from seatrial.cli.init.places import Place, ReadError
from seatrial.cli.init.sources.dockerfile import Dockerfile

NESTED = 5
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_NESTED = re.compile(r"\s*(?:-r|--requirement|-c)[ =]?\s*(\S+)")
_FILE = re.compile(r"(?:-r|--requirement)[ =]?\s*(\S+)")
_EXTRAS = re.compile(r"\.\[([A-Za-z0-9_,\s-]+)\]")
_PYTEST_IMAGE = re.compile(r"(^|/)[\w.-]*pytest[\w.-]*([:@]|$)")
_WITHOUT_DEV = re.compile(
    r"--no-dev|--only[ =]main|--without[ =]\S*dev|--no-default-groups|--prod\b|--production|--no-group|--only-group"
)


def declared(folder: Folder, where: str) -> dict[str, Place]:
    """Packages by their normal name, of all kinds: to run, to test, to develop."""
    found: dict[str, Place] = {}
    for name in folder.names(where):
        if re.fullmatch(r"(dev-|test-)?requirements[\w.-]*\.(txt|in)", name):
            found.update(_requirements(folder, joined(where, name), 0))
    for name in folder.names(joined(where, "requirements")):
        if name.endswith((".txt", ".in")):
            found.update(_requirements(folder, joined(where, f"requirements/{name}"), 0))
    for _, each in (*_groups(folder, where), *_pipfile(folder, where)):
        found.update(each)
    return found


def pytest_in_image(folder: Folder, dockerfile: Dockerfile, context: str) -> Place | None:
    """Where a Dockerfile installs pytest; None if nothing in it says so."""
    if _PYTEST_IMAGE.search(dockerfile.base.value):
        return dockerfile.base.place
    found = (_pytest_in_stage(folder, stage, context) for stage in (dockerfile, *dockerfile.stages))
    return next((place for place in found if place is not None), None)


def _pytest_in_stage(folder: Folder, dockerfile: Dockerfile, context: str) -> Place | None:
    groups = {**dict(_pipfile(folder, context)), **dict(_groups(folder, context))}
    for run in dockerfile.runs:
        text = run.value
        if re.search(r"\bpytest\b", text):
            return run.place
        for file in _FILE.findall(text):
            if place := _requirements(folder, _in_context(folder, dockerfile, context, file), 0).get("pytest"):
                return place
        extras = {name.strip() for match in _EXTRAS.findall(text) for name in match.split(",")}
        extras |= set(re.findall(r"--(?:extra|group|with)[ =](\S+)", text))
        if re.search(r"--all-extras|--all-groups", text):
            extras = set(groups)
        if re.search(r"\b(uv sync|poetry install|pdm install|pdm sync)\b", text) and not _WITHOUT_DEV.search(text):
            extras |= {"dev"}
        if re.search(r"\bpipenv (install|sync)\b.*--dev\b", text):
            extras |= {"dev"}
        if re.search(r"\b(uv sync|poetry install|pdm (install|sync)|pip3? install|pipenv (install|sync))\b", text):
            extras |= {""}
        for name in sorted(extras & groups.keys()):
            if place := groups[name].get("pytest"):
                return place
    return None


def _in_context(folder: Folder, dockerfile: Dockerfile, context: str, file: str) -> str:
    """The file of the context that is meant by a path in the image."""
    name = file.strip("\"'")
    for copied in dockerfile.copies:
        source = joined(context, copied.source)
        if source.rpartition("/")[2] == name.rpartition("/")[2]:
            return source
        if folder.is_file(joined(source, name.rpartition("/")[2])):
            return joined(source, name.rpartition("/")[2])
    return joined(context, name.lstrip("/"))


def _requirements(folder: Folder, path: str, depth: int) -> dict[str, Place]:
    found: dict[str, Place] = {}
    try:
        text = folder.text(path) if depth <= NESTED and folder.is_file(path) else None
    except ReadError:
        text = None
    for number, line in enumerate((text or "").split("\n"), 1):
        if match := _NESTED.match(line):
            nested = joined(path.rpartition("/")[0] or ".", match[1])
            found = {**_requirements(folder, nested, depth + 1), **found}
        elif (match := _NAME.match(line)) and not line.lstrip().startswith(("#", "-")):
            found.setdefault(normal(match[1]), Place(path, number))
    return found


def _groups(folder: Folder, where: str) -> Iterator[tuple[str, dict[str, Place]]]:
    """The packages in a pyproject.toml by group; the project's own under the empty name."""
    path = joined(where, "pyproject.toml")
    try:
        text = (folder.text(path) if folder.is_file(path) else None) or ""
        document = tomllib.loads(text)
    except (ReadError, tomllib.TOMLDecodeError, RecursionError):
        return
    lines = text.split("\n")
    project, tool = _map(document, "project"), _map(document, "tool")
    poetry = _map(tool, "poetry")
    yield "", _places([*_texts(project.get("dependencies")), *_map(poetry, "dependencies")], lines, path)
    named = {**_map(project, "optional-dependencies"), **_map(document, "dependency-groups")}
    named = {**named, **_map(_map(tool, "pdm"), "dev-dependencies")}
    for name, items in named.items():
        yield name, _places(_texts(items), lines, path)
    if old := _map(poetry, "dev-dependencies"):
        yield "dev", _places(list(old), lines, path)
    for name, group in _map(poetry, "group").items():
        yield name, _places(list(_map(group, "dependencies")), lines, path)
    if uv := _map(tool, "uv").get("dev-dependencies"):
        yield "dev", _places(_texts(uv), lines, path)


def _pipfile(folder: Folder, where: str) -> Iterator[tuple[str, dict[str, Place]]]:
    path = joined(where, "Pipfile")
    try:
        text = (folder.text(path) if folder.is_file(path) else None) or ""
        document = tomllib.loads(text)
    except (ReadError, tomllib.TOMLDecodeError, RecursionError):
        return
    for name, key in (("", "packages"), ("dev", "dev-packages")):
        yield name, _places(list(_map(document, key)), text.split("\n"), path)


def _map(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _places(items: list[str], lines: list[str], path: str) -> dict[str, Place]:
    found = {}
    for item in items:
        if match := _NAME.match(item):
            at = next((n for n, line in enumerate(lines, 1) if re.search(rf"[\"']?{re.escape(match[1])}\b", line)), 1)
            found[normal(match[1])] = Place(path, at)
    return found


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
