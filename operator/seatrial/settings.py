"""What the operator is told by its Deployment: environment variables, read once into one frozen object."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from seatrial.api.services import ServiceType
from seatrial.tokens import read_key


@dataclass(frozen=True)
class Images:
    """The images that we publish; tags are pinned by the chart."""

    runner: str = "seatrial/runner:0.1.0"
    tests: str = "seatrial/pytest:0.1.0"
    services: Mapping[ServiceType, str] = field(
        default_factory=lambda: {
            ServiceType.POSTGRES: "seatrial/postgres:17-0.1.0",
            ServiceType.MINIO: "seatrial/minio:0.1.0",
            ServiceType.TEMPORAL: "seatrial/temporal:0.1.0",
            ServiceType.REDIS: "seatrial/redis:0.1.0",
        }
    )


DNS: tuple[Mapping[str, Any], ...] = (
    {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    },
    {"ipBlock": {"cidr": "169.254.20.10/32"}},
)
"""Where most clusters' DNS is: CoreDNS or kube-dns, and NodeLocal DNSCache (NetworkPolicyPeers)."""


@dataclass(frozen=True)
class Settings:
    """Everything that differs between installations."""

    operator_namespace: str = "seatrial-system"
    key: bytes = b""
    """Credentials and upload tokens are derived from it (see `seatrial.tokens`)."""
    images: Images = field(default_factory=Images)
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    tools: Literal["ImageVolume", "Copy"] = "ImageVolume"
    """How the launcher and the plugin reach a pod: mounted from the runner image, or copied by an init container."""
    dns: tuple[Mapping[str, Any], ...] = DNS
    """The NetworkPolicyPeers that environments may ask for names."""
    registry_file: Path | None = None
    """A `.dockerconfigjson` with which the images of all environments are pulled."""
    cluster_role: str = "seatrial-environment"
    """The one ClusterRole that the operator binds for itself inside an environment."""
    service_account: str = "seatrial-operator"
    archive_upload_url: str = "http://seatrial-archive.seatrial-system.svc:8080"
    """As collectors reach it."""
    archive_read_url: str = "http://seatrial-archive.seatrial-system.svc:8081"
    """As the operator reaches it."""
    metrics_port: int = 8082
    health_port: int = 8083
    max_parallel_requests: int = 32
    """Requests to the API server at once."""
    sweep_seconds: float = 60.0
    """How often orphaned environments are looked for."""
    resync_seconds: float = 600.0
    """How often everything is listed once, to notice what a broken watch did not tell."""
    orphan_margin_seconds: float = 120.0
    """How old a namespace without its run must be before it is deleted."""
    archive_patience_seconds: int = 60
    """How long a result waits in its pod for an archive that is away."""
    log_level: str = "INFO"

    @property
    def archive_patience(self) -> timedelta:
        """How long verdict and evidence wait: longer, since a result that has just arrived is to be heard of."""
        return timedelta(seconds=1.5 * self.archive_patience_seconds)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Reads `SEATRIAL_*` variables; what is not set keeps its default.

        Raises:
            SystemExit: with a sentence for people, when a value can't be used or the key file is missing.
        """
        env = os.environ if env is None else env
        base = cls()
        services = {
            kind: env.get(f"SEATRIAL_IMAGE_{kind.value.upper()}", image) for kind, image in base.images.services.items()
        }
        images = Images(
            runner=env.get("SEATRIAL_IMAGE_RUNNER", base.images.runner),
            tests=env.get("SEATRIAL_IMAGE_PYTEST", base.images.tests),
            services=services,
        )
        try:
            key = read_key(Path(env.get("SEATRIAL_KEY_FILE", "/var/run/seatrial/key")))
        except ValueError as error:
            raise SystemExit(f"seatrial: {error}") from error
        namespace = env.get("SEATRIAL_NAMESPACE", base.operator_namespace)
        archive = env.get("SEATRIAL_ARCHIVE_SERVICE", "seatrial-archive")

        def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
            value = env.get(name, default)
            if value not in allowed:
                raise SystemExit(f"seatrial: {name}={value!r}: must be one of {', '.join(allowed)}")
            return value

        def peers() -> tuple[Mapping[str, Any], ...]:
            if "SEATRIAL_DNS" not in env:
                return base.dns
            try:
                found = json.loads(env["SEATRIAL_DNS"])
            except ValueError:
                found = None
            if not found or not isinstance(found, list) or not all(isinstance(peer, dict) and peer for peer in found):
                raise SystemExit("seatrial: SEATRIAL_DNS must be a JSON list of NetworkPolicyPeers, at least one")
            return tuple(found)

        def registry() -> Path | None:
            if not (name := env.get("SEATRIAL_REGISTRY_FILE")):
                return None
            try:
                known = json.loads(Path(name).read_bytes())["auths"]
            except (OSError, ValueError, LookupError, TypeError) as error:
                raise SystemExit(
                    f"seatrial: {name} is not the content of a Secret of type kubernetes.io/dockerconfigjson, "
                    f"which has an object `auths`: {type(error).__name__}"
                ) from error
            if not isinstance(known, dict):
                raise SystemExit(f"seatrial: `auths` in {name} is no object: make the Secret with "
                                 "kubectl create secret docker-registry")  # fmt: skip
            return Path(name)

        def number(name: str, default: float) -> float:
            try:
                return float(env.get(name, default))
            except ValueError as error:
                raise SystemExit(f"seatrial: {name} must be a number: {error}") from error

        return cls(
            operator_namespace=namespace,
            key=key,
            images=images,
            image_pull_policy=choice(  # type: ignore[arg-type]
                "SEATRIAL_IMAGE_PULL_POLICY", base.image_pull_policy, ("Always", "IfNotPresent", "Never")
            ),
            tools=choice("SEATRIAL_TOOLS", base.tools, ("ImageVolume", "Copy")),  # type: ignore[arg-type]
            dns=peers(),
            registry_file=registry(),
            cluster_role=env.get("SEATRIAL_CLUSTER_ROLE", base.cluster_role),
            service_account=env.get("SEATRIAL_SERVICE_ACCOUNT", base.service_account),
            archive_upload_url=env.get("SEATRIAL_ARCHIVE_UPLOAD_URL", f"http://{archive}.{namespace}.svc:8080"),
            archive_read_url=env.get("SEATRIAL_ARCHIVE_READ_URL", f"http://{archive}.{namespace}.svc:8081"),
            metrics_port=int(number("SEATRIAL_METRICS_PORT", base.metrics_port)),
            health_port=int(number("SEATRIAL_HEALTH_PORT", base.health_port)),
            max_parallel_requests=int(number("SEATRIAL_MAX_PARALLEL_REQUESTS", base.max_parallel_requests)),
            sweep_seconds=number("SEATRIAL_SWEEP_SECONDS", base.sweep_seconds),
            resync_seconds=number("SEATRIAL_RESYNC_SECONDS", base.resync_seconds),
            orphan_margin_seconds=number("SEATRIAL_ORPHAN_MARGIN_SECONDS", base.orphan_margin_seconds),
            archive_patience_seconds=int(number("SEATRIAL_ARCHIVE_PATIENCE", base.archive_patience_seconds)),
            log_level=env.get("SEATRIAL_LOG_LEVEL", base.log_level),
        )
