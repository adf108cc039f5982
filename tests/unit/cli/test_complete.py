"""What the shell completes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seatrial.cli.commands import complete
from seatrial.cli.main import app
from tests.unit.cli.servers import Servers

Completed = Callable[[str], list[str]]


@pytest.fixture
def completed(servers: Servers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Completed:
    monkeypatch.setattr(complete, "PATIENCE_SECONDS", 30.0)

    def of(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_SEATRIAL_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        with pytest.raises(SystemExit):
            app([], prog_name="seatrial")
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out.split()

    return of


def test_names_of_runs(completed: Completed, servers: Servers) -> None:
    for name, namespace in (("pr-1", "default"), ("pr-2", "default"), ("main", "default"), ("pr-3", "team-a")):
        servers.run(name, namespace)
    assert sorted(completed("seatrial get pr")) == ["pr-1", "pr-2"]
    for line in ("seatrial delete -n team-a ", "seatrial -n team-a delete ", "seatrial --namespace team-a results p"):
        assert completed(line) == ["pr-3"]


def test_names_of_components(completed: Completed, servers: Servers) -> None:
    servers.run()
    assert completed("seatrial logs pr-1 ") == ["tests", "postgres", "web"]
    assert completed("seatrial logs pr-1 p") == ["postgres"]


@pytest.mark.parametrize("line", ["seatrial logs other ", "seatrial get --kubeconfig /nowhere "])
def test_nothing_where_it_can_not_ask(completed: Completed, line: str) -> None:
    assert completed(line) == []
