"""Loads that one tenant puts on operator and archive, all within what a run may do; each lasts until it is cancelled.

They are paced: what is measured is what they cost Seatrial, not what they cost the node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SECRETS = 200
SECRET_CHARACTERS = 1_270
"""All together just below what a run may have."""
CONNECTIONS = 350
GATE_EVENTS = 15_000


@dataclass(frozen=True)
class Load:
    """A run whose only test goes on for ever."""

    body: str
    spec: dict[str, Any] = field(default_factory=dict)

    def suite(self, archive: tuple[str, int]) -> dict[str, str]:
        """The files of its suite; `archive` is host and port of the upload port."""
        indented = "\n".join(f"    {line}" if line else "" for line in self.body.strip("\n").splitlines())
        head = "import http.client, json, os, pathlib, socket, time, uuid\n\n"
        return {"test_load.py": f"{head}ARCHIVE = {archive!r}\n\n\ndef test_load():\n{indented}\n"}


LOADS: dict[str, Load] = {
    "gate-events": Load(f"""
while True:
    with open("/results/gates.jsonl", "a") as file:
        for number in range({GATE_EVENTS}):
            file.write(json.dumps({{"t": time.time(), "event": "ready", "name": f"g{{number}}"}}) + "\\n")
    time.sleep(10)
"""),
    "test-events": Load("""
number = 0
while True:
    with open("/results/events.jsonl", "a") as file:
        for _ in range(500):
            number += 1
            file.write(json.dumps({"t": time.time(), "event": "start", "id": f"t.py::test_{number}"}) + "\\n")
    time.sleep(1)
"""),
    "long-lines": Load("""
for size in (2**20 - 200, 2**20 + 200, 16 * 2**20, 2**20 - 200):
    with open("/results/events.jsonl", "a") as file:
        file.write(json.dumps({"t": time.time(), "event": "start", "id": "t.py::" + "x" * size}) + "\\n")
        file.write("[" * size + "\\n")
    time.sleep(2)
time.sleep(3600)
"""),
    "connections": Load(f"""
held = []
while True:
    while len(held) < {CONNECTIONS}:
        try:
            connection = socket.create_connection(ARCHIVE, timeout=5)
            connection.sendall(b"PUT /v1/runs/x/attempts/1/shards/0/files/a HTTP/1.1\\r\\nHost: a\\r\\n")
            held.append(connection)
        except OSError:
            break
    time.sleep(3)
    for connection in held[::2]:
        connection.close()
    held = held[1::2]
"""),
    "refused-uploads": Load("""
body = os.urandom(2**20)
while True:
    try:
        connection = http.client.HTTPConnection(*ARCHIVE, timeout=10)
        headers = {"Authorization": "Bearer " + "0" * 64, "Content-SHA256": "0" * 64}
        connection.request("PUT", f"/v1/runs/{uuid.uuid4()}/attempts/1/shards/0/files/a", body, headers)
        connection.getresponse().read()
    except OSError:
        pass
    time.sleep(0.2)
"""),
}
"""Runs that go on until they are cancelled."""

SECRET_VALUES: dict[str, Any] = {
    "env": [
        {"name": f"S{number}_PASSWORD", "value": f"{number:06d}" + "aB3/xY9+" * (SECRET_CHARACTERS // 8)}
        for number in range(SECRETS)
    ]
}
MASKED = Load(
    """
for number in range(2_000):
    print(os.environ[f"S{number % 200}_PASSWORD"], number)
os.makedirs("taken", exist_ok=True)
for number in range(300):
    pathlib.Path(f"taken/{number}.txt").write_text("x" * 4_000)
assert False
""",
    SECRET_VALUES,
)
"""A run that fails, whose evidence and artifacts are full of secrets; made again and again."""
