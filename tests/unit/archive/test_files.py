from __future__ import annotations

import pytest

from seatrial.archive.server.files import byte_range
from tests.unit.archive.support import Server


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-3", (0, 4)),
        ("bytes=4-", (4, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=8-100", (8, 10)),
        # More than one range, other units, nonsense: the whole is sent.
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
        ("bytes=-", None),
        ("bytes=x-y", None),
        (f"bytes={'9' * 5000}-", None),
    ],
)
def test_the_part_that_is_asked_for(header: str | None, expected: tuple[int, int] | None) -> None:
    assert byte_range(header, 10) == expected


async def test_a_part_that_is_not_there_is_reported_and_a_known_file_is_not_sent_again(server: Server) -> None:
    shard = server.shard()
    await shard.put("a.log", b"0123456789")
    path = f"{shard.path}/files/a.log"
    answer = await server.read.get(path, headers={"Range": "bytes=10-"})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */10")
    etag = (await server.read.get(path)).headers["ETag"]
    assert (await server.read.get(path, headers={"If-None-Match": etag})).status_code == 304
    other = await server.read.get(path, headers={"Range": "bytes=0-1", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, b"0123456789")
