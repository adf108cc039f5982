from tests.unit.archive.minio import minio
from tests.unit.archive.support import backend, key_file, serve, server, settings, spawn

__all__ = ["backend", "key_file", "minio", "serve", "server", "settings", "spawn"]
