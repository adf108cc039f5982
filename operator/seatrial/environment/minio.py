"""MinIO: the object store, with its buckets there from the start."""

from __future__ import annotations

from seatrial.api.services import Service, ServiceType
from seatrial.environment.backing import Backing
from seatrial.environment.credentials import Credential
from seatrial.environment.pod import TMP, Mount, tcp_probe
from seatrial.settings import Settings

PORT = 9000
CONSOLE_PORT = 9001
REGION = "us-east-1"
"""What MinIO takes itself to be in; S3 clients refuse to work without one."""


def backing(name: str, service: Service, prefix: str, settings: Settings) -> Backing:
    """The object store called `name`; variables' names begin with `prefix`."""
    buckets = tuple(dict.fromkeys(service.buckets or ()))
    access, secret = Credential(name, "access-key", service.user), Credential(name, "secret-key", service.password)
    url = f"http://{name}:{PORT}"
    return Backing(
        image=settings.images.services[ServiceType.MINIO],
        ports={"s3": PORT, **({"console": CONSOLE_PORT} if service.console else {})},
        gate=f"s3://{name}:{PORT}",
        variables={
            f"{prefix}S3_ENDPOINT": url,
            f"{prefix}S3_ACCESS_KEY": access.reference,
            f"{prefix}S3_SECRET_KEY": secret.reference,
            **({f"{prefix}S3_BUCKET": buckets[0]} if buckets else {}),
            f"{prefix}AWS_ENDPOINT_URL": url,
            f"{prefix}AWS_ACCESS_KEY_ID": access.reference,
            f"{prefix}AWS_SECRET_ACCESS_KEY": secret.reference,
            f"{prefix}AWS_REGION": REGION,
            f"{prefix}AWS_DEFAULT_REGION": REGION,
        },
        credentials=(access, secret),
        env=(
            access.env("MINIO_ROOT_USER"),
            secret.env("MINIO_ROOT_PASSWORD"),
            {"name": "MINIO_BUCKETS", "value": " ".join(buckets)},
            *([{"name": "MINIO_BROWSER", "value": "on"}] if service.console else []),
        ),
        readiness=tcp_probe(PORT),
        mounts=(TMP, Mount("data", "/data")),
    )
