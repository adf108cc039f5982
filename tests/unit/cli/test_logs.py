"""`seatrial logs`: from the environment, and from the archive when that is gone."""

from __future__ import annotations

import pytest
from aiohttp import web

from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import Servers, refusal

AT = "2026-01-01T00:00:00.123456789Z "
ENVIRONMENT = "st-pr-1-abcde"


@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_logs_of_the_tests_are_the_default(seatrial: Command, servers: Servers, follow: list[str]) -> None:
    servers.run(phase="Testing", environment=ENVIRONMENT)
    servers.pod("tests-0", "tests", "tests")
    assert seatrial("logs", "pr-1", *follow) == 0
    assert seatrial.out == "tests says one\ntests says two\n"


def test_logs_of_several_pods_say_whose_they_are(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="Testing", environment=ENVIRONMENT)
    servers.pod("web-1", "web", "web")
    servers.pod("web-2", "web", "web")
    assert seatrial("logs", "pr-1", "web") == 0
    assert sorted(seatrial.out.splitlines()) == [
        "web-1 web says one", "web-1 web says two", "web-2 web says one", "web-2 web says two",
    ]  # fmt: skip


def test_logs_of_one_migration_and_of_all(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="Testing", environment=ENVIRONMENT)
    servers.change({"spec": {"migrations": [{"name": "schema"}, {"name": "seed"}]}})
    servers.pod("migrations", "migrations", "schema", "seed")
    assert seatrial("logs", "pr-1", "seed") == 0
    assert seatrial.out == "seed says one\nseed says two\n"
    assert seatrial("logs", "pr-1", "migrations") == 0
    assert "schema schema says one" in seatrial.out
    assert "seed seed says two" in seatrial.out


def test_logs_of_what_is_not_there(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="Testing", environment=ENVIRONMENT)
    assert seatrial("logs", "pr-1", "postgress") == 4
    assert "run pr-1 has no component postgress" in seatrial.err
    assert "there is tests, postgres, web" in seatrial.err


def test_logs_of_an_environment_that_is_gone(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="CleaningUp", verdict="Passed", reason="TestsPassed", environment=ENVIRONMENT)
    assert seatrial("logs", "pr-1", "web") == 4
    assert "the environment of run pr-1 is gone" in seatrial.err
    assert "spec.retention.passed" in seatrial.err


def test_logs_without_rights_in_the_environment(seatrial: Command, servers: Servers) -> None:
    def forbidden(request: web.Request) -> web.Response | None:
        return refusal(403, "pods is forbidden") if request.path.endswith("/pods") else None

    servers.keep({"output.log": b"== 2 passed ==\n"})
    servers.change({"status": {"namespace": ENVIRONMENT}})
    servers.run("pr-2", phase="Testing", environment="st-pr-2-abcde")
    servers.kube.refuse_read = forbidden
    assert seatrial("logs", "pr-1") == 0  # the archive has it
    assert seatrial.out == "== 2 passed ==\n"
    assert seatrial("logs", "pr-2") == 3
    assert "needs rights in their namespaces; here in st-pr-2-abcde" in seatrial.err


def test_the_output_of_tests_outlives_the_environment(seatrial: Command, servers: Servers) -> None:
    servers.keep({"output.log": b"== 2 passed ==\n"})
    assert seatrial("logs", "pr-1") == 0
    assert seatrial.out == "== 2 passed ==\n"


def test_the_logs_of_components_outlive_the_environment(seatrial: Command, servers: Servers) -> None:
    logs = {
        "logs/postgres.log": f"# truncated: the first 10 MiB\n{AT}ready\n",
        "logs/web.log": f"{AT}second\n",
        "logs/web.previous.log": f"{AT}first\n",
        "logs/worker.log": "",
        "logs/migrations.schema.log": f"{AT}done\n",
        "logs/tests.log": f"{AT}1 passed\n",
    }
    servers.keep({"output.log": b""}, evidence={path: text.encode() for path, text in logs.items()})
    spec = {"apps": {"web": {}, "worker": {}}, "migrations": [{"name": "schema"}]}
    servers.change({"spec": spec, "status": {"namespace": ENVIRONMENT}})
    assert seatrial("logs", "pr-1", "postgres") == 0
    assert seatrial.out == "# truncated: the first 10 MiB\nready\n"
    assert seatrial("logs", "pr-1", "web") == 0
    assert seatrial.out == "==> logs/web.previous.log <==\nfirst\n==> logs/web.log <==\nsecond\n"
    for name in ("schema", "migrations"):
        assert seatrial("logs", "pr-1", name) == 0
        assert seatrial.out == "done\n"
    assert seatrial("logs", "pr-1") == 0  # pytest's own output is empty
    assert seatrial.out == "1 passed\n"
    assert seatrial("logs", "pr-1", "worker") == 4
    assert "the environment of run pr-1 is gone, and the archive has no log of worker" in seatrial.err


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m \x9b5nend"
"""Sets the title, clears the screen, colours, asks the terminal for its status."""


def test_a_hostile_log_keeps_its_colours_and_steers_nothing(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="Testing", environment=ENVIRONMENT)
    servers.pod("web-1", "web", "web")
    servers.kube.logs["web"] = f"{HOSTILE}\n"
    assert seatrial("logs", "pr-1", "web") == 0
    assert seatrial.out == "\x1b[31mred\x1b[0m  5nend\n"


def test_a_hostile_log_of_the_archive_keeps_its_colours_and_steers_nothing(seatrial: Command, servers: Servers) -> None:
    servers.keep({"output.log": f"{HOSTILE}\n".encode()}, evidence={"logs/web.log": f"{AT}{HOSTILE}\n".encode()})
    for component in ("tests", "web"):
        assert seatrial("logs", "pr-1", component) == 0
        assert seatrial.out == "\x1b[31mred\x1b[0m  5nend\n"


def test_a_line_without_end_comes_in_pieces(seatrial: Command, servers: Servers) -> None:
    servers.run(phase="Testing", environment=ENVIRONMENT)
    servers.pod("web-1", "web", "web")
    servers.kube.logs["web"] = "x" * 5_000_000
    assert seatrial("logs", "pr-1", "web") == 0
    assert max(map(len, seatrial.out.splitlines())) < 2_000_000
    assert seatrial.out.count("x") == 5_000_000
