"""What it means that a launcher could not start its process, by the code that it left."""

from __future__ import annotations

from seatrial.api.run import IntegrationRun
from seatrial.api.status import Reason
from seatrial.verdict.diagnosis import Diagnosis, errored
from seatrial_protocol.termination import Code

CHECK_ARCHIVE = "check the archive (kubectl get pods -l app.kubernetes.io/component=archive -A)"


def never_started(run: IntegrationRun, what: str, code: str | None, words: str) -> Diagnosis | None:
    """The diagnosis; None if the code says nothing that the caller does not know better.

    Args:
        run: the run.
        what: whose process it is: `app api`.
        code: one of `termination.Code`.
        words: what the launcher said, for the message.
    """
    match code:
        case Code.BUNDLE_MISSING:
            digest = run.spec.code.digest if run.spec.code else None
            return errored(
                Reason.BUNDLE_MISSING,
                f"{what} could not start: the archive has no bundle {digest} for namespace {run.metadata.namespace} "
                "(never uploaded there, or not used for long); `seatrial run FILE` with code.local uploads it",
            )
        case Code.BUNDLE_BROKEN:
            return errored(
                Reason.BUNDLE_BROKEN,
                f"{what} could not start: {words}; have the command pack and upload it: `seatrial run FILE` with "
                "code.local",
            )
        case Code.ARCHIVE_UNAVAILABLE:
            return errored(
                Reason.ARCHIVE_UNAVAILABLE,
                f"{what} could not fetch the bundle of spec.code: {words}; {CHECK_ARCHIVE} and start the run again",
            )
        case Code.FORWARD_PORT_TAKEN:
            return errored(
                Reason.CONTAINER_CONFIG_ERROR,
                f"{what} could not start: {words}; check spec.forwards: give that port another number",
            )
        case Code.SET_UP_FAILED:
            return errored(
                Reason.CONTAINER_CONFIG_ERROR,
                f"{what} could not start: {words}; check its workingDir and mounts, and what it may write",
            )
    return None
