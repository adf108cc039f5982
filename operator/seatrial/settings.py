"""What the operator's Deployment sets: environment variables, read once into one frozen object."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic_settings import NoDecode, SettingsConfigDict

from seatrial.api.scalars import QUANTITY_PATTERN, Duration
from seatrial.api.services import ServiceType
from seatrial.tokens import read_key
from seatrial.variables import Variables, read


class Images(Variables):
    """The images that we publish; tags are pinned by the chart."""

    model_config = SettingsConfigDict(env_prefix="SEATRIAL_IMAGE_")

    runner: str = "seatrial/runner:0.1.0"
    tests: Annotated[str, Field(validation_alias="SEATRIAL_IMAGE_PYTEST")] = "seatrial/pytest:0.1.0"
    postgres: str = "seatrial/postgres:17-0.1.0"
    postgres_versions: str = "seatrial/postgres-versions:0.1.0"
    """Postgres in all versions but the default one."""
    minio: str = "seatrial/minio:0.1.0"
    temporal: str = "seatrial/temporal:0.1.0"
    redis: str = "seatrial/redis:0.1.0"

    @property
    def services(self) -> Mapping[ServiceType, str]:
        """The image of each typed service."""
        return {
            ServiceType.POSTGRES: self.postgres,
            ServiceType.MINIO: self.minio,
            ServiceType.TEMPORAL: self.temporal,
            ServiceType.REDIS: self.redis,
        }


_Quantity = Annotated[str, Field(pattern=QUANTITY_PATTERN)]


class Budget(Variables):
    """What one run may ask for at most."""

    model_config = SettingsConfigDict(env_prefix="SEATRIAL_BUDGET_")

    replicas: PositiveInt = 100
    """Pods of all apps."""
    cpu: _Quantity = "64"
    """Requested by all pods together."""
    memory: _Quantity = "256Gi"
    """The same."""
    disk: _Quantity = "100Gi"
    """The `ephemeral-storage` limit of one container."""
    storage: _Quantity = "1Ti"
    """Size of the shared volume."""
    artifacts: _Quantity = "1Gi"
    """All artifacts of one shard; what is beyond is left out, and named in the results."""
    lifetime: Duration = timedelta(hours=24)
    """`retention.maxLifetime`."""


Peers = tuple[Mapping[str, Any], ...]
"""NetworkPolicyPeers."""
DNS: Peers = (
    {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    },
    {"ipBlock": {"cidr": "169.254.20.10/32"}},
)
"""Where most clusters' DNS is: CoreDNS or kube-dns, and NodeLocal DNSCache."""


def _peers(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not found or not isinstance(found, list) or not all(isinstance(peer, dict) and peer for peer in found):
        raise ValueError("must be a JSON list of NetworkPolicyPeers, at least one")
    return found


def _registries(file: Path | None) -> Path | None:
    if file is None:
        return None
    try:
        known = json.loads(file.read_bytes())["auths"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(
            "is not the content of a Secret of type kubernetes.io/dockerconfigjson, "
            f"which has an object `auths`: {type(error).__name__}"
        ) from error
    if not isinstance(known, dict):
        raise ValueError(
            "holds an `auths` that is no object: make the Secret with kubectl create secret docker-registry"
        )
    return file


def _keys(env: Mapping[str, str]) -> dict[str, bytes]:
    """Both keys.

    Raises:
        ValueError: one can't be read, or they are the same.
    """
    key = read_key(Path(env.get("SEATRIAL_KEY_FILE", "/var/run/seatrial/key")))
    of_environments = read_key(Path(env.get("SEATRIAL_ENVIRONMENT_KEY_FILE", "/var/run/seatrial/environments")))
    if of_environments == key:
        raise ValueError("the archive's key and the environments' are the same: the archive could derive passwords")
    return {"key": key, "environment_key": of_environments}


Port = Annotated[int, Field(ge=0, le=65_535)]


class Settings(Variables):
    """Everything that differs between installations."""

    operator_namespace: Annotated[str, Field(validation_alias="SEATRIAL_NAMESPACE")] = "seatrial-system"
    key: bytes = b""
    """The archive's too: tokens are derived from it (see `seatrial.tokens`). Read from SEATRIAL_KEY_FILE."""
    environment_key: bytes = b""
    """The operator's alone, for credentials and signatures. Read from SEATRIAL_ENVIRONMENT_KEY_FILE."""
    images: Images = Images()
    budget: Budget = Budget()
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    tools: Literal["ImageVolume", "Copy"] = "ImageVolume"
    """How the launcher and the plugin reach a pod: mounted from the runner image, or copied by an init container."""
    dns: Annotated[Peers, NoDecode, BeforeValidator(_peers)] = DNS
    """Where environments may ask for names."""
    registry_file: Annotated[Path | None, AfterValidator(_registries)] = None
    """A `.dockerconfigjson` with which the images of all environments are pulled."""
    cluster_role: str = "seatrial-environment"
    """The one ClusterRole that the operator binds for itself inside an environment."""
    service_account: str = "seatrial-operator"
    archive_upload_url: str = "http://seatrial-archive.seatrial-system:8080"
    """As collectors reach it. The host has two words: a resolver completes it to this Service, and to one of the
    asking pod's own namespace before; with a third word (`.svc`) it would ask for one in a namespace `svc` before.
    """
    archive_read_url: str = "http://seatrial-archive.seatrial-system:8081"
    """As the operator reaches it."""
    metrics_port: Port = 8082
    health_port: Port = 8083
    max_parallel_requests: PositiveInt = 32
    """Requests to the API server at once."""
    sweep_seconds: PositiveFloat = 60.0
    """How often orphaned environments are looked for."""
    resync_seconds: PositiveFloat = 600.0
    """How often everything is listed once, to notice what a broken watch missed."""
    orphan_margin_seconds: NonNegativeFloat = 120.0
    """How old a namespace without its run must be before it is deleted."""
    archive_patience_seconds: Annotated[PositiveInt, Field(validation_alias="SEATRIAL_ARCHIVE_PATIENCE")] = 60
    """How long a result waits in its pod while the archive does not answer."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    @property
    def archive_patience(self) -> timedelta:
        """How long verdict and evidence wait: longer than the result, so that one that has just arrived is received."""
        return timedelta(seconds=1.5 * self.archive_patience_seconds)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Reads `SEATRIAL_*` variables; what is not set keeps its default.

        Raises:
            SystemExit: with a sentence for people, when a value can't be used or the key file is missing.
        """
        env = os.environ if env is None else env
        namespace = env.get("SEATRIAL_NAMESPACE", "seatrial-system")
        archive = f"http://{env.get('SEATRIAL_ARCHIVE_SERVICE', 'seatrial-archive')}.{namespace}"
        defaults = {"SEATRIAL_ARCHIVE_UPLOAD_URL": f"{archive}:8080", "SEATRIAL_ARCHIVE_READ_URL": f"{archive}:8081"}
        try:
            keys = _keys(env)
            return read(cls, {**defaults, **env}, images=read(Images, env), budget=read(Budget, env), **keys)
        except ValueError as error:
            raise SystemExit(f"seatrial: {error}") from error
