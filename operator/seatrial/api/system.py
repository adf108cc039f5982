"""The system under test: migrations, apps, their shared volume, and the tests."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from seatrial.api.base import LIST_SET, Model, cel, rules
from seatrial.api.container import Command, Env, FileSource, Resources
from seatrial.api.readiness import AppReadiness
from seatrial.api.scalars import AbsolutePath, ComponentName, Duration, Image, ObjectName, PortNumber, Text, Word


class Migration(Model):
    """One step that prepares the services; steps run in the given order, before apps and tests start."""

    name: Annotated[str, Field(max_length=40, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]
    """Its name in messages and logs."""
    image: Image
    """The image that holds it."""
    command: Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)]
    """The program and its arguments. It must end with 0."""
    args: Command = ()
    """More arguments, after those of `command`."""
    working_dir: AbsolutePath | None = None
    """Where it runs. Default: `spec.code.mountPath` with code, else the image's own."""
    code: bool = True
    """Whether it has the files of `spec.code`."""
    forwards: bool = False
    """Whether the ports of `spec.forwards` work here too."""
    env: Env = ()
    """Variables of this step, after those of `spec.env`."""
    resources: Resources | None = None
    """What it asks for and may use at most."""


class App(Model):
    """One part of the system under test. Without a port it is ready when it runs."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("!has(self.ready) || has(self.port) || has(self.ports)", "ready needs a port"),
            cel(
                "!has(self.forwards) || !self.forwards || (has(self.command) && self.command.size() > 0)",
                "forwards need a command: its launcher listens",
            ),
        )
    )
    image: Image
    """The image. It runs as uid 65532 with a read-only root; `/tmp` can be written."""
    command: Command = ()
    """The program and its arguments. Give it: without it an init container waits for the services, which takes up to a
    second longer."""
    args: Command = ()
    """Arguments of the image's entry point or of `command`."""
    working_dir: AbsolutePath | None = None
    """Where it runs. Default: `spec.code.mountPath` with code and a `command`, else the image's own."""
    code: bool = True
    """Whether it has the files of `spec.code`."""
    forwards: bool = False
    """Whether the ports of `spec.forwards` work here too; it needs a `command` then. One that leads to this app itself
    leads to the same pod."""
    port: PortNumber | None = None
    """Where it listens. The app's DNS name is its key, and all get it as `<KEY>_URL`."""
    ports: Annotated[dict[str, PortNumber], Field(max_length=20, min_length=1)] | None = None
    """More ports by name; all get each as `<KEY>_PORT_<NAME>`. Without `port` the main one is called `http`, else it is
    the first by name."""
    after: Annotated[tuple[ComponentName, ...], Field(max_length=20, json_schema_extra=LIST_SET)] = ()
    """Other apps that must be ready before it starts. Services and migrations always are."""
    replicas: Annotated[int, Field(ge=1, le=20)] = 1
    """How many pods of it run. With more than one, only those that are ready are reached."""
    env: Env = ()
    """Variables of this app, after those of `spec.env`."""
    resources: Resources | None = None
    """What each pod asks for and may use at most."""
    ready: AppReadiness | None = None
    """How to see that it can be used. Without it: its port accepts a connection, or it runs if it has none."""


class SharedVolume(Model):
    """One volume that all apps and the tests see. Without `storageClass` all of them share one node."""

    mount_path: AbsolutePath
    """Where apps and tests see it."""
    env: Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """A variable with `mountPath`, for apps and tests."""
    storage_class: ObjectName | None = None
    """A storage class that can do ReadWriteMany."""
    size: Annotated[str, Field(max_length=32, pattern=r"^[1-9][0-9]{0,6}(Mi|Gi|Ti)$")] = "1Gi"
    """How much is asked for."""


class Tests(Model):
    """The pytest suite: which image, which tests, how."""

    __test__ = False  # not for pytest to collect

    image: Image | None = None
    """The image with the tests. It needs Python >= 3.9 and pytest >= 7, nothing of Seatrial. Default:
    `seatrial/pytest`, for tests from `source` or `spec.code`."""
    source: FileSource | None = None
    """Test files. They are copied to `/tests`, which is then the working directory."""
    working_dir: AbsolutePath | None = None
    """Where pytest runs. Default: `/tests` with `source`, else `spec.code.mountPath`, else the image's own. Unless it
    is the image's own it is writable: a copy of what the image has there, made while the services start. What the
    tests write there belongs to the results."""
    paths: Annotated[tuple[Annotated[str, Field(max_length=1024, min_length=1, pattern=r"^[^-]")], ...],
                     Field(max_length=500)] = ()  # fmt: skip
    """Files, folders or node ids. Default: what pytest finds by itself."""
    markers: Text = ""
    """pytest's `-m`: `integration_p0 and not slow`."""
    keywords: Text = ""
    """pytest's `-k`."""
    args: Command = ()
    """More arguments for pytest, for example `[-n, "2"]` where the image has pytest-xdist."""
    max_fail: Annotated[int, Field(ge=0)] = 0
    """End after so many failures; 0: never."""
    allow_all_skipped: bool = False
    """Whether a run in which every test is skipped is `Passed`. Otherwise it is `Errored`: nothing was tested."""
    env: Env = ()
    """Variables of the tests, after those of `spec.env`."""
    resources: Resources | None = None
    """What pytest asks for and may use at most."""
    per_test_timeout: Duration | None = None
    """Limit of one test: a test that takes longer fails, saying so."""
    shared_memory: Annotated[str, Field(max_length=32, pattern=r"^[1-9][0-9]{0,6}(Mi|Gi)$")] | None = None
    """Size of `/dev/shm`, which counts as memory of the tests. Default: the container runtime's 64Mi."""
    coverage: bool = False
    """Measure which lines run in pytest's processes, with the package `coverage` of the image. What runs in apps is not
    measured."""
    artifacts: Annotated[
        tuple[Annotated[str, Field(max_length=512, pattern=r"^[^/*?\[.][^*?\[]*/.+|^[^/*?\[.][^/*?\[]*$")], ...],
        Field(max_length=20),
    ] = ()
    """Globs under the working directory, each beginning with a folder's name: `logs/**`."""
