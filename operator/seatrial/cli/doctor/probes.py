"""The edge: asks the cluster and the archive, and creates nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from seatrial import __version__
from seatrial.api.names import API_VERSION, GROUP, KIND
from seatrial.api.run import IntegrationRunSpec
from seatrial.archive.client.errors import ArchiveError
from seatrial.cli.connect import SYSTEM_NAMESPACE, Session, explain
from seatrial.cli.doctor import findings
from seatrial.cli.doctor.findings import Finding, State
from seatrial.cli.version import OPERATOR, tag
from seatrial.kube.errors import ClusterError, ForbiddenError, NotFoundError
from seatrial.kube.kinds import DEPLOYMENT, POD, RUN, Kind, Object

_STORAGE_CLASS = Kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
_REVIEW = Kind("authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False)
_VERBS = ("create", "get", "list", "watch", "patch", "delete")
_NO_BUNDLE = "0" * 64
_INSTALL = f"helm install seatrial charts/seatrial --namespace {SYSTEM_NAMESPACE} --create-namespace"


async def look(session: Session) -> list[Finding]:
    """All checks, each once; only the first one where the cluster gives no answer."""
    try:
        version, ahead = await _version(session)
    except ClusterError as error:
        advice = "check the kubeconfig, its context and your network: kubectl cluster-info"
        return [Finding("cluster", State.PROBLEM, error.message, advice)]
    checks: Sequence[tuple[str, Awaitable[Finding]]] = (
        ("rights", _rights(session)),
        ("definition", _definition(session)),
        ("operator", _operator(session)),
        ("archive", _archive(session)),
        ("bundles", _bundles(session)),
        ("images", _images(session)),
        ("dns", _dns(session)),
        ("storage", _storage(session)),
    )
    found = await asyncio.gather(*(_safe(name, check) for name, check in checks))
    return [findings.kubernetes(version), findings.clock(ahead), *found, findings.network_policies()]


async def _safe(name: str, check: Awaitable[Finding]) -> Finding:
    """What could not be seen is said, not guessed."""
    try:
        return await check
    except ForbiddenError as error:
        return Finding(name, State.UNKNOWN, f"you may not look: {error.message}")
    except ClusterError as error:
        return Finding(name, State.UNKNOWN, error.message)


async def _version(session: Session) -> tuple[Object, float | None]:
    """The API server's version, and by how many seconds its clock is ahead."""
    before = time.time()
    answer = await session.cluster.open("GET", "/version")
    try:
        now = (before + time.time()) / 2
        date = answer.headers.get("Date")
        ahead = parsedate_to_datetime(date).timestamp() + 0.5 - now if date else None
        return dict(await answer.json(content_type=None) or {}), ahead
    except ValueError:
        return {}, None
    finally:
        answer.close()


async def _rights(session: Session) -> Finding:
    async def allowed(verb: str) -> bool:
        asked = {
            "namespace": session.namespace,
            "verb": verb,
            "group": GROUP,
            "resource": RUN.plural,
        }
        body = {"apiVersion": _REVIEW.api_version, "kind": _REVIEW.kind, "spec": {"resourceAttributes": asked}}
        answer = await session.cluster.request("POST", _REVIEW.path(None), _REVIEW.plural, body=body)
        return bool((answer.get("status") or {}).get("allowed"))

    answers = await asyncio.gather(*map(allowed, _VERBS))
    denied = [f"{verb} {RUN.plural}" for verb, yes in zip(_VERBS, answers, strict=True) if not yes]
    return findings.rights(session.namespace, denied)


async def _definition(session: Session) -> Finding:
    try:
        body = await session.cluster.request("GET", f"/openapi/v3/apis/{API_VERSION}", "openapi")
    except NotFoundError:
        return Finding("definition", State.PROBLEM, f"the cluster knows no {API_VERSION}", _INSTALL)
    schemas: dict[str, Any] = (body.get("components") or {}).get("schemas") or {}
    schema: dict[str, Any] = next((each for name, each in schemas.items() if name.endswith(f".{KIND}")), {})
    spec = ((schema.get("properties") or {}).get("spec") or {}).get("properties") or {}
    own = [field.alias or name for name, field in IntegrationRunSpec.model_fields.items()]
    return findings.definition(spec, own, SYSTEM_NAMESPACE)


async def _operator(session: Session) -> Finding:
    try:
        body = await session.cluster.get(DEPLOYMENT, OPERATOR, SYSTEM_NAMESPACE)
    except NotFoundError:
        return Finding("operator", State.PROBLEM, f"it is not installed in {SYSTEM_NAMESPACE}", _INSTALL)
    image = body["spec"]["template"]["spec"]["containers"][0]["image"]
    return findings.deployment("operator", body, __version__, tag(image), SYSTEM_NAMESPACE)


async def _archive(session: Session) -> Finding:
    try:
        await session.archive.find(session.namespace, "none")
    except ArchiveError as error:
        advice = f"kubectl get pods -l app.kubernetes.io/component=archive -n {SYSTEM_NAMESPACE}"
        return Finding("archive", State.PROBLEM, explain(error), advice)
    return Finding("archive", State.OK, "the archive answers, and you may read it")


async def _bundles(session: Session) -> Finding:
    try:
        await session.archive.has_bundle(session.namespace, _NO_BUNDLE)
    except ArchiveError as error:
        advice = "runs without spec.code need none of it"
        return Finding("bundles", State.WARNING, f"code can't be uploaded: {explain(error)}", advice)
    return Finding("bundles", State.OK, f"you may upload code for runs in namespace {session.namespace}")


async def _images(session: Session) -> Finding:
    return findings.images(await session.cluster.list(POD, SYSTEM_NAMESPACE), SYSTEM_NAMESPACE)


async def _dns(session: Session) -> Finding:
    return findings.dns(await session.cluster.list(POD, "kube-system", labels="k8s-app=kube-dns"))


async def _storage(session: Session) -> Finding:
    return findings.storage(await session.cluster.list(_STORAGE_CLASS))
