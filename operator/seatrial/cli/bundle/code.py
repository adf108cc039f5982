"""`code: {local, mountPath}` of a run's file, turned into the digest of a bundle. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seatrial.cli.errors import CliError
from seatrial.cli.run_file import RunFile

_ALGORITHM = "sha256:"
_LOCAL = ("spec", "code", "local")


def local_folder(file: RunFile, base: Path) -> Path | None:
    """The folder that `spec.code.local` names, relative to the file's; None for a run without it.

    Raises:
        CliError: it is no path, or there is a digest besides.
    """
    code = _code(file.run)
    if "local" not in code:
        return None
    line = file.lines.get(_LOCAL)
    where = f"{file.source}:{line}: " if line else f"{file.source}: "
    local = code["local"]
    if not isinstance(local, str) or not local:
        raise CliError(f"{where}spec.code.local: must be the path of a folder, such as . or ../backend")
    if "digest" in code:
        raise CliError(f"{where}spec.code has both local and digest", hint="give one of them")
    return base / Path(local).expanduser()


def with_digest(file: RunFile, digest: str) -> RunFile:
    """The file with this digest in place of `local`."""
    code = {"digest": digest, **{name: value for name, value in _code(file.run).items() if name != "local"}}
    return replace(file, run={**file.run, "spec": {**file.run["spec"], "code": code}})


def digest_of(file: RunFile) -> str:
    """The 64 hex digits of the bundle that the run is started with; empty if there is none."""
    digest = _code(file.run).get("digest")
    return digest.removeprefix(_ALGORITHM) if isinstance(digest, str) else ""


def _code(run: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = run.get("spec")
    code = spec.get("code") if isinstance(spec, Mapping) else None
    return code if isinstance(code, Mapping) else {}
