"""Types of single values: durations, names, images, quantities."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
LONGEST_DURATION = timedelta(days=3650)
"""So that a moment and a duration always make a moment."""
DURATION_RULE = {"rule": "duration(self) <= duration('87600h')", "message": "a duration is at most 87600h, ten years"}
_DURATION_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: object) -> object:
    """Reads a Go-style duration such as `1h30m`; leaves anything that is not a string to pydantic.

    Raises:
        ValueError: when the string is not a duration.
    """
    if not isinstance(value, str):
        return value
    if not re.fullmatch(DURATION_PATTERN, value):
        raise ValueError(f"{value!r} is not a duration; write for example 90s, 5m or 1h30m")
    seconds = sum(float(n) * _DURATION_SECONDS[unit] for n, unit in _DURATION_PART.findall(value))
    if seconds > LONGEST_DURATION.total_seconds():
        raise ValueError(f"{value!r} is longer than {format_duration(LONGEST_DURATION)}, ten years")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """Writes a duration the way people read it: `1h30m`, `90s` as `1m30s`, `0s`."""
    rest = round(value.total_seconds(), 3)
    if rest == 0:
        return "0s"
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(f"{int(hours)}h", hours), (f"{int(minutes)}m", minutes), (f"{seconds:g}s", seconds)]
    return "".join(text for text, amount in parts if amount)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": DURATION_PATTERN,
            "maxLength": 32,
            "x-kubernetes-validations": [DURATION_RULE],
        }
    ),
]
_DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
OBJECT_NAME_PATTERN = rf"^{_DNS_LABEL}(\.{_DNS_LABEL})*$"
ObjectName = Annotated[str, Field(max_length=253, pattern=OBJECT_NAME_PATTERN)]
"""The name of a Kubernetes object: a DNS subdomain."""
IMAGE_PATTERN = r"^[A-Za-z0-9\[][-A-Za-z0-9._:/@+\[\]]*$"
Image = Annotated[str, Field(max_length=512, min_length=1, pattern=IMAGE_PATTERN)]
"""A reference to an image. The kubelet checks the rest; what it would trim or can't print ends here."""
Text = Annotated[str, Field(max_length=4096)]
Word = Annotated[str, Field(max_length=16384)]
"""One argument of a command: room for a small script."""
DatabaseName = Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
BucketName = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
AbsolutePath = Annotated[str, Field(max_length=1024, pattern=r"^/.+")]
ComponentName = Annotated[str, Field(max_length=40, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]
"""The key of a service or app."""
PortNumber = Annotated[int, Field(ge=1, le=65535)]
IntOrString = Annotated[int | str, WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 63})]
QUANTITY_PATTERN = r"^([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$"
Quantity = Annotated[
    int | str,
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 32, "pattern": QUANTITY_PATTERN, "minimum": 0}),
]
"""A Kubernetes quantity such as `250m`, `1` or `1.5Gi`."""
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A moment as the operator writes it: RFC 3339 in UTC with milliseconds."""
