"""Settings of the collector."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

from seatrial_runner.mask import Mask
from seatrial_runner.upload import Uploader

PATIENCE = 60
"""Seconds for which the archive may be unavailable at the end, by default."""
ARTIFACTS_LIMIT = 1024**3
"""Bytes of artifacts, by default."""


@dataclass(frozen=True)
class Settings:
    """What the environment of the collector says."""

    run: str
    namespace: str
    uid: str
    attempt: int
    shard: int
    archive_url: str
    token: str
    patience: float = PATIENCE
    mask: Mask = field(default_factory=Mask)
    artifacts: tuple[str, ...] = ()
    artifacts_limit: int = ARTIFACTS_LIMIT
    results: str = "/results"
    artifacts_folder: str = "/artifacts"
    artifacts_below: str = ""
    """The tests' working directory in that folder."""
    termination_log: str = "/dev/termination-log"
    own: str = field(default_factory=tempfile.gettempdir)
    """A folder that no other container sees and that outlives the process."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the environment.

        Raises:
            ValueError: something is missing or wrong; the message says what.
        """

        def required(name: str) -> str:
            if not env.get(name):
                raise ValueError(f"the environment variable {name} is not set")
            return env[name]

        def number(name: str, default: Optional[int] = None) -> int:
            text = env.get(name, "") or ("" if default is None else str(default))
            if not text.isdecimal():
                raise ValueError(f"the environment variable {name} must be a whole number, not {text!r}")
            return int(text)

        try:
            artifacts = json.loads(env.get("SEATRIAL_ARTIFACTS") or "[]")
        except ValueError:
            artifacts = None
        if not isinstance(artifacts, list) or not all(isinstance(each, str) for each in artifacts):
            raise ValueError("SEATRIAL_ARTIFACTS must be a JSON list of globs")
        shard = number("JOB_COMPLETION_INDEX", 0)
        folder = env.get("SEATRIAL_TOKEN_DIR") or "/var/run/seatrial/upload"
        token_file = os.path.join(folder, f"shard-{shard}")
        try:
            with open(token_file, encoding="ascii") as file:
                token = file.read().strip()
        except (OSError, ValueError) as error:
            raise ValueError(f"the upload token {token_file} can't be read: {error}") from error
        return cls(
            run=required("SEATRIAL_RUN"),
            namespace=required("SEATRIAL_RUN_NAMESPACE"),
            uid=required("SEATRIAL_RUN_UID"),
            attempt=number("SEATRIAL_ATTEMPT", 1),
            shard=shard,
            archive_url=required("SEATRIAL_ARCHIVE_URL"),
            token=token,
            patience=number("SEATRIAL_ARCHIVE_PATIENCE", PATIENCE),
            mask=Mask.read(os.path.join(folder, "masks")),
            artifacts=tuple(artifacts),
            artifacts_limit=number("SEATRIAL_ARTIFACTS_LIMIT", ARTIFACTS_LIMIT),
            results=env.get("SEATRIAL_RESULTS") or cls.results,
            artifacts_folder=env.get("SEATRIAL_ARTIFACTS_DIR") or cls.artifacts_folder,
            artifacts_below=env.get("SEATRIAL_ARTIFACTS_BELOW", ""),
            termination_log=env.get("SEATRIAL_TERMINATION_LOG") or cls.termination_log,
            own=env.get("SEATRIAL_OWN_DIR") or tempfile.gettempdir(),
        )

    def open_archive(self) -> Uploader:
        """Open a connection of its own to the archive."""
        return Uploader(self.archive_url, self.token, self.uid, self.attempt, self.shard)
