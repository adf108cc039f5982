"""What a worker of pytest-xdist has of its own: databases that are copies, and variables that name them.

It happens when the worker imports the plugin, before any conftest.py. The controller, and a session without workers,
keep everything as it is.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, MutableMapping
from typing import Any

PER_WORKER = "SEATRIAL_PER_WORKER"
_OURS = "SEATRIAL_"


class WorkerError(Exception):
    """A worker can't have what is to be its own."""


def prepare(environ: MutableMapping[str, str]) -> None:
    """Make what this worker has of its own, and let the variables name it; once, and only in a worker.

    Raises:
        WorkerError: it can't be made; a suite that shares it unknowingly would fail at random.
    """
    worker = environ.get("PYTEST_XDIST_WORKER", "")
    number = re.fullmatch(r"gw([0-9]+)", worker)
    if number is None or PER_WORKER not in environ:
        return
    own = json.loads(environ.pop(PER_WORKER))
    for service in own["services"]:
        if "clones" in service:
            _postgres(environ, own["launch"], service, worker)
        else:
            _redis(environ, service, int(number[1]))


def _postgres(environ: MutableMapping[str, str], launch: str, service: Mapping[str, Any], worker: str) -> None:
    urls = [url.replace("{worker}", worker) for url in service["clones"].values()]
    done = subprocess.run(  # noqa: S603
        [launch, "clone", *urls], env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise WorkerError(f"{worker}: {done.stderr.decode(errors='replace').strip()}")
    host, port = service["address"].split(":")
    names = "|".join(map(re.escape, service["clones"]))
    in_url = re.compile(rf"((?:@|//){re.escape(host)}(?::{port})?/)({names})(?=[?#]|$)")
    for name, value in list(environ.items()):
        if name.startswith(_OURS):
            continue
        if name in service["variables"]:
            environ[name] = f"{value}_{worker}"
        elif in_url.search(value):
            environ[name] = in_url.sub(rf"\g<1>\g<2>_{worker}", value)


def _redis(environ: MutableMapping[str, str], service: Mapping[str, Any], number: int) -> None:
    host, port = service["address"].split(":")
    size = service["numbered"]
    in_url = re.compile(rf"(rediss?://(?:[^@/\s]*@)?{re.escape(host)}(?::{port})?)(?:/([0-9]*))?(?=[?#]|$)")

    def own(match: re.Match[str]) -> str:
        return f"{match[1]}/{size * (number + 1) + int(match[2] or 0) % size}"

    for name, value in list(environ.items()):
        if not name.startswith(_OURS) and in_url.search(value):
            environ[name] = in_url.sub(own, value)


def prepare_this_process() -> None:
    """The same for this process."""
    prepare(os.environ)
