"""Real pytest processes with the plugin, as users' images run them."""

from __future__ import annotations

import json

import pytest

from tests.unit.runner.support import RUNNER, Event


class Recorded:
    """Runs pytest with the plugin and reads what it wrote."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self.path = pytester.path / "events.jsonl"
        self._monkeypatch = monkeypatch
        for name in ("SEATRIAL_EVENTS_OWNER", "SEATRIAL_TEST_TIMEOUT", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
            monkeypatch.delenv(name, raising=False)
        self.env(PYTHONPATH=RUNNER, SEATRIAL_EVENTS=str(self.path), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    def env(self, **values: str) -> None:
        for name, value in values.items():
            self._monkeypatch.setenv(name, value)

    def run(self, source: str, *args: str) -> pytest.RunResult:
        self.pytester.makepyfile(test_it=source)
        return self.rerun(*args)

    def rerun(self, *args: str) -> pytest.RunResult:
        # without a timeout of its own a test that hangs would hang this suite
        return self.pytester.runpytest_subprocess("-p", "seatrial_runner.plugin", *args, timeout=60)

    def plain(self, *args: str) -> pytest.RunResult:
        """The same without the plugin."""
        return self.pytester.runpytest_subprocess(*args, timeout=60)

    @property
    def events(self) -> list[Event]:
        # splitlines() knows more ends of lines than JSON lines have: none of them may be in the file
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["event"] == kind]

    def one(self, kind: str) -> Event:
        (event,) = self.of(kind)
        return event

    @property
    def outcomes(self) -> dict[str, str]:
        return {event["id"].partition("::")[2]: event["outcome"] for event in self.of("end")}

    @property
    def failures(self) -> dict[str, str]:
        """Of each test the message of the first phase that failed for good."""
        failed = [e for e in self.of("phase") if e["outcome"] == "failed" and not e.get("rerun")]
        return {event["id"].partition("::")[2]: event["message"] for event in reversed(failed)}

    def failure(self, name: str) -> Event:
        (event,) = [e for e in self.of("phase") if e["outcome"] == "failed" and e["id"].endswith(f"::{name}")]
        return event
