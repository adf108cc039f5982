"""Brings bundles into the archive."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from seatrial.amounts import duration
from seatrial.cli.bundle.code import digest_of, local_folder, with_digest
from seatrial.cli.bundle.command import amount, note, pack_folder
from seatrial.cli.bundle.pack import Bundle
from seatrial.cli.bundle.show import bar
from seatrial.cli.connect import Session
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.output import Out
from seatrial.cli.run_file import RunFile

_DIGITS = 12
"""Of a digest that is shown to people."""


async def with_bundle(
    session: Session, out: Out, file: RunFile, base: Path, scratch: Path
) -> tuple[RunFile, Callable[[], Awaitable[None]] | None]:
    """Packs the local code of a run.

    Args:
        session: cluster and archive.
        out: shows what is packed.
        file: of the run, with its namespace.
        base: what local paths are relative to.
        scratch: a folder for the archive, until it is uploaded.

    Returns:
        The file with the digest, and what uploads the bundle; None when the archive has it.

    Raises:
        CliError: it can't be packed.
        ArchiveError: the archive can't be asked.
    """
    folder = local_folder(file, base)
    if folder is None:
        return file, None
    bundle = await asyncio.to_thread(pack_folder, out, folder, scratch / "bundle.tar.gz")
    namespace = file.run["metadata"]["namespace"]
    file = with_digest(file, bundle.digest)
    if await session.archive.has_bundle(namespace, bundle.sha256):
        out.line((_there(bundle), "dim"))
        return file, None

    async def send() -> None:
        out.line((await upload(session, out, namespace, bundle), "dim"))

    return file, send


async def bundle_and_upload(session: Session, out: Out, root: Path, target: Path | None) -> Exit:
    """Packs a folder, uploads the bundle unless it is there, and prints its digest alone on standard output.

    Raises:
        CliError: it can't be packed.
        ArchiveError: the archive refuses it, or can't be reached.
    """
    with tempfile.TemporaryDirectory(prefix="seatrial-") as scratch:
        bundle = await asyncio.to_thread(pack_folder, out, root, target or Path(scratch) / "bundle.tar.gz")
        there = await session.archive.has_bundle(session.namespace, bundle.sha256)
        note(out, _there(bundle) if there else await upload(session, out, session.namespace, bundle))
    out.line(bundle.digest)
    return Exit.PASSED


async def upload(session: Session, out: Out, namespace: str, bundle: Bundle) -> str:
    """Uploads a bundle; returns what to say about it.

    Raises:
        ArchiveError: the archive refuses it, or can't be reached.
    """
    began = time.monotonic()
    with bar(out, "uploading the code", bundle.size) as progress:
        await session.archive.put_bundle(namespace, bundle.sha256, bundle.path, progress)
    return f"code {_short(bundle)} uploaded in {duration(time.monotonic() - began)}: {amount(bundle)}"


async def check_bundle(session: Session, file: RunFile) -> None:
    """Checks that the code of a run is in the archive still, and keeps it there.

    Raises:
        CliError: it is not.
        ArchiveError: the archive can't be asked.
    """
    digest = digest_of(file)
    if digest and not await session.archive.has_bundle(file.run["metadata"]["namespace"], digest):
        raise CliError(
            f"the code of {file.source} is in the archive no longer", hint="start it from its file: seatrial run FILE"
        )


def _there(bundle: Bundle) -> str:
    return f"code {_short(bundle)} is in the archive: {amount(bundle)}"


def _short(bundle: Bundle) -> str:
    return f"sha256:{bundle.sha256[:_DIGITS]}"
