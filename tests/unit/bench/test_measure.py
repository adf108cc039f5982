from __future__ import annotations

import json
from typing import Any

from bench.measure import gate_moments, json_lines, pod_moments
from bench.watching import Change


def test_a_log_is_searched_for_json_lines() -> None:
    log = 'seatrial: waiting\n{"t": 5.0, "event": "start"}\n{broken\n=== 12 passed ===\n'
    assert json_lines(log) == [{"t": 5.0, "event": "start"}]


def test_what_the_launcher_noted() -> None:
    lines = [
        {"t": 101.5, "event": "waiting", "name": "postgres"},
        {"t": 101.6, "event": "waiting", "name": "minio"},
        {"t": 102.0, "event": "ready", "name": "postgres", "seconds": 0.5},
        {"t": 103.0, "event": "open", "seconds": 1.5},
    ]
    assert gate_moments(json_lines("\n".join(map(json.dumps, lines))), begun=100.0) == {
        "launcher of the tests started": 1.5,
        "postgres answers": 2.0,
        "gates open": 3.0,
    }


def pod(at: float, name: str, node: str = "", namespace: str = "env") -> Change:
    body: dict[str, Any] = {"metadata": {"name": name, "namespace": namespace}, "spec": {"nodeName": node}}
    return Change(at, "MODIFIED", body)


def test_what_the_pods_of_one_environment_show() -> None:
    changes = [
        pod(100.5, "old", "n1", namespace="other"),
        pod(101.0, "postgres"),
        pod(101.2, "tests"),
        pod(101.3, "postgres", "n1"),
        pod(101.4, "tests", "n1"),
        pod(109.0, "tests", "n1"),
    ]
    moments = pod_moments(changes, "env", begun=100.0)
    assert {name: round(at, 1) for name, at in moments.items()} == {
        "first pod created": 1.0,
        "last pod created": 1.2,
        "last pod scheduled": 1.4,
    }


def test_an_environment_without_pods_shows_nothing() -> None:
    assert pod_moments([pod(1.0, "x", namespace="other")], "env", begun=0.0) == {}
