"""What the API server's refusals mean for a run."""

from __future__ import annotations

import pytest

from seatrial.controller.provision import refusal
from seatrial.kube.errors import ClusterError, ForbiddenError, InvalidError, error_of

POLICY = (
    "pods \"redis\" is forbidden: ValidatingAdmissionPolicy 'images' with binding 'images' denied request: "
    "images must come from reg.corp"
)
REFUSALS: dict[str, tuple[ClusterError, str | None, str]] = {
    "a policy, as forbidden": (ForbiddenError(POLICY, 403), "AdmissionDenied", "managed-by=seatrial"),
    "a policy, as invalid": (InvalidError(POLICY, 422), "AdmissionDenied", "images must come from reg.corp"),
    "Pod Security": (ForbiddenError('violates PodSecurity "restricted:latest"', 403), "AdmissionDenied",
                     "Pod redis: violates"),
    "a quota": (ForbiddenError("exceeded quota: team, requested: pods=1", 403), "QuotaExceeded", "raise that quota"),
    "a wrong field": (InvalidError("spec.x: unknown", 422), "InvalidSpec", "spec.x"),
    "too large": (error_of(413, "Request entity too large", "POST"), "InvalidSpec",
                  "Pod redis: Request entity too large"),
    "rights that are not known yet": (ForbiddenError("cannot create pods", 403), None, ""),
}  # fmt: skip


@pytest.mark.parametrize(("error", "reason", "expected"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_a_refused_creation_means(error: ClusterError, reason: str | None, expected: str) -> None:
    found = refusal(error, "Pod redis")
    assert (found.reason if found else None) == reason
    assert expected in (found.message if found else "")
