"""What the archive will not do: each rule with what is wrong and what to do instead."""

from __future__ import annotations


class ArchiveRuleError(Exception):
    """Something asked of the archive that it will not do: what is wrong, and what to do instead."""

    def __init__(self, error: str, hint: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.hint = hint


class InvalidError(ArchiveRuleError):
    """The request makes no sense: a bad name, a bad number, a body that is not what it should be."""


class NotFoundError(ArchiveRuleError):
    """No such run, set or file."""


class ConflictError(ArchiveRuleError):
    """Something else is already stored there, and what is stored stays."""


class WrongDigestError(ArchiveRuleError):
    """The bytes that arrived are not those that were announced."""


class IncompleteError(ArchiveRuleError):
    """A manifest names files that are not there, or other ones."""


class TooLargeError(ArchiveRuleError):
    """More bytes than the archive takes in one piece."""


class QuotaExceededError(ArchiveRuleError):
    """The namespace's share of the archive is full."""


class VolumeFullError(ArchiveRuleError):
    """No space is left."""


class UnavailableError(ArchiveRuleError):
    """Something that the archive stands on does not answer: a bucket, the history's database, the API server."""
