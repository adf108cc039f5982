"""Reads test code for what a configuration does not say: which containers it starts by itself (Testcontainers)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from seatrial.cli.init.folder import Folder
from seatrial.cli.init.places import Place, ReadError

KINDS = {
    "PostgresContainer": ("postgres", "postgres:latest"),
    "RedisContainer": ("redis", "redis:latest"),
    "AsyncRedisContainer": ("redis", "redis:latest"),
    "MinioContainer": ("minio", "minio/minio:latest"),
    "MySqlContainer": ("mysql", "mysql:latest"),
    "MongoDbContainer": ("mongodb", "mongo:latest"),
    "RabbitMqContainer": ("rabbitmq", "rabbitmq:latest"),
    "KafkaContainer": ("kafka", "confluentinc/cp-kafka:7.6.0"),
    "ElasticSearchContainer": ("elasticsearch", "elasticsearch:8.12.0"),
    "LocalStackContainer": ("localstack", "localstack/localstack:latest"),
}
"""Testcontainers' classes: a name for the service, and their default image."""
GENERIC = "DockerContainer"
_FILES = 300


@dataclass(frozen=True)
class StartedContainer:
    """A container that test code starts."""

    name: str
    image: str
    place: Place


def containers(folder: Folder) -> list[StartedContainer]:
    """The containers that the test code starts, one for each image."""
    found: dict[str, StartedContainer] = {}
    for count, path in enumerate(_test_files(folder)):
        if count >= _FILES:
            break
        for each in _in_file(folder, path):
            found.setdefault(each.image, each)
    return list(found.values())


def mentions(folder: Folder, word: str) -> Place | None:
    """The first line of the test code that has this word."""
    for count, path in enumerate(_test_files(folder)):
        if count >= _FILES:
            break
        try:
            lines = (folder.text(path) or "").split("\n")
        except ReadError:
            continue
        for number, line in enumerate(lines, 1):
            if word in line:
                return Place(path, number)
    return None


def _test_files(folder: Folder) -> Iterator[str]:
    for path in folder.walk((".py",)):
        name = path.rpartition("/")[2]
        if name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py" or "tests/" in path:
            yield path


def _in_file(folder: Folder, path: str) -> Iterator[StartedContainer]:
    try:
        text = folder.text(path) or ""
        if "testcontainers" not in text:
            return
        tree = ast.parse(text)
    except (ReadError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "image")]
        image = next((a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)), "")
        if called in KINDS:
            name, default = KINDS[called]
            yield StartedContainer(name, image or default, Place(path, node.lineno))
        elif called == GENERIC and image:
            yield StartedContainer("", image, Place(path, node.lineno))
