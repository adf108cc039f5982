"""Every way in which a run ends: the true verdict, the true cause, a message to act on, and nothing left over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

PASSES = {"test_it.py": "def test_it():\n    assert True\n"}
POSTGRES: dict[str, Any] = {"services": {"postgres": {}}}
IMAGE = "seatrial/pytest:0.1.0"
ABSENT = "localhost:1/no-such-image:0"  # a registry that refuses at once, on every machine


@dataclass(frozen=True)
class Case:
    """One run and how it must end; every word of `says` stands in the message."""

    verdict: str
    reason: str
    words: tuple[str, ...]
    spec: dict[str, Any] = field(default_factory=dict)
    tests: dict[str, str] | None = field(default_factory=lambda: PASSES)


def suite_where(body: str) -> dict[str, str]:
    """A test file of two tests: one that passes, then one with this body."""
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return {"test_it.py": f"import os, signal, time\n\ndef test_first():\n    pass\n\ndef test_second():\n{indented}\n"}


def app(*command: str, **more: Any) -> dict[str, Any]:
    """A spec with one app that runs this command in an image with Python."""
    return {"apps": {"web": {"image": IMAGE, "command": list(command), **more}}}


CASES = {
    "passes": Case("Passed", "TestsPassed", ("1 passed",), POSTGRES),
    "failing test": Case("Failed", "TestsFailed", ("1 failed", "1 passed", "test_second"), {}, suite_where("assert 1 == 2")),
    "failing migration": Case(
        "Errored", "MigrationFailed", ("schema", "exit 3", "no such revision"),
        {"migrations": [{"name": "schema", "image": IMAGE,
                         "command": ["sh", "-c", "echo no such revision >&2; exit 3"]}]},
    ),
    "bundle that nobody uploaded": Case(
        "Errored", "BundleMissing", ("schema could not start", "0000", "uploads it"),
        {"code": {"digest": "sha256:" + "0" * 64, "mountPath": "/app"},
         "migrations": [{"name": "schema", "image": IMAGE, "command": ["true"]}]},
    ),
    "crashing app": Case(
        "Errored", "AppCrashed", ("web", "exit 7", "KeyError: 'TOKEN'"),
        app("sh", "-c", "echo \"KeyError: 'TOKEN'\" >&2; exit 7", port=8000),
    ),
    "app never ready": Case(
        "Errored", "AppNotReady", ("web", "503", "12s"),
        app("python", "-c",
            "import http.server as h\n"
            "class N(h.BaseHTTPRequestHandler):\n"
            "    def do_GET(self): self.send_error(503)\n"
            "h.HTTPServer(('', 8000), N).serve_forever()",
            port=8000, ready={"httpGet": {"path": "/health"}}) | {"timeouts": {"environment": "12s"}},
    ),
    "absent image": Case(
        "Errored", "ImagePullFailed", ("web", "no-such-image"), {"apps": {"web": {"image": ABSENT, "command": ["x"]}}}
    ),
    "absent tests image": Case("Errored", "ImagePullFailed", ("tests", "no-such-image"), {"tests": {"image": ABSENT}}, None),
    "image without pytest": Case(
        "Errored", "ImageWithoutPytest", ("seatrial/operator", "pytest"), {"tests": {"image": "seatrial/operator:0.1.0"}}, None
    ),
    "image without python": Case(
        "Errored", "ImageWithoutPytest", ("seatrial/redis", "python"), {"tests": {"image": "seatrial/redis:0.1.0"}}, None
    ),
    "nothing collected": Case(
        "Errored", "NoTestsCollected", ("markers='nightly'",), {"tests": {"markers": "nightly"}},
    ),
    "collection error": Case(
        "Failed", "CollectionError", ("test_it.py", "no_such_module"), {}, {"test_it.py": "import no_such_module\n"}
    ),
    "broken conftest": Case(
        "Failed", "CollectionError", ("conftest.py", "no_such_module"), {}, {**PASSES, "conftest.py": "import no_such_module\n"}
    ),
    "test file that is no Python": Case(
        "Failed", "CollectionError", ("test_it.py", "SyntaxError"), {}, {"test_it.py": "def test_it(:\n"}
    ),
    "hanging test": Case(
        "Errored", "TestTimeout", ("test_second", "5s"), {"timeouts": {"tests": "5s"}}, suite_where("time.sleep(3600)")
    ),
    "one slow test": Case(
        "Failed", "TestsFailed", ("1 failed", "test_second"), {"tests": {"perTestTimeout": "2s"}}, suite_where("time.sleep(3600)")
    ),
    "all memory": Case(
        "Errored", "OutOfMemory", ("test_second", "limits.memory"),
        {"tests": {"resources": {"limits": {"memory": "128Mi"}}}},
        suite_where("block = []\nwhile True:\n    block.append(b'x' * 2**20)"),
    ),
    "os._exit": Case("Errored", "TestProcessDied", ("test_second", "status 0"), {}, suite_where("os._exit(0)")),
    "kills its parent": Case(
        "Errored", "TestProcessDied", ("test_second",), {},
        suite_where("os.kill(os.getppid(), signal.SIGTERM)\ntime.sleep(60)"),
    ),
    "segmentation fault": Case(
        "Errored", "TestProcessDied", ("test_second", "SIGSEGV"), {}, suite_where("import ctypes\nctypes.string_at(0)")
    ),
    "forged results": Case(
        "Errored", "ResultsInconsistent", ("/results", "events.jsonl"), {},
        suite_where("with open('/results/events.jsonl', 'a') as file:\n"
                    "    file.write('{\"t\": 1, \"event\": \"finish\", \"exitStatus\": 0}\\n')\nassert False"),
    ),
    "lifetime over": Case(
        "Errored", "RunTimeout", ("maxLifetime=8s",), {"retention": {"maxLifetime": "8s"}}, suite_where("time.sleep(3600)")
    ),
    "bad init SQL": Case(
        "Errored", "InvalidSpec", ("services.postgres.initSQL", "absent"),
        {"services": {"postgres": {"initSQL": {"configMapRef": {"name": "absent"}}}}},
    ),
}  # fmt: skip


@pytest.mark.cluster
@pytest.mark.parametrize("case", [pytest.param(c, id=name.replace(" ", "-")) for name, c in CASES.items()])
async def test_how_runs_end(bench: Any, case: Case) -> None:
    status = await bench.run(case.spec, case.tests)

    outcome = (status["verdict"], status["reason"])
    assert outcome == (case.verdict, case.reason), status["message"]
    for word in case.words:
        assert word in status["message"]
    assert status["phase"] == case.verdict
    assert not await bench.environments()
