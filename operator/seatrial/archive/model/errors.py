"""What the archive will not do: each rule with what is wrong and what to do instead."""

from __future__ import annotations


class ArchiveRule(Exception):  # noqa: N818 - its kinds read as what is wrong: Invalid, Conflict, ...
    """Something asked of the archive that it will not do: what is wrong, and what to do instead."""

    def __init__(self, error: str, hint: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.hint = hint


class Invalid(ArchiveRule):
    """The request makes no sense: a bad name, a bad number, a body that is not what it should be."""


class NotThere(ArchiveRule):
    """No such run, set or file."""


class Conflict(ArchiveRule):
    """Something else is already stored there, and what is stored stays."""


class WrongDigest(ArchiveRule):
    """The bytes that arrived are not those that were announced."""


class Incomplete(ArchiveRule):
    """A manifest names files that are not there, or other ones."""


class TooLarge(ArchiveRule):
    """More bytes than the archive takes in one piece."""


class VolumeFull(ArchiveRule):
    """No space is left."""


class Unavailable(ArchiveRule):
    """Something that the archive stands on does not answer: a bucket, the history's database, the API server."""
