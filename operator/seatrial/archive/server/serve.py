"""Both ports in one process: one loop, one server for uploads, one for reading, ended together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from seatrial import tokens
from seatrial.archive.model.errors import UnavailableError
from seatrial.archive.server.access.kubernetes import Kubernetes, Reviewer
from seatrial.archive.server.access.readers import Access
from seatrial.archive.server.app import read_app, upload_app
from seatrial.archive.server.bundles.retention import BundleRetention
from seatrial.archive.server.bundles.store import Bundles
from seatrial.archive.server.connections import Guard, guarded_by
from seatrial.archive.server.context import Archive
from seatrial.archive.server.history.database import database_url
from seatrial.archive.server.history.history import History
from seatrial.archive.server.history.ingest import Ingest
from seatrial.archive.server.live.hub import Hub
from seatrial.archive.server.metrics import Metrics
from seatrial.archive.server.retention import Limits, Retention, keep_holding
from seatrial.archive.server.sets.store import Store
from seatrial.archive.server.settings import Settings
from seatrial.archive.server.shares import Shares
from seatrial.archive.server.storage import Storage
from seatrial.archive.server.storage.bucket import Bucket
from seatrial.archive.server.storage.folder import Folder

log = logging.getLogger(__name__)

# A peer that takes or acknowledges nothing for so long is gone (its node died, or it stopped reading).
_PEER_TIMEOUT_MS = 60_000
_KEEP_ALIVE_SECONDS = 75


@dataclass(frozen=True)
class Running:
    """An archive that accepts connections."""

    upload_port: int
    read_port: int
    servers: list[asyncio.Task[None]]  # end when the archive ends
    archive: Archive


@contextlib.asynccontextmanager
async def running(
    settings: Settings, storage: Storage | None = None, reviewer: Reviewer | None = None
) -> AsyncIterator[Running]:
    """Serves while the context is open; at its end streams are ended and uploads under way are let finish (bounded).

    Raises:
        ValueError, OSError, RuntimeError, UnavailableError: the key, the folder, the bucket or a port can't be used;
        the message says which.
    """
    key = tokens.read_key(settings.key_file)
    store = Store(settings.folder, storage or storage_of(settings), settings.max_file_bytes)
    leftovers = store.open()
    if leftovers:
        log.warning("removed uploads that an earlier end interrupted", extra={"files": leftovers})
    hub = Hub(settings.live)
    history = History(database_url(settings.database, settings.folder))
    access = Access(
        key,
        reviewer or Kubernetes(),
        recheck_seconds=settings.recheck_seconds,
        trust_loopback=settings.trust_loopback,
    )
    metrics = Metrics(store, hub)
    ingest = Ingest(store, history, metrics.history_pending.set)
    bundles = Bundles(store, history.bundles, settings.max_bundle_bytes)
    shares = Shares(history, settings.share_bytes)
    archive = Archive(settings, key, store, bundles, shares, hub, metrics, history, ingest, access)
    limits = Limits(settings.keep_seconds, settings.keep_bytes)
    retention = Retention(store, history, limits, metrics, lambda: ingest.settled)
    unused = BundleRetention(bundles, history.bundles, settings.bundle_days * 86_400.0, metrics)
    removing: asyncio.Task[None] | None = None
    servers: list[_Server] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        await ingest.start()
        removing = asyncio.create_task(keep_holding(retention.hold, unused.hold, shares.save))
        with contextlib.ExitStack() as sockets:
            upload = sockets.enter_context(contextlib.closing(_listen(settings.host, settings.upload_port)))
            read = sockets.enter_context(contextlib.closing(_listen(settings.host, settings.read_port)))
            for app, listening in ((upload_app(archive), upload), (read_app(archive), read)):
                guard = Guard(settings.connections, metrics.refused_connection)
                server = _Server(_config(app, settings, guard))
                servers.append(server)
                tasks.append(asyncio.create_task(server.serve(sockets=[listening])))
            try:
                yield Running(upload.getsockname()[1], read.getsockname()[1], tasks, archive)
            finally:
                await _end(hub, servers, tasks)
    finally:
        if removing is not None:
            removing.cancel()
            await asyncio.wait([removing])
        await ingest.stop()
        await bundles.close()
        with contextlib.suppress(UnavailableError):  # it was said when it happened
            await shares.save()
        await access.close()
        history.close()
        store.close()


async def _end(hub: Hub, servers: list[_Server], tasks: list[asyncio.Task[None]]) -> None:
    """Ends streams, and lets uploads under way finish."""
    hub.close()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)


def storage_of(settings: Settings) -> Storage:
    """Where the settings say that the bytes lie.

    Raises:
        ValueError: the bucket's address is none.
    """
    return Bucket.at(settings.bucket) if settings.bucket else Folder(settings.folder)


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, or until one of the two servers fails: half an archive would look well.

    Raises:
        ValueError, OSError, RuntimeError, UnavailableError: see `running`.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as ports:
        log.info("listening", extra={"uploadPort": ports.upload_port, "readPort": ports.read_port})
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *ports.servers], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        log.info("stopping")


class _Server(uvicorn.Server):
    """Leaves the signals alone: they are for both servers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: ASGIApp, settings: Settings, guard: Guard) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        http=guarded_by(guard),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody may say for others where they come from
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.stop_seconds,
    )


def _listen(host: str, port: int) -> socket.socket:
    both = not host and socket.has_dualstack_ipv6()
    try:
        listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if both else socket.AF_INET, backlog=2048, dualstack_ipv6=both
        )
    except OSError as error:
        raise OSError(error.errno, f"port {port} can't be opened: {error.strerror}") from error
    # Connections inherit both. asyncio sets no TCP_NODELAY on those of a socket that it did not make itself, and an
    # answer in two pieces would wait 40 ms for the peer's delayed acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _PEER_TIMEOUT_MS)
    return listening
