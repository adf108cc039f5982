"""Puts the manifest together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.api.names import API_VERSION, KIND
from seatrial.api.services import ServiceType
from seatrial.api.system import Tests
from seatrial.cli.init.commented import Noted, plain
from seatrial.cli.init.convert import commands, custom, images, suite, system, typed
from seatrial.cli.init.convert.code import chosen
from seatrial.cli.init.convert.draft import Draft, literals
from seatrial.cli.init.convert.forwards import forwards
from seatrial.cli.init.convert.roles import Part, Role, environment_names, needs_type, parts_of
from seatrial.cli.init.findings import Findings, Kind
from seatrial.cli.init.folder import joined
from seatrial.cli.init.material import Material
from seatrial.cli.init.places import Place


@dataclass(frozen=True)
class Manifest:
    """The documents of a manifest, the run last, and what is to be said of them."""

    documents: tuple[dict[str, Any], ...]
    findings: Findings

    @property
    def run(self) -> dict[str, Any]:
        """The run, without notes."""
        found: dict[str, Any] = plain(self.documents[-1])
        return found


def manifest(material: Material) -> Manifest:
    """The manifest for a project."""
    findings = Findings()
    draft = Draft(material, findings, parts_of(material, findings))
    draft.code = chosen(material, draft.parts)
    _variables(draft)
    services = {part.name: _service(part, draft) for part in draft.with_role(Role.SERVICE)
                if part.kind is not ServiceType.CUSTOM}  # fmt: skip
    ports = forwards(draft)
    services |= {p.name: _service(p, draft) for p in draft.with_role(Role.SERVICE) if p.kind is ServiceType.CUSTOM}
    services = {part.name: services[part.name] for part in draft.with_role(Role.SERVICE)}
    services |= _containers(draft, services)
    volume = system.shared_volume(draft)
    draft.shared = str(volume.value["mountPath"]) if volume else ""
    apps = {part.name: system.app(part, draft) for part in draft.with_role(Role.APP)}
    tests = suite.tests(draft)
    env = _script_env(draft)
    apps |= _processes(draft, tests, ports)
    migrations = [system.migration(part, draft) for part in _in_order(draft)]
    migrations += _more_migrations(draft, tests, bool(migrations))
    code = {"local": draft.code.local, "mountPath": draft.code.mount}
    spec = {
        "code": Noted(code, f"{draft.code.place}: {draft.code.how}"),
        "services": services,
        "env": env,
        "migrations": migrations,
        "apps": apps,
        "sharedVolume": volume,
        "forwards": ports,
        "tests": tests,
    }
    run = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": material.name},
        "spec": {name: value for name, value in spec.items() if value},
    }
    if not apps and not draft.with_role(Role.TESTS) and (ports or services):
        findings.add(Kind.DIFFERENT, material.source, "no app was found: the suite has the system under test inside")
    return Manifest((*_config_maps(draft), run), findings)


def _variables(draft: Draft) -> None:
    """What the compose files ask for in vain, and what was read in place of it."""
    compose, findings = draft.material.compose, draft.findings
    for place, text in draft.material.unread:
        findings.add(Kind.EDIT, place, text)
    if draft.material.ignored_env and not draft.with_role(Role.TESTS):
        text = "git ignores .env, so it is not in the code; what the suite reads from it belongs to tests.env"
        findings.add(Kind.DIFFERENT, ".env", text)
    if compose is None:
        return
    if compose.env_files and not compose.env_files[0].endswith(".env"):
        text = "there is no .env; variables are those of the example"
        findings.add(Kind.DIFFERENT, compose.env_files[0], text)
    for part in draft.with_role(Role.SERVICE, Role.APP):
        if part.name != part.service.name:
            text = f"{part.service.name}: its name is {part.name} in the environment"
            findings.add(Kind.DIFFERENT, part.service.place, text)
    for name, (place, message) in compose.required.items():
        findings.add(Kind.EDIT, place, f"{name} has no value: {message or 'it is required'}")
    for name, place in compose.unset.items():
        findings.add(Kind.DIFFERENT, place, f"{name} has no value; it is empty, as Compose has it")


def _service(part: Part, draft: Draft) -> Noted:
    found = custom.service(part, draft) if part.kind is ServiceType.CUSTOM else typed.service(part, draft)
    return Noted(found.value or {}, found.note)


def _containers(draft: Draft, services: Mapping[str, Any]) -> dict[str, Any]:
    """Services in place of the containers that the test code starts."""
    found: dict[str, Any] = {}
    given = draft.material.containers
    for container in given:
        name = images.image_name(container.image)
        kind = images.TYPED.get(name.repository, ServiceType.CUSTOM)
        called = environment_names([container.name or name.repository.rpartition("/")[2]])
        called_as = next(iter(called.values()))
        note = f"{container.place}: {container.image}"
        if called_as in services or called_as in found:
            continue
        fields: dict[str, Any] = {"type": kind.value} if needs_type(called_as, kind) else {}
        version = typed.postgres_version(name) if kind is ServiceType.POSTGRES else ""
        if version:
            fields |= {"version": version} if version in typed.postgres_versions() else {"image": container.image}
        if kind is ServiceType.CUSTOM:
            known_image = images.CUSTOM.get(name.repository)
            fields["image"] = container.image
            if known_image:
                fields |= {"ports": dict(known_image.ports)} if known_image.ports else {}
                fields |= {"writable": list(known_image.writable)} if known_image.writable else {}
        found[called_as] = Noted(fields, note)
    if given and "testcontainers" not in Tests.model_fields:
        text = "tests: the suite starts containers by itself, which needs Docker; no environment has it"
        draft.findings.add(Kind.EDIT, given[0].place, text)
    return found


def _config_maps(draft: Draft) -> Iterator[dict[str, Any]]:
    for part in draft.with_role(Role.SERVICE):
        files = typed.init_files(part, draft) if part.kind is ServiceType.POSTGRES else {}
        if files:
            name = typed.init_name(draft.material.name, part.name)
            yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": files}


def _in_order(draft: Draft) -> list[Part]:
    """The migrations, each after those that it needs."""
    waiting, found = list(draft.with_role(Role.MIGRATION)), list[Part]()
    while waiting:
        names = {part.service.name for part in waiting}
        ready = [p for p in waiting if not names & {d.name for d in p.service.dependencies}] or waiting[:1]
        found.append(ready[0])
        waiting.remove(ready[0])
    return found


def _standing_alone(draft: Draft) -> bool:
    """Whether the system is started by hand: no app and no suite in the compose files."""
    return draft.material.script is not None and not draft.with_role(Role.APP, Role.TESTS)


def _script_env(draft: Draft) -> list[Any]:
    return suite.script_env(draft) if _standing_alone(draft) else []


def _processes(draft: Draft, tests: Noted, ports: dict[str, Any]) -> dict[str, Any]:
    """Apps of a script that starts them in the background."""
    script = draft.material.script
    if not _standing_alone(draft) or script is None or draft.code is None:
        return {}
    for name, place in script.unread:
        draft.findings.add(Kind.EDIT, place, f"{name}: only a shell could tell its value or its command")
    taken = [part.name for part in draft.parts]
    names = environment_names([*taken, *(f"{p.name}" for p in script.processes)])
    found: dict[str, Any] = {}
    for process in script.processes:
        words = tuple(re.sub(r"^127\.0\.0\.1$|^localhost$", "0.0.0.0", word) for word in process.words)  # noqa: S104
        port = commands.port_of(" ".join(words))
        fields: dict[str, Any] = {
            "image": _image(tests),
            "command": Noted(literals(words), str(process.place)),
            "workingDir": Noted(draft.code.mount, f"{script.file}: it runs there"),
        }
        if port:
            fields["port"] = Noted(port, str(process.place))
            ports.setdefault(str(port), Noted(names[process.name], str(process.place)))
        fields["forwards"] = Noted(True, "it knows the others by ports of the machine")
        own = [Noted({"name": name, "value": v.value}, str(v.place)) for name, v in process.env.items()]
        if own:
            fields["env"] = own
        found[names[process.name]] = Noted(fields)
    return found


def _more_migrations(draft: Draft, tests: Noted, has_own: bool) -> list[Noted]:
    """Commands that prepare the services where the tests are started, and Alembic's, if nothing runs it."""
    image = _image(tests)
    found: list[Noted] = []
    script = draft.material.script
    steps: Sequence[tuple[tuple[str, ...], Place]] = draft.steps
    if _standing_alone(draft) and script is not None:
        steps = [*steps, *script.migrations]
    for index, (words, place) in enumerate(steps):
        name = "migrate" if index == 0 else f"migrate-{index + 1}"
        fields = {"name": name, "image": image, "command": Noted(literals(words), str(place))}
        found.append(Noted(fields | _at_home(draft, tests)))
    ini = draft.material.alembic
    if found or has_own or ini is None or draft.material.migrated_by_tests or not _has_postgres(draft):
        return found
    if any(commands.mentions_migration(part.process.text) for part in draft.parts) or _run_by_image(draft):
        return found
    draft.findings.add(Kind.DIFFERENT, ini.place, "nothing in the compose files runs Alembic; a migration does it")
    fields = {"name": "alembic", "image": image, "command": Noted(["alembic", "upgrade", "head"], str(ini.place))}
    more = _at_home(draft, tests)
    inside = draft.code.inside(ini.folder) if draft.code else None
    if inside:
        more["workingDir"] = Noted(inside, str(ini.place))
    return [Noted(fields | more)]


def _image(tests: Noted) -> Noted:
    """The image of the tests for what is started beside them."""
    image = plain(tests.value.get("image")) or suite.DEFAULT_IMAGE
    return Noted(image, "the image of the tests")


def _at_home(draft: Draft, tests: Noted) -> dict[str, Any]:
    """What a migration needs to run like the tests do."""
    fields: dict[str, Any] = {}
    folder = plain(tests.value.get("workingDir"))
    if folder:
        fields["workingDir"] = Noted(folder, "as the tests")
    if draft.published and not draft.with_role(Role.TESTS):
        fields["forwards"] = Noted(True, "as the tests")
    env = tests.value.get("env")
    if env:
        fields["env"] = env
    return fields


def _has_postgres(draft: Draft) -> bool:
    return any(part.kind is ServiceType.POSTGRES for part in draft.parts)


def _run_by_image(draft: Draft) -> bool:
    """Whether a script in the project that an image starts with may run it: an entry point of its own."""
    for part in draft.with_role(Role.APP):
        words = part.process.words
        if words and re.search(r"(entrypoint|start|prestart|run|docker)[\w.-]*(\.sh)?$", joined(".", words[0])):
            return True
    return False
