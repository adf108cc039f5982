"""What the archive's applications work with."""

from __future__ import annotations

from dataclasses import dataclass

from .live import Hub
from .metrics import Metrics
from .settings import Settings
from .store import Store


@dataclass(frozen=True)
class Archive:
    """What both applications work with."""

    settings: Settings
    key: bytes
    store: Store
    hub: Hub
    metrics: Metrics
