"""`seatrial bundle`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from seatrial.amounts import size
from seatrial.cli.bundle.listing import list_tree
from seatrial.cli.bundle.pack import Bundle, pack
from seatrial.cli.bundle.settings import limits
from seatrial.cli.bundle.show import packing, show_left_out
from seatrial.cli.output import Out
from seatrial.cli.phrases import plural


def bundle(out: Out, root: Path, target: Path | None) -> None:
    """Packs a folder and prints the digest; keeps the archive where a target is given.

    Raises:
        CliError: it can't be packed.
    """
    with tempfile.TemporaryDirectory(prefix="seatrial-") as scratch:
        packed = pack_folder(out, root, target or Path(scratch) / "bundle.tar.gz")
    if target:
        note(out, f"{target}: {amount(packed)}")
    out.line(packed.digest)


def amount(bundle: Bundle) -> str:
    """How much it is: `3 files, 1.2 MiB`."""
    return f"{plural(bundle.files, 'file')}, {size(bundle.size)}"


def note(out: Out, text: str) -> None:
    """Says something beside the digest, which is alone on standard output."""
    out.errors.print(text, style="dim", soft_wrap=True)


def pack_folder(out: Out, root: Path, target: Path) -> Bundle:
    """Packs a folder, shows how far it is on a terminal, and what it left out.

    Raises:
        CliError: it can't be packed.
    """
    tree = list_tree(root)
    show_left_out(out, tree.left_out)
    with packing(out, tree.size) as progress:
        return pack(root, tree, target, limits(), progress)
