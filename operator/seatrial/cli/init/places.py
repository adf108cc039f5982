"""Where something stands in a project's files, and the error that names such a place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file, from 1; line 0 is the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class ReadError(Exception):
    """A file of the project can't be used: where and why."""

    def __init__(self, place: Place | str, text: str) -> None:
        super().__init__(f"{place}: {text}")
        self.place, self.text = str(place), text
