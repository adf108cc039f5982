"""What has no place in a manifest, or another one than before; each with its place and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from seatrial.cli.init.places import Place


class Kind(StrEnum):
    """How much a finding matters, the most important one first."""

    EDIT = "to decide before the first run"
    BUILD = "images to build"
    DIFFERENT = "different from before"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Finding:
    """One of them."""

    kind: Kind
    place: str
    text: str


@dataclass
class Findings:
    """The findings of one manifest, each once."""

    found: list[Finding] = field(default_factory=list)

    def add(self, kind: Kind, place: Place | str, text: str) -> None:
        """Notes one."""
        finding = Finding(kind, str(place), text)
        if finding not in self.found:
            self.found.append(finding)

    @property
    def starts_without_an_edit(self) -> bool:
        """Whether the manifest can be used as it is, once its images are built."""
        return all(finding.kind is not Kind.EDIT for finding in self.found)
