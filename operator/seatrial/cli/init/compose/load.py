"""Loads the compose files of a project: variables, `include`, `extends`, and several files on top of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seatrial.cli.init.compose.canonical import canonical, merged
from seatrial.cli.init.compose.model import ComposeProject
from seatrial.cli.init.compose.services import service_of
from seatrial.cli.init.compose.values import Value, parse
from seatrial.cli.init.compose.variables import Scope, Variable, interpolated, parse_env
from seatrial.cli.init.folder import Folder, joined
from seatrial.cli.init.places import Place, ReadError

FILES = 30
"""Compose files that one project may be made of."""
SERVICES = 200
EXTENDS = 16
"""Services that extend each other in a row."""
EXAMPLES = (
    ".env.example", ".env.sample", ".env.template", ".env.dist", ".env.test", ".env.tests", "env.example",
    "example.env", "sample.env", ".env.local.example",
)  # fmt: skip
"""Files that stand for a `.env` that is not there."""
RESERVED_TOP = "services"


@dataclass
class _Loading:
    """What loading a project gathers."""

    folder: Folder
    scope: Scope
    documents: dict[str, Value] = field(default_factory=dict)


def load(folder: Folder, files: Sequence[str]) -> ComposeProject:
    """The project that these files describe together, the later ones on top.

    Raises:
        ReadError: a file is missing or can't be used.
    """
    base = _folder_of(files[0])
    variables, env_files = _variables(folder, base)
    loading = _Loading(folder, Scope(variables))
    together: Value | None = None
    name = ""
    for file in files:
        top, services = _file(loading, file, base, ())
        together = services if together is None else merged(together, services)
        name = top["name"].text() if "name" in top else name
    assert together is not None
    found = together.map()
    if len(found) > SERVICES:
        raise ReadError(files[0], f"more than {SERVICES} services")
    services_read = {each: service_of(each, value, folder, loading.scope, base) for each, value in found.items()}
    return ComposeProject(
        given_name=name,
        name=name or (folder.name if base == "." else base.rsplit("/", 1)[-1]),
        files=tuple(files),
        services=services_read,
        unset=loading.scope.unset,
        required=loading.scope.required,
        env_files=env_files,
        variables={each: variable.value for each, variable in variables.items()},
    )


def _folder_of(file: str) -> str:
    return file.rpartition("/")[0] or "."


def _variables(folder: Folder, base: str) -> tuple[dict[str, Variable], tuple[str, ...]]:
    """The variables of `.env`; what it lacks, from an example of it."""
    found: dict[str, Variable] = {}
    files = []
    for name in (".env", *EXAMPLES):
        path = joined(base, name)
        text = folder.text(path) if folder.is_file(path) else None
        if text is None:
            continue
        files.append(path)
        found = {**parse_env(text, path), **found}
        if name != ".env":
            break
    return found, tuple(files)


def _document(loading: _Loading, file: str) -> Value:
    if file not in loading.documents:
        if len(loading.documents) >= FILES:
            raise ReadError(file, f"more than {FILES} compose files")
        text = loading.folder.text(file)
        if text is None:
            raise ReadError(file, "there is no such file")
        loading.documents[file] = interpolated(parse(text, file), loading.scope)
    return loading.documents[file]


def _file(loading: _Loading, file: str, base: str, inside: tuple[str, ...]) -> tuple[Mapping[str, Value], Value]:
    """The top of a file and its services, canonical, with what it includes."""
    if file in inside:
        raise ReadError(file, f"these files include each other: {' -> '.join((*inside, file))}")
    document = _document(loading, file)
    top = document.map()
    services = top.get(RESERVED_TOP)
    if services is None and "include" not in top:
        services = _version_one(document)
    found = {
        name: _extended(loading, file, name, base, ())
        for name, value in (services.map() if services else {}).items()
        if not name.startswith("x-") and value.data is not None
    }
    result = document.with_data(found)
    for path in _included(top):
        if len(inside) >= EXTENDS:
            raise ReadError(file, f"more than {EXTENDS} files include each other")
        included = joined(_folder_of(file), path)
        _, more = _file(loading, included, _folder_of(included), (*inside, file))
        result = merged(more, result)
    return top, result


def _version_one(document: Value) -> Value:
    """A file of the first version is a map of services."""
    top = document.map()
    if top and all(value.is_map and {"image", "build"} & value.map().keys() for value in top.values()):
        return document
    raise ReadError(Place(document.place.file, document.place.line), "there are no services in it")


def _included(top: Mapping[str, Value]) -> list[str]:
    found: list[str] = []
    for item in top["include"].as_list() if "include" in top else ():
        paths = item.map().get("path", item) if item.is_map else item
        found += [path.text() for path in paths.as_list()]
    return found


def _extended(
    loading: _Loading, file: str, name: str, base: str, inside: tuple[tuple[str, str], ...], asked: Place | None = None
) -> Value:
    """The service of a file, canonical, on top of what it extends."""
    document = _document(loading, file)
    services = document.map().get(RESERVED_TOP) or _version_one(document)
    service = services.map().get(name)
    if service is None:
        raise ReadError(asked or services.place, f"there is no service {name} to extend")
    own = canonical(service, base)
    parent = own.map().get("extends")
    if parent is None:
        return own
    here = (file, name)
    if here in inside or len(inside) >= EXTENDS:
        raise ReadError(parent.place, f"these services extend each other: {', '.join(n for _, n in (*inside, here))}")
    fields = {"service": parent} if isinstance(parent.data, str) else parent.map()
    other = fields.get("service", parent).text()
    other_file = joined(_folder_of(file), fields["file"].text()) if "file" in fields else file
    other_base = base if other_file == file else _folder_of(other_file)
    rest = own.with_data({key: value for key, value in own.map().items() if key != "extends"})
    return merged(_extended(loading, other_file, other, other_base, (*inside, here), parent.place), rest)
