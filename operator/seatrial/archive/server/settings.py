"""What the archive's Deployment sets: environment variables, read once into one frozen object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_settings import SettingsConfigDict

from seatrial.api.scalars import Duration
from seatrial.archive.server.connections import ConnectionLimits
from seatrial.archive.server.live.limits import Limits
from seatrial.variables import Variables, read
from seatrial_protocol.limits import MANIFEST

_SIZE = re.compile(r"([0-9]+)(Ki|Mi|Gi|Ti)?")
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)
_FACTORS = {None: 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def _given(value: object) -> object:
    if value == "":
        raise ValueError("is not set")
    return value


def _port(value: object) -> object:
    if isinstance(value, str) and (not value.isdecimal() or int(value) > 65_535):
        raise ValueError("is not a port: use 1 to 65535, or 0 for any free port")
    return value


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return _DURATION.validate_python("0s" if value == "0" else value).total_seconds()
    except ValidationError as error:
        raise ValueError("is not a duration: use for example 720h, or 0 for ever") from error


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError("is not a size: use bytes, or a number with Ki, Mi, Gi or Ti")
    return int(match[1]) * _FACTORS[match[2]]


GivenPath = Annotated[Path, BeforeValidator(_given)]
Port = Annotated[int, BeforeValidator(_port)]
Seconds = Annotated[float, BeforeValidator(_seconds)]
Size = Annotated[int, BeforeValidator(_size)]


class Settings(Variables):
    """All settings; sizes in bytes, times in seconds. Port 0: any free port."""

    model_config = SettingsConfigDict(env_prefix="SEATRIAL_ARCHIVE_")

    folder: Annotated[GivenPath, Field(validation_alias="SEATRIAL_ARCHIVE_DIR")]
    key_file: Annotated[GivenPath, Field(validation_alias="SEATRIAL_KEY_FILE")]
    bucket: str = ""
    """Its address; none: files lie in the folder."""
    database: str = ""
    """Of the history: postgresql://user:password@host/database; none: SQLite in the folder."""
    host: str = ""
    """To listen at; none: all addresses."""
    upload_port: Port = 8080
    read_port: Port = 8081
    keep_seconds: Annotated[Seconds, Field(validation_alias="SEATRIAL_ARCHIVE_KEEP")] = 720 * 3600.0
    """Age at which a run goes; 0: never."""
    keep_bytes: Size = 0
    """The oldest runs go while all take more; 0: no limit."""
    bundle_days: Annotated[int, Field(ge=0)] = 14
    """A bundle that nobody used for so long goes; 0: never. A run must not live longer."""
    share_bytes: Annotated[Size, Field(validation_alias="SEATRIAL_ARCHIVE_SHARE")] = 8 * 2**30
    """What one namespace may take, with its bundles; 0: no limit."""
    max_file_bytes: Annotated[Size, Field(validation_alias="SEATRIAL_ARCHIVE_MAX_FILE", ge=1)] = 2 * 2**30
    max_bundle_bytes: Annotated[Size, Field(validation_alias="SEATRIAL_ARCHIVE_MAX_BUNDLE", ge=1)] = 64 * 2**20
    max_manifest_bytes: int = MANIFEST.size
    max_live_bytes: int = 4 * 2**20
    idle_seconds: float = 20.0
    """An upload that sends nothing for so long is ended."""
    least_bytes_per_second: int = 1_024
    """An upload that is slower on average than this, but for its first `idle_seconds`, is ended."""
    connections: ConnectionLimits = ConnectionLimits()
    recheck_seconds: float = 60.0
    """Rights are asked for again after so long, also those of open streams."""
    trust_loopback: bool = True
    """Who forwards a port to the archive's pod reads everything; else they need a token as all others."""
    stop_seconds: int = 20
    """For uploads under way when the archive is stopped."""
    live: Limits = Limits()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Settings from SEATRIAL_ARCHIVE_DIR and SEATRIAL_KEY_FILE (required), and SEATRIAL_ARCHIVE_BUCKET,
        ..._DATABASE, ..._HOST, ..._UPLOAD_PORT, ..._READ_PORT, ..._KEEP (such as 720h), ..._KEEP_BYTES,
        ..._BUNDLE_DAYS, ..._SHARE, ..._MAX_FILE (such as 2Gi), ..._MAX_BUNDLE and ..._TRUST_LOOPBACK (true or false).

        Raises:
            ValueError: one is missing or can't be understood.
        """
        return read(cls, environment)
