"""The client of the API server: objects as plain dicts, with streams, forwarded ports and commands in containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from seatrial.kube.errors import InvalidError, NotFoundError
from seatrial.kube.execute import Executing
from seatrial.kube.forward import Forwarding
from seatrial.kube.kinds import Kind, Manifest, Object, kind_of
from seatrial.kube.streams import Streams


class Cluster(Streams, Forwarding, Executing):
    """One API server, as one identity."""

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        """One object."""
        return await self.request("GET", kind.path(namespace, name), kind.plural)

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None, fields: str | None = None
    ) -> list[Object]:
        """All objects of a kind in a namespace (None: in all), in one answer."""
        query = {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}
        answer = await self.request("GET", kind.path(namespace), kind.plural, query=query)
        return list(answer.get("items") or ())

    async def create(self, manifest: Manifest, *, strict: bool = False, dry_run: bool = False) -> Object:
        """Creates one object; with `strict` unknown fields are refused (InvalidError)."""
        kind = await self.discover(manifest)
        metadata = manifest.get("metadata") or {}
        query = {"fieldManager": "seatrial"}
        query |= {"fieldValidation": "Strict"} if strict else {}
        query |= {"dryRun": "All"} if dry_run else {}
        path = kind.path(metadata.get("namespace") or self.default_namespace)
        return await self.request("POST", path, kind.plural, query=query, body=dict(manifest))

    async def apply(self, manifest: Manifest, *, manager: str = "seatrial", strict: bool = False) -> Object:
        """Server-side apply: creates or changes one object to have what the manifest says."""
        kind = await self.discover(manifest)
        metadata = manifest["metadata"]
        query = {"fieldManager": manager, "force": "true"} | ({"fieldValidation": "Strict"} if strict else {})
        path = kind.path(metadata.get("namespace") or self.default_namespace, metadata["name"])
        content_type = "application/apply-patch+yaml"
        return await self.request(
            "PATCH", path, kind.plural, query=query, body=dict(manifest), content_type=content_type
        )

    async def patch(
        self, kind: Kind, name: str, namespace: str | None, change: Mapping[str, Any], subresource: str = ""
    ) -> Object:
        """JSON merge patch: dicts are merged, lists replaced, None removes. A `resourceVersion` in it guards it."""
        return await self.request(
            "PATCH",
            kind.path(namespace, name, subresource),
            f"{kind.plural}/{subresource}" if subresource else kind.plural,
            body=dict(change),
            content_type="application/merge-patch+json",
        )

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        grace: int | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] | None = None,
    ) -> None:
        """Deletes one object; with `uid` only if it is still that one (ConflictError otherwise)."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options |= {"preconditions": {"uid": uid}} if uid else {}
        options |= {"gracePeriodSeconds": grace} if grace is not None else {}
        options |= {"propagationPolicy": propagation} if propagation else {}
        await self.request("DELETE", kind.path(namespace, name), kind.plural, body=options)

    async def delete_all(self, kind: Kind, namespace: str, labels: str | None = None, grace: int | None = None) -> None:
        """Deletes all objects of a kind in a namespace (that have the labels), in one request."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options |= {"gracePeriodSeconds": grace} if grace is not None else {}
        query = {"labelSelector": labels} if labels else {}
        await self.request("DELETE", kind.path(namespace), kind.plural, query=query, body=options)

    async def discover(self, manifest: Manifest) -> Kind:
        """The kind of any manifest; asks the API server about those that this module does not know.

        Raises:
            InvalidError: when the API server does not know the kind either.
        """
        try:
            return kind_of(manifest)
        except LookupError:
            pass
        version, wanted = str(manifest.get("apiVersion")), str(manifest.get("kind"))
        try:
            found = await self.request("GET", "/api/v1" if version == "v1" else f"/apis/{version}", "discovery")
        except NotFoundError as error:
            raise InvalidError(f"the cluster has no API {version}", 422) from error
        for resource in found.get("resources") or ():
            if resource.get("kind") == wanted and "/" not in resource.get("name", ""):
                return Kind(version, wanted, resource["name"], bool(resource.get("namespaced")))
        raise InvalidError(f"the cluster has no kind {wanted} in {version}", 422)
