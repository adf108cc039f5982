"""What each service of a Compose project is in a run: a service, an app, a migration, the tests, or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from seatrial.api.names import RESERVED_NAMES
from seatrial.api.services import WELL_KNOWN, ServiceType
from seatrial.cli.init.compose.model import COMPLETED, ComposeService, Text
from seatrial.cli.init.convert import commands, images
from seatrial.cli.init.convert.commands import Process
from seatrial.cli.init.findings import Findings, Kind
from seatrial.cli.init.material import Material
from seatrial.cli.init.sources.dockerfile import Dockerfile

NAME = 40
TEST_PROFILES = frozenset({"test", "tests", "testing", "integration", "integration-tests", "e2e", "ci"})
"""Profiles whose services a suite means."""
SOCKET = "/var/run/docker.sock"
_STEP_NAMES = re.compile(
    r"(db[-_]?)?(migrate|migrations?|migrator|alembic|init[-_]?db|db[-_]?init|prestart)", re.IGNORECASE
)
_TEST_NAMES = re.compile(r"(.*[-_])?(tests?|pytest|sut|test[-_]?runner)([-_].*)?", re.IGNORECASE)


class Role(StrEnum):
    """What it is."""

    SERVICE = auto()
    APP = auto()
    MIGRATION = auto()
    TESTS = auto()
    BUCKETS = auto()
    PAGES = auto()
    LEFT_OUT = auto()


@dataclass(frozen=True)
class Part:
    """One service of the Compose project, with what it is here."""

    name: str
    """Its name in the environment."""
    role: Role
    service: ComposeService
    process: Process
    dockerfile: Dockerfile | None = None
    kind: ServiceType | None = None

    @property
    def image(self) -> images.ImageName:
        """Its image; of one that is built: empty, but for one that stands for a typed service."""
        text = self.image_text
        return images.image_name(text.value) if text else images.ImageName("", "")

    @property
    def image_text(self) -> Text | None:
        """The image's reference and where it stands."""
        if self.service.build is None:
            return self.service.image
        typed = self.kind not in (None, ServiceType.CUSTOM)
        return self.dockerfile.base if typed and self.dockerfile else None


def parts_of(material: Material, findings: Findings) -> list[Part]:
    """The parts, in the order of the files."""
    if material.compose is None:
        return []
    services = material.compose.services
    active = _active(services, findings)
    names = environment_names(list(active))
    ends_first = {d.name for s in active.values() for d in s.dependencies if d.condition == COMPLETED}
    found: dict[str, Part] = {}
    for name, service in active.items():
        dockerfile = material.dockerfiles.get(name)
        process = commands.process_of(service, dockerfile)
        role, kind = _built_role(service, dockerfile, findings) or _role(service, process, name in ends_first, findings)
        found[name] = Part(names[name], role, service, process, dockerfile, kind)
    found = _without_own_databases(_with_unknown_images(found), findings)
    return _with_one_suite(list(found.values()), findings)


def environment_names(names: Sequence[str]) -> dict[str, str]:
    """DNS names in the environment: `test_db` becomes `test-db`."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:NAME].strip("-") or "service"
        if plain[0].isdigit() or plain in RESERVED_NAMES or plain.startswith("seatrial-"):
            plain = f"s-{plain}"[:NAME].strip("-")
        number = 2
        unique = plain
        while unique in found.values():
            unique = f"{plain[: NAME - 4]}-{number}"
            number += 1
        found[name] = unique
    return found


def _active(services: Mapping[str, ComposeService], findings: Findings) -> dict[str, ComposeService]:
    """Services of no profile or of one for tests, and all that these need."""
    wanted = {n for n, s in services.items() if not s.profiles or TEST_PROFILES & {p.lower() for p in s.profiles}}
    waiting = list(wanted)
    while waiting:
        for dependency in services[waiting.pop()].dependencies:
            if dependency.name in services and dependency.name not in wanted:
                wanted.add(dependency.name)
                waiting.append(dependency.name)
    for name, service in services.items():
        if name not in wanted:
            profiles = ", ".join(service.profiles)
            findings.add(Kind.LEFT_OUT, service.place, f"{name}: only with the profile {profiles}")
    return {name: service for name, service in services.items() if name in wanted}


def _built_role(
    service: ComposeService, dockerfile: Dockerfile | None, findings: Findings
) -> tuple[Role, ServiceType | None] | None:
    """A service whose own image only adds to a known one."""
    if service.build is None or dockerfile is None:
        return None
    kind = images.TYPED.get(images.image_name(dockerfile.base.value).repository)
    if kind is None:
        return None
    text = f"{service.name}: what its image adds to {dockerfile.base.value} is not there"
    findings.add(Kind.DIFFERENT, dockerfile.base.place, text)
    return Role.SERVICE, kind


def _role(
    service: ComposeService, process: Process, ends_first: bool, findings: Findings
) -> tuple[Role, ServiceType | None]:
    image = images.image_name(service.image.value) if service.image and not service.build else images.ImageName("", "")
    if any(mount.source == SOCKET for mount in service.mounts) and not image.repository.startswith("localstack/"):
        text = f"{service.name}: it works through the machine's container socket; an environment has none"
        findings.add(Kind.LEFT_OUT, service.place, text)
        return Role.LEFT_OUT, None
    if commands.runs_tests(process.text) or (
        commands.runs_other_tests(process.text) and _TEST_NAMES.fullmatch(service.name)
    ):
        return Role.TESTS, None
    if image.repository == images.BUCKET_TOOL:
        return Role.BUCKETS, None
    if image.repository in images.TEMPORAL_PAGES:
        return Role.PAGES, None
    if kind := images.TYPED.get(image.repository):
        return Role.SERVICE, kind
    if image.repository in images.TOOLS:
        findings.add(
            Kind.LEFT_OUT, service.place, f"{service.name} ({image.repository}): for people and metrics, not for tests"
        )
        return Role.LEFT_OUT, None
    if image.repository in images.CUSTOM and not ends_first and not images.CUSTOM[image.repository].entrypoint:
        return Role.SERVICE, ServiceType.CUSTOM
    if ends_first or commands.is_migration(process.text) or _STEP_NAMES.fullmatch(service.name):
        return Role.MIGRATION, None
    return Role.APP, None


def _with_unknown_images(parts: dict[str, Part]) -> dict[str, Part]:
    """An image that nobody here builds, and that needs services alone, is a service."""
    built = {p.service.image.value for p in parts.values() if p.service.build and p.service.image}
    changed = True
    while changed:
        changed = False
        for name, part in parts.items():
            image = part.service.image
            if part.role is not Role.APP or part.service.build or image is None or image.value in built:
                continue
            needs = [parts[d.name] for d in part.service.dependencies if d.name in parts]
            shared = any(p is not part and p.role is Role.MIGRATION and p.service.image
                         and p.service.image.value == image.value for p in parts.values())  # fmt: skip
            if (
                all(need.role in (Role.SERVICE, Role.LEFT_OUT) for need in needs)
                and not shared
                and not any(need.role is Role.SERVICE and need.kind is not ServiceType.CUSTOM for need in needs)
            ):
                parts[name] = Part(
                    part.name, Role.SERVICE, part.service, part.process, part.dockerfile, ServiceType.CUSTOM
                )
                changed = True
    return parts


def _without_own_databases(parts: dict[str, Part], findings: Findings) -> dict[str, Part]:
    """A Postgres that only Temporal uses is not needed: Temporal keeps all in memory here."""
    temporal = {
        n for n, p in parts.items() if p.kind is ServiceType.TEMPORAL or p.image.repository.startswith("temporalio/")
    }
    for name, part in parts.items():
        if part.kind is not ServiceType.POSTGRES or not temporal:
            continue
        users = {n for n, p in parts.items() if n != name and _uses(p.service, name)}
        if users and users <= temporal and not any(port.published for port in part.service.ports):
            findings.add(
                Kind.LEFT_OUT, part.service.place, f"{name}: only Temporal uses it, which keeps all in memory here"
            )
            parts[name] = Part(part.name, Role.LEFT_OUT, part.service, part.process)
    return parts


def _uses(service: ComposeService, name: str) -> bool:
    if any(dependency.name == name for dependency in service.dependencies):
        return True
    word = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])")
    return any(word.search(variable.value or "") for variable in service.environment.values())


def _with_one_suite(parts: list[Part], findings: Findings) -> list[Part]:
    """One service with tests: a run has one suite."""
    suites = [part for part in parts if part.role is Role.TESTS]
    chosen = next((part for part in suites if commands.runs_tests(part.process.text)), suites[0] if suites else None)
    found = []
    for part in parts:
        if part.role is Role.TESTS and part is not chosen:
            findings.add(
                Kind.LEFT_OUT,
                part.service.place,
                f"{part.service.name}: another suite; a run has one, give it its own manifest",
            )
            part = Part(part.name, Role.LEFT_OUT, part.service, part.process)
        found.append(part)
    return found


def needs_type(name: str, kind: ServiceType) -> bool:
    """Whether a service of this name has to say its type."""
    return name not in WELL_KNOWN or name != kind.value
