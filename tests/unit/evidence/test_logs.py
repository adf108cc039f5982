"""Which logs are read, what they are called, and what is kept of them."""

from __future__ import annotations

from typing import Any

from seatrial.evidence.logs import KEPT_BYTES, LINES, LONG_LINES, kept, logs_of

RUNNING: dict[str, Any] = {"state": {"running": {}}}


def pod(
    name: str, component: str, role: str, *containers: dict[str, Any], init: tuple[dict[str, Any], ...] = ()
) -> Any:
    labels = {"seatrial.dev/component": component, "seatrial.dev/role": role}
    metadata = {
        "name": name,
        "labels": labels,
        "creationTimestamp": f"2026-03-01T12:00:0{name[-1] if name[-1].isdigit() else 0}Z",
    }
    return {
        "metadata": metadata,
        "status": {"containerStatuses": list(containers), "initContainerStatuses": list(init)},
    }


def test_names() -> None:
    crashed = {"name": "api", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {}}}
    found = logs_of([
        pod("tests-0-x", "tests", "tests", {"name": "tests", **RUNNING}, init=({"name": "collector", **RUNNING},)),
        pod("api-1", "api", "app", {"name": "api", **RUNNING}),
        pod("api-2", "api", "app", crashed),
        pod("migrations", "migrations", "migrations", {"name": "schema", "state": {"terminated": {}}}),
        pod("postgres", "postgres", "service", {"name": "postgres", **RUNNING}),
        pod("web-1", "web", "app", {"name": "web", "state": {"waiting": {"reason": "ErrImagePull"}}}),
    ])  # fmt: skip
    assert [log.path for log in found] == [
        "logs/postgres.log", "logs/migrations.schema.log", "logs/api.log", "logs/api.2.previous.log",
        "logs/tests.collector.log", "logs/tests.log",
    ]  # fmt: skip


def test_a_short_log_is_kept_whole() -> None:
    assert kept(b"a\nb\n", 20_000) == b"a\nb\n"


def test_of_a_long_log_whole_lines_of_the_end_are_kept_and_the_cut_is_reported() -> None:
    answer = b"".join(b"%08d %s\n" % (i, b"x" * 90) for i in range(50_000))
    first, _, rest = kept(answer, LINES).partition(b"\n")
    assert first.startswith(b"# truncated: ")
    assert len(rest) <= KEPT_BYTES
    assert rest.splitlines()[0].split()[0].isdigit()
    assert rest.endswith(answer[-100:])


def test_as_many_lines_as_were_asked_for_may_not_be_all() -> None:
    assert kept(b"a\n" * LINES, LINES).startswith(b"# truncated: ")


def test_lines_so_long_that_fewer_had_to_be_asked_for_are_not_all() -> None:
    assert kept(b"a\n", LONG_LINES).startswith(b"# truncated: ")
