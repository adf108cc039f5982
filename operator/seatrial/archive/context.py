"""What the archive's applications work with."""

from __future__ import annotations

from dataclasses import dataclass

from .access import Access
from .history.ingest import Ingest
from .history.queries import History
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
    history: History
    ingest: Ingest
    access: Access
