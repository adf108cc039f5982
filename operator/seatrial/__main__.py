"""`python -m seatrial`: the operator."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any, cast

import kopf
from prometheus_client import start_http_server

from seatrial import __version__
from seatrial.archive.client.client import ArchiveClient
from seatrial.controller import health
from seatrial.controller.kopf_app import Application, build_registry
from seatrial.evidence.archive import EvidenceArchive
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError
from seatrial.logs import log_as_json
from seatrial.metrics import Metrics
from seatrial.settings import Settings
from seatrial.tokens import feed_token

_QUIET = ("kopf", "aiohttp.access", "httpx", "httpcore")
"""Loggers with a line for every event or request."""


async def run(settings: Settings) -> None:
    """Runs the operator until it is asked to stop.

    Raises:
        ClusterError: when there is no cluster to talk to.
    """
    metrics = Metrics()
    cluster = await Cluster.connect(
        limit=settings.max_parallel_requests, observer=metrics.request, agent="seatrial-operator"
    )
    server, thread = start_http_server(settings.metrics_port, registry=metrics.registry)
    try:
        async with (
            cluster,
            ArchiveClient(settings.archive_read_url, feed_token(settings.key)) as archive,
            EvidenceArchive(settings.archive_upload_url, settings.archive_read_url, settings.key) as evidence,
        ):
            app = Application(cluster, archive, evidence, settings, metrics)
            async with health.serving(settings.health_port, app.failure, lambda: app.listed):
                await kopf.operator(
                    registry=build_registry(app),
                    clusterwide=True,
                    standalone=True,
                    identity=cast(
                        Any, "seatrial-operator"
                    ),  # kopf would ask for a user's name, which a container has not
                )
    finally:
        server.shutdown()
        thread.join()


def main() -> int:
    """The entry point of the operator's container."""
    settings = Settings.from_env()
    log_as_json(sys.stderr, settings.log_level, _QUIET)
    logging.getLogger("seatrial").info("seatrial operator %s starts", __version__)
    try:
        asyncio.run(run(settings))
    except ClusterError as error:
        logging.getLogger("seatrial").error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
