"""The manifest that starts a run again."""

from __future__ import annotations

import yaml

from seatrial.archive.model.runs import RunDetail


def manifest_of(run: RunDetail) -> str:
    """A manifest that starts the same run once more, under a new name."""
    labels = {"labels": dict(run.labels)} if run.labels else {}
    prefix = run.name[:50].rstrip("-.") + "-"
    return yaml.safe_dump(
        {
            "apiVersion": "seatrial.dev/v1alpha1",
            "kind": "IntegrationRun",
            "metadata": {"generateName": prefix, "namespace": run.namespace, **labels},
            "spec": run.spec,
        },
        sort_keys=False,
        allow_unicode=True,
        width=120,
    )
