"""Typed services: Postgres, MinIO, Redis and Temporal out of the images that people use for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from seatrial.api.services import Service, ServiceType
from seatrial.cli.init.commented import Noted
from seatrial.cli.init.compose.model import EnvVariable
from seatrial.cli.init.convert import commands, images
from seatrial.cli.init.convert.draft import Draft
from seatrial.cli.init.convert.roles import Part, Role, needs_type
from seatrial.cli.init.findings import Kind

INIT_FOLDER = "/docker-entrypoint-initdb.d"
DEFAULT_POSTGRES = "17"
MINIO_DEFAULT = "minioadmin"
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_PASSWORD = re.compile(r"[A-Za-z0-9_-]{0,128}")
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MB = re.compile(r"\bmc\s+(?:--\S+\s+)*mb\s+((?:-\S+\s+)*)([^\s;&|]+)")
_MC_UNDERSTOOD = re.compile(r"\bmb\s|\balias\s|\bconfig\s+host\b|\bready\b")
_REDIS_SETTINGS = frozenset({
    "maxmemory", "maxmemory-policy", "databases", "notify-keyspace-events", "cluster-enabled", "maxclients", "timeout",
})  # fmt: skip
_MADE_DATABASE = re.compile(r"CREATE\s+DATABASE\s+\"?([A-Za-z_][A-Za-z0-9_]*)\"?", re.IGNORECASE)


def service(part: Part, draft: Draft) -> Noted:
    """The manifest's service for a part that has a type."""
    makers = {
        ServiceType.POSTGRES: _postgres,
        ServiceType.MINIO: _minio,
        ServiceType.REDIS: _redis,
        ServiceType.TEMPORAL: _temporal,
    }
    assert part.kind is not None
    fields = makers[part.kind](part, draft)
    if needs_type(part.name, part.kind):
        fields = {"type": part.kind.value, **fields}
    image = part.image_text
    return Noted(fields, f"{image.place}: {image.value}" if image else "")


def postgres_versions() -> tuple[str, ...]:
    """The versions of Postgres that there are."""
    found: list[str] = []
    for kind in get_args(Service.model_fields["version"].annotation):
        found += [version for version in get_args(kind) if isinstance(version, str)]
    return tuple(found)


def postgres_version(image: images.ImageName) -> str:
    """The major version that a tag names: `16-alpine`, `pg16`, `0.7.0-pg16`; empty if it names none."""
    match = re.search(r"pg(\d+)", image.tag) or re.match(r"(\d+)", image.tag)
    return match[1] if match else ""


def _first(env: Mapping[str, EnvVariable], *names: str) -> EnvVariable | None:
    return next((env[name] for name in names if name in env and env[name].value), None)


def _noted(variable: EnvVariable) -> Noted:
    places = dict.fromkeys(map(str, (variable.place, *(origin.place for origin in variable.origins))))
    return Noted(variable.value, ", ".join(places))


def _credential(
    part: Part, draft: Draft, variable: EnvVariable, pattern: re.Pattern[str], least: int = 1
) -> Noted | None:
    value = variable.value or ""
    if pattern.fullmatch(value) and len(value) >= least:
        draft.passwords.add(value)
        return _noted(variable)
    text = f"{part.service.name}: {variable.name} can't be taken over: {least} or more letters, digits, '_' and '-'"
    draft.findings.add(Kind.EDIT, variable.place, f"{text}; the suite needs another one")
    return None


def _postgres(part: Part, draft: Draft) -> dict[str, Any]:
    env, fields = part.service.environment, dict[str, Any]()
    _postgres_version(part, draft, fields)
    user = _first(env, "POSTGRES_USER", "POSTGRESQL_USERNAME", "POSTGRESQL_USER")
    if user and user.value != "postgres":
        fields["user"] = _credential(part, draft, user, _USER)
    password = _first(env, "POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD", "POSTGRESQL_POSTGRES_PASSWORD")
    if password:
        fields["password"] = _credential(part, draft, password, _PASSWORD)
    elif "POSTGRES_PASSWORD_FILE" in env:
        text = f"{part.service.name}: its password is in a secret; give it as password"
        draft.findings.add(Kind.EDIT, env["POSTGRES_PASSWORD_FILE"].place, text)
    elif method := _first(env, "POSTGRES_HOST_AUTH_METHOD", "ALLOW_EMPTY_PASSWORD"):
        text = f"{part.service.name}: it asks for a password here; PGPASSWORD and DATABASE_URL have it"
        draft.findings.add(Kind.DIFFERENT, method.place, text)
    _databases(part, draft, fields, user)
    if extension := images.EXTENSIONS.get(part.image.repository):
        fields["extensions"] = Noted([extension], "what the image is chosen for")
    _settings(part, draft, fields)
    _locale(env, fields)
    _init_sql(part, draft, fields)
    return {name: value for name, value in fields.items() if value is not None}


def _postgres_version(part: Part, draft: Draft, fields: dict[str, Any]) -> None:
    image = part.image_text
    if image is None:
        return
    version = postgres_version(part.image)
    extension = images.EXTENSIONS.get(part.image.repository, "")
    have_it = images.VERSIONS_WITH.get(extension, postgres_versions())
    if version in have_it or (not version and DEFAULT_POSTGRES in have_it):
        fields |= {"version": Noted(version, str(image.place))} if version else {}
    elif part.service.build is None:
        fields["image"] = Noted(image.value, f"{image.place}: no version of ours is like it")
    else:
        known = ", ".join(have_it)
        draft.findings.add(Kind.DIFFERENT, image.place, f"{part.service.name}: Postgres {version} before, {known} here")


def _databases(part: Part, draft: Draft, fields: dict[str, Any], user: EnvVariable | None) -> None:
    env = part.service.environment
    database = _first(env, "POSTGRES_DB", "POSTGRESQL_DATABASE")
    names, notes = [], []
    if database and database.value:
        names, notes = [database.value], [str(database.place)]
    elif user and user.value and user.value != "postgres":
        names, notes = [user.value], ["the image calls it like the user"]
    more = _first(env, "POSTGRES_MULTIPLE_DATABASES", "POSTGRES_DATABASES", "ADDITIONAL_DATABASES")
    if more and more.value:
        names += [name for name in re.split(r"[\s,]+", more.value) if name]
        notes.append(str(more.place))
    for source, place in _init_sources(part):
        for name, text in draft.material.sql.get(source, {}).items():
            if not name.endswith(".sql"):
                made = _MADE_DATABASE.findall(text)
                names += made
                notes += [f"{source}: {name}"] if made else []
                kind = Kind.DIFFERENT if made or more else Kind.EDIT
                does = f"its databases {', '.join(made)} are there" if made else "what it does is missing"
                draft.findings.add(kind, place, f"{part.service.name}: {name} is no SQL and does not run; {does}")
    names = list(dict.fromkeys(names))
    if wrong := [name for name in names if not _DATABASE.fullmatch(name)]:
        where = database.place if database else part.service.place
        draft.findings.add(Kind.EDIT, where, f"{part.service.name}: a database can't be called {', '.join(wrong)} here")
    names = [name for name in names if _DATABASE.fullmatch(name)]
    if names and names != ["postgres"]:
        fields["databases"] = Noted(names[:20], ", ".join(notes))


def _settings(part: Part, draft: Draft, fields: dict[str, Any]) -> None:
    words, settings, rest = [*part.process.words], dict[str, Any](), []
    if part.service.command is None:
        words = []
    if words[:1] == ["postgres"] or words[:1] == ["docker-entrypoint.sh"]:
        words = words[1:]
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            word = words.pop(0)
        elif (word.startswith("-c") and "=" in word) or (word.startswith("--") and "=" in word):
            word = word[2:]
        else:
            rest.append(word)
            continue
        name, _, value = word.partition("=")
        settings[name.strip().replace("-", "_")] = value.strip().strip("'\"")
    place = part.process.place
    if settings and place:
        fields["settings"] = Noted({name: value for name, value in settings.items() if value}, str(place))
    if rest and place:
        draft.findings.add(Kind.DIFFERENT, place, f"{part.service.name}: no place for {' '.join(rest)[:100]}")


def _locale(env: Mapping[str, EnvVariable], fields: dict[str, Any]) -> None:
    arguments = _first(env, "POSTGRES_INITDB_ARGS")
    match = re.search(r"--(?:locale|lc-collate)[= ](\S+)", arguments.value or "") if arguments else None
    if match and arguments:
        fields["locale"] = Noted(match[1], str(arguments.place))


def _init_sources(part: Part) -> Iterator[tuple[str, Any]]:
    for mount in part.service.mounts:
        if mount.kind == "bind" and mount.target.startswith(INIT_FOLDER):
            yield mount.source, mount.place


def _init_sql(part: Part, draft: Draft, fields: dict[str, Any]) -> None:
    names: list[str] = []
    for source, place in _init_sources(part):
        files = draft.material.sql.get(source, {})
        names += [name for name in files if name.endswith(".sql")]
        if not files:
            draft.findings.add(Kind.DIFFERENT, place, f"{part.service.name}: there is no {source} that could be read")
    if names:
        place = next(place for _, place in _init_sources(part))
        name = init_name(draft.material.name, part.name)
        fields["initSQL"] = Noted({"configMapRef": {"name": name}}, f"{place}: {', '.join(sorted(names))}, above")


def init_name(run: str, service: str) -> str:
    """The ConfigMap with a service's initial SQL."""
    return f"{run}-{service}-sql"[:253].strip("-.")


def init_files(part: Part, draft: Draft) -> dict[str, str]:
    """The initial SQL of a part, by the names of the files."""
    found: dict[str, str] = {}
    for source, _ in _init_sources(part):
        files = draft.material.sql.get(source, {})
        found.update({name: text for name, text in files.items() if name.endswith(".sql")})
    return found


def _minio(part: Part, draft: Draft) -> dict[str, Any]:
    env, fields = part.service.environment, dict[str, Any]()
    user = _first(env, "MINIO_ROOT_USER", "MINIO_ACCESS_KEY")
    password = _first(env, "MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY")
    draft.passwords.add(MINIO_DEFAULT)
    own_default = Noted(MINIO_DEFAULT, "MinIO's own default")
    fields["user"] = _credential(part, draft, user, _USER, 3) if user else own_default
    fields["password"] = _credential(part, draft, password, _PASSWORD, 8) if password else own_default
    match = re.search(r"--address[ =]\S*:(\d+)", " ".join(part.process.words))
    if match and match[1] != "9000" and part.process.place:
        text = f"{part.service.name}: it listens on 9000 here, not on {match[1]}"
        draft.findings.add(Kind.EDIT, part.process.place, text)
    buckets, notes = _buckets(part, draft)
    if buckets:
        fields["buckets"] = Noted(buckets, ", ".join(notes))
    if any(port.target == 9001 for port in part.service.ports):
        place = next(port.place for port in part.service.ports if port.target == 9001)
        fields["console"] = Noted(True, str(place))
    return {name: value for name, value in fields.items() if value is not None}


def _buckets(part: Part, draft: Draft) -> tuple[list[str], list[str]]:
    names, notes = [], []
    given = _first(part.service.environment, "MINIO_DEFAULT_BUCKETS")
    if given and given.value:
        names += [name.partition(":")[0] for name in re.split(r"[\s,]+", given.value) if name]
        notes.append(str(given.place))
    for tool in draft.with_role(Role.BUCKETS):
        made = [match[2].strip("\"'").split("/", 1)[1].rstrip("/") for match in _MB.finditer(tool.process.text)
                if "/" in match[2]]  # fmt: skip
        place = tool.process.place or tool.service.place
        if made:
            names += made
            notes.append(f"{place}: {tool.service.name}")
        steps = commands.steps(tool.process.text)
        rest = [step for step in steps if re.search(r"\bmc\s", step) and not _MC_UNDERSTOOD.search(step)]
        if rest or not made:
            what = f"no place for `{rest[0][:60]}`" if rest else "it makes no bucket that could be read"
            draft.findings.add(Kind.DIFFERENT, place, f"{tool.service.name}: {what}")
    names = list(dict.fromkeys(names))
    if wrong := [name for name in names if not _BUCKET.fullmatch(name)]:
        draft.findings.add(
            Kind.EDIT, part.service.place, f"{part.service.name}: no bucket can be called {wrong[0][:63]}"
        )
    return [name for name in names if _BUCKET.fullmatch(name)][:50], notes


def _redis(part: Part, draft: Draft) -> dict[str, Any]:
    text = " ".join(part.process.words)
    place = part.process.place or part.service.place
    fields = dict[str, Any]()
    given = _first(part.service.environment, "REDIS_PASSWORD", "VALKEY_PASSWORD")
    match = re.search(r"--requirepass[ =](\S+)", commands.shell_script(part.process.words) or text)
    if match and _PASSWORD.fullmatch(match[1]):
        draft.passwords.add(match[1])
        fields["password"] = Noted(match[1], str(place))
    elif given and "bitnami" in part.image.repository:
        fields["password"] = _credential(part, draft, given, _PASSWORD)
    elif match:
        text = f"{part.service.name}: its password can't be taken over: letters, digits, '_' and '-' only"
        draft.findings.add(Kind.EDIT, place, text)
    else:
        fields["password"] = Noted("", "asks for none, as before")
    words = commands.split(commands.shell_script(part.process.words) or text)
    given_settings = {
        word[2:]: words[index + 1].strip("'\"") for index, word in enumerate(words[:-1]) if word[2:] in _REDIS_SETTINGS
    }
    if given_settings:
        fields["settings"] = Noted(given_settings, str(place))
    for mount in part.service.mounts:
        if mount.kind == "bind" and mount.target.endswith(".conf"):
            draft.findings.add(Kind.DIFFERENT, mount.place, f"{part.service.name}: {mount.source} has no place")
    return {name: value for name, value in fields.items() if value is not None}


def _temporal(part: Part, draft: Draft) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    namespace = _first(part.service.environment, "DEFAULT_NAMESPACE", "TEMPORAL_NAMESPACE")
    if namespace and namespace.value != "default":
        fields["namespaces"] = Noted([namespace.value], str(namespace.place))
    pages = next(iter(draft.with_role(Role.PAGES)), None)
    if pages:
        fields["ui"] = Noted(True, f"{pages.service.place}: {pages.service.name}")
    for mount in part.service.mounts:
        if mount.kind == "bind" and "dynamicconfig" not in mount.target + mount.source:
            draft.findings.add(Kind.DIFFERENT, mount.place, f"{part.service.name}: {mount.source} has no place")
    return fields
