"""What all parts of the conversion share: what was read, the parts, the findings, and the names of hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.cli.init.commented import Noted
from seatrial.cli.init.compose.model import EnvVariable
from seatrial.cli.init.convert.code import Code
from seatrial.cli.init.convert.roles import Part, Role
from seatrial.cli.init.findings import Findings, Kind
from seatrial.cli.init.material import Material
from seatrial.cli.init.places import Place

ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
VALUE = 32_768
VARIABLES = 200
PLACEHOLDER = "not-copied"
_SECRET = re.compile(r"(API_?KEY|TOKEN|SECRET|PRIVATE_?KEY|CREDENTIAL|_KEY$|^KEY$)", re.IGNORECASE)
_HOST_NAMES = re.compile(r"HOST|SERVER|ADDR|URL|URI|ENDPOINT|BROKER|SEEDS|NODES|BACKEND|DSN", re.IGNORECASE)
_LOCAL = re.compile(r"(?<![\w.-])(?:localhost|127\.0\.0\.1|\[::1\]):([0-9]{2,5})\b")


@dataclass
class Draft:
    """A manifest in the making."""

    material: Material
    findings: Findings
    parts: Sequence[Part] = ()
    code: Code | None = None
    passwords: set[str] = field(default_factory=set)
    """Credentials of services, which may be written wherever they stand."""
    steps: list[tuple[tuple[str, ...], Place]] = field(default_factory=list)
    """Commands that prepare the services, found where the tests are started."""
    shared: str = ""
    """Where the shared volume is."""
    published: dict[int, str] = field(default_factory=dict)
    """Ports of the machine, and the component that each leads to."""

    def with_role(self, *roles: Role) -> list[Part]:
        """The parts of these roles."""
        return [part for part in self.parts if part.role in roles]

    def part(self, service: str) -> Part | None:
        """The part that a service of the Compose project is."""
        return next((part for part in self.parts if part.service.name == service), None)

    @property
    def hosts(self) -> dict[str, str]:
        """Other names of components, and the one that each has in the environment."""
        found: dict[str, str] = {}
        for part in self.with_role(Role.SERVICE, Role.APP):
            for alias in (part.service.name, *part.service.aliases):
                if alias != part.name:
                    found.setdefault(alias, part.name)
        return found

    def env(self, variables: Mapping[str, EnvVariable], owner: str) -> list[Any]:
        """Variables as the manifest has them, each with where it is from."""
        found: list[Any] = []
        for variable in variables.values():
            if not ENV_NAME.fullmatch(variable.name) or variable.name.startswith("SEATRIAL_"):
                self.findings.add(
                    Kind.DIFFERENT, variable.place, f"{owner}: {variable.name!r} can't be a variable's name; left out"
                )
                continue
            value, note = self._value(variable, owner)
            if value is None:
                continue
            if len(value) > VALUE or len(found) >= VARIABLES:
                self.findings.add(Kind.EDIT, variable.place, f"{owner}: {variable.name} is too much; left out")
                continue
            found.append(Noted({"name": variable.name, "value": literal(value)}, note))
        return found

    def _value(self, variable: EnvVariable, owner: str) -> tuple[str | None, str]:
        note = ", ".join(dict.fromkeys(map(str, (variable.place, *(o.place for o in variable.origins)))))
        if variable.value is None:
            self.findings.add(
                Kind.DIFFERENT, variable.place, f"{owner}: {variable.name} comes from the shell; it has no value here"
            )
            return None, note
        secret = self._secret_origin(variable)
        if secret is not None:
            text = f"{variable.name} holds a secret of {secret.file}, which is not copied; a run has plain values only"
            self.findings.add(Kind.DIFFERENT, secret, text)
            return PLACEHOLDER, f"{note}: a secret, not copied"
        if "host.docker.internal" in variable.value:
            self.findings.add(
                Kind.EDIT,
                variable.place,
                f"{owner}: {variable.name} reaches the machine itself; an environment has none",
            )
        renamed = self.renamed(variable.name, variable.value)
        if renamed != variable.value:
            note += f": {variable.value}" if len(variable.value) < 50 else ": with another host name"
        return renamed, note

    def _secret_origin(self, variable: EnvVariable) -> Place | None:
        if not variable.value or variable.value in self.passwords:
            return None
        origins = [(origin.name, origin.place) for origin in variable.origins] or [(variable.name, variable.place)]
        for name, place in origins:
            known = self.material.compose and self.material.compose.environment_value(name)
            if _is_own_env(place.file) and _SECRET.search(name) and known not in self.passwords:
                return place
        return None

    def renamed(self, name: str, value: str) -> str:
        """The value with the hosts' names of the environment."""
        for old, new in self.hosts.items():
            if value == old:
                value = new if _HOST_NAMES.search(name) else value
            elif old in value:
                pattern = rf"(^|@|//|,|=){re.escape(old)}(?=$|:|/|,)"
                exact = rf"(@|//){re.escape(old)}(?=$|:|/|,)" if not _HOST_NAMES.search(name) else pattern
                value = re.sub(exact, lambda match, new=new: match[1] + new, value)  # type: ignore[misc]
        return value

    def named_ports(self, part: Part) -> list[int]:
        """Ports of a part that the variables of any part name: `broker:29092`."""
        names = "|".join(map(re.escape, (part.service.name, *part.service.aliases)))
        pattern = re.compile(rf"(?<![\w.-])(?:{names}):([0-9]{{2,5}})\b")
        texts = (v.value or "" for other in self.parts for v in other.service.environment.values())
        found = {int(port) for text in texts for port in pattern.findall(text)}
        return sorted(port for port in found if 0 < port <= 65535)

    def local_ports(self, variables: Mapping[str, EnvVariable], own: Sequence[int] = ()) -> list[tuple[int, Place]]:
        """Ports of the machine that these values name and that lead to another component."""
        return [
            (int(port), variable.place)
            for variable in variables.values()
            for port in _LOCAL.findall(variable.value or "")
            if int(port) in self.published and int(port) not in own
        ]


def literal(text: str) -> str:
    """The text so that Kubernetes replaces nothing in it."""
    return text.replace("$(", "$$(")


def literals(words: Sequence[str]) -> list[str]:
    """The same for the words of a command."""
    return [literal(word) for word in words]


def _is_own_env(file: str) -> bool:
    """Whether it is a file with somebody's own values, not an example that the project shows."""
    name = file.rpartition("/")[2]
    return (name == ".env" or name.startswith(".env.") or name.endswith(".env")) and not re.search(
        r"example|sample|template|dist|test|ci", name
    )
