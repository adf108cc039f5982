"""Variables in Compose files: `${NAME:-default}` and its kin, `$$`, and the files of variables (`.env`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from seatrial.cli.init.compose.values import Origin, Value
from seatrial.cli.init.places import Place, ReadError

NESTED = 8
"""Variables inside the defaults of others."""
TEXT = 65_536
"""Characters of one value once its variables are replaced."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*(?:=|:\s)\s*(.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}


@dataclass(frozen=True)
class Variable:
    """A variable's value and where it is from."""

    value: str
    place: Place


@dataclass
class Scope:
    """The variables of a project, and what was asked for in vain."""

    known: Mapping[str, Variable]
    unset: dict[str, Place] = field(default_factory=dict)
    """Names without a value and without a default; they count as empty."""
    required: dict[str, tuple[Place, str]] = field(default_factory=dict)
    """Names that `${NAME:?message}` insists on, with where and the message."""


def interpolated(value: Value, scope: Scope) -> Value:
    """The value with all variables in it replaced.

    Raises:
        ReadError: a variable is written wrongly.
    """
    if isinstance(value.data, str):
        if "$" not in value.data:
            return value
        text, origins = substitute(value.data, scope, value.place)
        return replace(value, data=text, origins=(*value.origins, *origins))
    if isinstance(value.data, Mapping):
        return value.with_data({key: interpolated(child, scope) for key, child in value.data.items()})
    if value.data is None:
        return value
    return value.with_data(tuple(interpolated(child, scope) for child in value.data))


def substitute(text: str, scope: Scope, place: Place, depth: int = 0) -> tuple[str, tuple[Origin, ...]]:
    """The text with its variables replaced, and which they were."""
    if depth > NESTED:
        raise ReadError(place, f"more than {NESTED} variables inside each other")
    parts: list[str] = []
    origins: list[Origin] = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        rest = text[dollar + 1 :]
        if rest.startswith("$"):
            parts.append("$")
            at = dollar + 2
        elif rest.startswith("{"):
            end = _closing(text, dollar + 2, place)
            found, used = _braced(text[dollar + 2 : end], scope, place, depth)
            parts.append(found)
            origins += used
            at = end + 1
        elif match := _NAME.match(rest):
            found, used = _plain(match[0], scope, place)
            parts.append(found)
            origins += used
            at = dollar + 1 + match.end()
        else:
            parts.append("$")
            at = dollar + 1
        if sum(map(len, parts)) > TEXT:
            raise ReadError(place, f"a value of more than {TEXT:,} characters")
    return "".join((*parts, text[at:])), tuple(origins)


def _closing(text: str, start: int, place: Place) -> int:
    depth = 1
    for at in range(start, len(text)):
        if text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        elif text.startswith("${", at):
            depth += 1
    raise ReadError(place, "a variable begins with '${' and has no '}'")


def _plain(name: str, scope: Scope, place: Place) -> tuple[str, tuple[Origin, ...]]:
    known = scope.known.get(name)
    if known is None:
        scope.unset.setdefault(name, place)
        return "", ()
    return known.value, (Origin(name, known.place),)


def _braced(inner: str, scope: Scope, place: Place, depth: int) -> tuple[str, tuple[Origin, ...]]:
    match = _NAME.match(inner)
    if not match:
        raise ReadError(place, f"${{{inner}}} is no variable; a literal dollar is written $$")
    name, rest = match[0], inner[match.end() :]
    if not rest:
        return _plain(name, scope, place)
    operator = next((op for op in _OPERATORS if rest.startswith(op)), None)
    if operator is None:
        raise ReadError(place, f"${{{inner}}} is no variable; a literal dollar is written $$")
    word, known = rest[len(operator) :], scope.known.get(name)
    counts = known is not None and (bool(known.value) or not operator.startswith(":"))
    if operator.endswith("+"):
        return substitute(word, scope, place, depth + 1) if counts else ("", ())
    if counts:
        return _plain(name, scope, place)
    if operator.endswith("?"):
        message, _ = substitute(word, scope, place, depth + 1)
        scope.required.setdefault(name, (place, message))
        return "", ()
    return substitute(word, scope, place, depth + 1)


def parse_env(text: str, file: str, scope: Scope | None = None) -> dict[str, Variable]:
    """The variables of a file such as `.env`; later ones may use earlier ones. A line that is none is passed over."""
    found: dict[str, Variable] = {}
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        place = Place(file, number + 1)
        line = lines[number]
        number += 1
        match = _LINE.fullmatch(line) if not line.lstrip().startswith("#") else None
        if not match:
            continue
        name, raw = match[1], match[2]
        quote = raw[:1] if raw[:1] in ("'", '"') else ""
        while quote and _end_of_quote(raw, quote) < 0 and number < len(lines):
            raw += "\n" + lines[number]
            number += 1
        known = {**(scope.known if scope else {}), **found}
        found[name] = Variable(_env_value(raw, quote, known, place), place)
    return found


def _end_of_quote(raw: str, quote: str) -> int:
    at = 1
    while at < len(raw):
        if raw[at] == "\\" and quote == '"':
            at += 2
            continue
        if raw[at] == quote:
            return at
        at += 1
    return -1


def _env_value(raw: str, quote: str, known: Mapping[str, Variable], place: Place) -> str:
    if quote:
        end = _end_of_quote(raw, quote)
        text = raw[1:end] if end >= 0 else raw[1:]
        if quote == "'":
            return text
        text = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text, flags=re.DOTALL)
    else:
        text = re.split(r"\s#", raw, maxsplit=1)[0].strip()
        text = "" if text.startswith("#") else text
    try:
        return substitute(text, Scope(known), place)[0]
    except ReadError:
        return text
