"""What the command does: reads a project, writes or compares its manifest, says what to know."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.cli import run_file
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.init import commented
from seatrial.cli.init.check import KEEP, differences
from seatrial.cli.init.convert.manifest import Manifest, manifest
from seatrial.cli.init.findings import Finding, Kind
from seatrial.cli.init.folder import Folder
from seatrial.cli.init.gather import compose_files, gather
from seatrial.cli.init.places import ReadError
from seatrial.cli.output import Out
from seatrial.cli.terminal import one_line

NAME = "seatrial.yaml"


@dataclass(frozen=True)
class InitOptions:
    """What was asked for."""

    path: str
    compose: Sequence[str]
    check: bool
    output: str | None


def init(out: Out, options: InitOptions) -> Exit:
    """Writes a manifest, or compares one.

    Raises:
        CliError: the project can't be read, or the manifest is there already.
    """
    root = Path(options.path)
    if not root.is_dir():
        raise CliError(f"there is no folder {options.path}", hint="give the folder of a project")
    folder = Folder(root)
    try:
        files = [_inside(folder, file) for file in options.compose] or compose_files(folder)
        made = manifest(gather(folder, files))
    except ReadError as error:
        raise CliError(one_line(str(error))) from error
    target = options.output or str(root / NAME)
    if options.check:
        return _check(out, target, made)
    text = written(made, files)
    if target == "-":
        out.console.file.write(text)
        return Exit.PASSED
    _write(target, text)
    _summary(out, target, made, files)
    return Exit.PASSED


def _inside(folder: Folder, file: str) -> str:
    """The file as the folder names it: relative to the project, else to where the command runs."""
    if not os.path.isabs(file) and folder.is_file(file):
        return os.path.normpath(file)
    real = Path(file).resolve()
    if not real.is_relative_to(folder.top):
        raise CliError(f"{file} is outside of {folder.top}", hint="give a compose file of the project")
    return os.path.relpath(real, folder.root)


def written(made: Manifest, files: Sequence[str]) -> str:
    """The manifest as a file: what to know first, then the documents."""
    source = ", ".join(files) or "the project's files; there is no compose file"
    head = [
        f"Written by `seatrial init` from {source}.",
        "Notes say where a value is from; `seatrial init --check` compares this file with the project.",
        f"A field that differs on purpose: write `{KEEP}` behind it.",
    ]
    for kind in Kind:
        lines = [f"- {finding.place}: {finding.text}" for finding in made.findings.found if finding.kind is kind]
        if lines:
            head += ["", f"{kind.value[0].upper()}{kind.value[1:]}:", *lines]
    documents = "---\n".join(commented.text(document) for document in made.documents)
    return "\n".join(commented.comment(head)) + "\n" + documents


def _write(target: str, text: str) -> None:
    try:
        with open(target, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise CliError(
            f"{target} is there already", hint="--check compares it with the project; -o FILE writes another one"
        ) from error
    except OSError as error:
        raise CliError(f"can't write {target}: {error.strerror}") from error


def _check(out: Out, target: str, made: Manifest) -> Exit:
    text = run_file.read(target)
    file = run_file.parse(text, target)
    found = differences(file, text, made.documents[-1])
    for difference in found:
        out.line(one_line(difference.shown(target)))
    if found:
        out.line((f"{_count(len(found), 'difference')}; what differs on purpose has `{KEEP}` behind it", "dim"))
        return Exit.TESTS_FAILED
    out.line(f"{target} says what the project does")
    return Exit.PASSED


def _summary(out: Out, target: str, made: Manifest, files: Sequence[str]) -> None:
    spec: dict[str, Any] = made.run["spec"]
    parts = [_count(len(spec[name]), one) for name, one in
             (("services", "service"), ("migrations", "migration"), ("apps", "app"), ("forwards", "forward"))
             if spec.get(name)]  # fmt: skip
    source = f" from {', '.join(files)}" if files else ""
    out.line((f"{out.glyphs.ok} ", "green"), f"wrote {target}{source}: {', '.join(parts) or 'the tests alone'}")
    for kind in Kind:
        _list(out, kind, [finding for finding in made.findings.found if finding.kind is kind])
    out.line()
    file = "" if target in (NAME, f"./{NAME}") else f" {target}"
    out.hint([("start it", f"seatrial run{file} --follow")])


def _list(out: Out, kind: Kind, found: Sequence[Finding]) -> None:
    if not found:
        return
    style = "bold yellow" if kind is Kind.EDIT else "bold"
    out.line()
    out.line((f"{kind.value[0].upper()}{kind.value[1:]} ({len(found)})", style))
    for finding in found:
        out.line((f"  {one_line(finding.place)}  ", "dim"), one_line(finding.text))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
