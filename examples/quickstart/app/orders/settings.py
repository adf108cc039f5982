"""Where everything is: environment variables, in the names that the services' own clients use."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Read once by each process."""

    database_url: str
    temporal_address: str
    temporal_namespace: str
    receipts_bucket: str

    @classmethod
    def from_env(cls) -> Settings:
        """Raises KeyError, naming it, when a variable is missing."""
        env = os.environ
        return cls(
            # SQLAlchemy wants the driver in the URL
            database_url=env["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1),
            temporal_address=env["TEMPORAL_ADDRESS"],
            temporal_namespace=env.get("TEMPORAL_NAMESPACE", "default"),
            receipts_bucket=env["S3_BUCKET"],
        )
