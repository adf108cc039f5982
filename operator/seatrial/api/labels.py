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
SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"

ENVIRONMENT = "environment"
"""Component of the objects that belong to no single part; also the name of the pods' ServiceAccount and NetworkPolicy."""
MIGRATIONS = "migrations"
TESTS = "tests"


class Role(StrEnum):
    """What a component is for."""

    SERVICE = "service"
    APP = "app"
    MIGRATIONS = "migrations"
    TESTS = "tests"
