from tests.unit.archive.minio import minio
from tests.unit.archive.support import backend, environment, key_file, serve, server, settings, spawn

__all__ = ["backend", "environment", "key_file", "minio", "serve", "server", "settings", "spawn"]
