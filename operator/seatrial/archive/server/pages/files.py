"""Files of a set: rows of a list, and pages of their text. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from seatrial.archive.model.keys import SetKey, by_name, set_path
from seatrial.archive.server.pages.moments import clean, time_of, tone_of
from seatrial_protocol.manifest import Manifest

_PLAIN = (".log", ".txt", ".json", ".jsonl", ".xml", ".md", ".yaml", ".yml", ".csv", ".py", ".html", ".svg", ".js",
          ".css",
          ".toml", ".ini", ".sql", ".out", ".err")  # fmt: skip


_PICTURES = (".png", ".jpg")


@dataclass(frozen=True)
class FileRow:
    """A stored file."""

    path: str
    size: int
    sha256: str
    address: str
    """Relative to `runs/<uid>/`: the viewer's page, or empty if it can only be downloaded."""
    download: str
    """Relative to the archive's root."""
    picture: bool


def files(key: SetKey, manifest: Manifest) -> tuple[FileRow, ...]:
    """The files of one set, by name; the many of coverage's HTML last."""
    of_set = f"v1/{set_path(key)}/files"
    rows = []
    for file in sorted(manifest.files, key=lambda file: by_name(file.path)):
        quoted = quote(file.path)
        suffix = file.path[file.path.rfind(".") :].lower()
        picture = suffix in _PICTURES
        readable = picture or suffix in _PLAIN or "." not in file.path.rpartition("/")[2]
        rows.append(
            FileRow(
                file.path,
                file.size,
                file.sha256,
                f"files/{key.attempt}/{key.part}/{quoted}" if readable else "",
                f"{of_set}/{quoted}",
                picture,
            )
        )
    return tuple(rows)


@dataclass(frozen=True)
class TextLine:
    """A line of a file."""

    number: int
    text: str
    tone: str
    marked: bool = False


@dataclass(frozen=True)
class TextPage:
    """Some lines of a file."""

    lines: tuple[TextLine, ...]
    count: int
    """Lines of the file."""
    found: int | None
    """How many lines hold the text that was looked for; None if none was."""
    previous: int | None
    """Number of the first line of the page before; None on the first page."""
    next: int | None


def text_page(body: bytes, first: int, limit: int, text: str = "", around: float | None = None) -> TextPage:
    """A page of a file.

    Args:
        body: the file.
        first: number of the first line wanted; lines are counted from 1.
        limit: lines of a page.
        text: only lines that hold it, in any case.
        around: unix seconds: instead of `first`, the page around the first line that was logged then or later; it is
        marked.
    """
    raw = body.split(b"\n")
    if raw and not raw[-1]:
        raw.pop()
    wanted = text.casefold()
    mark = 0
    if around is not None and not wanted:
        mark = next(
            (n for n, line in enumerate(raw, 1) if (at := time_of(line)) is not None and at >= around - 1e-6), 0
        )
        first = max(1, mark - limit // 4)
    if wanted:
        matching = [(n, line) for n, line in enumerate(raw, 1) if wanted in line.decode("utf-8", "replace").casefold()]
        numbers = [n for n, _ in matching if n >= first]
        chosen = [(n, line) for n, line in matching if n >= first][:limit]
        before = [n for n, _ in matching if n < first]
        previous = before[-limit:][0] if before else None
        following = numbers[limit] if len(numbers) > limit else None
    else:
        first = min(max(1, first), max(1, len(raw)))
        chosen = list(enumerate(raw[first - 1 : first - 1 + limit], first))
        previous = max(1, first - limit) if first > 1 else None
        following = first + limit if first + limit <= len(raw) else None
    lines = tuple(_text_line(n, line, marked=n == mark) for n, line in chosen)
    return TextPage(lines, len(raw), len(matching) if wanted else None, previous, following)


def _text_line(number: int, line: bytes, *, marked: bool) -> TextLine:
    text = clean(line.decode("utf-8", "replace"))
    return TextLine(number, text, tone_of(text), marked)
