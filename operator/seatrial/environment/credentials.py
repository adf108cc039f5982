"""The environment's Secrets. Values are derived from the operator's key, so each reconcile makes the same ones."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from seatrial import tokens
from seatrial.api import labels
from seatrial.api.scope import Scope
from seatrial.environment import objects
from seatrial.environment.expansion import RESERVED_PREFIX, env_name, reference
from seatrial_protocol.masks import to_json

SECRET = "seatrial-credentials"  # noqa: S105 - the name of the object
UPLOAD_SECRET = "seatrial-upload"  # noqa: S105
PULL_SECRET = "seatrial-registry"  # noqa: S105
BUNDLE_TOKEN = "bundle-token"  # noqa: S105
"""The key under which the Secret `seatrial-credentials` has what opens the run's bundle."""


@dataclass(frozen=True)
class Credential:
    """One secret value of a service; `what` says which: `password`, `access-key`, `secret-key`."""

    service: str
    what: str
    fixed: str | None = None
    """The value that the run's spec gives; None: it is derived."""

    @property
    def key(self) -> str:
        """Its key in the Secret."""
        return f"{self.service}-{self.what}"

    @property
    def variable(self) -> str:
        """The variable that carries it into containers; all others refer to this one, so it is nowhere in the clear."""
        return RESERVED_PREFIX + env_name(self.service, self.what)

    @property
    def reference(self) -> str:
        """How the value of another variable refers to it."""
        return reference(self.variable)

    def env(self, name: str = "") -> objects.Manifest:
        """An entry of `env` that reads it from the Secret, under its own name unless another is given."""
        return {
            "name": name or self.variable,
            "valueFrom": {"secretKeyRef": {"name": SECRET, "key": self.key}},
        }

    def value(self, scope: Scope, key: bytes) -> str:
        """The value itself, only ever for the Secret."""
        if self.fixed is not None:
            return self.fixed
        return tokens.password(key, scope.id, f"{self.service}/{self.what}")


def _secret(scope: Scope, name: str, component: str, values: Mapping[str, str]) -> objects.Manifest:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in sorted(values.items())}
    return objects.manifest(scope, "v1", "Secret", name, component, type="Opaque", immutable=True, data=data)


def secret(
    scope: Scope, key: bytes, credentials: Iterable[Credential], bundle_token: str | None
) -> objects.Manifest | None:
    """The Secret with all credentials of the environment's services, and the token of its bundle; None without any."""
    values = {c.key: c.value(scope, key) for c in credentials}
    if bundle_token is not None:
        values[BUNDLE_TOKEN] = bundle_token
    return _secret(scope, SECRET, labels.ENVIRONMENT, values) if values else None


def pull_secret(scope: Scope, registry: bytes) -> objects.Manifest:
    """The Secret with which the kubelet pulls the environment's images; no container mounts it."""
    data = {".dockerconfigjson": base64.b64encode(registry).decode()}
    kind = "kubernetes.io/dockerconfigjson"
    return objects.manifest(
        scope, "v1", "Secret", PULL_SECRET, labels.ENVIRONMENT, type=kind, immutable=True, data=data
    )


def upload_key(shard: int) -> str:
    """The key of a shard's upload token in the Secret `seatrial-upload`, which is the file's name in the collector."""
    return f"shard-{shard}"


MASKS = "masks"
"""The key under which the Secret `seatrial-upload` lists what the collector masks."""


def upload_secret(scope: Scope, key: bytes, shards: int, masks: Sequence[str]) -> objects.Manifest:
    """The Secret with the upload token of each shard of this attempt, and all forms of the run's secrets.

    Only the collector mounts it: it masks what it uploads, and the tests' container sees no more than before.
    """
    values = {
        upload_key(shard): tokens.upload_token(key, scope.run.uid, scope.attempt, shard) for shard in range(shards)
    }
    return _secret(scope, UPLOAD_SECRET, labels.TESTS, values | ({MASKS: to_json(masks)} if masks else {}))
