"""Specs as the CRD's schema allows them, for hypothesis; repairs keep what its CEL rules say."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from seatrial.api.scalars import DURATION_PATTERN
from seatrial.api.services import WELL_KNOWN, fields_of_other_types
from seatrial.generate.crd import crd

Json = dict[str, Any]
EXAMPLES = int(os.environ.get("SEATRIAL_FUZZ", "0"))
"""How many specs to try; 0: few, the same ones each time."""
SPEC: Json = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]

NAMES = ("A", "B", "PGHOST", "PGPASSWORD", "DATABASE_URL", "API_TOKEN", "DB_PASSWORD", "HOME", "SEATRIAL_RUN")
KEYS = ("postgres", "minio", "redis", "temporal", "a", "a-b", "cache", "orders-db", "n" * 40)
RESOURCES = ("cpu", "memory", "ephemeral-storage", "vendor.example/gpu")
PIECES = ("$(", ")", "$$(A)", "$(A)", "$(B)$(B)", "$(DATABASE_URL)", "$(PGPASSWORD)", "$", "/", "..", ":",
          "://u:hunter22@h", "\n", "tests", "x" * 300, "-", "=", "é", "\\", '"')  # fmt: skip
TEXT = st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=8).map("".join)
DURATIONS = ("0s", "1ms", "90s", "5m", "1h30m", "0.5s1.5m", "87600h")
QUANTITIES = ("0", "1", "250m", "1.5Gi", "64Mi", ".5", "2.", "1e3", "7E", 2, 0)


def _string(schema: Json) -> SearchStrategy[str]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    longest, shortest = schema.get("maxLength", 40), schema.get("minLength", 0)
    if schema.get("pattern") == DURATION_PATTERN:
        return st.sampled_from(DURATIONS)
    if "pattern" in schema:
        pattern = re.sub(r"\$$", r"\\Z", schema["pattern"])
        return st.from_regex(pattern).filter(lambda text: shortest <= len(text) <= longest)
    return TEXT.map(lambda text: text[:longest]).filter(lambda text: len(text) >= shortest)


def _int_or_string(schema: Json) -> SearchStrategy[int | str]:
    if "pattern" in schema:
        return st.sampled_from(QUANTITIES)
    return st.integers(1, 70_000) | st.sampled_from(("http", "grpc", "80", "0", "99999", "x" * 63))


def _array(schema: Json) -> SearchStrategy[list[Any]]:
    unique: dict[str, Any] = {}
    if schema.get("x-kubernetes-list-type") == "map":
        (key,) = schema["x-kubernetes-list-map-keys"]
        unique["unique_by"] = lambda item: item[key]
    elif schema.get("x-kubernetes-list-type") == "set":
        unique["unique"] = True
    most = min(schema.get("maxItems", 4), 4)
    return st.lists(of_schema(schema["items"]), min_size=schema.get("minItems", 0), max_size=most, **unique)


def _object(schema: Json) -> SearchStrategy[Json]:
    if "additionalProperties" in schema:
        values = of_schema(schema["additionalProperties"])
        most = min(schema.get("maxProperties", 4), 4)
        keys = st.sampled_from(("http", "grpc", "a", "Web", "", "x.y", "é", "n" * 64))
        return st.dictionaries(keys, values, min_size=schema.get("minProperties", 0), max_size=most)
    parts = {name: SPECIAL.get(name, of_schema)(part) for name, part in schema["properties"].items()}
    required = {name: parts.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(required, optional=parts)


def of_schema(schema: Json) -> SearchStrategy[Any]:
    """Values that a part of the schema accepts."""
    if schema.get("x-kubernetes-int-or-string"):
        return _int_or_string(schema)
    match schema["type"]:
        case "string":
            return _string(schema)
        case "integer":
            return st.integers(schema.get("minimum", 0), min(schema.get("maximum", 99), 99))
        case "boolean":
            return st.booleans()
        case "array":
            return _array(schema)
    return _object(schema)


def _env(schema: Json) -> SearchStrategy[Any]:
    if schema["type"] != "array":  # the name of the shared volume's variable
        return st.sampled_from(("A", "PGHOST", "SEATRIAL_X")) | _string(schema)
    name = st.sampled_from(NAMES) | _string(schema["items"]["properties"]["name"])
    entry = st.fixed_dictionaries({"name": name}, optional={"value": TEXT})
    return st.lists(entry, max_size=6, unique_by=lambda item: str(item["name"]))


def _ready(schema: Json) -> SearchStrategy[Json]:
    return st.one_of(*(st.fixed_dictionaries({name: of_schema(part)}) for name, part in schema["properties"].items()))


def _resources(_schema: Json) -> SearchStrategy[Json]:
    quantities = st.dictionaries(st.sampled_from(RESOURCES[:3]), st.sampled_from(QUANTITIES))
    devices = st.sampled_from(({}, {RESOURCES[3]: 1}))
    return st.builds(
        lambda requests, limits, gpu: {"requests": requests | gpu, "limits": limits | gpu},
        quantities,
        quantities,
        devices,
    )


def _files(schema: Json) -> SearchStrategy[Json]:
    items = schema["properties"]["configMapRef"]["properties"]["items"]
    keys = st.sampled_from(("test_hello.py", "10-tables.sql", "nope"))
    known = st.lists(keys, max_size=2, unique=True).map(lambda names: [{"key": n, "path": f"a/{n}"} for n in names])
    return st.builds(
        lambda name, items: {"configMapRef": {"name": name, "items": items}},
        st.sampled_from(("hello", "seed-sql", "nope")),
        known | of_schema(items),
    )


def _code(schema: Json) -> SearchStrategy[Any]:
    if schema["type"] == "boolean":
        return st.booleans()
    paths = st.sampled_from(("/app", "/app/src", "/a/b/c", "/tests", "/usr")) | _string(
        schema["properties"]["mountPath"]
    )
    return st.builds(
        lambda digest, path: {"digest": digest, "mountPath": path}, _string(schema["properties"]["digest"]), paths
    )


def _forwards(schema: Json) -> SearchStrategy[Any]:
    if schema["type"] == "boolean":
        return st.booleans()
    targets = st.sampled_from((*KEYS, "a:http", "postgres:5432", "a:99999"))
    ports = st.sampled_from(("1", "80", "443", "7070", "15432", "65535"))
    return st.dictionaries(ports, targets | _string(schema["additionalProperties"]), max_size=4)


def _services(schema: Json) -> SearchStrategy[Json]:
    one = _object(schema["additionalProperties"])
    image = schema["additionalProperties"]["properties"]["image"]
    return st.dictionaries(st.sampled_from(KEYS), st.tuples(one, _string(image)), max_size=4).map(
        lambda found: {name: _of_one_type(name, service, image) for name, (service, image) in found.items()}
    )


def _of_one_type(name: str, service: Json, image: str) -> Json:
    kind = service.get("type") or (name if name in WELL_KNOWN else "custom")
    kept = {key: value for key, value in service.items() if key not in fields_of_other_types(kind)}
    if name not in WELL_KNOWN:
        kept["type"] = kind
    if kind == "custom":
        kept.setdefault("image", image)
    if not kept.get("ports"):
        kept.pop("ready", None)
    return kept


def _apps(schema: Json) -> SearchStrategy[Json]:
    needed = {"ready": "port", "forwards": "command"}
    one = _object(schema["additionalProperties"])
    return st.dictionaries(st.sampled_from(KEYS), one, max_size=3).map(
        lambda found: {
            name: {key: value for key, value in app.items() if key not in needed or app.get(needed[key])}
            for name, app in found.items()
        }
    )


def _tests(schema: Json) -> SearchStrategy[Any]:
    if schema["type"] != "object":  # their timeout
        return of_schema(schema)
    return _object(schema).map(lambda tests: tests if "source" in tests else {"image": "i", **tests})


SPECIAL: dict[str, Callable[[Json], SearchStrategy[Any]]] = {
    "env": _env,
    "ready": _ready,
    "resources": _resources,
    "source": _files,
    "code": _code,
    "forwards": _forwards,
    "initSQL": _files,
    "services": _services,
    "apps": _apps,
    "tests": _tests,
}


def _without_shared_names(spec: Json) -> Json:
    services = spec.get("services", {})
    return spec | {"apps": {name: app for name, app in spec.get("apps", {}).items() if name not in services}}


SPECS: SearchStrategy[Json] = _object(SPEC).map(_without_shared_names)


def profile(examples: int) -> settings:
    """So many specs, the same ones each time, unless `SEATRIAL_FUZZ` asks for others. Nothing is timed."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
