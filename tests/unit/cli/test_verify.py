"""`seatrial archive verify`: every file is read again."""

from __future__ import annotations

from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import UID, Servers, stored

OTHER = UID.replace("0b5c", "1c6d")


def test_a_damaged_archive_is_reported_file_by_file(seatrial: Command, servers: Servers) -> None:
    servers.keep({"output.log": b"2 passed\n"}, evidence={"logs/web.log": b"ready\n"})
    servers.do(servers.archive.shard(OTHER).put("output.log", b"1 passed\n"))  # and never sealed
    stored(servers.archive.folder, "logs/web.log").unlink()
    stored(servers.archive.folder, "run.json").write_bytes(b"[]")
    assert seatrial("archive", "verify") == 1
    (damaged,) = [line for line in seatrial.out.splitlines() if UID in line]
    assert f"run {UID} attempt 1 evidence: " in damaged
    assert "logs/web.log" in damaged
    assert "run.json" in damaged
    assert "1 set damaged, 1 intact, 1 set never completed" in seatrial.out


def test_a_whole_archive_is_reported_as_whole(seatrial: Command, servers: Servers) -> None:
    servers.keep({"output.log": b"2 passed\n"})
    servers.do(servers.archive.shard(OTHER).whole())
    stored(servers.archive.folder, f"{OTHER}/1/0/files/summary.json").write_bytes(b"{}")
    assert seatrial("archive", "verify", "--run", "pr-1") == 0
    assert "1 set, all intact" in seatrial.out
    assert seatrial("archive", "verify", "--run", "unknown") == 4
    assert "the archive knows no run unknown in namespace default" in seatrial.err
