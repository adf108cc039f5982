"""How the archive is told what to do: environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from seatrial.api.scalars import Duration

from .live import Limits

_SIZE = re.compile(r"([0-9]+)(Ki|Mi|Gi|Ti)?")
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)
_FACTORS = {None: 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@dataclass(frozen=True)
class Settings:
    """All settings; sizes in bytes, times in seconds. Port 0: any free port."""

    folder: Path
    key_file: Path
    bucket: str = ""  # its address; none: files lie in the folder
    database: str = ""  # of the history: postgresql://user:password@host/database; none: SQLite in the folder
    host: str = ""  # all addresses
    upload_port: int = 8080
    read_port: int = 8081
    keep_seconds: float = 720 * 3600.0  # after that a run goes; 0: never
    keep_bytes: int = 0  # the oldest runs go while all take more; 0: no limit
    max_file_bytes: int = 2 * 2**30
    max_manifest_bytes: int = 16 * 2**20
    max_live_bytes: int = 4 * 2**20
    idle_seconds: float = 60.0  # an upload that sends nothing for so long is ended
    stop_seconds: int = 20  # for uploads under way when the archive is stopped
    live: Limits = field(default_factory=Limits)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Settings from SEATRIAL_ARCHIVE_DIR and SEATRIAL_KEY_FILE (required), and SEATRIAL_ARCHIVE_BUCKET, ..._DATABASE, ..._HOST,
        ..._UPLOAD_PORT, ..._READ_PORT, ..._KEEP (such as 720h), ..._KEEP_BYTES and ..._MAX_FILE (such as 2Gi).

        Raises:
            ValueError: one is missing or can't be understood.
        """
        return cls(
            folder=Path(_required(environment, "SEATRIAL_ARCHIVE_DIR")),
            key_file=Path(_required(environment, "SEATRIAL_KEY_FILE")),
            bucket=environment.get("SEATRIAL_ARCHIVE_BUCKET", cls.bucket),
            database=environment.get("SEATRIAL_ARCHIVE_DATABASE", cls.database),
            host=environment.get("SEATRIAL_ARCHIVE_HOST", cls.host),
            upload_port=_port(environment, "SEATRIAL_ARCHIVE_UPLOAD_PORT", cls.upload_port),
            read_port=_port(environment, "SEATRIAL_ARCHIVE_READ_PORT", cls.read_port),
            keep_seconds=_seconds(environment, "SEATRIAL_ARCHIVE_KEEP", cls.keep_seconds),
            keep_bytes=_size(environment, "SEATRIAL_ARCHIVE_KEEP_BYTES", cls.keep_bytes, least=0),
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


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name)
    if text is None:
        return default
    try:
        return _DURATION.validate_python("0s" if text == "0" else text).total_seconds()
    except ValidationError as error:
        raise ValueError(f"{name}={text!r} is not a duration: use for example 720h, or 0 for ever") from error


def _size(environment: Mapping[str, str], name: str, default: int, least: int = 1) -> int:
    text = environment.get(name)
    if text is None:
        return default
    match = _SIZE.fullmatch(text)
    if match is None or int(match[1]) < least:
        raise ValueError(f"{name}={text!r} is not a size: use bytes, or a number with Ki, Mi, Gi or Ti")
    return int(match[1]) * _FACTORS[match[2]]
