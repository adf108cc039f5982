"""Files that come from ConfigMaps of the run's namespace: the environment gets copies of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from seatrial import amounts
from seatrial.api.container import FileSource
from seatrial.api.run import IntegrationRun
from seatrial.environment.objects import Manifest
from seatrial.environment.problem import Problem

COPIED_CHARACTERS = 4 * 1024 * 1024
"""Of all ConfigMaps that are copied into one environment. One holds up to 1 MiB."""


def config_map_names(run: IntegrationRun) -> tuple[str, ...]:
    """The ConfigMaps of the run's namespace that the run refers to, sorted."""
    return tuple(sorted({use.files.config_map for use in _uses(run) if use.files.config_map}))


def copied(files: FileSource, data: Mapping[str, str]) -> dict[str, str]:
    """What the environment's copy of a ConfigMap holds: the keys that count.

    Raises:
        KeyError: a key is missing (`problems` names it).
    """
    if not files.items:
        return dict(data)
    return {item.key: data[item.key] for item in files.items}


def volume(files: FileSource | None, name: str, ours: Iterable[str] = ()) -> Manifest:
    """The source of a volume with the files, from the environment's copy called `name`; `ours`: keys that we add."""
    items = [{"key": item.key, "path": item.path} for item in files.items] if files else []
    items += [{"key": key, "path": key} for key in ours] if items else []
    return {"configMap": {"name": name, **({"items": items} if items else {})}}


@dataclass(frozen=True)
class _Use:
    """One reference to files, what it must hold, and how the names of such files end."""

    path: str
    files: FileSource
    what: str
    ending: str


def _uses(run: IntegrationRun) -> Iterator[_Use]:
    for name, service in sorted(run.spec.services.items()):
        if service.init_sql:
            yield _Use(f"spec.services.{name}.initSQL", service.init_sql, "file that ends in .sql", ".sql")
    if run.spec.tests.source:
        yield _Use("spec.tests.source", run.spec.tests.source, "files", "")


def problems(run: IntegrationRun, found: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """What is missing or too large.

    Args:
        run: the run.
        found: `data` of those ConfigMaps of `config_map_names` that exist.
    """
    size = 0
    for use in _uses(run):
        wrong = [*_missing(run, use, found), *_paths(use)]
        yield from wrong
        data = found.get(use.files.config_map, {})
        keys = {item.key for item in use.files.items} or data.keys()
        size += sum(len(key) + len(data[key]) for key in keys if key in data)
        if size > COPIED_CHARACTERS:
            yield Problem(
                f"{use.path}.configMapRef.name",
                f"the ConfigMaps up to this one hold more than {amounts.size(COPIED_CHARACTERS)} in all, each counted "
                "as often as the run refers to it; put large data into an image",
            )
            return


def _missing(run: IntegrationRun, use: _Use, found: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    name, namespace = use.files.config_map, run.metadata.namespace
    if not name:
        yield Problem(use.path, "give configMapRef: {name: ...}")
        return
    path = f"{use.path}.configMapRef.name"
    if name not in found:
        yield Problem(
            path,
            f"there is no ConfigMap {name} in namespace {namespace}; create it before the run: "
            f"kubectl create configmap {name} -n {namespace} --from-file=...",
        )
        return
    for index, item in enumerate(use.files.items):
        if item.key not in found[name]:
            yield Problem(
                f"{use.path}.configMapRef.items[{index}].key",
                f"ConfigMap {name} in namespace {namespace} has no key {item.key} in its data",
            )
    names = [item.path for item in use.files.items] or found[name].keys()
    if not any(each.endswith(use.ending) for each in names):
        yield Problem(path, f"ConfigMap {name} in namespace {namespace} holds no {use.what} in its data")


def _paths(use: _Use) -> Iterator[Problem]:
    """A path that is a file for one item and a folder for another."""
    files = {item.path for item in use.files.items}
    for index, item in enumerate(use.files.items):
        parts = item.path.split("/")
        above = next((each for n in range(1, len(parts)) if (each := "/".join(parts[:n])) in files), None)
        if above is not None:
            yield Problem(f"{use.path}.configMapRef.items[{index}].path", f"{above} is a file of another item")
