"""`-o`: what a command prints for programs, or in full."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import yaml

from seatrial.cli.errors import CliError
from seatrial.cli.output import Out


class OutputFormat(StrEnum):
    """What `-o` may say."""

    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    WIDE = "wide"


def output_format(text: str | None, supported: Sequence[OutputFormat] = tuple(OutputFormat)) -> OutputFormat | None:
    """What the option says.

    Raises:
        CliError: it is none that the command supports.
    """
    if text is None:
        return None
    if text not in supported:
        raise CliError(f"--output {text} is not one of {', '.join(supported)}")
    return OutputFormat(text)


def print_object(out: Out, value: Mapping[str, Any], form: OutputFormat) -> None:
    """Prints an object as JSON, or as YAML."""
    if form is OutputFormat.JSON:
        out.console.file.write(json.dumps(value, indent=2) + "\n")
    else:
        out.console.file.write(yaml.safe_dump(dict(value), sort_keys=False))
