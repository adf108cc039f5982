"""Files as objects of a bucket: S3 and what speaks like it (MinIO, R2, Ceph), GCS, Azure."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from seatrial.archive.model.errors import InvalidError, UnavailableError
from seatrial.archive.server.storage import Entry

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

# Up to this size a file is held whole and created in one request. A larger one is uploaded in parts under a passing
# name and copied to its own, because no bucket lets a multipart upload through obstore be create-only, but all of them
# a copy.
_WHOLE_BYTES = 8 * 1024 * 1024
_PART_BYTES = 8 * 1024 * 1024
_READ_BYTES = 4 * 1024 * 1024
_LISTED_AT_ONCE = 1_000
_MAX_NAME_BYTES = 1_024  # of S3 and GCS, with the bucket's prefix
_INCOMING = "incoming"
_SCHEMES = ("s3", "gs", "az")
_MESSAGE = re.compile(r"<Code>(.*?)</Code>.*?<Message>\s*(\S.*?)</Message>", re.DOTALL)

_CLIENT: ClientConfig = {
    "allow_http": True,  # only where the endpoint's address says http
    "connect_timeout": timedelta(seconds=5),
    "timeout": timedelta(minutes=5),  # of one request; none carries more than a part, or a copy inside the bucket
}
_RETRY: RetryConfig = {"max_retries": 5, "retry_timeout": timedelta(seconds=20)}


class Bucket:
    """A Storage in a bucket."""

    def __init__(self, store: ObjectStore, url: str) -> None:
        self._store = store
        self._url = url
        self._prefix_bytes = len(urlsplit(url).path.encode())

    @classmethod
    def at(cls, url: str) -> Bucket:
        """The bucket with this address; endpoint and credentials come from the environment (AWS_..., GOOGLE_...,
        AZURE_...).

        Raises:
            ValueError: it can't be an address of a bucket.
        """
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.netloc or parts.query:
            raise ValueError(
                f"{url!r} is no bucket: use s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
            )
        options: dict[str, Any] = {}
        if parts.scheme == "s3" and "AWS_COPY_IF_NOT_EXISTS" not in os.environ:
            options["copy_if_not_exists"] = "multipart"
        try:
            return cls(from_url(url, client_options=_CLIENT, retry_config=_RETRY, **options), url)
        except BaseError as error:
            raise ValueError(f"the bucket {url} can't be used: {_cause(error)}") from error

    def open(self) -> int:
        """See Storage; also finds out whether the bucket can be reached."""
        leftovers = [entry.name for entry in self.entries(_INCOMING)]
        self.remove(leftovers)
        return len(leftovers)

    def add(self, name: str, source: Path) -> str | None:
        """See Storage."""
        if self._prefix_bytes + 1 + len(name.encode()) > _MAX_NAME_BYTES:
            raise InvalidError(f"{name[:100]}... is too long a name for the bucket", "shorten the path of the file")
        with self._named_errors():
            try:
                if source.stat().st_size <= _WHOLE_BYTES:
                    # As bytes, because obstore takes three times the memory to read a file by itself.
                    put = obstore.put(self._store, name, source.read_bytes(), mode="create", use_multipart=False)
                    return _version(put["e_tag"], put["version"])
                self._copy_in(name, source)
            except AlreadyExistsError:
                return None
            except FileNotFoundError as error:  # the bucket itself
                raise self._unavailable(error) from error
        entry = self.find(name)
        return entry.version if entry else None

    def _copy_in(self, name: str, source: Path) -> None:
        passing = f"{_INCOMING}/{secrets.token_hex(16)}"
        try:
            obstore.put(
                self._store,
                passing,
                source,
                use_multipart=True,
                chunk_size=_PART_BYTES,
                max_concurrency=1,
            )
            obstore.copy(self._store, passing, name, overwrite=False)
        finally:
            with suppress(UnavailableError):  # the next start removes it
                self.remove([passing])

    def find(self, name: str) -> Entry | None:
        """See Storage."""
        with self._named_errors():
            try:
                return _entry(obstore.head(self._store, name))
            except FileNotFoundError:
                return None

    def chunks(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """See Storage."""
        while start < end:
            stop = min(start + _READ_BYTES, end)
            with self._named_errors():
                piece = bytes(obstore.get_range(self._store, name, start=start, end=stop))
            start = stop
            yield piece

    def entries(self, prefix: str) -> Iterator[Entry]:
        """See Storage."""
        with self._named_errors():
            for some in obstore.list(self._store, prefix, chunk_size=_LISTED_AT_ONCE):
                yield from map(_entry, some)

    def folders(self, prefix: str) -> list[str]:
        """See Storage."""
        with self._named_errors():
            found = obstore.list_with_delimiter(self._store, prefix)
        return [folder.rstrip("/").rpartition("/")[2] for folder in found["common_prefixes"]]

    def remove(self, names: Sequence[str]) -> None:
        """See Storage."""
        with self._named_errors():
            try:
                obstore.delete(self._store, names)
            except FileNotFoundError:  # some buckets say so, and then others may be left
                for name in names:
                    with suppress(FileNotFoundError):
                        obstore.delete(self._store, name)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Turns what the bucket refuses into UnavailableError."""
        try:
            yield
        except AlreadyExistsError:
            raise
        except BaseError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> UnavailableError:
        return UnavailableError(
            f"the bucket {self._url} can't be used: {_cause(error)}",
            "check its address, that the archive can reach it, and that its credentials may list, get, put and delete",
        )


def _entry(meta: obstore.ObjectMeta) -> Entry:
    version = _version(meta["e_tag"], meta["version"])
    return Entry(meta["path"], meta["size"], meta["last_modified"].timestamp(), version)


def _version(e_tag: str | None, version: str | None) -> str:
    """The same from upload, head and list: Azure lists its ETags without quotes, and no bucket lists versions."""
    return e_tag.strip('"') if e_tag else str(version)


def _cause(error: Exception) -> str:
    """What the bucket said, in one line and without all that obstore tells around it."""
    if matched := _MESSAGE.search(str(error)):
        return f"{matched[1]}: {matched[2].splitlines()[0]}"
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
