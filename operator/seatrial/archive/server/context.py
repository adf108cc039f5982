"""What the archive's applications work with."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.archive.server.access.readers import Access
from seatrial.archive.server.bundles.store import Bundles
from seatrial.archive.server.history.history import History
from seatrial.archive.server.history.ingest import Ingest
from seatrial.archive.server.live.hub import Hub
from seatrial.archive.server.metrics import Metrics
from seatrial.archive.server.sets.store import Store
from seatrial.archive.server.settings import Settings
from seatrial.archive.server.shares import Shares


@dataclass(frozen=True)
class Archive:
    """What both applications work with."""

    settings: Settings
    key: bytes
    store: Store
    bundles: Bundles
    shares: Shares
    hub: Hub
    metrics: Metrics
    history: History
    ingest: Ingest
    access: Access
