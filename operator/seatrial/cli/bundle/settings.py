"""How large a bundle may be."""

from __future__ import annotations

import os
import re

from seatrial.cli.bundle.pack import Limits
from seatrial.cli.errors import CliError

LIMIT_VARIABLE = "SEATRIAL_BUNDLE_LIMIT"
"""The largest archive that the command makes, such as 128Mi; the archive in the cluster has a limit of its own."""
_FACTORS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def limits() -> Limits:
    """The limits, with that of the environment.

    Raises:
        CliError: the variable is no size.
    """
    text = os.environ.get(LIMIT_VARIABLE)
    if not text:
        return Limits()
    match = re.fullmatch(r"([0-9]{1,12})(Ki|Mi|Gi|)", text)
    if not match:
        raise CliError(f"{LIMIT_VARIABLE}={text} is not a size", hint="write bytes, or a number with Ki, Mi or Gi")
    return Limits(packed=int(match[1]) * _FACTORS[match[2]])
