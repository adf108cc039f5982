"""Bundles of code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seatrial.cli.commands.connected import connected
from seatrial.cli.commands.options import ContextOption, KubeconfigOption, NamespaceOption, target_of

if TYPE_CHECKING:
    from seatrial.cli.connect import Session
    from seatrial.cli.errors import Exit
    from seatrial.cli.output import Out


def bundle(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="[PATH]", help="The folder.", show_default=False)] = Path("."),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Keep the archive in this file.")
    ] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Upload it, unless it is there: for runs that `kubectl apply` creates.")
    ] = False,
    namespace: NamespaceOption = None,
    kube_context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Pack a folder as a run with `code` does, and print its digest."""
    if not upload:
        from seatrial.cli.bundle.command import bundle as pack
        from seatrial.cli.output import Out as Output

        pack(Output(), path, output)
        return

    async def work(session: Session, out: Out) -> Exit:
        from seatrial.cli.bundle.upload import bundle_and_upload

        return await bundle_and_upload(session, out, path, output)

    connected(target_of(context, namespace, kube_context, kubeconfig), work)
