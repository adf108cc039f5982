"""Colours of components."""

from __future__ import annotations

from collections.abc import Sequence


def colours(names: Sequence[str]) -> dict[str, int]:
    """A number from 0 to 7 for each component: the same on all pages of a run."""
    return {name: place % 8 for place, name in enumerate(sorted(names))}
