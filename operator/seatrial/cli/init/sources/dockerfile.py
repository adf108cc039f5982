"""Reads a Dockerfile: what an image begins with, where its code stands, what it runs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from seatrial.cli.init.compose.model import Text, Words
from seatrial.cli.init.folder import joined
from seatrial.cli.init.places import Place, ReadError

INSTRUCTIONS = 2_000
_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s*(.*)", re.DOTALL)
_HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z_][A-Za-z0-9_]*)\1")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))")


@dataclass(frozen=True)
class Copied:
    """Files of the build's context that an image holds."""

    source: str
    """Relative to the context; `.` is all of it."""
    target: str
    """An absolute path in the image. Of a folder's content, the folder that it is in."""
    place: Place


@dataclass(frozen=True)
class Dockerfile:
    """What the last stage, or the one asked for, says."""

    file: str
    base: Text
    """The image that it begins with, of the first of its stages."""
    workdir: Text | None = None
    env: Mapping[str, Text] = field(default_factory=dict)
    entrypoint: Words | None = None
    command: Words | None = None
    ports: tuple[tuple[int, Place], ...] = ()
    copies: tuple[Copied, ...] = ()
    runs: tuple[Text, ...] = ()
    stages: tuple[Dockerfile, ...] = ()
    """The stages before it, whose files it may have copied."""

    @property
    def only_copies(self) -> bool:
        """Whether the image has nothing of its own but files: its base image will do where they come otherwise."""
        return not self.runs


def parse(text: str, file: str, target: str = "", args: Mapping[str, str] | None = None) -> Dockerfile:
    """Reads a Dockerfile.

    Args:
        text: its text.
        file: its name, for places.
        target: the stage that is built; the last one if empty.
        args: build arguments.

    Raises:
        ReadError: it has no FROM, or not the stage that is asked for.
    """
    given, variables = dict(args or {}), {}
    stages: list[Dockerfile] = []
    names: dict[str, int] = {}
    for word, rest, place in _instructions(text, file):
        if word == "ARG":
            name, _, default = rest.strip().partition("=")
            variables[name] = given.get(name, _unquoted(default))
        elif word == "FROM":
            image, name = _from(_replaced(rest, variables), place)
            parent = stages[names[image.lower()]] if image.lower() in names else None
            stages.append(parent or Dockerfile(file, Text(image, place)))
            names[name.lower() or f"\0{len(stages)}"] = len(stages) - 1
            names[str(len(stages) - 1)] = len(stages) - 1
        elif stages:
            stages[-1] = _with(stages[-1], word, rest, place, variables)
    if not stages:
        raise ReadError(file, "there is no FROM in it")
    if target and target.lower() not in names:
        raise ReadError(file, f"there is no stage {target} in it")
    at = names[target.lower()] if target else len(stages) - 1
    return replace(stages[at], stages=tuple(stages[:at]))


def _instructions(text: str, file: str) -> Iterator[tuple[str, str, Place]]:
    lines = text.split("\n")
    escape = "`" if re.match(r"#\s*escape\s*=\s*`", text) else "\\"
    at = count = 0
    while at < len(lines):
        first = at
        parts: list[str] = []
        while at < len(lines):
            line = lines[at].rstrip()
            at += 1
            if line.lstrip().startswith("#") or (parts and not line):
                continue
            parts.append(line.removesuffix(escape))
            if not line.endswith(escape):
                break
        match = _INSTRUCTION.fullmatch("\n".join(parts).strip())
        if not match:
            continue
        for _, end in _HEREDOC.findall(match[2]) if match[1].upper() in ("RUN", "COPY", "ADD") else ():
            while at < len(lines) and lines[at].strip() != end:
                at += 1
            at += 1
        count += 1
        if count > INSTRUCTIONS:
            raise ReadError(file, f"more than {INSTRUCTIONS} instructions")
        while first < len(lines) and not lines[first].strip().upper().startswith(match[1].upper()):
            first += 1
        yield match[1].upper(), match[2].replace("\n", " ").strip(), Place(file, first + 1)


def _from(rest: str, place: Place) -> tuple[str, str]:
    words = [word for word in rest.split() if not word.startswith("--")]
    if not words:
        raise ReadError(place, "FROM names no image")
    name = words[2] if len(words) > 2 and words[1].upper() == "AS" else ""
    return words[0], name


def _with(stage: Dockerfile, word: str, rest: str, place: Place, variables: Mapping[str, str]) -> Dockerfile:
    known = {**variables, **{name: text.value for name, text in stage.env.items()}}
    if word == "WORKDIR":
        folder = joined(stage.workdir.value if stage.workdir else "/", _unquoted(_replaced(rest, known)))
        return replace(stage, workdir=Text(folder, place))
    if word == "ENV":
        found = {name: Text(_replaced(value, known), place) for name, value in _pairs(rest)}
        return replace(stage, env={**stage.env, **found})
    if word == "CMD":
        return replace(stage, command=_command(rest, place))
    if word == "ENTRYPOINT":
        # An entry point of its own makes the base's arguments meaningless.
        return replace(stage, entrypoint=_command(rest, place), command=None)
    if word == "EXPOSE":
        numbers = [port.partition("/")[0] for port in _replaced(rest, known).split() if not port.endswith("/udp")]
        return replace(stage, ports=(*stage.ports, *((int(n), place) for n in numbers if n.isdecimal())))
    if word in ("COPY", "ADD"):
        # Where a variable of the base image leads is not known.
        if any((match[1] or match[4]) not in known for match in _VARIABLE.finditer(rest)):
            return stage
        return replace(stage, copies=(*stage.copies, *_copies(stage, _replaced(rest, known), place)))
    if word == "RUN":
        return replace(stage, runs=(*stage.runs, Text(rest, place)))
    return stage


def _replaced(text: str, variables: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        known = variables.get(match[1] or match[4], "")
        if match[2] == "-":
            return known or match[3]
        if match[2] == "+":
            return match[3] if known else ""
        return known

    return _VARIABLE.sub(value, text)


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _pairs(rest: str) -> Iterator[tuple[str, str]]:
    first, _, value = rest.partition(" ")
    if "=" not in first:
        yield first, _unquoted(value)
        return
    for word in _words(rest):
        name, equals, value = word.partition("=")
        if equals:
            yield name, value


def _command(rest: str, place: Place) -> Words:
    words = _listed(rest)
    return Words(tuple(words) if words is not None else ("/bin/sh", "-c", rest), place)


def _listed(rest: str) -> list[str] | None:
    """The words of `["a", "b"]`; None if it is no such list."""
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest)
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _copies(stage: Dockerfile, rest: str, place: Place) -> Iterator[Copied]:
    words = [word for word in _words(rest) if word.startswith("--")]
    listed = _listed(re.sub(r"^(--\S+\s+)*", "", rest))
    words += listed if listed is not None else [word for word in _words(rest) if not word.startswith("--")]
    options = [word for word in words if word.startswith("--")]
    words = [word for word in words if not word.startswith("--")]
    if any(option.startswith("--from") for option in options) or len(words) < 2 or rest.startswith("<<"):
        return
    base = stage.workdir.value if stage.workdir else "/"
    target = joined(base, words[-1])
    for source in words[:-1]:
        if re.match(r"[a-z+]+://|git@", source) or source.startswith("<<"):
            continue
        yield Copied(joined(".", source.lstrip("/")), target, place)
