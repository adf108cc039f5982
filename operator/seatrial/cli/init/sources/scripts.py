"""Reads a script that starts a system by hand and then its tests: exported variables, processes in the background."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.cli.init.compose.variables import Scope, Variable, substitute
from seatrial.cli.init.places import Place, ReadError

LINES = 3_000
_EXPORT = re.compile(r"\s*export\s+([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_ASSIGN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_RUNNERS = (("uv", "run"), ("poetry", "run"), ("pdm", "run"), ("pipenv", "run"), ("hatch", "run"))
_BEFORE = frozenset({"nohup", "exec", "time", "setsid"})
_SERVERS = frozenset({
    "uvicorn", "gunicorn", "hypercorn", "daphne", "granian", "celery", "python", "python3", "flask", "fastapi", "arq",
    "dramatiq", "faststream", "rq", "litestar", "streamlit",
})  # fmt: skip
_LOG = re.compile(r"([A-Za-z0-9_.-]+)\.(?:log|out|txt)$")
_REDIRECTION = re.compile(r"(?<!\S)(?:[0-9]|&)?(?:>>?|<)\s*(&[0-9]|[^\s&]+)")
_OPEN = re.compile(r"[`]|\$\(")


@dataclass(frozen=True)
class LocalProcess:
    """A process that the script leaves running while the tests run."""

    name: str
    words: tuple[str, ...]
    env: Mapping[str, Variable]
    place: Place
    folder: str = "."


@dataclass(frozen=True)
class Script:
    """What a script does, as far as it can be read without running it."""

    file: str
    exports: Mapping[str, Variable] = field(default_factory=dict)
    processes: tuple[LocalProcess, ...] = ()
    migrations: tuple[tuple[tuple[str, ...], Place], ...] = ()
    pytest: tuple[str, ...] = ()
    pytest_place: Place | None = None
    unread: tuple[tuple[str, Place], ...] = ()
    """Variables and processes that only running it could tell."""


def parse(text: str, file: str) -> Script | None:
    """Reads a script; None if it does not run pytest."""
    exports: dict[str, Variable] = {}
    known: dict[str, Variable] = {}
    processes: list[LocalProcess] = []
    migrations: list[tuple[tuple[str, ...], Place]] = []
    unread: list[tuple[str, Place]] = []
    pytest: tuple[str, ...] | None = None
    pytest_place: Place | None = None
    for line, place in _lines(text, file):
        if match := _EXPORT.fullmatch(line):
            value = _value(match[2], known, place)
            if value is None:
                unread.append((match[1], place))
            else:
                exports[match[1]] = known[match[1]] = Variable(value, place)
            continue
        if (match := _ASSIGN.fullmatch(line)) and " " not in match[2].strip():
            value = _value(match[2], known, place)
            if value is not None:
                known[match[1]] = Variable(value, place)
            continue
        command = _command(line, known, place)
        if command is None:
            continue
        name, words, env, background, open_ = command
        if background and words[0] in _SERVERS:
            if open_:
                unread.append((name, place))
            else:
                processes.append(LocalProcess(name, words, env, place))
        elif not background and words[0] == "alembic" and "upgrade" in words:
            migrations.append((words, place))
        elif not background and (words[0] in ("pytest", "py.test") or words[1:3] == ("-m", "pytest")):
            arguments = words[1:] if words[0] != "python" and words[0] != "python3" else words[3:]
            pytest, pytest_place = tuple(w for w in arguments if not _is_open(w)), place
    if pytest is None:
        return None
    return Script(
        file, exports, tuple(_named(processes)), tuple(migrations), pytest, pytest_place, tuple(dict.fromkeys(unread))
    )


def _lines(text: str, file: str) -> list[tuple[str, Place]]:
    """The lines, continued ones joined, without comments."""
    found: list[tuple[str, Place]] = []
    parts: list[str] = []
    first = 0
    for number, raw in enumerate(text.split("\n")[:LINES], 1):
        line = raw.rstrip()
        if not parts:
            first = number
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        whole = " ".join((*parts, line)).strip()
        parts = []
        if whole and not whole.startswith("#"):
            found.append((whole, Place(file, first)))
    return found


def _value(raw: str, known: Mapping[str, Variable], place: Place) -> str | None:
    """The value of an assignment; None if only a shell could tell."""
    if _OPEN.search(raw):
        return None
    try:
        words = shlex.split(raw, comments=True)
        text, _ = substitute(words[0] if words else "", Scope(known), place)
    except (ValueError, ReadError):
        return None
    return text


def _is_open(word: str) -> bool:
    """Whether it stands for something that only the running script has: `"$@"`, `$MARKER`."""
    return "$" in word or "`" in word


def _command(
    line: str, known: Mapping[str, Variable], place: Place
) -> tuple[str, tuple[str, ...], dict[str, Variable], bool, bool] | None:
    """Name, words, own variables, whether it runs in the background, whether a part of it is not known."""
    background = line.endswith("&") and not line.endswith("&&")
    targets = [match[1] for match in _REDIRECTION.finditer(line)]
    log = next((match[1] for target in targets if (match := _LOG.search(target))), "")
    try:
        lexer = shlex.shlex(_REDIRECTION.sub(" ", line.rstrip("&")).strip(), posix=True, punctuation_chars="|;&()")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        return None
    env: dict[str, Variable] = {}
    kept = list(itertools.takewhile(lambda word: word not in ("|", "||", "&&", ";"), words))
    while kept and (match := _ASSIGN.fullmatch(kept[0])):
        value = _value(shlex.quote(kept.pop(0).partition("=")[2]) if "$" not in match[2] else match[2], known, place)
        if value is not None:
            env[match[1]] = Variable(value, place)
    while kept and (kept[0] in _BEFORE or tuple(kept[:2]) in _RUNNERS):
        kept = kept[1:] if kept[0] in _BEFORE else kept[2:]
    if not kept:
        return None
    filled = []
    for word in kept:
        try:
            scope = Scope(known)
            text, _ = substitute(word, scope, place)
        except ReadError:
            text, scope = word, Scope({}, {"": place})
        filled.append(word if scope.unset else text)
    return log or _name(filled), tuple(filled), env, background, any(map(_is_open, filled))


def _name(words: list[str]) -> str:
    """A name for a process: its module, or its program."""
    for word in words[1:]:
        if ":" in word and re.fullmatch(r"[A-Za-z_][\w.]*:[\w()]+", word):
            return word.partition(":")[0].split(".")[0]
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1].rpartition(".")[2]
    return words[0]


def _named(processes: list[LocalProcess]) -> list[LocalProcess]:
    """Each under a name of its own."""
    seen: dict[str, int] = {}
    found = []
    for process in processes:
        count = seen[process.name] = seen.get(process.name, 0) + 1
        name = process.name if count == 1 else f"{process.name}-{count}"
        found.append(LocalProcess(name, process.words, process.env, process.place, process.folder))
    return found
