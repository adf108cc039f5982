"""Names of variables, and Kubernetes' own `$(NAME)` expansion, which is all the templating there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from seatrial.api.container import EnvVar
from seatrial.environment.objects import Manifest

RESERVED_PREFIX = "SEATRIAL_"
"""Names that begin so are ours: the launcher, the plugin and the collector rely on them."""
_TOKEN = re.compile(r"\$\$|\$\(([^)]*)\)")


def env_name(*words: str) -> str:
    """The name of a variable: `orders-db`, `port`, `http` give `ORDERS_DB_PORT_HTTP`."""
    return "_".join(words).upper().replace("-", "_")


def reference(name: str) -> str:
    """How a value refers to an earlier variable."""
    return f"$({name})"


def literal(text: str) -> str:
    """Text for a command or a value that Kubernetes is to leave as it is: no `$(NAME)` in it is expanded."""
    return text.replace("$", "$$")


def tokens(text: str) -> Iterator[tuple[str, str | None]]:
    """A value in pieces: plain text with None, and each `$(NAME)` with its name. Together they are the value.

    Takes time in proportion to the length: only where a `)` follows is a `$(` looked at.
    """
    if "$(" not in text:
        yield text, None
        return
    position = 0
    for match in _TOKEN.finditer(text, 0, text.rfind(")") + 1):
        if match[1] is not None:
            yield text[position : match.start()], None
            yield match[0], match[1]
            position = match.end()
    yield text[position:], None


def references(text: str) -> tuple[str, ...]:
    """The names that a value refers to; `$$(NAME)` is an escaped one and refers to nothing."""
    return tuple(name for _, name in tokens(text) if name is not None)


def merged(base: Sequence[Manifest], *given: Iterable[EnvVar]) -> list[Manifest]:
    """The entries of `env`: ours, then the user's lists, each name once.

    The last one of a name wins, as in a Pod. What stood between keeps the value that it saw: `DATABASE_URL` is the
    service's also when a container has a `PGUSER` of its own, and a value may extend its predecessor, as in
    `DATABASE_URL: $(DATABASE_URL)?sslmode=disable`. (A name twice in one list is refused by the API server.)

    So each value that is replaced later is written into those that refer to it. `Sizes` computes how long they become.
    """
    entries = [*base, *({"name": each.name, "value": each.value} for variables in given for each in variables)]
    last = {entry["name"]: index for index, entry in enumerate(entries)}
    if len(last) == len(entries):
        return entries
    seen: list[Mapping[str, int]] = []
    current: dict[str, int] = {}
    for index, entry in enumerate(entries):
        seen.append({name: current[name] for name in references(entry.get("value", "")) if name in current})
        current[entry["name"]] = index
    replaced: dict[int, str] = {}
    needed = _inlined_ones(entries, seen, last)
    result = []
    for index, entry in enumerate(entries):
        kept = last[entry["name"]] == index
        if "value" in entry and (kept or index in needed):
            text = _resolved(entry["value"], seen[index], replaced, freeze=not kept)
            entry = entry | {"value": text}
        if kept:
            result.append(entry)
        elif index in needed:
            replaced[index] = entry.get("value", "")
    return result


def _inlined_ones(entries: Sequence[Manifest], seen: Sequence[Mapping[str, int]], last: Mapping[str, int]) -> set[int]:
    """Which entries are replaced later, and yet part of the value of one that stays."""
    needed: set[int] = set()
    for index in range(len(entries) - 1, -1, -1):
        if last[entries[index]["name"]] == index or index in needed:
            needed.update(i for i in seen[index].values() if last[entries[i]["name"]] != i)
    return needed


def _resolved(text: str, seen: Mapping[str, int], replaced: Mapping[int, str], *, freeze: bool) -> str:
    """A value with those written into it that are replaced later.

    `freeze`: it moves to a later place itself, where a name that is not defined here stays literal too.
    """
    result = []
    for token, name in tokens(text):
        if name is None:
            result.append(token)
        elif name in seen:
            result.append(replaced.get(seen[name], token))
        else:
            result.append("$" + token if freeze else token)
    return "".join(result)


class Sizes:
    """How long values become, in bytes, at most: computed from lengths, so that no long value is ever made.

    A reference counts as what it stands for or as itself, whichever is longer: this bounds the expanded value as well
    as what `merged` writes.
    """

    def __init__(self, known: Mapping[str, int] | None = None) -> None:
        self.known = dict(known or {})
        """By name, of the variables so far."""

    def of(self, text: str) -> int:
        """Of a value that may refer to the variables so far."""
        size = 0
        for token, name in tokens(text):
            length = len(token.encode("utf-8", "surrogatepass"))
            size += length if name is None else max(length, self.known.get(name, 0))
        return size

    def add(self, name: str, size: int) -> None:
        """A further variable, which hides an earlier one of its name."""
        self.known[name] = size

    @property
    def total(self) -> int:
        """Of all variables with their names, as a process gets them."""
        return sum(len(name) + size + len("=\0") for name, size in self.known.items())
