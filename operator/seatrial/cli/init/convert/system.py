"""Apps and migrations: the system under test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from seatrial.cli.init.commented import Noted
from seatrial.cli.init.compose.model import EnvVariable
from seatrial.cli.init.convert import built, commands, health, images
from seatrial.cli.init.convert.code import code_of
from seatrial.cli.init.convert.custom import is_data
from seatrial.cli.init.convert.draft import Draft, literals
from seatrial.cli.init.convert.health import Probe
from seatrial.cli.init.convert.roles import Part, Role
from seatrial.cli.init.findings import Kind
from seatrial.cli.init.places import Place

HIGHEST_PRIVILEGED = 1023


def ports_of(part: Part, draft: Draft, probe: Probe | None) -> list[tuple[int, str]]:
    """The ports of an app, the main one first, each with where it is from."""
    found = [(port.target, str(port.place)) for port in part.service.ports if port.protocol == "tcp"]
    found += [(number, str(place)) for number, place in part.service.expose]
    given = commands.port_of(part.process.text)
    if probe and probe.port and part.service.health:
        first = [each for each in found if each[0] == probe.port]
        found = [*(first or [(probe.port, str(part.service.health.place))]), *found]
    if given and not found and part.process.place:
        found.append((given, str(part.process.place)))
    if not found and part.dockerfile and commands.port_of(part.process.text) is None and _serves(part):
        found += [(number, str(place)) for number, place in part.dockerfile.ports]
    found += [(number, "others name it") for number in draft.named_ports(part)]
    once: dict[int, str] = {}
    for number, place in found:
        once.setdefault(number, place)
    return list(once.items())


def _serves(part: Part) -> bool:
    """Whether it runs what its image is made for, so that the image's ports are its own."""
    return part.service.command is None and part.service.entrypoint is None


def app(part: Part, draft: Draft) -> Noted:
    """The manifest's app."""
    probe = health.probe_of(part.service.health)
    fields = _process(part, draft)
    ports = ports_of(part, draft, probe)
    if ports:
        main, place = ports[0]
        fields["port"] = Noted(main, place)
        if main <= HIGHEST_PRIVILEGED:
            text = f"{part.service.name}: it listens on {main} as an ordinary user; not every cluster lets it"
            draft.findings.add(Kind.DIFFERENT, place, text)
        more = {f"tcp-{number}": number for number, _ in ports[1:20]}
        if more:
            fields["ports"] = Noted(more, ports[1][1])
    if after := _after(part, draft):
        fields["after"] = after
    if part.service.replicas > 1:
        fields["replicas"] = Noted(part.service.replicas, str(part.service.place))
    _environment(part, draft, fields, [number for number, _ in ports])
    _ready(part, draft, probe, ports, fields)
    check_mounts(part, draft)
    _unplaced(part, draft)
    return Noted(fields)


def migration(part: Part, draft: Draft) -> Noted:
    """The manifest's migration."""
    fields = {"name": part.name, **_process(part, draft)}
    if "command" not in fields:
        known = images.CUSTOM.get(part.image.repository)
        arguments = part.process.args
        if arguments:
            entry = known.entrypoint if known else ()
            note = f"{part.process.place}" + ("" if entry else ": the image's entry point is not asked")
            fields["command"] = Noted(literals((*entry, *arguments)), note)
            fields.pop("args", None)
        else:
            fields["command"] = Noted(["false"], "replace it: the command is in the image")
            text = f"{part.service.name}: its command is the image's own; a migration has to say it"
            draft.findings.add(Kind.EDIT, part.service.place, text)
    _environment(part, draft, fields, ())
    check_mounts(part, draft)
    _unplaced(part, draft)
    order = ("name", "image", "command", "args", "code", "workingDir", "forwards", "env")
    return Noted({key: fields[key] for key in order if key in fields})


def _process(part: Part, draft: Draft) -> dict[str, Any]:
    fields: dict[str, Any] = {"image": built.image_of(part, draft)}
    own = code_of(part, draft.material.kinds)
    if draft.code and (own is None or (own.local, own.mount) != (draft.code.local, draft.code.mount)):
        fields["code"] = Noted(
            False, "its image has its own" if own is None else f"{own.place}: its own, at {own.mount}"
        )
        if own is not None:
            text = f"{part.service.name}: its code is the image's, not the working tree's: it is another folder"
            draft.findings.add(Kind.DIFFERENT, own.place, text)
    if part.process.command:
        fields["command"] = Noted(literals(part.process.command), str(part.process.place))
    if part.process.args:
        fields["args"] = Noted(literals(part.process.args), str(part.process.place))
    working = part.service.working_dir
    if working and working.value.startswith("/") and len(working.value) > 1:
        fields["workingDir"] = Noted(working.value, str(working.place))
    elif part.dockerfile and part.dockerfile.workdir and part.process.command and "code" not in fields:
        folder = part.dockerfile.workdir
        if draft.code and folder.value not in (draft.code.mount, "/"):
            fields["workingDir"] = Noted(folder.value, str(folder.place))
    return fields


def _after(part: Part, draft: Draft) -> Noted | None:
    others = [(other.name, d.place) for d in part.service.dependencies
              if (other := draft.part(d.name)) and other.role is Role.APP and other is not part]  # fmt: skip
    return Noted([name for name, _ in others], str(others[0][1])) if others else None


def variables_of(part: Part) -> dict[str, EnvVariable]:
    """The variables of a part; where its base image stands for it, those of its Dockerfile too."""
    found: dict[str, EnvVariable] = {}
    dockerfile = part.dockerfile
    if dockerfile and dockerfile.only_copies and part.process.command and part.service.build:
        found = {name: EnvVariable(name, text.value, text.place) for name, text in dockerfile.env.items()
                 if name != "PATH"}  # fmt: skip
    return {**found, **part.service.environment}


def _environment(part: Part, draft: Draft, fields: dict[str, Any], own: Sequence[int]) -> None:
    given = variables_of(part)
    if env := draft.env(given, part.service.name):
        fields["env"] = env
    host = next((text for text in part.service.unplaced if text.value == "network_mode"), None)
    local = draft.local_ports(given, own)
    if local or host:
        where = (
            f"{local[0][1]}: it uses port {local[0][0]} of the machine" if local else f"{host.place}" if host else ""
        )
        taken = [port for port in own if draft.published.get(port, part.name) != part.name]
        if taken or (part.role is Role.APP and "command" not in fields):
            why = f"port {taken[0]} is its own too" if taken else "give its command"
            draft.findings.add(Kind.EDIT, where, f"{part.service.name}: it needs forwards to others, but {why}")
        else:
            fields["forwards"] = Noted(True, where)
    missing_files(part, draft)


def missing_files(part: Part, draft: Draft) -> None:
    """Names the files of variables that are not there."""
    for text in part.service.missing_files:
        draft.findings.add(
            Kind.EDIT, text.place, f"{part.service.name}: there is no {text.value}, nor an example of it"
        )
    for text in part.service.examples:
        draft.findings.add(Kind.DIFFERENT, text.place, f"{part.service.name}: variables are those of {text.value}")


def _ready(part: Part, draft: Draft, probe: Probe | None, ports: list[tuple[int, str]], fields: dict[str, Any]) -> None:
    given = part.service.health
    if probe is None or given is None:
        return
    if probe.is_command or not ports:
        then = "once its port accepts a connection" if ports else "once it runs"
        text = f"{part.service.name}: no place for its health check `{health.program(probe)}`; it counts {then}"
        draft.findings.add(Kind.DIFFERENT, given.place, text)
        return
    ready = probe.ready
    if probe.port is not None and probe.port != ports[0][0]:
        handler, how = next(iter(ready.items()))
        ready = {handler: {**how, "port": probe.port}}
    fields["ready"] = Noted(ready, str(given.place))


def check_mounts(part: Part, draft: Draft) -> None:
    """Mounted paths that are neither code nor the shared volume."""
    code = code_of(part, draft.material.kinds)
    for mount in part.service.mounts:
        if mount.kind != "bind" or mount.target == draft.shared:
            continue
        covered = [
            each for each in (code, draft.code) if each and each.inside(mount.source) == mount.target.rstrip("/")
        ]
        if covered or mount.source in ("/etc/localtime", "/etc/timezone"):
            continue
        if is_data(mount, draft) and (not draft.code or not _within(mount.target, draft.code.mount)):
            text = f"{part.service.name}: {mount.target} is not writable here, but for /tmp and its code"
            draft.findings.add(Kind.DIFFERENT, mount.place, text)
        elif not is_data(mount, draft):
            text = f"{part.service.name}: {mount.source} has no place at {mount.target}; put it into the image"
            draft.findings.add(Kind.EDIT, mount.place, text)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


_UNPLACED = {
    "privileged": (Kind.DIFFERENT, "no container has privileges here"),
    "cap_add": (Kind.DIFFERENT, "no container has capabilities here"),
    "devices": (Kind.EDIT, "no device of the machine is there"),
    "gpus": (Kind.EDIT, "ask for a GPU with resources"),
    "runtime": (Kind.DIFFERENT, "the cluster chooses the runtime"),
    "network_mode": (Kind.DIFFERENT, "it has a network of its own; ports of the machine reach components by forwards"),
    "extra_hosts": (Kind.DIFFERENT, "no names but those of components"),
    "secrets": (Kind.EDIT, "files of secrets have no place; give variables"),
    "configs": (Kind.EDIT, "files of configs have no place; put them into the image"),
    "volumes_from": (Kind.EDIT, "volumes of others have no place"),
    "pid": (Kind.DIFFERENT, "it has processes of its own"),
    "ipc": (Kind.DIFFERENT, "it has memory of its own"),
    "sysctls": (Kind.DIFFERENT, "the kernel's settings are the node's"),
    "provider": (Kind.EDIT, "no provider runs here"),
    "models": (Kind.EDIT, "no model runs here"),
}


def _unplaced(part: Part, draft: Draft) -> None:
    for text in part.service.unplaced:
        kind, why = _UNPLACED.get(text.value, (Kind.DIFFERENT, "no place for it"))
        draft.findings.add(kind, text.place, f"{part.service.name}: {text.value}: {why}")


def shared_volume(draft: Draft) -> Noted | None:
    """The volume that apps keep files in, at one path; others are named."""
    found: dict[str, list[tuple[Part, Place, str]]] = {}
    for part in draft.with_role(Role.APP, Role.MIGRATION, Role.TESTS):
        for mount in part.service.mounts:
            path = mount.target.rstrip("/")
            anonymous = mount.kind == "volume" and not mount.source
            if (
                mount.kind != "volume"
                or anonymous
                or re.search(r"(node_modules|\.venv|venv|\.cache|__pycache__)$", path)
            ):
                continue
            found.setdefault(path, []).append((part, mount.place, mount.source))
    paths = [path for path, users in found.items() if path not in ("", "/tmp") and not _covered(path, users, draft)]  # noqa: S108
    if not paths:
        return None
    best = max(paths, key=lambda path: len({part.name for part, _, _ in found[path]}))
    for path in paths:
        if path != best:
            part, place, source = found[path][0]
            draft.findings.add(
                Kind.EDIT, place, f"{part.service.name}: there is one shared volume; no place for {path}"
            )
    _, place, source = found[best][0]
    return Noted({"mountPath": best}, f"{place}: {source}")


def _covered(path: str, users: Sequence[tuple[Part, Place, str]], draft: Draft) -> bool:
    """Whether it is writable anyway, and nobody else needs what is in it."""
    return len({part.name for part, _, _ in users}) == 1 and draft.code is not None and _within(path, draft.code.mount)
