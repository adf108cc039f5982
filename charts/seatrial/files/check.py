"""Run by `helm test` inside the cluster: does this installation answer? Standard library only."""

from __future__ import annotations

import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def answer(url: str, **options: Any) -> tuple[int, str]:
    """The status and text that a URL answers with."""
    context = options.pop("context", None)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **options), timeout=20, context=context) as response:  # noqa: S310
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def run(**spec: Any) -> dict[str, Any]:
    """An IntegrationRun with the least that it needs."""
    tests = {"image": "example.invalid/tests:1"}
    return {
        "apiVersion": "seatrial.dev/v1alpha1",
        "kind": "IntegrationRun",
        "metadata": {"name": "helm-test"},
        "spec": {"tests": tests, **spec},
    }


def dry_run(body: dict[str, Any]) -> tuple[int, str]:
    """What the API server says to a run that it shall not keep."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    path = f"/apis/seatrial.dev/v1alpha1/namespaces/{os.environ['NAMESPACE']}/integrationruns"
    return answer(
        f"https://{host}:{port}{path}?dryRun=All&fieldValidation=Strict",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": "application/json"},
        context=ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt")),
    )


def get(variable: str, path: str) -> tuple[int, str]:
    """What a part of this installation answers."""
    return answer(os.environ[variable] + path)


CHECKS: list[tuple[str, int, Callable[[], tuple[int, str]]]] = [
    ("the archive answers", 200, lambda: get("ARCHIVE_URL", "/healthz")),
    ("the operator gives metrics", 200, lambda: get("OPERATOR_URL", "/metrics")),
    ("a run is accepted", 201, lambda: dry_run(run(services={"postgres": {}}))),
    ("a misspelt run is refused", 400, lambda: dry_run(run(servces={"postgres": {}}))),
]


def main() -> int:
    """Makes every check, reports each result, and returns 0 when all are good."""
    good = True
    for text, wanted, check in CHECKS:
        try:
            status, body = check()
        except OSError as error:
            status, body = 0, str(error)
        good &= status == wanted
        print(f"ok: {text}" if status == wanted else f"NOT: {text}: expected HTTP {wanted}, got {status}: {body[:500]}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
