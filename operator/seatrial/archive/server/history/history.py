"""The history: all questions and all writes over one database.

Every method of its parts blocks: call it in a thread. Each raises UnavailableError while the database can't be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import URL

from seatrial.archive.server.history.bundles import BundleUse
from seatrial.archive.server.history.database import Database
from seatrial.archive.server.history.intake import Intake
from seatrial.archive.server.history.keeping import Keeping
from seatrial.archive.server.history.runs import Runs
from seatrial.archive.server.history.shares import ShareSizes
from seatrial.archive.server.history.statistics import Statistics
from seatrial.archive.server.history.tests import Tests


class History:
    """The history in one database."""

    def __init__(self, url: URL, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Connects to nothing yet; `migrate` comes first."""
        self.database = Database(url)
        self.runs = Runs(self.database)
        self.tests = Tests(self.database)
        self.statistics = Statistics(self.database)
        self.intake = Intake(self.database, clock)
        self.keeping = Keeping(self.database)
        self.bundles = BundleUse(self.database)
        self.shares = ShareSizes(self.database)

    def migrate(self) -> None:
        """Migrates the tables.

        Raises:
            RuntimeError: a newer version made them.
        """
        self.database.migrate()

    def close(self) -> None:
        """Closes all connections."""
        self.database.close()
