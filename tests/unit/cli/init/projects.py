"""Projects as people have them, each in one text file. Their structure is that of public ones, their text is not."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent / "projects"
NAMES = sorted(path.stem for path in HERE.glob("*.txt"))
_FILE = re.compile(r"^-- (\S+) --\n(.*?)(?=^-- \S+ --\n|\Z)", re.MULTILINE | re.DOTALL)


def unpack(text: str, root: Path) -> Path:
    """Writes the files of a text: `-- path --`, then its lines."""
    (root / ".git").mkdir(parents=True, exist_ok=True)
    for match in _FILE.finditer(text):
        path = root / match[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(match[2])
    return root


def project(name: str, folder: Path) -> Path:
    """One of the projects, in a folder of its name without its number."""
    return unpack((HERE / f"{name}.txt").read_text(), folder / name.partition("-")[2])


def golden(name: str) -> Path:
    """The manifest that it gets."""
    return HERE / f"{name}.yaml"
