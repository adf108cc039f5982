"""An archive for evidence and records, by the archive's rules, reached by the real client without a network."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx

from seatrial import tokens
from seatrial.archive.model.manifest import digest_of
from seatrial.evidence.archive import EvidenceArchive

KEY, ENVIRONMENT_KEY = b"k" * 32, b"e" * 32
_SET = re.compile(r"/v1/runs/(?P<uid>[^/]+)/attempts/(?P<attempt>\d+)/evidence/(?P<what>manifest|files/(?P<path>.+))")


@dataclass
class Kept:
    """What the archive holds, by the run's uid."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    down: bool = False

    def client(self) -> EvidenceArchive:
        """A client of it."""
        return EvidenceArchive("http://upload", "http://read", KEY, transport=httpx.MockTransport(self._answer))

    def json(self, uid: str, path: str) -> Any:
        """A file that is JSON."""
        return json.loads(self.files[uid][path])

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused")
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if request.url.host == "read" and token != tokens.feed_token(KEY):
            return httpx.Response(403, json={"error": "not the operator"})
        if request.url.path.endswith("/record"):
            record = json.loads(request.content)
            self.records.setdefault(record["uid"], []).append(record)
            return httpx.Response(204)
        found = _SET.fullmatch(request.url.path)
        assert found is not None, request.url
        uid, files = found["uid"], self.files.setdefault(found["uid"], {})
        if request.method == "GET":
            body = self.manifests.get(uid) if found["what"] == "manifest" else files.get(found["path"])
            return httpx.Response(404, json={"error": "no"}) if body is None else httpx.Response(200, content=body)
        assert token == tokens.evidence_token(KEY, uid, int(found["attempt"]))
        if found["what"] == "manifest":
            return self._seal(uid, request.content)
        if uid in self.manifests or files.setdefault(found["path"], request.content) != request.content:
            return httpx.Response(409, json={"error": "other bytes"})
        return httpx.Response(201, json={})

    def _seal(self, uid: str, body: bytes) -> httpx.Response:
        for file in json.loads(body)["files"]:
            assert sha256(self.files[uid][file["path"]]).hexdigest() == file["sha256"]
        if self.manifests.setdefault(uid, body) != body:
            return httpx.Response(409, json={"error": "another manifest"})
        return httpx.Response(201, json={"digest": digest_of(body)})
