"""How the archive is told what to do: environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .live import Limits

_SIZE = re.compile(r"([0-9]+)(Ki|Mi|Gi|Ti)?")
_FACTORS = {None: 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@dataclass(frozen=True)
class Settings:
    """All settings; sizes in bytes, times in seconds. Port 0: any free port."""

    folder: Path
    key_file: Path
    bucket: str = ""  # its address; none: files lie in the folder
    host: str = ""  # all addresses
    upload_port: int = 8080
    read_port: int = 8081
    max_file_bytes: int = 2 * 2**30
    max_manifest_bytes: int = 16 * 2**20
    max_live_bytes: int = 4 * 2**20
    idle_seconds: float = 60.0  # an upload that sends nothing for so long is ended
    stop_seconds: int = 20  # for uploads under way when the archive is stopped
    live: Limits = field(default_factory=Limits)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Settings from SEATRIAL_ARCHIVE_DIR and SEATRIAL_KEY_FILE (required), SEATRIAL_ARCHIVE_BUCKET, SEATRIAL_ARCHIVE_HOST, ..._UPLOAD_PORT,
        ..._READ_PORT, ..._MAX_FILE (such as 2Gi).

        Raises:
            ValueError: one is missing or can't be understood.
        """
        return cls(
            folder=Path(_required(environment, "SEATRIAL_ARCHIVE_DIR")),
            key_file=Path(_required(environment, "SEATRIAL_KEY_FILE")),
            bucket=environment.get("SEATRIAL_ARCHIVE_BUCKET", cls.bucket),
            host=environment.get("SEATRIAL_ARCHIVE_HOST", cls.host),
            upload_port=_port(environment, "SEATRIAL_ARCHIVE_UPLOAD_PORT", cls.upload_port),
            read_port=_port(environment, "SEATRIAL_ARCHIVE_READ_PORT", cls.read_port),
            max_file_bytes=_size(environment, "SEATRIAL_ARCHIVE_MAX_FILE", cls.max_file_bytes),
        )


def _required(environment: Mapping[str, str], name: str) -> str:
    if not (value := environment.get(name)):
        raise ValueError(f"the environment variable {name} is not set")
    return value


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) > 65_535:
        raise ValueError(f"{name}={text!r} is not a port: use 1 to 65535, or 0 for any free port")
    return int(text)


def _size(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name)
    if text is None:
        return default
    match = _SIZE.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"{name}={text!r} is not a size: use bytes, or a number with Ki, Mi, Gi or Ti")
    return int(match[1]) * _FACTORS[match[2]]
