"""The edge: reads all that a project has into one material."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from seatrial.cli.init.compose.load import load
from seatrial.cli.init.compose.model import ComposeProject
from seatrial.cli.init.compose.values import parse as parse_yaml
from seatrial.cli.init.convert.typed import INIT_FOLDER
from seatrial.cli.init.folder import Folder, joined
from seatrial.cli.init.material import FILE, FOLDER, Material
from seatrial.cli.init.places import Place, ReadError
from seatrial.cli.init.sources import alembic, dependencies, dockerfile, pytest_config, scripts, test_code
from seatrial.cli.init.sources.dockerfile import Dockerfile
from seatrial.cli.init.sources.scripts import Script

MAIN = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""In Compose's own order."""
_TEST = re.compile(r"(docker-)?compose[._-](tests?|testing|integration([._-]?tests?)?|ci|e2e)\.ya?ml")
_DEVELOPMENT = re.compile(r"((docker-)?compose[._-])?(local|dev|development)\.ya?ml")
_TEST_FOLDERS = (
    "tests/integration",
    "tests/e2e",
    "tests/functional",
    "test/integration",
    "integration_tests",
    "tests/integration_tests",
)
_RUNNER = re.compile(r"[\w.-]*(test|integration|e2e|ci)[\w.-]*\.sh")
SQL_BYTES = 512 * 1024
"""Of all initial SQL: a ConfigMap holds 1 MiB."""


def compose_files(folder: Folder) -> list[str]:
    """The compose files that a suite means: one for tests if there is one, else those that Compose reads by itself."""
    main = next((name for name in MAIN if folder.is_file(name)), None)
    test = next(iter(_test_files(folder)), None)
    if test is not None:
        return [test] if main is None or _stands_alone(folder, test) else [main, test]
    if main is None:
        return [name for name in folder.names() if _DEVELOPMENT.fullmatch(name) and folder.is_file(name)][:1]
    stem, _, end = main.rpartition(".")
    override = next((f"{stem}.override.{e}" for e in dict.fromkeys((end, "yml", "yaml"))
                     if folder.is_file(f"{stem}.override.{e}")), None)  # fmt: skip
    return [main, override] if override else [main]


def _test_files(folder: Folder) -> Iterator[str]:
    for where in (".", "tests", "test", "tests/integration", "docker"):
        for name in folder.names(where):
            in_tests = where.startswith("test") and re.fullmatch(r"(docker-)?compose\.ya?ml", name)
            if (_TEST.fullmatch(name) or in_tests) and folder.is_file(joined(where, name)):
                yield joined(where, name)


def _stands_alone(folder: Folder, file: str) -> bool:
    """Whether each service of the file says what it runs; else it lies on top of another file."""
    document = parse_yaml(folder.text(file) or "", file)
    services = document.map().get("services")
    return services is not None and all(
        {"image", "build", "extends"} & service.map().keys() for service in services.map().values() if service.is_map
    )


def gather(folder: Folder, files: Sequence[str]) -> Material:
    """Reads the project.

    Raises:
        ReadError: a compose file can't be used, or another file that it needs.
    """
    compose = load(folder, files) if files else None
    called = compose.given_name if compose and compose.given_name else folder.name
    name = re.sub(r"[^a-z0-9]+", "-", called.lower()).strip("-")[:40].strip("-")
    dockerfiles, unread = _dockerfiles(folder, compose)
    root = None if dockerfiles else _root_dockerfile(folder)
    contexts = _contexts(compose)
    pytest = _pytest(folder, contexts)
    where = pytest.folder if pytest else _tests_root(folder, contexts)
    found = [joined(where, path) for path in _TEST_FOLDERS if folder.is_folder(joined(where, path))]
    ini = next((c for c in (alembic.read(folder, each) for each in dict.fromkeys((".", where, *contexts))) if c), None)
    return Material(
        name=name or "project",
        compose=compose,
        dockerfiles=dockerfiles,
        unread=unread,
        root_dockerfile=root,
        kinds=_kinds(folder, compose, dockerfiles, root),
        sql=_sql(folder, compose),
        pytest=pytest,
        tests_root=where,
        tests_folder=found[0] if found else "",
        alembic=ini,
        migrated_by_tests=test_code.mentions(folder, "alembic") if ini else None,
        containers=tuple(test_code.containers(folder)),
        script=_script(folder),
        ignored_env=folder.is_file(".env") and _ignores_env(folder),
        has_pytest=_has_pytest(folder, compose, dockerfiles, root),
        packages=dependencies.declared(folder, where),
    )


def _contexts(compose: ComposeProject | None) -> list[str]:
    services = compose.services.values() if compose else ()
    return list(dict.fromkeys(s.build.context for s in services if s.build and _is_path(s.build.context)))


def _is_path(context: str) -> bool:
    return not re.match(r"[a-z+]+://|git@|/|~", context)


def _dockerfiles(
    folder: Folder, compose: ComposeProject | None
) -> tuple[dict[str, Dockerfile], tuple[tuple[Place, str], ...]]:
    found: dict[str, Dockerfile] = {}
    unread: list[tuple[Place, str]] = []
    for name, service in (compose.services if compose else {}).items():
        build = service.build
        if build is None:
            continue
        path = joined(build.context, build.dockerfile)
        try:
            text = build.inline or (folder.text(path) if _is_path(build.context) else None)
            if text is None:
                unread.append((build.place, f"{name}: there is no {path} to read"))
            else:
                file = build.place.file if build.inline else path
                found[name] = dockerfile.parse(text, file, build.target, build.args)
        except ReadError as error:
            unread.append((build.place, f"{name}: {error}"))
    return found, tuple(unread)


def _root_dockerfile(folder: Folder) -> Dockerfile | None:
    try:
        text = folder.text("Dockerfile") if folder.is_file("Dockerfile") else None
        return dockerfile.parse(text, "Dockerfile") if text is not None else None
    except ReadError:
        return None


def _kinds(
    folder: Folder, compose: ComposeProject | None, dockerfiles: dict[str, Dockerfile], root: Dockerfile | None
) -> dict[str, str]:
    paths = {"."}
    for name, service in (compose.services if compose else {}).items():
        paths |= {mount.source for mount in service.mounts if mount.kind == "bind" and _is_path(mount.source)}
        if name in dockerfiles and service.build and _is_path(service.build.context):
            paths |= {joined(service.build.context, copied.source) for copied in dockerfiles[name].copies}
    paths |= {copied.source for copied in root.copies} if root else set()
    kinds = {path: FOLDER if folder.is_folder(path) else FILE if folder.is_file(path) else "" for path in paths}
    return {path: kind for path, kind in kinds.items() if kind}


def _sql(folder: Folder, compose: ComposeProject | None) -> dict[str, dict[str, str]]:
    """The texts of what stands in the folder of initial scripts of a Postgres image."""
    found: dict[str, dict[str, str]] = {}
    left = SQL_BYTES
    for service in compose.services.values() if compose else ():
        for mount in service.mounts:
            if mount.kind != "bind" or not mount.target.startswith(INIT_FOLDER) or not _is_path(mount.source):
                continue
            names = folder.names(mount.source) if folder.is_folder(mount.source) else [""]
            texts: dict[str, str] = {}
            for name in names:
                path = joined(mount.source, name) if name else mount.source
                # A single file is called as it is mounted: that is the order in which the image takes them.
                key = name or mount.target.rpartition("/")[2]
                key = key if "." in key else path.rpartition("/")[2]
                if not folder.is_file(path) or not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key):
                    continue
                text = folder.text(path) or ""
                left -= len(text)
                if left < 0:
                    raise ReadError(mount.place, f"the initial SQL is larger than {SQL_BYTES // 1024} KiB")
                texts[key] = text
            found[mount.source] = texts
    return found


def _pytest(folder: Folder, contexts: Sequence[str]) -> pytest_config.PytestConfig | None:
    more = [name for name in folder.names() if not name.startswith(".") and folder.is_folder(name)][:50]
    for where in dict.fromkeys((".", *contexts, *more)):
        try:
            found = pytest_config.read(folder, where)
        except ReadError:
            continue
        if found is not None:
            return found
    return None


def _tests_root(folder: Folder, contexts: Sequence[str]) -> str:
    """The folder that has the tests' folder."""
    for where in dict.fromkeys((".", *contexts)):
        if any(folder.is_folder(joined(where, name)) for name in ("tests", "test")):
            return where
    return "."


def _script(folder: Folder) -> Script | None:
    """The script that starts a system and its tests: the one that leaves most processes running."""
    found: list[Script] = []
    for where in ("scripts", ".", "bin", "ci", "tests", "tools"):
        for name in folder.names(where):
            if not _RUNNER.fullmatch(name) or not folder.is_file(joined(where, name)):
                continue
            try:
                script = scripts.parse(folder.text(joined(where, name)) or "", joined(where, name))
            except ReadError:
                continue
            found += [script] if script else []
    return max(found, key=lambda script: len(script.processes), default=None)


def _ignores_env(folder: Folder) -> bool:
    try:
        lines = (folder.text(".gitignore") or "").split("\n") if folder.is_file(".gitignore") else []
    except ReadError:
        return False
    return any(line.strip().lstrip("/") in (".env", ".env*", "*.env") for line in lines)


def _has_pytest(
    folder: Folder, compose: ComposeProject | None, dockerfiles: dict[str, Dockerfile], root: Dockerfile | None
) -> dict[str, Place]:
    found: dict[str, Place] = {}
    services = compose.services if compose else {}
    builds = [(dockerfiles[name], s.build.context) for name, s in services.items() if name in dockerfiles and s.build]
    for each, context in [*builds, *([(root, ".")] if root else [])]:
        place = dependencies.pytest_in_image(folder, each, context)
        if place is not None:
            found[each.file] = place
    return found
