"""`seatrial run`."""

from __future__ import annotations

import getpass
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from seatrial.cli import run_file
from seatrial.cli.assignments import set_value
from seatrial.cli.bundle.upload import check_bundle, with_bundle
from seatrial.cli.connect import Session, Target
from seatrial.cli.create import create_run
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.invocation import command_line
from seatrial.cli.origin import origin, with_origin
from seatrial.cli.output import Out
from seatrial.cli.run import Run
from seatrial.cli.run_file import RunFile
from seatrial.cli.selection import Selection, select
from seatrial.cli.wait import WaitOptions, until_verdict

DEFAULT_FILE = "seatrial.yaml"
"""What a run is started from where no file is given."""


@dataclass(frozen=True)
class StartOptions:
    """Arguments and options of `seatrial run`."""

    file: str | None = None
    """`-`: standard input; None: `seatrial.yaml`."""
    assignments: Sequence[str] = ()
    name: str | None = None
    replace: bool = False
    waiting: WaitOptions | None = None
    selection: Selection = field(default_factory=Selection)


async def start(session: Session, target: Target, out: Out, options: StartOptions) -> Exit:
    """Creates the run, and waits for its verdict if asked to."""
    source = options.file or _default_file()
    file = run_file.parse(run_file.read(source), source)
    run = select(file.run, options.selection)
    for assignment in options.assignments:
        run = set_value(run, assignment)
    file = run_file.placed(replace(file, run=run), options.name, target.namespace, session.cluster.default_namespace)
    with tempfile.TemporaryDirectory(prefix="seatrial-") as scratch:
        file, upload = await with_bundle(session, out, file, _folder_of(source), Path(scratch))
        created = await create_run(session, target, out, _with_origin(file), options.replace, upload)
    return await wait_for(session, target, out, *created, options.waiting)


async def start_again(session: Session, target: Target, out: Out, file: RunFile, waiting: WaitOptions | None) -> Exit:
    """Creates a run whose code, if any, is in the archive, and waits for its verdict if asked to."""
    await check_bundle(session, file)
    created = await create_run(session, target, out, _with_origin(file), may_replace=False)
    return await wait_for(session, target, out, *created, waiting)


async def wait_for(
    session: Session, target: Target, out: Out, created: Run, began: float, waiting: WaitOptions | None
) -> Exit:
    """Says that a run was created at this moment (monotonic seconds), and waits for its verdict if asked to."""
    name, namespace = created.name, created.namespace
    out.line("run ", (name, "bold"), f" created in namespace {namespace}")
    if waiting is None:
        out.hint([
            ("watch it", command_line(target, session, "wait", name, namespace=namespace)),
            ("its results", command_line(target, session, "results", name, namespace=namespace)),
        ])  # fmt: skip
        return Exit.PASSED
    return await until_verdict(session, target, out, created, waiting, age=time.monotonic() - began)


def _with_origin(file: RunFile) -> RunFile:
    return replace(file, run=with_origin(file.run, origin(os.environ, _user(), platform.node() or "localhost")))


def _folder_of(file: str) -> Path:
    """What local paths in a file are relative to."""
    return Path() if file == "-" else Path(file).parent


def _default_file() -> str:
    if not Path(DEFAULT_FILE).exists():
        raise CliError(
            f"there is no {DEFAULT_FILE} in this folder",
            hint="seatrial init writes one; or give a file: seatrial run FILE",
        )
    return DEFAULT_FILE


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"uid-{os.getuid()}"
