"""Labels, annotations, roles, and names of components."""

from __future__ import annotations

from enum import StrEnum

PREFIX = "seatrial.dev/"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "seatrial"
RUN_UID = PREFIX + "run-uid"
ATTEMPT = PREFIX + "attempt"
COMPONENT = PREFIX + "component"
ROLE = PREFIX + "role"
SHARED_VOLUME = PREFIX + "shared-volume"
"""Label of pods that mount the shared volume: they attract each other to one node."""
RUN_NAME = PREFIX + "run-name"
RUN_NAMESPACE = PREFIX + "run-namespace"
EXPIRES_AT = PREFIX + "expires-at"
SIGNATURE = PREFIX + "signature"
"""Annotation of an environment's namespace: shows that the operator made it (`tokens.namespace_signature`)."""
STARTED_BY = PREFIX + "started-by"
LINK = PREFIX + "link"
"""Annotations of a run: who started it, and where to read more about that. The `seatrial` command sets both."""
RERUN_OF = PREFIX + "rerun-of"
"""Annotation of a run: the name of the first run that it repeats. `seatrial rerun` sets it."""
SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"

ENVIRONMENT = "environment"
"""Component of objects that belong to no single part; also the name of the pods' ServiceAccount and NetworkPolicy."""
MIGRATIONS = "migrations"
TESTS = "tests"
COLLECTOR = "collector"
"""The container beside the tests' one that uploads their result."""
SELECTOR = f"{MANAGED_BY}={MANAGER},{RUN_UID}"
"""Selects environments and what is in them."""


class Role(StrEnum):
    """What a component is for, in the order in which components need each other."""

    SERVICE = "service"
    MIGRATIONS = "migrations"
    APP = "app"
    TESTS = "tests"


_RANKS = {str(role): rank for rank, role in enumerate(Role)}


def role_rank(role: str) -> int:
    """The place of a role in the order of need; an unknown one comes last."""
    return _RANKS.get(role, len(_RANKS))
