"""A refusal of a bucket is reported in its own words, and the sender retries the upload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from seatrial.archive.model.errors import UnavailableError
from seatrial.archive.server.storage import bucket as bucket_module
from seatrial.archive.server.storage.bucket import Bucket
from seatrial.archive.server.storage.folder import Folder
from tests.unit.archive.minio import MinIO
from tests.unit.archive.support import Process, Serve


@pytest.fixture
def there(minio: MinIO, monkeypatch: pytest.MonkeyPatch) -> MinIO:
    for name, value in minio.environment.items():
        monkeypatch.setenv(name, value)
    return minio


@pytest.mark.parametrize("size", [5, 9_000_000])
def test_a_bucket_that_is_not_there_in_minio(there: MinIO, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * size)
    bucket = Bucket.at("s3://nowhere/prefix")
    for ask in (bucket.open, lambda: bucket.add("a", source)):
        with pytest.raises(
            UnavailableError, match="s3://nowhere/prefix can't be used: NoSuchBucket: The specified bucket"
        ):
            ask()


def test_wrong_credentials_in_minio(there: MinIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(UnavailableError, match="can't be used: SignatureDoesNotMatch"):
        Bucket.at(there.url()).open()


def test_an_archive_whose_bucket_is_away_does_not_start_and_says_why(spawn: Callable[..., Process]) -> None:
    process = spawn(
        SEATRIAL_ARCHIVE_BUCKET="s3://results",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_ACCESS_KEY_ID="a",
        AWS_SECRET_ACCESS_KEY="b",
    )
    assert "the bucket s3://results can't be used" in process.wait_for("can't run")["message"]
    assert process.process.wait() == 1


async def test_an_upload_while_the_bucket_is_away_may_be_sent_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, backend: Bucket
) -> None:
    def away(*given: object, **more: object) -> None:
        raise GenericError("error sending request\n\nDebug source: ...")

    async with serve() as server:
        with monkeypatch.context() as patch:
            patch.setattr(bucket_module.obstore, "put", away)
            answer = await server.shard().put("a.log", b"a")
        assert (answer.status_code, answer.json()["error"]) == (
            503,
            "the bucket memory:// can't be used: error sending request",
        )
        assert server.incoming() == []
        assert (await server.shard().put("a.log", b"a")).status_code == 201


def test_an_error_of_a_bucket_becomes_one_line(monkeypatch: pytest.MonkeyPatch, backend: Bucket) -> None:
    """As Azure does."""

    def refused(*given: object, **more: object) -> None:
        raise GenericError(
            "status 404: <Error><Code>ContainerNotFound</Code><Message>The specified container does not exist.\n"
            "RequestId:f534e1f3\nTime:2026-11-21T19:05:26.811Z</Message></Error>"
        )

    monkeypatch.setattr(bucket_module.obstore, "list_with_delimiter", refused)
    with pytest.raises(UnavailableError) as raised:
        backend.folders("runs")
    assert str(raised.value) == (
        "the bucket memory:// can't be used: ContainerNotFound: The specified container does not exist."
    )


@pytest.mark.parametrize(
    ("put", "listed"),
    [(('"0x8DE"', None), ("0x8DE", None)), (('"9dd4e461"', "1712"), ('"9dd4e461"', None))],
    ids=["Azure", "versions are kept"],
)
async def test_nothing_is_read_again_that_was_uploaded_just_now(
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    put: tuple[str, str | None],
    listed: tuple[str, str | None],
) -> None:
    """The digest is remembered by the version, however a bucket writes it."""
    real_put, real_list = bucket_module.obstore.put, bucket_module.obstore.list
    read: list[str] = []

    def answer(*given: Any, **more: Any) -> dict[str, Any]:
        return {**real_put(*given, **more), "e_tag": put[0], "version": put[1]}

    def listing(*given: Any, **more: Any) -> Iterator[list[dict[str, Any]]]:
        for some in real_list(*given, **more):
            yield [{**meta, "e_tag": listed[0], "version": listed[1]} for meta in some]

    real_read = bucket_module.obstore.get_range

    def reading(store: Any, name: str, **more: Any) -> Any:
        read.append(name)
        return real_read(store, name, **more)

    monkeypatch.setattr(bucket_module.obstore, "put", answer)
    monkeypatch.setattr(bucket_module.obstore, "list", listing)
    monkeypatch.setattr(bucket_module.obstore, "get_range", reading)
    async with serve() as server:
        await server.shard().whole({"trace.bin": b"12345"})
    assert [name for name in read if name.endswith("trace.bin")] == []


@pytest.fixture
def backend() -> Bucket:
    return Bucket(MemoryStore(), "memory://")


def test_what_is_not_ours_stays_in_the_folder(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "archive")
    folder.open()
    (tmp_path / "archive/runs/lost+found").mkdir(parents=True)
    (tmp_path / "source").write_bytes(b"x")
    assert folder.add("runs/a/1/0/files/deep/x", tmp_path / "source") is not None
    folder.remove(["runs/a/1/0/files/deep/x", "runs/a/1/0/files/never"])
    assert sorted(path.name for path in (tmp_path / "archive").rglob("*")) == ["lost+found", "runs"]
