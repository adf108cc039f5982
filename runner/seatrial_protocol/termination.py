"""Termination messages: what the launcher and the collector leave for the operator when they end.

``{"code": "gates-timed-out", "message": "not ready after 300s: ..."}``: decisions are made by the code, the message is
for people.
"""

from __future__ import annotations

import json
import re
from typing import Optional

from seatrial_protocol import limits
from seatrial_protocol.decode import Contract, ProtocolError, contract, dump, string

_MESSAGE = 1000
"""Bytes of a message that is written: of each container of a pod with many, Kubernetes keeps less."""
_CUT = re.compile(r'\{"code":"(?P<code>[a-z-]{1,40})","message":"(?P<message>(?:[^"\\]|\\.)*)', re.DOTALL)
"""What Kubernetes left of a message that was too long for it."""


class Code:
    """How a launcher or a collector ended. Open: a newer one may write others."""

    # the launcher
    GATES_TIMED_OUT = "gates-timed-out"
    """Not everything that its process needs was ready in time."""
    ADDRESS_SILENT = "address-silent"
    """The same, and the address of the first that was not ready never answered anything, not even a refusal."""
    PROGRAM_NOT_FOUND = "program-not-found"
    PROGRAM_NOT_EXECUTABLE = "program-not-executable"
    SET_UP_FAILED = "set-up-failed"
    """A file, folder or port of the launcher's own could not be used."""
    USAGE_ERROR = "usage-error"
    """The launcher's arguments are wrong."""
    STOPPED = "stopped"
    """A signal came before its process had started."""

    BUNDLE_MISSING = "bundle-missing"
    """The archive has no such bundle for this namespace."""
    BUNDLE_BROKEN = "bundle-broken"
    """What the archive sent has another digest, or can't be unpacked: a path outside, too large, no archive."""
    FORWARD_PORT_TAKEN = "forward-port-taken"
    """A port to forward is in use in the pod."""

    # the collector, and a launcher that fetches a bundle
    DELIVERED = "delivered"
    """The archive has the complete result."""
    ARCHIVE_UNAVAILABLE = "archive-unavailable"
    """The archive does not answer, or refuses the token."""
    ARCHIVE_QUOTA_EXCEEDED = "archive-quota-exceeded"
    """The run's namespace may store no more in the archive. The archive's own answers have this code too."""
    RESULTS_REFUSED = "results-refused"
    """The archive will not take the results."""
    SETTINGS_WRONG = "settings-wrong"
    """The collector's environment is incomplete or wrong."""
    COLLECTOR_FAILED = "collector-failed"
    """An error of the collector itself."""


@contract("termination message", limits.TERMINATION)
class TerminationMessage(Contract):
    """What a program of ours says when it ends."""

    code: str = string(limits.CODE)
    message: str = string(limits.MESSAGE, default="")
    """For people."""
    digest: str = string(limits.LABEL, default="", omit=True)
    """Of the manifest that the collector delivered."""

    def encode(self) -> bytes:
        """The message as it is written: short enough that Kubernetes keeps all of it."""
        message = self.message.encode("utf-8", "replace")[:_MESSAGE].decode("utf-8", "ignore")
        data = dump({**self.to_json(), "message": message})
        while len(data) > limits.TERMINATION.size:  # control characters take six bytes each
            message = message[: len(message) // 2]
            data = dump({**self.to_json(), "message": message})
        return data

    @classmethod
    def find(cls, message: str) -> Optional[TerminationMessage]:
        """What a container's termination message says; None if it is the end of a log."""
        message = message.strip()
        if not message.startswith('{"code":"'):
            return None
        try:
            return cls.parse(message)
        except ProtocolError:
            cut = _CUT.match(message[: limits.TERMINATION.size])
        if cut is None:
            return None
        try:
            return cls(cut["code"], str(json.loads(f'"{cut["message"]}"', strict=False)))
        except ValueError:  # cut within an escape
            return cls(cut["code"])
