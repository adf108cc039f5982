"""One service, out of its canonical values."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from seatrial.cli.init.compose.model import (
    Build,
    ComposeService,
    Dependency,
    EnvVariable,
    HealthCheck,
    Mount,
    Port,
    Text,
    Words,
)
from seatrial.cli.init.compose.values import Value
from seatrial.cli.init.compose.variables import Scope, parse_env
from seatrial.cli.init.folder import Folder, joined
from seatrial.cli.init.places import ReadError

_PLACED = frozenset({
    "image", "build", "command", "entrypoint", "environment", "env_file", "ports", "expose", "volumes", "depends_on",
    "healthcheck", "profiles", "networks", "hostname", "container_name", "links", "working_dir", "restart", "scale",
    "deploy", "shm_size", "extends",
})  # fmt: skip
_WITHOUT_EFFECT = frozenset({
    "labels", "logging", "tty", "stdin_open", "init", "stop_grace_period", "stop_signal", "pull_policy", "platform",
    "develop", "security_opt", "cap_drop", "user", "read_only", "tmpfs", "ulimits", "mem_limit", "mem_reservation",
    "cpus", "cpu_shares", "annotations", "attach", "dns", "oom_score_adj", "memswap_limit", "mem_swappiness",
})  # fmt: skip
"""Fields that change nothing of what a run tests, or that every pod of an environment has set already."""
REPLICAS = 20


def service_of(name: str, value: Value, folder: Folder, scope: Scope, base: str) -> ComposeService:
    """The service called `name`.

    Raises:
        ReadError: a field has a form that Compose would refuse too.
    """
    fields = value.map()
    environment, missing, examples = _environment(fields, folder, scope)
    image = fields.get("image")
    restart = fields["restart"].text() if "restart" in fields else ""
    return ComposeService(
        name=name,
        place=value.place,
        image=Text(image.text(), image.place) if image and image.data else None,
        build=_build(fields),
        entrypoint=_words(fields.get("entrypoint")),
        command=_words(fields.get("command")),
        environment=environment,
        ports=tuple(map(_port, _items(fields, "ports").values())),
        expose=tuple((int(key.partition("/")[0]), item.place) for key, item in _items(fields, "expose").items()
                     if key.partition("/")[0].isdecimal()),
        mounts=tuple(map(_mount, _items(fields, "volumes").values())),
        dependencies=tuple(_dependency(key, item) for key, item in _items(fields, "depends_on").items()),
        health=_health(fields.get("healthcheck")),
        profiles=tuple(_items(fields, "profiles")),
        aliases=_aliases(name, fields),
        working_dir=_text(fields.get("working_dir")),
        restart=restart,
        replicas=_replicas(fields),
        shared_memory=_text(fields.get("shm_size")),
        missing_files=missing,
        examples=examples,
        unplaced=tuple(
            Text(key, item.place) for key, item in fields.items()
            if key not in _PLACED | _WITHOUT_EFFECT and not key.startswith("x-") and item.data not in (None, "false")
        ),
    )  # fmt: skip


def _items(fields: Mapping[str, Value], key: str) -> Mapping[str, Value]:
    return fields[key].map() if key in fields else {}


def _text(value: Value | None) -> Text | None:
    return Text(value.text(), value.place) if value and value.data else None


def _words(value: Value | None) -> Words | None:
    if value is None or value.data is None:
        return None
    if value.is_list:
        return Words(tuple(item.text() for item in value.list()), value.place)
    try:
        return Words(tuple(shlex.split(value.text())), value.place)
    except ValueError as error:
        raise ReadError(value.place, f"this command can't be split into words: {error}") from error


def _build(fields: Mapping[str, Value]) -> Build | None:
    value = fields.get("build")
    if value is None or value.data is None:
        return None
    parts = value.map()
    args = {key: item.text() for key, item in _items(parts, "args").items()}
    return Build(
        context=parts["context"].text() if "context" in parts else ".",
        dockerfile=parts["dockerfile"].text() if "dockerfile" in parts else "Dockerfile",
        target=parts["target"].text() if "target" in parts else "",
        args=args,
        place=value.place,
        inline=parts["dockerfile_inline"].text() if "dockerfile_inline" in parts else "",
    )


def _port(value: Value) -> Port:
    texts = {key: item.text() for key, item in value.map().items()}
    published = texts["published"]
    target = int(texts["target"])
    if not 0 < target <= 65535:
        raise ReadError(value.place, f"{target} is no port")
    return Port(target, int(published) if published else None, texts["protocol"], value.place)


def _mount(value: Value) -> Mount:
    texts = {key: item.text() for key, item in value.map().items()}
    return Mount(texts["type"], texts["source"], texts["target"], value.place)


def _dependency(name: str, value: Value) -> Dependency:
    condition = value.map()["condition"].text() if "condition" in value.map() else "service_started"
    return Dependency(name, condition, value.place)


def _health(value: Value | None) -> HealthCheck | None:
    fields = value.map() if value else {}
    test = fields.get("test")
    if value is None:
        return None
    if "disable" in fields and fields["disable"].text() == "true":
        return HealthCheck(("NONE",), value.place)
    if test is None or test.data is None:
        return None
    if test.is_list:
        return HealthCheck(tuple(item.text() for item in test.list()), test.place)
    return HealthCheck(("CMD-SHELL", test.text()), test.place)


def _aliases(name: str, fields: Mapping[str, Value]) -> tuple[str, ...]:
    found = [fields[key].text() for key in ("container_name", "hostname") if key in fields]
    for network in _items(fields, "networks").values():
        if network.is_map and "aliases" in network.map():
            found += [item.text() for item in network.map()["aliases"].as_list()]
    return tuple(dict.fromkeys(alias for alias in found if alias and alias != name))


def _replicas(fields: Mapping[str, Value]) -> int:
    given = fields.get("scale") or (_items(fields, "deploy").get("replicas") if fields.get("deploy") else None)
    text = given.text() if given and not given.is_map else ""
    return min(max(int(text), 1), REPLICAS) if text.isdecimal() else 1


def _environment(
    fields: Mapping[str, Value], folder: Folder, scope: Scope
) -> tuple[dict[str, EnvVariable], tuple[Text, ...], tuple[Text, ...]]:
    """The variables, the files that are missing, and the files that were read in their place."""
    found: dict[str, EnvVariable] = {}
    missing: list[Text] = []
    examples: list[Text] = []
    for path, item in _items(fields, "env_file").items():
        file = path
        text = folder.text(path) if folder.is_file(path) else None
        if text is None:
            file = _example(folder, path)
            text = folder.text(file) if file else None
            if file:
                examples.append(Text(file, item.place))
        if text is None:
            if item.map()["required"].text() != "false":
                missing.append(Text(path, item.place))
            continue
        for name, variable in parse_env(text, file, scope).items():
            found[name] = EnvVariable(name, variable.value, variable.place)
    for name, item in _items(fields, "environment").items():
        if item.data is not None:
            found[name] = EnvVariable(name, item.text(), item.place, item.origins)
        elif name in scope.known:
            known = scope.known[name]
            found[name] = EnvVariable(name, known.value, known.place)
        else:
            found[name] = EnvVariable(name, None, item.place)
    return found, tuple(missing), tuple(examples)


def _example(folder: Folder, path: str) -> str:
    """A file that shows what a missing file of variables would hold: `.env.example` for `.env`."""
    parent, _, name = path.rpartition("/")
    stem = name.removeprefix(".env").strip(".")
    names = [f"{name}.{end}" for end in ("example", "sample", "template", "dist")]
    names += [f".env.{end}" for end in ("example", "sample", "template", "dist")] if not stem else []
    names += [f"{end}{name}" for end in ("example", "sample")]
    candidates = [joined(parent or ".", each) for each in names]
    return next((each for each in candidates if folder.is_file(each)), "")
