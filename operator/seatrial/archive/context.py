"""What the archive's applications work with."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.archive.access import Access
from seatrial.archive.history.ingest import Ingest
from seatrial.archive.history.queries import History
from seatrial.archive.live import Hub
from seatrial.archive.metrics import Metrics
from seatrial.archive.settings import Settings
from seatrial.archive.store import Store


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
