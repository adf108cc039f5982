"""Reads alembic.ini: that there are migrations, and which database they are for."""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass

from seatrial.cli.init.folder import Folder, joined
from seatrial.cli.init.places import Place, ReadError


@dataclass(frozen=True)
class AlembicConfig:
    """Where `alembic upgrade head` works."""

    folder: str
    place: Place
    url: str = ""
    """`sqlalchemy.url`; empty where env.py has its own."""
    url_place: Place | None = None

    @property
    def is_local(self) -> bool:
        """Whether the URL names the machine itself."""
        return bool(re.search(r"[@/](localhost|127\.0\.0\.1|\[::1\])[:/]", self.url))


def read(folder: Folder, where: str) -> AlembicConfig | None:
    """The configuration in a folder; None if there is none.

    Raises:
        ReadError: the file can't be read.
    """
    path = joined(where, "alembic.ini")
    text = folder.text(path) if folder.is_file(path) else None
    if text is None:
        return None
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ReadError(path, f"not a valid ini file: {error.message.splitlines()[0]}") from error
    lines = text.split("\n")
    url = parser.get("alembic", "sqlalchemy.url", fallback="")
    begin = next((n for n, line in enumerate(lines, 1) if line.startswith("[alembic]")), 1)
    at = next((n for n, line in enumerate(lines, 1) if line.startswith("sqlalchemy.url")), 0)
    return AlembicConfig(where, Place(path, begin), url, Place(path, at) if at else None)
