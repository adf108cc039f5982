"""A small Kubernetes API in this process, over real HTTP: what the operator needs of lists, watches and writes.

It keeps what matters for an operator's correctness: resource versions and conflicts, watches that replay from the
version of a list, finalizers, preconditions, namespaces that end a while after their deletion. Faults can be put
before and after every write. Requests to a Service go on to a server of the test.
"""

from __future__ import annotations

import asyncio
import copy
import json
import uuid
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

Object = dict[str, Any]
RESOURCES: dict[str, tuple[str, str, bool]] = {
    "integrationruns": ("seatrial.dev/v1alpha1", "IntegrationRun", True),
    "namespaces": ("v1", "Namespace", False),
    "nodes": ("v1", "Node", False),
    "pods": ("v1", "Pod", True),
    "secrets": ("v1", "Secret", True),
    "configmaps": ("v1", "ConfigMap", True),
    "services": ("v1", "Service", True),
    "serviceaccounts": ("v1", "ServiceAccount", True),
    "persistentvolumeclaims": ("v1", "PersistentVolumeClaim", True),
    "events": ("v1", "Event", True),
    "rolebindings": ("rbac.authorization.k8s.io/v1", "RoleBinding", True),
    "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy", True),
    "deployments": ("apps/v1", "Deployment", True),
    "jobs": ("batch/v1", "Job", True),
    "customresourcedefinitions": ("apiextensions.k8s.io/v1", "CustomResourceDefinition", False),
}
WRITES = ("POST", "PATCH", "DELETE")


@dataclass(frozen=True)
class Write:
    """One request that changes something."""

    index: int
    method: str
    resource: str
    name: str
    body: Object = field(default_factory=dict, repr=False, compare=False)
    query: str = field(default="", repr=False, compare=False)


Fault = Callable[[Write, str], Awaitable[web.StreamResponse | None]]
"""Called "before" and "after" each write: an answer before stops the write, one after replaces the reply."""


def failure(code: int, reason: str, message: str = "made to fail") -> web.Response:
    """A Kubernetes Status."""
    status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return web.json_response(status, status=code)


def merge(target: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


@dataclass
class Kube:
    """The objects, their history, and the server."""

    url: str = ""
    fault: Fault | None = None
    writes: list[Write] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    asked: set[tuple[str, str, str, str]] = field(default_factory=set)
    """Verb, group, resource (with subresource) and namespace of all requests, as RBAC sees them."""
    end_namespaces: bool = True
    logs: dict[str, str] = field(default_factory=dict)
    """By the container's name; that of the process before the last under `name/previous`."""
    silent: set[str] = field(default_factory=set)
    """Containers whose log is never answered."""
    sockets: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(default_factory=dict)
    """What answers on `exec` and `portforward` of pods."""
    denied: set[str] = field(default_factory=set)
    """Verbs that the one who asks for his rights has not."""
    refuse_read: Callable[[web.Request], web.Response | None] = lambda request: None
    """Called before each read; an answer of it replaces that of the server."""
    services: dict[str, str] = field(default_factory=dict)
    """Where the service proxy finds a Service, by `namespace/name:port`."""
    _objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    _history: list[tuple[int, str, str, Object]] = field(default_factory=list)
    _version: int = 100
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _oldest: int = 0

    def all(self, resource: str, namespace: str = "") -> list[Object]:
        """All objects of a resource."""
        return [o for (r, ns, _), o in self._objects.items() if r == resource and namespace in ("", ns)]

    def one(self, resource: str, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        return self._objects.get((resource, namespace, name))

    def left_over(self) -> dict[str, int]:
        """What there is besides runs, ConfigMaps of tests and events."""
        counts: dict[str, int] = {}
        for resource, _, _ in self._objects:
            if resource not in ("events", "customresourcedefinitions", "integrationruns"):
                counts[resource] = counts.get(resource, 0) + 1
        return counts

    async def put(self, resource: str, body: Object) -> Object:
        """Creates or replaces an object, as somebody else than the operator."""
        metadata = body["metadata"]
        key = (resource, metadata.get("namespace", ""), metadata["name"])
        kind = "MODIFIED" if key in self._objects else "ADDED"
        if kind == "ADDED":
            api_version, name, _ = RESOURCES[resource]
            metadata.setdefault("uid", str(uuid.uuid4()))
            metadata.setdefault("generation", 1)
            now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            body = {"apiVersion": api_version, "kind": name, **body, "metadata": {"creationTimestamp": now, **metadata}}
        await self._store(kind, key, body)
        return body

    async def change(self, resource: str, name: str, namespace: str, change: Object) -> None:
        """Merges a change into an object, as somebody else than the operator."""
        await self._store(
            "MODIFIED", (resource, namespace, name), merge(self._objects[resource, namespace, name], change)
        )

    async def remove(self, resource: str, name: str, namespace: str = "") -> None:
        """Deletes an object as a user does: finalizers hold it, a namespace ends in its own time."""
        await self._delete((resource, namespace, name))

    async def lose(self, resource: str, name: str, namespace: str = "") -> None:
        """Deletes an object in spite of its finalizers."""
        key = (resource, namespace, name)
        await self._store("DELETED", key, self._objects[key])

    async def forget_history(self) -> None:
        """Makes every watch begin anew: 410 Gone."""
        async with self._news:
            self._oldest = self._version + 1
            self._news.notify_all()

    async def _store(self, kind: str, key: tuple[str, str, str], body: Object) -> None:
        async with self._news:
            self._version += 1
            body = json.loads(json.dumps(body))  # a copy, four times as fast as copy.deepcopy
            body["metadata"]["resourceVersion"] = str(self._version)
            if kind == "DELETED":
                self._objects.pop(key, None)
            else:
                self._objects[key] = body
            self._history.append((self._version, kind, key[0], body))
            self._news.notify_all()

    async def _delete(self, key: tuple[str, str, str]) -> None:
        body = copy.deepcopy(self._objects[key])
        if key[0] == "namespaces" or body["metadata"].get("finalizers"):
            if "deletionTimestamp" not in body["metadata"]:
                now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
                body["metadata"]["deletionTimestamp"] = now
                await self._store("MODIFIED", key, body)
            if key[0] == "namespaces" and self.end_namespaces:
                task = asyncio.create_task(self.end_namespace(key[2]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            return
        await self._store("DELETED", key, body)

    async def end_namespace(self, name: str) -> None:
        """What the namespace controller does."""
        for key in [k for k in self._objects if k[1] == name]:
            await self._store("DELETED", key, self._objects[key])
        if body := self._objects.get(("namespaces", "", name)):
            await self._store("DELETED", ("namespaces", "", name), body)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        parts = [p for p in request.path.split("/") if p]
        if request.method not in WRITES and (refused := self.refuse_read(request)):
            return refused
        if (
            parts in (["api"], ["apis"], ["version"])
            or (parts[0] == "api" and len(parts) == 2)
            or (parts[0] == "apis" and len(parts) in (2, 3))
        ):
            return self._discovery(parts)
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        if rest[2:3] == ["proxy"]:
            return await self._proxy(request, f"{namespace}/{rest[1]}")
        resource, name = rest[0], rest[1] if len(rest) > 1 else ""
        subresource = rest[2] if len(rest) > 2 else ""
        if subresource in self.sockets:
            return await self.sockets[subresource](request)
        group = "" if parts[0] == "api" else parts[1]
        full = f"{resource}/{subresource}" if subresource else resource
        self.asked.add((self._verb(request, name), group, full, namespace))
        if request.method not in WRITES:
            self.reads.append(request.path)
            if group == "metrics.k8s.io":  # nobody measures here
                return failure(404, "NotFound", "no metrics")
            if subresource == "log":
                return await self._log(request, namespace, name)
            return await self._read(request, resource, namespace, name)
        body = json.loads(await request.text() or "{}")
        if resource == "selfsubjectaccessreviews":
            allowed = body["spec"]["resourceAttributes"]["verb"] not in self.denied
            return web.json_response({**body, "status": {"allowed": allowed}}, status=201)
        if request.method == "POST":
            metadata = body["metadata"]
            name = metadata.get("name") or f"{metadata.get('generateName', '')}{uuid.uuid4().hex[:5]}"
            metadata["name"] = name
        write = Write(len(self.writes), request.method, resource, name, body, request.query_string)
        self.writes.append(write)
        if self.fault and (stopped := await self.fault(write, "before")):
            return stopped
        answer = await self._write(request, resource, namespace, name, subresource, body)
        if self.fault and (replaced := await self.fault(write, "after")):
            return replaced
        return answer

    async def _log(self, request: web.Request, namespace: str, pod: str) -> web.Response:
        if request.query["container"] in self.silent:
            await asyncio.Event().wait()
        if ("pods", namespace, pod) not in self._objects:
            return failure(404, "NotFound", f"pods {pod} not found")
        container = request.query["container"]
        name = f"{container}/previous" if request.query.get("previous") == "true" else container
        lines = self.logs.get(name, f"log of {name}\n").splitlines()[-int(request.query.get("tailLines", 0)) :]
        stamp = "2026-03-01T12:00:00.123456789Z " if request.query.get("timestamps") == "true" else ""
        text = "".join(f"{stamp}{line}\n" for line in lines).encode()
        return web.Response(body=text[: int(request.query.get("limitBytes", len(text)))], content_type="text/plain")

    async def _proxy(self, request: web.Request, service: str) -> web.StreamResponse:
        """Passes a request on to a Service; credentials of the API server stay here."""
        if service not in self.services:
            return failure(503, "ServiceUnavailable", "no endpoints available for service")
        url = self.services[service] + request.raw_path.partition("/proxy")[2]
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("authorization", "host")}
        body = request.content if request.can_read_body else None
        async with (
            aiohttp.ClientSession(auto_decompress=False) as client,
            client.request(request.method, url, headers=headers, data=body) as answer,
        ):
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in ("connection", "transfer-encoding")}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response

    def _discovery(self, parts: list[str]) -> web.Response:
        groups = sorted({v.rsplit("/", 1)[0] for v, _, _ in RESOURCES.values() if "/" in v})
        if parts == ["version"]:
            return web.json_response({"major": "1", "minor": "36", "gitVersion": "v1.36.0"})
        if parts == ["api"]:
            return web.json_response({"versions": ["v1"]})
        if parts == ["apis"]:
            versions = {
                g: next(v for v, _, _ in RESOURCES.values() if v.startswith(f"{g}/")).rsplit("/", 1)[1] for g in groups
            }
            listed = [
                {
                    "name": g,
                    "versions": [{"version": v, "groupVersion": f"{g}/{v}"}],
                    "preferredVersion": {"version": v},
                }
                for g, v in versions.items()
            ]
            return web.json_response({"groups": listed})
        if parts[0] == "apis" and len(parts) == 2:
            versions_of = {v for v, _, _ in RESOURCES.values() if v.startswith(f"{parts[1]}/")}
            if not versions_of:
                return failure(404, "NotFound", "the server could not find the requested resource")
            found_versions = [{"groupVersion": v, "version": v.rsplit("/", 1)[1]} for v in sorted(versions_of)]
            return web.json_response({"kind": "APIGroup", "name": parts[1], "versions": found_versions})
        version = parts[1] if parts[0] == "api" else "/".join(parts[1:])
        verbs = ["get", "list", "watch", "create", "patch", "delete"]
        found = [
            {"name": plural, "kind": kind, "singularName": kind.lower(), "namespaced": scoped, "verbs": verbs}
            for plural, (v, kind, scoped) in RESOURCES.items()
            if v == version
        ]
        return web.json_response({"kind": "APIResourceList", "resources": found})

    @staticmethod
    def _verb(request: web.Request, name: str) -> str:
        match request.method:
            case "GET" if name:
                return "get"
            case "GET":
                return "watch" if request.query.get("watch") == "true" else "list"
            case "DELETE":
                return "delete" if name else "deletecollection"
        return {"POST": "create", "PATCH": "patch"}[request.method]

    @staticmethod
    def _selected(body: Object, query: Mapping[str, str]) -> bool:
        labels = body["metadata"].get("labels") or {}
        name = query.get("fieldSelector", "").removeprefix("metadata.name=")
        if name and body["metadata"]["name"] != name:
            return False
        for term in filter(None, query.get("labelSelector", "").split(",")):
            key, _, value = term.partition("=")
            if key not in labels or (value and labels[key] != value):
                return False
        return True

    async def _read(self, request: web.Request, resource: str, namespace: str, name: str) -> web.StreamResponse:
        if name:
            body = self._objects.get((resource, namespace, name))
            if body is None and resource == "namespaces" and self.all("integrationruns", name):  # a tenant's
                body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": f"uid-of-{name}"}}
            return web.json_response(body) if body else failure(404, "NotFound", f"{resource} {name} not found")
        if request.query.get("watch") == "true":
            return await self._watch(request, resource, namespace)
        items = [o for o in self.all(resource, namespace) if self._selected(o, request.query)]
        return web.json_response({"items": items, "metadata": {"resourceVersion": str(self._version)}})

    async def _watch(self, request: web.Request, resource: str, namespace: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        seen = int(request.query.get("resourceVersion") or 0)

        async def send(kind: str, body: Object) -> None:
            await response.write(json.dumps({"type": kind, "object": body}).encode() + b"\n")

        while True:
            if seen + 1 < self._oldest:
                await send("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
                return response
            first = bisect_right(self._history, seen, key=lambda change: change[0])
            for _, kind, of, body in self._history[first:]:
                fits = of == resource and namespace in ("", body["metadata"].get("namespace", ""))
                if fits and self._selected(body, request.query):
                    await send(kind, body)
            seen = max(seen, self._version)
            async with self._news:
                while self._version <= seen and seen + 1 >= self._oldest:
                    await self._news.wait()

    async def _write(
        self, request: web.Request, resource: str, namespace: str, name: str, subresource: str, body: Object
    ) -> web.Response:
        key = (resource, namespace, name)
        found = self._objects.get(key)
        if request.method == "POST":
            if found:
                return failure(409, "AlreadyExists", f"{resource} {name} already exists")
            owner = self._objects.get(("namespaces", "", namespace))
            if namespace and owner and "deletionTimestamp" in owner["metadata"]:
                return failure(403, "Forbidden", f"namespace {namespace} is being terminated")
            if request.query.get("dryRun") == "All":
                return web.json_response(body, status=201)
            made = await self.put(
                resource, {**body, "metadata": {**body["metadata"], **({"namespace": namespace} if namespace else {})}}
            )
            return web.json_response(self._objects.get(key, made), status=201)
        if request.method == "DELETE" and not name:
            for each in [k for k in self._objects if k[0] == resource and k[1] == namespace]:
                await self._delete(each)
            return web.json_response({})
        if request.content_type == "application/apply-patch+yaml":
            return web.json_response(await self.put(resource, merge(found, body)))
        if found is None:
            return failure(404, "NotFound", f"{resource} {name} not found")
        if request.method == "DELETE":
            wanted = (body.get("preconditions") or {}).get("uid")
            if wanted and wanted != found["metadata"]["uid"]:
                return failure(409, "Conflict", "the uid is another")
            await self._delete(key)
            return web.json_response({})
        version = (body.get("metadata") or {}).get("resourceVersion")
        if version and version != found["metadata"]["resourceVersion"]:
            return failure(409, "Conflict", "the object has been modified")
        change = {
            k: v for k, v in body.items() if k in (("status",) if subresource == "status" else ("metadata", "spec"))
        }
        changed = merge(found, change)
        if changed == found:
            return web.json_response(found)
        gone = "deletionTimestamp" in changed["metadata"] and not changed["metadata"].get("finalizers")
        await self._store("DELETED" if gone and resource != "namespaces" else "MODIFIED", key, changed)
        return web.json_response(self._objects.get(key, changed))


@asynccontextmanager
async def serving() -> AsyncIterator[Kube]:
    """The API on a free port of the loopback interface."""
    kube = Kube()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", kube.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kube.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield kube
    finally:
        await runner.cleanup()
