"""`seatrial results`: the summary of a run, and its files with their digests checked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from seatrial.archive.model import Manifest, ManifestFile
from seatrial.archive_client import ArchiveCorrupt, ArchiveError
from seatrial.cluster import RUN, NotFoundError

from . import report
from .connect import Session, Target, why
from .errors import CliError, Exit
from .names import again
from .output import Out
from .ports import Object
from .progress import plural
from .runs import find

MARKER = "seatrial.json"
"""Says whose results a folder holds."""
_AT_ONCE = 4


@dataclass(frozen=True)
class Shard:
    """The files of one shard."""

    attempt: int
    shard: int
    digest: str
    manifest: Manifest

    def folder(self, base: Path, alone: bool) -> Path:
        """Where its files belong: right into the folder if it is the only shard."""
        return base if alone else base / f"attempt-{self.attempt}" / f"shard-{self.shard}"


async def show(session: Session, target: Target, out: Out, name: str, folder: Path | None) -> Exit:
    """Prints the summary of a run; with a folder also downloads its files into it."""
    run = await _run(session, name)
    status = run.get("status") or {}
    if not status.get("verdict"):
        raise CliError(
            f"run {name} has no results yet: it is {status.get('phase') or 'not taken up yet'}",
            hint=f"wait for them: {again(target, session, 'wait', name)}",
        )
    report.show(out, run, again(target, session, "results", name, "-o", "DIR") if folder is None else "")
    try:
        shards = await _shards(session, run)
    except ArchiveCorrupt as error:
        raise CliError(f"the results are not to be trusted: {error}", code=Exit.INFRASTRUCTURE) from error
    except ArchiveError as error:
        if folder is None:
            out.console.print()
            out.line((f"  the files can't be listed: {why(error)}", "dim"))
            return Exit.PASSED
        raise CliError(f"the results can't be fetched: {why(error)}", code=Exit.INFRASTRUCTURE) from error
    if not shards:
        if folder is None:
            return Exit.PASSED
        raise CliError(
            f"the archive holds no files of run {name}: {status.get('message') or 'none were delivered'}",
            code=Exit.INFRASTRUCTURE,
        )
    if folder is None:
        out.console.print()
        _list(out, [file for shard in shards for file in shard.manifest.files])
        return Exit.PASSED
    await _download(session, out, run, shards, folder)
    return Exit.PASSED


async def _run(session: Session, name: str) -> Object:
    """The run, from the cluster; from the archive if its record has expired."""
    try:
        return await session.cluster.get(RUN, name, session.namespace)
    except NotFoundError:
        pass
    try:
        kept = await session.archive.list_runs(1000)
    except ArchiveError:
        kept = []
    same = [run for run in kept if (run.get("name"), run.get("namespace")) == (name, session.namespace)]
    if not same:
        return await find(session, name)  # says what there is
    return from_archive(await session.archive.run(same[0]["uid"]) or same[0])


_OUTCOMES = {"passed": ("Passed", "TestsPassed"), "failed": ("Failed", "TestsFailed")}


def from_archive(kept: Mapping[str, Any]) -> Object:
    """A run as far as the archive knows it, in the shape that the cluster would give it."""
    attempt = max(kept["attempts"], key=lambda a: int(a["attempt"]))
    shard = next((s for s in attempt["shards"] if s["complete"]), None)
    summary = (shard or {}).get("summary") or {}
    outcome = str(summary.get("outcome") or "died")
    verdict, reason = _OUTCOMES.get(outcome, ("Errored", outcome))
    return {
        "metadata": {"name": kept["name"], "namespace": kept["namespace"], "uid": kept["uid"]},
        "status": {
            "verdict": verdict,
            "reason": reason,
            "attempt": attempt["attempt"],
            "tests": summary.get("tests"),
            "failures": summary.get("failures") or [],
            "slowest": summary.get("slowest") or [],
            "results": {"digest": (shard or {}).get("digest") or ""},
        },
    }


async def _shards(session: Session, run: Mapping[str, Any]) -> list[Shard]:
    """The complete shards of the run's last attempt.

    Raises:
        ArchiveError: the archive can't be asked.
        ArchiveCorrupt: what it holds is not what the run's status vouches for.
    """
    uid, status = run["metadata"]["uid"], run["status"]
    kept = await session.archive.run(uid)
    wanted = int(status.get("attempt") or 1)
    found = []
    for attempt in (kept or {}).get("attempts") or ():
        for shard in attempt["shards"]:
            if attempt["attempt"] != wanted or not shard["complete"]:
                continue
            manifest = await session.archive.manifest(uid, wanted, shard["shard"])
            if manifest is not None:
                found.append(Shard(wanted, shard["shard"], *manifest))
    digest = (status.get("results") or {}).get("digest") or ""
    if len(found) == 1 and digest and found[0].digest != digest:
        raise ArchiveCorrupt(f"the archive's manifest has the digest {found[0].digest}, the run's status says {digest}")
    return found


async def _download(session: Session, out: Out, run: Object, shards: Sequence[Shard], folder: Path) -> None:
    files = [(shard, file) for shard in shards for file in shard.manifest.files]
    try:
        _claim(folder, run)
        await _fetch(session, out, run["metadata"]["uid"], files, folder, alone=len(shards) == 1)
    except ArchiveCorrupt as error:
        raise CliError(f"the results are not to be trusted: {error}", code=Exit.INFRASTRUCTURE) from error
    except ArchiveError as error:
        hint = "the same command again goes on"
        raise CliError(f"the results can't be fetched: {why(error)}", hint=hint, code=Exit.INFRASTRUCTURE) from error
    except OSError as error:
        raise CliError(f"can't write to {folder}: {error}") from error
    size = size_text(sum(file.size for _, file in files))
    out.console.print()
    out.line(("  Results  ", "bold"), f"{plural(len(files), 'file')}, {size}, in {folder}; every digest checked")


async def _fetch(
    session: Session, out: Out, uid: str, files: Sequence[tuple[Shard, ManifestFile]], folder: Path, *, alone: bool
) -> None:
    """Fetches some files at once; raises the first trouble."""
    gate = asyncio.Semaphore(_AT_ONCE)
    columns = (TextColumn("  fetching"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=out.console, transient=True, disable=not out.live) as bar:
        task = bar.add_task("", total=sum(file.size for _, file in files))

        async def one(shard: Shard, file: ManifestFile) -> None:
            async with gate:
                where = shard.folder(folder, alone)
                await session.archive.download(uid, shard.attempt, shard.shard, file, where)
                bar.advance(task, file.size)

        try:
            async with asyncio.TaskGroup() as tasks:
                for shard, file in files:
                    tasks.create_task(one(shard, file))
        except ExceptionGroup as group:
            raise group.exceptions[0] from group


def _claim(folder: Path, run: Object) -> None:
    """Makes the folder ours: one that holds anything else is left alone."""
    uid, marker = run["metadata"]["uid"], folder / MARKER
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
    about = {name: run["metadata"].get(name) for name in ("name", "namespace", "uid")}
    marker.write_text(json.dumps({**about, "status": run.get("status")}, indent=2) + "\n", encoding="utf-8")


def _list(out: Out, files: Sequence[ManifestFile]) -> None:
    sizes = [size_text(file.size) for file in files]
    for file, size in sorted(zip(files, sizes, strict=True), key=lambda pair: pair[0].path):
        out.line((f"  {size:>{max(map(len, sizes))}}", "dim"), f"  {file.path}")


def size_text(size: int) -> str:
    """A size for people: `512 B`, `1.5 KiB`, `3.0 MiB`."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB"):
        amount /= 1024
        if amount < 1024:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} GiB"
