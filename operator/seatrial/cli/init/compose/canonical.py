"""Brings a service to one form: lists for maps become maps, paths are the project's. Then files can merge."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from seatrial.cli.init.compose.values import Value
from seatrial.cli.init.folder import joined
from seatrial.cli.init.places import ReadError

PORTS_OF_A_RANGE = 50
REPLACED = frozenset({"command", "entrypoint", "test"})
"""What a later file replaces as a whole, although it is a list."""
_PORT = re.compile(r"(?:(?:(\[[^\]]+\]|[^:]*):)?([0-9]*(?:-[0-9]+)?):)?([0-9]+(?:-[0-9]+)?)(?:/(tcp|udp|sctp))?")


def canonical(service: Value, base: str) -> Value:
    """The service in one form.

    Args:
        service: as it stands in a file, its variables replaced.
        base: the folder that its paths are relative to, seen from the project's.
    """
    forms: dict[str, Callable[[Value], Value]] = {
        "environment": assignments,
        "labels": assignments,
        "build": lambda value: _build(value, base),
        "depends_on": lambda value: _named(value, "condition", "service_started"),
        "networks": lambda value: _named(value, "", ""),
        "ports": _ports,
        "volumes": lambda value: _volumes(value, base),
        "env_file": lambda value: _env_files(value, base),
        "expose": _set,
        "profiles": _set,
        "links": _set,
        "tmpfs": _set,
    }
    found = {}
    for key, value in service.map().items():
        form = forms.get(key)
        found[key] = value if form is None or value.data is None or value.tag == "!reset" else form(value)
    return service.with_data(found)


def merged(base: Value, over: Value) -> Value:
    """What two files say together; the later one counts."""
    if over.tag == "!override" or not (base.is_map and over.is_map):
        if base.is_list and over.is_list and over.tag != "!override":
            return over.with_data((*base.list(), *over.list()))
        return over
    result = dict(base.map())
    for key, value in over.map().items():
        if value.tag == "!reset":
            result.pop(key, None)
        elif key in result and key not in REPLACED and value.data is not None:
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return over.with_data(result)


def assignments(value: Value) -> Value:
    """`[A=1, B]` as a map."""
    if value.is_map:
        return value
    found: dict[str, Value] = {}
    for item in value.list():
        name, equals, text = item.text().partition("=")
        found[name.strip()] = item.with_data(text if equals else None)
    return value.with_data(found)


def _set(value: Value) -> Value:
    return value.with_data({item.text(): item for item in value.as_list()})


def _named(value: Value, field: str, default: str) -> Value:
    if value.is_map:
        return value
    fields = {field: default} if field else {}
    return value.with_data(
        {
            item.text(): item.with_data({key: item.with_data(text) for key, text in fields.items()})
            for item in value.list()
        }
    )


def _build(value: Value, base: str) -> Value:
    fields = {"context": value} if isinstance(value.data, str) else dict(value.map())
    context = fields.get("context", value.with_data("."))
    fields["context"] = context.with_data(_path(context.text(), base))
    if "args" in fields and fields["args"].data is not None:
        fields["args"] = assignments(fields["args"])
    return value.with_data(fields)


def _path(path: str, base: str) -> str:
    """A path of the project; addresses and absolute paths stay."""
    if re.match(r"[a-z+]+://|git@|~|/", path):
        return path
    return joined(base, path)


def _env_files(value: Value, base: str) -> Value:
    found = {}
    for item in value.as_list():
        fields = item.map() if item.is_map else {"path": item}
        path = fields.get("path", item).text()
        required = fields["required"].text() if "required" in fields else "true"
        found[_path(path, base)] = item.with_data(
            {"path": item.with_data(_path(path, base)), "required": item.with_data(required)}
        )
    return value.with_data(found)


def _ports(value: Value) -> Value:
    found: dict[str, Value] = {}
    for item in value.list():
        for fields in _long_port(item) if item.is_map else _short_port(item):
            texts = {key: item.with_data(text) for key, text in fields.items()}
            key = f"{fields['host_ip']}:{fields['published']}:{fields['target']}/{fields['protocol']}"
            found[key] = item.with_data(texts)
    return value.with_data(found)


def _long_port(item: Value) -> Sequence[Mapping[str, str]]:
    fields = {key: value.text() for key, value in item.map().items() if not value.is_map and not value.is_list}
    target, published = fields.get("target", ""), fields.get("published", "")
    if not target.isdecimal():
        raise ReadError(item.place, "a port needs a number as its target")
    return [
        {
            "target": target,
            "published": published if published.isdecimal() else "",
            "protocol": fields.get("protocol", "tcp"),
            "host_ip": fields.get("host_ip", ""),
        }
    ]


def _short_port(item: Value) -> Sequence[Mapping[str, str]]:
    match = _PORT.fullmatch(item.text().strip())
    if not match:
        raise ReadError(item.place, f"{item.text()!r} is no port; write for example 8000:8000")
    host_ip, published, target, protocol = match[1] or "", match[2] or "", match[3], match[4] or "tcp"
    targets, hosts = _range(target, item), _range(published, item) if published else []
    if hosts and len(hosts) != len(targets):
        # A range of host ports for one port: Docker takes any that is free.
        hosts = hosts[:1] if len(targets) == 1 else []
    return [
        {
            "target": str(number),
            "published": str(hosts[index]) if hosts else "",
            "protocol": protocol,
            "host_ip": host_ip,
        }
        for index, number in enumerate(targets)
    ]


def _range(text: str, item: Value) -> Sequence[int]:
    first, _, last = text.partition("-")
    low, high = int(first), int(last or first)
    if not (0 < low <= high <= 65535) or high - low >= PORTS_OF_A_RANGE:
        raise ReadError(item.place, f"{text} is no port or range of at most {PORTS_OF_A_RANGE}, each from 1 to 65535")
    return range(low, high + 1)


def _volumes(value: Value, base: str) -> Value:
    found = {}
    for item in value.list():
        if item.is_map:
            fields = {key: child.text() for key, child in item.map().items() if not child.is_map and not child.is_list}
        else:
            fields = _short_volume(item.text())
        source = fields.get("source", fields.get("src", ""))
        target = fields.get("target", fields.get("dst", fields.get("destination", "")))
        kind = fields.get("type", "volume")
        if kind == "bind":
            source = _path(source, base)
        texts = {"type": kind, "source": source, "target": target}
        found[target] = item.with_data({key: item.with_data(text) for key, text in texts.items()})
    return value.with_data(found)


def _short_volume(text: str) -> dict[str, str]:
    source, colon, rest = text.partition(":")
    if not colon:
        return {"type": "volume", "target": text}
    target = rest.split(":")[0]
    kind = "bind" if source.startswith((".", "/", "~")) else "volume"
    return {"type": kind, "source": source, "target": target}
