"""Ways to read somebody else's results in the archive, each with a name; for an archive alone and for a cluster.

A way is a request of a reader who has a right of their own, in another namespace, and knows of the victim what a
screenshot shows: uid, names of run and namespace, ids of tests. What only the results hold is the `proof`.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

SENTINEL = "proof-"
"""Every proof begins with it."""


@dataclass(frozen=True)
class Victim:
    """Whose results are wanted, and what the attacker knows of them."""

    uid: str
    name: str
    namespace: str
    namespace_uid: str
    test: str
    """The id of a test that failed; it does not contain the proof."""
    proof: str
    """A word that is in the run's label, in the output and the failure of its test, and in its artifact."""
    own_namespace: str = ""
    """The attacker's."""
    bundle: bytes = b""
    """A bundle of the victim's namespace; it holds the proof."""
    newest: str = "2100-01-01T00:00:00+00:00"

    def words(self) -> dict[str, str]:
        """What templates of paths are filled with."""
        forged = base64.urlsafe_b64encode(f"{self.newest} {self.uid}".encode()).decode().rstrip("=")
        return {
            "uid": quote(self.uid, safe=""), "UID": self.uid.upper(), "coded": _coded(self.uid, "%"),
            "twice": _coded(self.uid, "%25"), "prefix": self.uid[:8], "name": self.name, "own": self.own_namespace,
            "namespace": self.namespace, "NAMESPACE": self.namespace.upper(), "namespaceUid": self.namespace_uid,
            "test": quote(self.test, safe=""), "bundle": hashlib.sha256(self.bundle).hexdigest(), "cursor": forged,
            "proof": self.proof,
        }  # fmt: skip


@dataclass(frozen=True)
class Read:
    """One way: a request."""

    path: str
    """A template, to be filled with `Victim.words`."""
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes | None = None
    works: bool = False
    """The same request of one who may read the results gets the proof."""
    exists: bool = False
    """The same request of one who may read the results is answered, without the proof."""
    echoes: bool = False
    """The request contains the proof, and an answer may repeat it."""

    def filled(self, victim: Victim) -> str:
        """The path for this victim."""
        return self.path.format_map(victim.words())


def _coded(text: str, sign: str) -> str:
    return "".join(f"{sign}{ord(character):02X}" for character in text)


def _works(path: str) -> Read:
    return Read(path, works=True)


def _exists(path: str) -> Read:
    return Read(path, exists=True)


_SHARD = "/v1/runs/{uid}/attempts/1/shards/0"
_EVIDENCE = "/v1/runs/{uid}/attempts/1/evidence"
READS: dict[str, Read] = {
    # by the run's uid
    "run": _works("/v1/runs/{uid}"),
    "run-head": Read("/v1/runs/{uid}", method="HEAD", exists=True),
    "tests": _works("/v1/runs/{uid}/tests?outcome=bad"),
    "tests-by-text": _exists("/v1/runs/{uid}/tests?text=test"),
    "test": _works("/v1/runs/{uid}/attempts/1/test?id={test}"),
    "files": _exists("/v1/runs/{uid}/files"),
    "manifest": _exists(f"{_SHARD}/manifest"),
    "summary-file": _works(f"{_SHARD}/files/summary.json"),
    "events-file": _works(f"{_SHARD}/files/events.jsonl"),
    "artifact": _works(f"{_SHARD}/files/artifacts/proof.txt"),
    "artifact-range": Read(f"{_SHARD}/files/artifacts/proof.txt", {"Range": "bytes=0-"}, works=True),
    "evidence-manifest": _exists(f"{_EVIDENCE}/manifest"),
    "evidence-file": _works(f"{_EVIDENCE}/files/run.json"),
    "report": _works("/v1/runs/{uid}/report.json"),
    "report-of-attempt": _works("/v1/runs/{uid}/report.json?attempt=1"),
    "summary": _works("/v1/runs/{uid}/summary.md"),
    "junit": _works("/v1/runs/{uid}/junit.xml"),
    "junit-strict": _works("/v1/runs/{uid}/junit.xml?strict=true"),
    "ctrf": _works("/v1/runs/{uid}/ctrf.json"),
    "coverage": Read("/v1/runs/{uid}/coverage.xml"),
    "verify": _exists("/v1/runs/{uid}/verify"),
    "live": Read("/v1/runs/{uid}/live"),
    "live-resumed": Read("/v1/runs/{uid}/live", {"Last-Event-ID": "0"}),
    # lists and the history
    "runs": _works("/v1/runs?limit=1000"),
    "runs-of-namespace": _works("/v1/runs?namespace={namespace}"),
    "runs-by-name": _works("/v1/runs?name={name}"),
    "runs-by-text": _works("/v1/runs?text={name}"),
    "runs-by-label": Read("/v1/runs?label=proof={proof}", works=True, echoes=True),
    "runs-by-verdict": _works("/v1/runs?verdict=Failed&limit=1000"),
    "runs-by-cursor": _works("/v1/runs?limit=1000&cursor={cursor}"),
    "runs-of-both": Read("/v1/runs?namespace={own}&namespace={namespace}"),
    "runs-of-both-reversed": Read("/v1/runs?namespace={namespace}&namespace={own}"),
    "runs-by-comma": Read("/v1/runs?namespace={own},{namespace}"),
    "runs-by-capitals": Read("/v1/runs?namespace={NAMESPACE}"),
    "runs-by-space": Read("/v1/runs?namespace={namespace}%20"),
    "runs-by-null": Read("/v1/runs?namespace={namespace}%00"),
    "runs-by-wildcard": Read("/v1/runs?namespace=%25"),
    "runs-by-star": Read("/v1/runs?namespace=*"),
    "runs-by-empty": Read("/v1/runs?namespace="),
    "runs-by-uid-of-namespace": Read("/v1/runs?namespace={namespaceUid}"),
    "runs-by-sql": Read("/v1/runs?namespace=x'%20OR%20'1'='1"),
    "runs-by-sql-of-text": Read("/v1/runs?namespace={own}&text=%25'%20OR%201=1%20--"),
    "test-history": _exists("/v1/tests/history?namespace={namespace}&id={test}"),
    "test-history-by-capitals": Read("/v1/tests/history?namespace={NAMESPACE}&id={test}"),
    "flaky": Read("/v1/tests/flaky"),
    "flaky-of-namespace": Read("/v1/tests/flaky?namespace={namespace}"),
    "durations": _exists("/v1/tests/durations?namespace={namespace}"),
    "verify-all": Read("/v1/verify"),
    "feed": Read("/v1/feed"),
    "record-written": Read("/v1/runs/{uid}/record", method="PUT", body=b'{"uid": "x"}'),
    # bundles: code of the victim's
    "bundle": _works("/v1/namespaces/{namespace}/bundles/{bundle}"),
    "bundle-head": Read("/v1/namespaces/{namespace}/bundles/{bundle}", method="HEAD", exists=True),
    "bundle-by-digest-from-mine": Read("/v1/namespaces/{own}/bundles/{bundle}"),
    "bundle-by-capitals": Read("/v1/namespaces/{NAMESPACE}/bundles/{bundle}"),
    "bundle-by-dots": Read("/v1/namespaces/{own}%2f..%2f{namespace}/bundles/{bundle}"),
    "bundle-by-uid-of-namespace": Read("/v1/namespaces/{namespaceUid}/bundles/{bundle}"),
    "bundle-written": Read(
        "/v1/namespaces/{namespace}/bundles/2ea1de6b94e87dfcc7cbc9f5f7f0c7bf2bf1f4e4fb0ba0a7b29c2c3c2f6e5a10",
        method="PUT", body=b"planted",
    ),
    # the pages
    "page-runs": _works("/"),
    "page-runs-of-namespace": _works("/?namespace={namespace}"),
    "page-run": _works("/runs/{uid}"),
    "page-tests": _exists("/runs/{uid}/tests"),
    "page-test": _works("/runs/{uid}/test?id={test}"),
    "page-logs": _exists("/runs/{uid}/logs"),
    "page-manifest": Read("/runs/{uid}/again.yaml"),
    "page-file": _works("/runs/{uid}/files/1/0/artifacts/proof.txt"),
    "page-evidence": _works("/runs/{uid}/files/1/evidence/run.json"),
    "page-test-history": _exists("/tests?namespace={namespace}&id={test}"),
    "page-flaky": Read("/flaky?namespace={namespace}"),
    # other ways to write the same
    "uid-in-capitals": Read("/v1/runs/{UID}"),
    "uid-coded": _works("/v1/runs/{coded}"),
    "uid-coded-twice": Read("/v1/runs/{twice}"),
    "uid-with-null": Read("/v1/runs/{uid}%00"),
    "uid-with-line-end": Read("/v1/runs/{uid}%0a"),
    "uid-with-slash": Read("/v1/runs/{uid}/"),
    "uid-behind-two-slashes": Read("/v1//runs//{uid}"),
    "uid-by-wildcard": Read("/v1/runs/%25"),
    "uid-by-prefix": Read("/v1/runs/{prefix}%25"),
    "uid-by-sql": Read("/v1/runs/x'%20OR%20'1'='1"),
    "file-of-neighbour-by-dots": Read("/v1/runs/{uid}/attempts/1/shards/0/files/..%2f..%2f..%2fmanifest.json"),
    "file-by-coded-dots": Read("/v1/runs/x/attempts/1/shards/0/files/%2e%2e/%2e%2e/{uid}/1/0/files/summary.json"),
    "file-by-absolute-path": Read("/v1/runs/{uid}/attempts/1/shards/0/files/%2fvar%2frun%2fseatrial%2fkey"),
    "run-by-dots": Read("/v1/runs/x%2f..%2f{uid}"),
    "static-by-dots": Read("/static/..%2f..%2fserver%2fsettings.py"),
    "attempt-below-zero": Read("/v1/runs/{uid}/attempts/-1/shards/0/manifest"),
    "shard-of-letters": Read("/v1/runs/{uid}/attempts/1/shards/0x0/manifest"),
    # words that a proxy would write, or somebody else's identity
    "forwarded-for-loopback": Read("/v1/runs/{uid}", {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "::1"}),
    "host-of-loopback": Read("/v1/runs/{uid}", {"Host": "localhost:8081"}),
    "original-address": Read("/v1/runs", {"X-Original-URL": "/v1/runs/{uid}", "X-Rewrite-URL": "/v1/runs/{uid}"}),
    "remote-user": Read("/v1/runs/{uid}", {"X-Remote-User": "kubernetes-admin", "X-Remote-Group": "system:masters"}),
    "method-override": Read("/v1/runs/{uid}", {"X-HTTP-Method-Override": "HEAD"}),
    "second-cookie": Read("/v1/runs/{uid}", {"Cookie": "seatrial_token=; seatrial_token=operator"}),
}  # fmt: skip


def leaks(read: Read, victim: Victim, answer: httpx.Response) -> str:
    """What the answer tells the attacker; empty: nothing."""
    asked = read.filled(victim)
    text = answer.text
    if read.echoes:
        text = text.replace(quote(victim.proof), "").replace(victim.proof, "")
    if victim.proof in text:
        return f"{read.method} {asked}: {answer.status_code} with the victim's {victim.proof}: {answer.text[:500]}"
    if (read.works or read.exists) and "{uid}" in read.path and answer.status_code not in (401, 403, 404):
        return f"{read.method} {asked}: {answer.status_code}, not 404: {answer.text[:500]}"
    if answer.status_code == httpx.codes.OK and "/v1/runs?" in asked and (foreign := _foreign(answer, victim)):
        return f"{read.method} {asked}: runs of {', '.join(foreign)}: {answer.text[:500]}"
    if answer.is_success and (read.method == "PUT" or "{bundle}" in read.path):
        return f"{read.method} {asked}: {answer.status_code}: {answer.text[:500]}"
    if answer.status_code >= 500 and answer.status_code != httpx.codes.NOT_IMPLEMENTED:
        return f"{read.method} {asked}: {answer.status_code}, the archive failed: {answer.text[:500]}"
    return ""


def _foreign(answer: httpx.Response, victim: Victim) -> list[str]:
    """Of the runs in a list, the namespaces that are not the attacker's own."""
    try:
        found = json.loads(answer.text)
        runs, total = found["runs"], int(found["total"])
    except (ValueError, KeyError, TypeError):
        return []
    foreign = sorted({str(run["namespace"]) for run in runs} - {victim.own_namespace})
    hidden = total > len(runs) and "cursor=" not in str(answer.request.url)
    return foreign or ["somebody, by the total"] * hidden


async def ask(client: httpx.AsyncClient, read: Read, victim: Victim, more: dict[str, str]) -> httpx.Response:
    """Sends the request with these headers too; of an answer that goes on, the beginning."""
    headers = {name: value.format_map(victim.words()) for name, value in read.headers.items()} | more
    request = client.build_request(read.method, read.filled(victim), headers=headers, content=read.body)
    answer = await client.send(request, stream=True)
    try:
        if answer.headers.get("Content-Type", "").startswith(("text/event-stream", "application/x-ndjson")):
            beginning = b""
            async for chunk in answer.aiter_bytes():
                beginning += chunk
                if beginning:
                    break
            return httpx.Response(answer.status_code, content=beginning, request=request)
        await answer.aread()
        return answer
    finally:
        await answer.aclose()
