"""`seatrial results`: what is known of a run's results, and its files with their digests checked."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from seatrial import amounts
from seatrial.archive.client.errors import ArchiveCorruptError, ArchiveError
from seatrial.archive.model.keys import EVIDENCE, SetKey, by_name
from seatrial.archive.model.report import Report, instant
from seatrial.cli import report
from seatrial.cli.connect import Session, Target, explain
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.invocation import command_line
from seatrial.cli.output import Out
from seatrial.cli.phrases import plural
from seatrial.cli.run import Run
from seatrial.cli.runs import find
from seatrial.kube.errors import ClusterError, NotFoundError
from seatrial.kube.kinds import RUN
from seatrial_protocol.manifest import Manifest, ManifestFile

MARKER = "seatrial.json"
"""Names the run whose results a folder holds."""
MERGED = ("junit.xml", "ctrf.json", "summary.md", "report.json")
"""Reports of the whole run, which stand beside the folders of its shards."""
EVIDENCE_SECONDS = 20.0
"""So long after a verdict its evidence may still be on the way."""
_LOOK_SECONDS = 0.5
_AT_ONCE = 4
_LISTED = 30
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Format(StrEnum):
    """What `--format` prints."""

    MD = "md"
    JUNIT = "junit"
    XUNIT = "xunit"
    CTRF = "ctrf"
    JSON = "json"
    COVERAGE = "coverage"

    @property
    def address(self) -> str:
        """Where the archive has it."""
        return {"md": "summary.md", "junit": "junit.xml", "xunit": "junit.xml?strict=true", "ctrf": "ctrf.json",
                "json": "report.json", "coverage": "coverage.xml"}[self.value]  # fmt: skip


@dataclass(frozen=True)
class FileSet:
    """The files of one shard of an attempt, or of its evidence."""

    key: SetKey
    digest: str
    manifest: Manifest

    @property
    def folder(self) -> str:
        """Where its files belong."""
        name = EVIDENCE if self.key.shard is None else f"shard-{self.key.shard}"
        return f"attempt-{self.key.attempt}/{name}"


async def show(
    session: Session, target: Target, out: Out, name: str, folder: Path | None = None, form: Format | None = None
) -> Exit:
    """Prints what is known of a run, by its name or uid; with a folder also downloads its files into it."""
    run, archived, missing = await known_run(session, name)
    if missing is None and (archived := await _with_evidence(session, run, archived)) is None and form is not None:
        raise CliError(f"the archive knows nothing of run {name}", code=Exit.INFRASTRUCTURE)
    if form is not None:
        with _archive_errors():
            async for piece in session.archive.report_as(run.uid, form.address):
                sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return Exit.PASSED
    if archived is None and not run.verdict:
        raise CliError(
            f"run {name} has no results yet: it is {run.state or 'not accepted yet'}",
            hint=f"wait for them: {command_line(target, session, 'wait', name)}",
        )
    command = command_line(target, session, "results", name, "-o", "DIR") if folder is None else ""
    report.show(out, run, command, archived=archived)
    if folder is None:
        out.console.print()
    if missing is not None:
        if folder is None:
            out.line((f"  the archive can't be asked for more: {explain(missing)}", "dim"))
            return Exit.PASSED
        raise CliError(f"the results can't be fetched: {explain(missing)}", code=Exit.INFRASTRUCTURE) from missing
    with _archive_errors():
        parts = await _parts(session, run)
    if folder is not None:
        if archived is None:
            raise CliError(
                f"the archive knows nothing of run {name}: {run.status.message or 'nothing was delivered'}",
                code=Exit.INFRASTRUCTURE,
            )
        merged = (*MERGED, Format.COVERAGE.address) if archived.line_rate is not None else MERGED
        await _download(session, out, run, parts, folder, merged)
    elif parts:
        _list(out, parts)
    return Exit.PASSED


async def known_run(session: Session, name: str) -> tuple[Run, Report | None, ArchiveError | None]:
    """The run, what the archive has of it, and why the archive does not answer.

    The cluster knows a run until its record expires, the archive for longer; by a uid only the archive is asked.
    """
    run: Run | None = None
    absent: ClusterError | None = None
    uid: str | None = name if UID.fullmatch(name) else None
    if uid is None:
        try:
            run = Run.of(await session.cluster.get(RUN, name, session.namespace))
            uid = run.uid
        except NotFoundError as error:
            absent = error
    try:
        uid = uid or await session.archive.find(session.namespace, name)
        archived = await session.archive.report(uid) if uid else None
    except ArchiveError as error:
        if run is not None:
            return run, None, error
        raise CliError(
            f"the cluster has no run {name}"
            + (" any more" if absent else "")
            + f", and the archive can't be asked: {explain(error)}",
            code=Exit.INFRASTRUCTURE,
        ) from error
    if run is None and archived is None:
        if absent is None:
            raise CliError(f"the archive knows no run with the uid {name}, or you may not see it")
        return await find(session, name), None, None  # says what there is
    return run or Run.of_archive(archived), archived, None  # type: ignore[arg-type]


async def _with_evidence(session: Session, run: Run, archived: Report | None) -> Report | None:
    """What the archive has once all has reached it: after a verdict the evidence takes a moment."""
    verdict_at = instant(run.status.timeline.verdict)
    if verdict_at is None:
        return archived
    until = verdict_at + EVIDENCE_SECONDS
    # A clock that goes wrong must not make this long.
    tries = min(EVIDENCE_SECONDS, max(0.0, until - time.time())) / _LOOK_SECONDS
    for _ in range(int(tries)):
        if archived is not None and archived.run.verdict and archived.run.last and archived.run.last.evidence:
            break
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            archived = await session.archive.report(run.uid)
        except ArchiveError:
            break  # what is known is archived
    return archived


async def _parts(session: Session, run: Run) -> list[FileSet]:
    """All complete sets of the run.

    Raises:
        ArchiveError: the archive can't be asked.
        ArchiveCorruptError: what it holds is not what the run's status vouches for.
    """
    parts = []
    for key in await session.archive.sets(run.uid):
        found = await session.archive.manifest(run.uid, key.attempt, key.shard)
        if found is not None:
            parts.append(FileSet(key, *found))
    digests = [part.digest for part in parts if part.key.attempt == run.status.attempt and part.key.shard is not None]
    vouched = run.status.results.digest if run.status.results else ""
    if vouched and len(digests) == 1 and digests[0] != vouched:
        raise ArchiveCorruptError(
            f"the archive's manifest has the digest {digests[0]}, the run's status says {vouched}"
        )
    return parts


@contextmanager
def _archive_errors(hint: str = "") -> Iterator[None]:
    """Says what went wrong with the archive."""
    try:
        yield
    except ArchiveCorruptError as error:
        raise CliError(f"the results can't be trusted: {error}", code=Exit.INFRASTRUCTURE) from error
    except ArchiveError as error:
        raise CliError(
            f"the results can't be fetched: {explain(error)}", hint=hint, code=Exit.INFRASTRUCTURE
        ) from error


async def _download(
    session: Session, out: Out, run: Run, parts: Sequence[FileSet], folder: Path, merged: Sequence[str]
) -> None:
    files = [(part, file) for part in parts for file in part.manifest.files]
    try:
        with _archive_errors("the same command continues"):
            _claim(folder, run)
            await _fetch(session, out, run.uid, files, folder)
            for name in merged:
                await _save(session, run.uid, name, folder)
    except OSError as error:
        raise CliError(f"can't write to {folder}: {error}") from error
    size = amounts.size(sum(file.size for _, file in files))
    out.console.print()
    out.line(("  Results  ", "bold"), f"{plural(len(files), 'file')}, {size}, in {folder}; every digest checked")
    out.line((f"           of the whole run: {', '.join(merged)}", "dim"))


async def _save(session: Session, uid: str, name: str, folder: Path) -> None:
    """One report of the whole run; it gets its name once it is there whole."""
    partial = folder / f".{name}.part"
    try:
        with partial.open("wb") as file:
            async for piece in session.archive.report_as(uid, name):
                file.write(piece)
        partial.replace(folder / name)
    finally:
        partial.unlink(missing_ok=True)


async def _fetch(
    session: Session, out: Out, uid: str, files: Sequence[tuple[FileSet, ManifestFile]], folder: Path
) -> None:
    """Fetches some files at once; raises the first error."""
    gate = asyncio.Semaphore(_AT_ONCE)
    columns = (TextColumn("  fetching"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=out.console, transient=True, disable=not out.live) as bar:
        task = bar.add_task("", total=sum(file.size for _, file in files))

        async def one(part: FileSet, file: ManifestFile) -> None:
            async with gate:
                await session.archive.download(uid, part.key.attempt, part.key.shard, file, folder / part.folder)
                bar.advance(task, file.size)

        try:
            async with asyncio.TaskGroup() as tasks:
                for part, file in files:
                    tasks.create_task(one(part, file))
        except ExceptionGroup as group:
            raise group.exceptions[0] from group


def _claim(folder: Path, run: Run) -> None:
    """Makes the folder ours: one that holds anything else is left alone."""
    uid, marker = run.uid, folder / MARKER
    if folder.exists() and not folder.is_dir():
        raise CliError(f"{folder} is a file", hint="give a folder that is empty or does not exist yet")
    if folder.is_dir() and any(folder.iterdir()):
        try:
            owner = json.loads(marker.read_text(encoding="utf-8"))["uid"]
        except (OSError, ValueError, KeyError, TypeError):
            owner = None
        if owner != uid:
            raise CliError(
                f"{folder} holds " + ("the results of another run" if owner else "other files"),
                hint="give a folder that is empty or does not exist yet",
            )
    folder.mkdir(parents=True, exist_ok=True)
    about = {"name": run.name, "namespace": run.namespace, "uid": uid}
    status = run.status.model_dump(mode="json", by_alias=True, exclude_none=True)
    marker.write_text(json.dumps({**about, "status": status}, indent=2) + "\n", encoding="utf-8")


def _list(out: Out, parts: Sequence[FileSet]) -> None:
    """The files, the evidence first."""
    ordered = sorted(parts, key=lambda part: (part.key.shard is not None, part.key.attempt, part.key.shard or 0))
    files = [
        (amounts.size(file.size), f"{part.folder}/{file.path}")
        for part in ordered
        for file in sorted(part.manifest.files, key=lambda file: by_name(file.path))
    ]
    out.line(("  Files", "bold"))
    width = max(len(size) for size, _ in files[:_LISTED])
    for size, path in files[:_LISTED]:
        out.line((f"  {size:>{width}}", "dim"), f"  {path}")
    if len(files) > _LISTED:
        out.line((f"  and {plural(len(files) - _LISTED, 'file')} more", "dim"))
