"""The run that a document belongs to."""

from __future__ import annotations

from seatrial_protocol import limits
from seatrial_protocol.decode import Contract, contract, string


@contract("run")
class RunIdentity(Contract):
    """One IntegrationRun."""

    uid: str = string(limits.NAME)
    name: str = string(limits.NAME, default="")
    namespace: str = string(limits.NAME, default="")
