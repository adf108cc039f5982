"""The uploads, against a server that follows the archive's rules."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial_runner.upload import DamagedError, RefusedError, Source, UnavailableError, Uploader
from tests.unit.runner.support import TOKEN, UID, FakeArchive, serving, sha256


@pytest.fixture
def server() -> Iterator[FakeArchive]:
    with serving(FakeArchive()) as archive:
        yield archive


@pytest.fixture
def archive(server: FakeArchive) -> Iterator[Uploader]:
    archive = Uploader(server.url, TOKEN, UID, 1, 0)
    yield archive
    archive.close()


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_files_arrive_whole_from_memory_and_from_disk(
    server: FakeArchive, archive: Uploader, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content + b"written later")
    with (tmp_path / "file").open("rb") as file:
        archive.put_file("output.log", Source(file.fileno(), size, sha256(content)))
    archive.put_file("artifacts/a b/é%0A?#.txt", Source.of(content))
    assert server.files == {"output.log": content, "artifacts/a b/é%0A?#.txt": content}


def test_everything_goes_over_one_connection(server: FakeArchive, archive: Uploader) -> None:
    for number in range(20):
        archive.put_file(f"{number}", Source.of(b"x"))
    archive.post_live(b'{"event":"session"}\n')
    assert server.connections == 1
    assert server.live == [{"event": "session"}]


def test_the_same_bytes_may_come_twice_but_no_others(server: FakeArchive, archive: Uploader) -> None:
    archive.put_file("exit.json", Source.of(b"1"))
    archive.put_file("exit.json", Source.of(b"1"))
    with pytest.raises(RefusedError, match="HTTP 409: stored with other bytes") as refused:
        archive.put_file("exit.json", Source.of(b"2"))
    assert refused.value.status == 409


def test_the_manifest_s_digest_is_that_of_its_bytes(server: FakeArchive, archive: Uploader) -> None:
    archive.put_file("a", Source.of(b"1"))
    manifest = b'{"files":[{"path":"a","size":1,"sha256":"%s"}]}' % sha256(b"1").encode()
    assert archive.put_manifest(manifest) == f"sha256:{sha256(manifest)}"
    assert archive.put_manifest(manifest) == f"sha256:{sha256(manifest)}"


def test_a_manifest_that_names_what_is_not_there_is_damaged(server: FakeArchive, archive: Uploader) -> None:
    with pytest.raises(DamagedError, match=r"missing: \['a'\]"):
        archive.put_manifest(b'{"files":[{"path":"a","size":1,"sha256":"00"}]}')


def test_another_digest_than_sent_is_damaged(
    server: FakeArchive, archive: Uploader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "seal", lambda body: (201, {"digest": "sha256:00"}))
    with pytest.raises(DamagedError, match="digest sha256:00"):
        archive.put_manifest(b"{}")
    monkeypatch.setattr(server, "seal", lambda body: (201, {}))
    with pytest.raises(DamagedError, match="not understood"):
        archive.put_manifest(b"{}")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RefusedError),
        (401, RefusedError),
        (403, RefusedError),
        (404, RefusedError),
        (408, UnavailableError),
        (409, RefusedError),
        (413, RefusedError),
        (422, DamagedError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
        (507, UnavailableError),
    ],
)
def test_what_an_answer_means(server: FakeArchive, archive: Uploader, status: int, error: type[Exception]) -> None:
    server.fault = lambda method, path: status
    with pytest.raises(error, match=rf"HTTP {status}: told to answer {status} \(a test does this\)"):
        archive.put_file("a", Source.of(b"1"))


def test_a_wrong_token_is_refused(server: FakeArchive) -> None:
    archive = Uploader(server.url, "other", UID, 1, 0)
    with pytest.raises(RefusedError, match="not the right token"):
        archive.put_file("a", Source.of(b"1"))
    archive.close()


def test_a_connection_that_the_server_closed_is_opened_again(server: FakeArchive, archive: Uploader) -> None:
    server.hang_up = True
    for number in range(3):
        archive.put_file(f"{number}", Source.of(b"x"))
    assert len(server.files) == 3


def test_a_large_file_refused_before_it_was_sent_shows_why(server: FakeArchive, archive: Uploader) -> None:
    server.accepts = 1000
    with pytest.raises(RefusedError, match="more than 1000 bytes"):
        archive.put_file("a", Source.of(b"x" * 900_000))
    archive.put_file("b", Source.of(b"x"))
    assert list(server.files) == ["b"]


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    archive = Uploader(f"http://127.0.0.1:{port}", TOKEN, UID, 1, 0)
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}: Connection refused"):
        archive.put_file("a", Source.of(b"1"))


def test_a_file_cut_short_since_it_was_hashed_is_damaged(
    server: FakeArchive, archive: Uploader, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 400_000)
    with (tmp_path / "file").open("rb") as file:
        with pytest.raises(DamagedError, match="cut short"):
            archive.put_file("a", Source(file.fileno(), 500_000, "00"))
        archive.put_file("b", Source.of(b"x"))
    assert list(server.files) == ["b"]


@pytest.mark.parametrize("url", ["archive:8080", "", "ftp://archive", "http://"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="is not the URL of an archive"):
        Uploader(url, TOKEN, UID, 1, 0)


def test_an_archive_below_a_path(server: FakeArchive) -> None:
    archive = Uploader("http://archive.example/base/", TOKEN, UID, 2, 3)
    assert archive._base == f"/base/v1/runs/{UID}/attempts/2/shards/3"
