"""A real MinIO: the program out of the image that environments get."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest


@dataclass(frozen=True)
class MinIO:
    """A running server with an empty bucket."""

    environment: dict[str, str]

    def url(self) -> str:
        """A place in the bucket that nobody else uses."""
        return f"s3://archive/{secrets.token_hex(8)}"


def image() -> Path:
    """The archive of MinIO's image, which SEATRIAL_MINIO_IMAGE names: `make e2e` does, so that the tests run once."""
    if named := os.environ.get("SEATRIAL_MINIO_IMAGE"):
        return Path(named)
    pytest.skip("`make e2e` runs this: SEATRIAL_MINIO_IMAGE=$(tests/cluster/images/build minio)")


def program(archive: Path, folder: Path) -> Path:
    """Takes the program out of the image's layers."""
    with tarfile.open(archive) as image:
        layers = json.load(image.extractfile("manifest.json"))[0]["Layers"]  # type: ignore[arg-type]
        for name in layers:
            with tarfile.open(fileobj=image.extractfile(name)) as layer:
                if "usr/bin/minio" in layer.getnames():
                    layer.extract("usr/bin/minio", folder, filter="data")
                    return folder / "usr/bin/minio"
    raise AssertionError(f"{archive} has no usr/bin/minio")


@contextmanager
def serving(folder: Path) -> Iterator[MinIO]:
    """Runs MinIO on a free port while the context is open."""
    command = program(image(), folder)
    (folder / "data" / "archive").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    password = secrets.token_hex(8)
    environment = {
        "MINIO_ROOT_USER": "seatrial",
        "MINIO_ROOT_PASSWORD": password,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    with (folder / "minio.log").open("wb") as log:
        process = subprocess.Popen(
            [command, "server", "--quiet", "--address", address, folder / "data"],
            env=os.environ | environment | {"HOME": str(folder)},
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 60
        while not answers(f"http://{address}/minio/health/ready"):
            assert process.poll() is None, (folder / "minio.log").read_text()
            assert time.monotonic() < deadline, (folder / "minio.log").read_text()
            time.sleep(0.05)
        yield MinIO(
            {
                "AWS_ENDPOINT_URL": f"http://{address}",
                "AWS_ACCESS_KEY_ID": "seatrial",
                "AWS_SECRET_ACCESS_KEY": password,
                "AWS_REGION": "us-east-1",
            }
        )
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinIO]:
    with serving(tmp_path_factory.mktemp("minio")) as running:
        yield running
