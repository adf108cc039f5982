"""One Cobertura report of several shards: a line or a branch ran if it ran in one of them. Pure.

Each shard's own was written by coverage.py, in whose container anybody may have written: it is read in a stream, within
limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.parsers import expat

from seatrial.archive.model.errors import InvalidError, TooLargeError

LIMIT = 300_000
"""Lines, files and folders in one report."""
_SOURCE_LIMIT = 4096
_BRANCHES = re.compile(r"\(\d{1,9}/(\d{1,9})\)")


@dataclass(slots=True)
class _Line:
    hits: int = 0
    branches: int = 0
    missed: frozenset[str] | None = None
    """Branches that ran in no shard; None: none was reported yet."""

    @property
    def taken(self) -> int:
        return max(0, self.branches - len(self.missed or ()))


@dataclass(frozen=True)
class _Counts:
    lines: int
    covered: int
    branches: int
    taken: int

    @classmethod
    def of(cls, lines: Iterable[_Line]) -> _Counts:
        measured = list(lines)
        return cls(
            len(measured),
            sum(line.hits > 0 for line in measured),
            sum(line.branches for line in measured),
            sum(line.taken for line in measured),
        )

    @property
    def rates(self) -> dict[str, str]:
        return {"line-rate": _rate(self.covered, self.lines), "branch-rate": _rate(self.taken, self.branches)}


def _rate(part: int, whole: int) -> str:
    return f"{part / whole:.4g}" if whole else "1"


class Coverage:
    """What shards have covered: `add` each one's report."""

    def __init__(self) -> None:
        self._sources: dict[str, None] = {}
        self._files: dict[tuple[str, str, str], dict[int, _Line]] = {}  # package, file, class -> number -> line
        self._count = 0
        self._timestamp = 0

    @property
    def line_rate(self) -> float | None:
        """The part of the lines that ran, 0 to 1; None where there are no lines."""
        counts = self._counts
        return counts.covered / counts.lines if counts.lines else None

    @property
    def _counts(self) -> _Counts:
        return _Counts.of(line for lines in self._files.values() for line in lines.values())

    def add(self, chunks: Iterable[bytes]) -> None:
        """Adds the report of a shard.

        Raises:
            InvalidError: it can't be read.
            TooLargeError: it is too much to hold.
        """
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.EntityDeclHandler = _refuse
        reader = _Reader(self)
        parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
        parser.CharacterDataHandler = reader.text
        try:
            for chunk in chunks:
                parser.Parse(chunk)
            parser.Parse(b"", True)
        except (expat.ExpatError, ValueError, KeyError) as error:
            raise InvalidError(
                f"the coverage.xml of a shard can't be read: {error}", "it is among the files of the shard as it is"
            ) from error

    def source(self, folder: str) -> None:
        """Takes note of a folder that names of files are relative to."""
        self._hold(folder in self._sources)
        self._sources.setdefault(folder)

    def begin(self, attributes: Mapping[str, str]) -> None:
        """Takes note of a report's own attributes."""
        self._timestamp = max(self._timestamp, int(attributes.get("timestamp", "0")))

    def file(self, package: str, name: str, file: str) -> dict[int, _Line]:
        """The lines of a file."""
        key = (package, file, name)
        self._hold(key in self._files)
        return self._files.setdefault(key, {})

    def line(self, lines: dict[int, _Line], attributes: Mapping[str, str]) -> None:
        """Takes note of a line."""
        number = int(attributes["number"])
        self._hold(number in lines)
        line = lines.setdefault(number, _Line())
        line.hits += int(attributes["hits"])
        if (counted := _BRANCHES.search(attributes.get("condition-coverage", ""))) is not None:
            missed = frozenset(filter(None, attributes.get("missing-branches", "").split(",")))
            line.branches = max(line.branches, int(counted[1]))
            line.missed = missed if line.missed is None else line.missed & missed

    def _hold(self, held: bool) -> None:
        self._count += not held
        if self._count > LIMIT:
            raise TooLargeError(f"the coverage has more than {LIMIT} lines", "each shard's own is among its files")

    def xml(self) -> bytes:
        """The report of all."""
        whole = self._counts
        counts = {"lines-valid": whole.lines, "lines-covered": whole.covered, "branches-valid": whole.branches,
                  "branches-covered": whole.taken, "timestamp": self._timestamp, "complexity": 0}  # fmt: skip
        root = ElementTree.Element("coverage", {name: str(count) for name, count in counts.items()} | whole.rates)
        sources = ElementTree.SubElement(root, "sources")
        for folder in self._sources:
            ElementTree.SubElement(sources, "source").text = folder
        packages = ElementTree.SubElement(root, "packages")
        for package in sorted({package for package, _, _ in self._files}):
            within = {key: lines for key, lines in self._files.items() if key[0] == package}
            rates = _Counts.of(line for lines in within.values() for line in lines.values()).rates
            element = ElementTree.SubElement(packages, "package", {"name": package, "complexity": "0", **rates})
            classes = ElementTree.SubElement(element, "classes")
            for (_, file, name), lines in sorted(within.items()):
                about = {"name": name, "filename": file, "complexity": "0", **_Counts.of(lines.values()).rates}
                one = ElementTree.SubElement(classes, "class", about)
                ElementTree.SubElement(one, "methods")
                listed = ElementTree.SubElement(one, "lines")
                for number, line in sorted(lines.items()):
                    ElementTree.SubElement(listed, "line", _attributes(number, line))
        ElementTree.indent(root, "\t")
        written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        return written


class _Reader:
    """From the elements of a report to what it says."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._package = ""
        self._lines: dict[int, _Line] | None = None
        self._source: str | None = None

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if element == "coverage":
            self._coverage.begin(attributes)
        elif element == "source":
            self._source = ""
        elif element == "package":
            self._package = attributes["name"]
        elif element == "class":
            self._lines = self._coverage.file(self._package, attributes["name"], attributes["filename"])
        elif element == "line" and self._lines is not None:
            self._coverage.line(self._lines, attributes)

    def end(self, element: str) -> None:
        if element == "source" and self._source:
            self._coverage.source(self._source.strip())
            self._source = None
        elif element == "class":
            self._lines = None

    def text(self, text: str) -> None:
        if self._source is not None:
            self._source = (self._source + text)[:_SOURCE_LIMIT]


def _attributes(number: int, line: _Line) -> dict[str, str]:
    attributes = {"number": str(number), "hits": str(line.hits)}
    if line.branches:
        share = f"{100 * line.taken // line.branches}% ({line.taken}/{line.branches})"
        attributes |= {"branch": "true", "condition-coverage": share}
        if line.missed:
            attributes["missing-branches"] = ",".join(sorted(line.missed, key=lambda name: (len(name), name)))
    return attributes


def _refuse(name: str, *_: object) -> None:
    raise ValueError(f"it declares the entity {name}, which coverage never does")
