"""What can be wrong with a run's variables: reserved names, two parts that set the same one, values that grow long.

`$(NAME)` stands for another variable, so a few short values can stand for one that fills any memory. Lengths are
computed before anything is rendered, and no long value is ever made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from seatrial import amounts
from seatrial.api.container import Env
from seatrial.api.run import IntegrationRun, IntegrationRunSpec
from seatrial.environment import env, secrets, services
from seatrial.environment.backing import Backing
from seatrial.environment.expansion import RESERVED_PREFIX, Sizes
from seatrial.environment.problem import Problem
from seatrial.masking.forms import plain_size
from seatrial.settings import Settings

VALUE_BYTES = 64 * 1024
"""Of one variable or one word of a command, expanded. Linux starts no process with a longer one than 128 KiB."""
CONTAINER_BYTES = 512 * 1024
"""Of all variables and the command of one container, expanded."""
POD_BYTES = 1024 * 1024
"""Of all containers of one pod: its object must fit into the API server's database."""
RUN_BYTES = 2 * 1024 * 1024
"""Of all containers of a run, replicas counted once."""
SECRET_BYTES = 256 * 1024
"""Of all secret values as they are; the list of masks has room for as much of their other forms."""
_CREDENTIAL_BYTES = 64
"""What a variable takes whose value is not known here: one of our credentials, or the shard's number."""


def problems(run: IntegrationRun) -> Iterator[Problem]:
    """What is wrong with the variables of a run whose services can be rendered: collisions and lengths."""
    backings = services.backings(run.spec.services, Settings())
    yield from _collisions(run, backings)
    yield from _too_long(run, backings)
    size = plain_size(secrets.own(run.spec))
    if size > SECRET_BYTES:
        yield Problem(
            "spec",
            f"the values of variables with secret names (such as PASSWORD, TOKEN, KEY) take {amounts.size(size)}, "
            f"and at most {amounts.size(SECRET_BYTES)} can be masked in logs and results; put large data into a file "
            "of the image",
        )


def reserved_names(spec: IntegrationRunSpec) -> Iterator[Problem]:
    """The user's variables that have one of our names."""
    lists = [("spec.env", spec.env), *((f"{part.path}.env", part.own) for part in _parts(spec) if part.has_contract)]
    named = [(f"{path}[{i}].name", variable.name) for path, variables in lists for i, variable in enumerate(variables)]
    if spec.shared_volume and spec.shared_volume.env:
        named.append(("spec.sharedVolume.env", spec.shared_volume.env))
    for path, name in named:
        if name.startswith(RESERVED_PREFIX):
            yield Problem(path, f"names that begin with {RESERVED_PREFIX} are taken; use another one than {name}")


def _collisions(run: IntegrationRun, backings: Mapping[str, Backing]) -> Iterator[Problem]:
    """Two parts that set the same variable, such as an app `cache` beside a service whose variable is CACHE_URL."""
    owners: dict[str, str] = {}
    for part in env.contract(run.scope, run.spec, backings, shard=True, shared_volume=True):
        for entry in part.entries:
            owner = owners.setdefault(entry["name"], part.path)
            if owner != part.path:
                yield Problem(part.path, f"sets the variable {entry['name']}, which {owner} sets too; use another name")


@dataclass(frozen=True)
class _Part:
    """One container: its field of the spec, its own variables, and its words in which variables are expanded."""

    path: str
    own: Env
    words: Mapping[str, Sequence[str]]
    """By the field that holds them."""
    has_contract: bool = True
    """Whether it gets the contract and `spec.env`; a custom service gets only its own variables."""


def _parts(spec: IntegrationRunSpec) -> list[_Part]:
    return [
        *(
            _Part(
                f"spec.services.{name}",
                s.env or (),
                {"command": s.command or (), "args": s.args or ()},
                has_contract=False,
            )
            for name, s in sorted(spec.services.items())
        ),
        *(
            _Part(f"spec.migrations[{i}]", step.env, {"command": step.command, "args": step.args})
            for i, step in enumerate(spec.migrations)
        ),
        *(
            _Part(f"spec.apps.{name}", app.env, {"command": app.command, "args": app.args})
            for name, app in sorted(spec.apps.items())
        ),
        _Part("spec.tests", spec.tests.env, {"args": spec.tests.args}),
    ]


def _too_long(run: IntegrationRun, backings: Mapping[str, Backing]) -> Iterator[Problem]:
    """Values that expand beyond a bound; after the first one nothing more is computed, since others may refer to it."""
    base = Sizes()
    for entry in env.entries(env.contract(run.scope, run.spec, backings, shard=True, shared_volume=True)):
        base.add(entry["name"], base.of(entry["value"]) if "value" in entry else _CREDENTIAL_BYTES)
    if found := _first_long_value(base, "spec.env", run.spec.env):
        yield found
        return
    whole = migrations = 0
    for part in _parts(run.spec):
        sizes = Sizes(base.known if part.has_contract else {})
        if found := _first_long_value(sizes, f"{part.path}.env", part.own) or _first_long_word(sizes, part):
            yield found
            return
        size = sizes.total + sum(sizes.of(word) for words in part.words.values() for word in words)
        if size > CONTAINER_BYTES:
            yield _exceeded(
                f"{part.path}.env", "the variables and the command of this container", size, CONTAINER_BYTES
            )
            return
        whole += size
        migrations += size if part.path.startswith("spec.migrations") else 0
    if migrations > POD_BYTES:
        yield _exceeded("spec.migrations", "the variables and commands of all migrations", migrations, POD_BYTES)
    elif whole > RUN_BYTES:
        yield _exceeded("spec", "the variables and commands of all containers", whole, RUN_BYTES)


def _first_long_value(sizes: Sizes, path: str, variables: Env) -> Problem | None:
    """Adds variables up to the first one that is too long."""
    for index, variable in enumerate(variables):
        size = sizes.of(variable.value)
        if size > VALUE_BYTES:
            return _exceeded(f"{path}[{index}].value", f"the value of {variable.name}", size, VALUE_BYTES)
        sizes.add(variable.name, size)
    return None


def _first_long_word(sizes: Sizes, part: _Part) -> Problem | None:
    for field, words in part.words.items():
        for index, word in enumerate(words):
            size = sizes.of(word)
            if size > VALUE_BYTES:
                return _exceeded(f"{part.path}.{field}[{index}]", "this word", size, VALUE_BYTES)
    return None


def _exceeded(path: str, what: str, size: int, limit: int) -> Problem:
    return Problem(
        path,
        f"{what} would take {amounts.size(size)} once every $(NAME) is expanded, and at most {amounts.size(limit)} "
        "are allowed; put large data into a file of the image or a ConfigMap",
    )
