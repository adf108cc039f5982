"""Ways to change results with a token that is good for something else, or at the wrong time, each with a name.

The attacker has the upload token of a shard of their own, under way (`mine`) or complete (`sealed`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

BODY = b"forged"
UNAUTHORIZED, FORBIDDEN, CONFLICT = frozenset({401}), frozenset({403}), frozenset({409})
NEVER = frozenset({400, 401, 403, 404, 405})


@dataclass(frozen=True)
class Upload:
    """One way: a request that must be refused."""

    path: str
    """A template with `victim`, `mine` and `sealed`, which are uids."""
    token: str = ""
    """Whose upload token: `mine`, `sealed`, a word of its own, or none."""
    refused: frozenset[int] = FORBIDDEN
    method: str = "PUT"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = BODY


def _shard(uid: str, attempt: object = 1, shard: object = 0) -> str:
    return f"/v1/runs/{uid}/attempts/{attempt}/shards/{shard}"


_BUNDLE = f"/v1/namespaces/default/bundles/{'0' * 64}"
_MANIFEST = json.dumps({"schema": 1, "run": {"uid": "x"}, "files": []}).encode()
_EVENT = b'{"t": 1.0, "event": "start", "id": "t.py::forged"}\n'
UPLOADS: dict[str, Upload] = {
    "no-token": Upload(f"{_shard('{victim}')}/files/summary.json", refused=UNAUTHORIZED),
    "empty-token": Upload(
        f"{_shard('{victim}')}/files/summary.json", refused=UNAUTHORIZED, headers={"Authorization": "Bearer"}
    ),
    "made-up-token": Upload(f"{_shard('{victim}')}/files/summary.json", token="0" * 64),
    "basic-scheme": Upload(
        f"{_shard('{victim}')}/files/summary.json", refused=UNAUTHORIZED, headers={"Authorization": "Basic bWluZTo="}
    ),
    "token-in-the-address": Upload(
        f"{_shard('{victim}')}/files/summary.json?token={{token_mine}}", refused=UNAUTHORIZED
    ),
    "file-of-another-run": Upload(f"{_shard('{victim}')}/files/summary.json", token="mine"),
    "new-file-of-another-run": Upload(f"{_shard('{victim}')}/files/artifacts/planted.txt", token="mine"),
    "manifest-of-another-run": Upload(f"{_shard('{victim}')}/manifest", token="mine", body=_MANIFEST),
    "live-of-another-run": Upload(f"{_shard('{victim}')}/live", token="mine", method="POST", body=_EVENT),
    "evidence-of-another-run": Upload("/v1/runs/{victim}/attempts/1/evidence/files/run.json", token="mine"),
    "evidence-of-my-run": Upload("/v1/runs/{mine}/attempts/1/evidence/files/run.json", token="mine"),
    "manifest-of-my-evidence": Upload("/v1/runs/{mine}/attempts/1/evidence/manifest", token="mine", body=_MANIFEST),
    "other-shard": Upload(f"{_shard('{mine}', shard=1)}/files/summary.json", token="mine"),
    "other-attempt": Upload(f"{_shard('{mine}', attempt=2)}/files/summary.json", token="mine"),
    "attempt-zero": Upload(f"{_shard('{mine}', attempt=0)}/files/summary.json", token="mine", refused=NEVER),
    "attempt-written-otherwise": Upload(f"{_shard('{mine}', attempt='01')}/files/a", token="mine", refused=NEVER),
    "shard-written-otherwise": Upload(f"{_shard('{mine}', shard='00')}/files/a", token="mine", refused=NEVER),
    "uid-with-coded-slash": Upload(f"{_shard('{mine}%2f..%2f{victim}')}/files/a", token="mine", refused=NEVER),
    "file-outside-by-dots": Upload(
        f"{_shard('{mine}')}/files/..%2f..%2f..%2f..%2f{{victim}}/1/0/files/summary.json", token="mine", refused=NEVER
    ),
    "file-of-absolute-path": Upload(f"{_shard('{mine}')}/files/%2fetc%2fpasswd", token="mine", refused=NEVER),
    "file-with-null": Upload(f"{_shard('{mine}')}/files/a%00b", token="mine", refused=NEVER),
    "wrong-digest": Upload(
        f"{_shard('{mine}')}/files/wrong", token="mine", refused=frozenset({422}), headers={"Content-SHA256": "0" * 64}
    ),
    "no-digest": Upload(
        f"{_shard('{mine}')}/files/none", token="mine", refused=frozenset({400}), headers={"Content-SHA256": ""}
    ),
    "manifest-of-files-never-sent": Upload(
        f"{_shard('{mine}')}/manifest", token="mine", refused=frozenset({400, 422}),
        body=json.dumps({"schema": 1, "run": {"uid": "x"}, "files": [
            {"path": "summary.json", "size": 1, "sha256": "0" * 64}]}).encode(),
    ),
    "file-after-the-seal": Upload(f"{_shard('{sealed}')}/files/late.txt", token="sealed", refused=CONFLICT),
    "other-bytes-after-the-seal": Upload(f"{_shard('{sealed}')}/files/summary.json", token="sealed", refused=CONFLICT),
    "other-manifest-after-the-seal": Upload(
        f"{_shard('{sealed}')}/manifest", token="sealed", refused=frozenset({400, 409, 422}), body=_MANIFEST
    ),
    "live-after-the-seal": Upload(
        f"{_shard('{sealed}')}/live", token="sealed", method="POST", refused=CONFLICT, body=_EVENT
    ),
    "reading-by-the-upload-port": Upload(
        f"{_shard('{victim}')}/files/summary.json", token="mine", method="GET", refused=NEVER
    ),
    "deleting": Upload(f"{_shard('{mine}')}/files/summary.json", token="mine", method="DELETE", refused=NEVER),
    "bundle-without-a-token": Upload(_BUNDLE, method="GET", refused=UNAUTHORIZED),
    "bundle-with-the-token-of-a-shard": Upload(_BUNDLE, token="mine", method="GET"),
    "bundle-written-by-the-upload-port": Upload(_BUNDLE, token="mine", refused=NEVER),
    "record-by-the-upload-port": Upload("/v1/runs/{mine}/record", token="mine", refused=NEVER),
    "feed-by-the-upload-port": Upload("/v1/feed", token="mine", method="GET", refused=NEVER),
    "list-by-the-upload-port": Upload("/v1/runs", token="mine", method="GET", refused=NEVER),
}  # fmt: skip


async def send(
    client: httpx.AsyncClient, upload: Upload, uids: Mapping[str, str], tokens: Mapping[str, str]
) -> httpx.Response:
    """Sends the request to the upload port; `uids` and `tokens` by the words of the templates."""
    token = tokens.get(upload.token, upload.token)
    headers = {"Content-SHA256": hashlib.sha256(upload.body).hexdigest()}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    path = upload.path.format(**uids, token_mine=tokens["mine"])
    body = None if upload.method in ("GET", "DELETE") else upload.body
    return await client.request(upload.method, path, content=body, headers=headers | upload.headers)
