"""Names of variables, and Kubernetes' own `$(NAME)` expansion, which is all the templating there is."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence

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


def references(text: str) -> tuple[str, ...]:
    """The names that a value refers to; `$$(NAME)` is an escaped one and refers to nothing."""
    return tuple(match[1] for match in _TOKEN.finditer(text) if match[1] is not None)


def _inlined(text: str, name: str, value: str) -> str:
    return _TOKEN.sub(lambda match: value if match[1] == name else match[0], text)


def merged(ours: Sequence[Manifest], *given: Iterable[EnvVar]) -> list[Manifest]:
    """The entries of `env`: ours, then the user's lists, each name once.

    The last one of a name wins, as in a Pod. What stood between keeps the value that it saw: `DATABASE_URL` is the
    service's also when a container has a `PGUSER` of its own, and a value may extend its predecessor, as in
    `DATABASE_URL: $(DATABASE_URL)?sslmode=disable`. (A name twice in one list is refused by server-side apply.)
    """
    result = list(ours)
    for variable in (variable for variables in given for variable in variables):
        entry = {"name": variable.name, "value": variable.value}
        index = next((i for i, earlier in enumerate(result) if earlier["name"] == variable.name), None)
        if index is not None:
            defined = {earlier["name"] for earlier in result[:index]}
            before = _frozen(result.pop(index).get("value", ""), defined)
            result[index:] = [_with_inlined(later, variable.name, before) for later in result[index:]]
            entry = _with_inlined(entry, variable.name, before)
        result.append(entry)
    return result


def _frozen(text: str, defined: Container[str]) -> str:
    """What means the same at a later place: a name that is not defined here stays literal there too."""
    return _TOKEN.sub(lambda match: match[0] if match[1] is None or match[1] in defined else "$" + match[0], text)


def _with_inlined(entry: Manifest, name: str, value: str) -> Manifest:
    return entry | {"value": _inlined(entry["value"], name, value)} if "value" in entry else entry
