"""The CustomResourceDefinition."""

from __future__ import annotations

from typing import Any

import yaml

from seatrial.api.names import GROUP, KIND, PLURAL, VERSION
from seatrial.api.run import IntegrationRun, IntegrationRunSpec
from seatrial.api.status import IntegrationRunStatus
from seatrial.generate.structural import of_model, without_defaults

_SUCCEEDED = '.status.conditions[?(@.type=="Succeeded")]'
COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "priority": 1},
    {"name": "Verdict", "type": "string", "jsonPath": ".status.verdict"},
    {"name": "Tests", "type": "string", "jsonPath": ".status.testsSummary", "description": "passed of total"},
    {
        "name": "Reason",
        "type": "string",
        "jsonPath": _SUCCEEDED + ".reason",
        "description": "until the verdict: the phase",
    },
    {"name": "Duration", "type": "string", "jsonPath": ".status.duration", "description": "creation to verdict"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Message", "type": "string", "jsonPath": ".status.message", "priority": 1},
    {"name": "Environment", "type": "string", "jsonPath": ".status.namespace", "priority": 1},
)


class _PlainDumper(yaml.SafeDumper):
    """YAML without anchors: the same rule twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def crd() -> dict[str, Any]:
    """The CustomResourceDefinition as a dict."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["irun"],
                "categories": ["seatrial"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(COLUMNS),
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "description": IntegrationRun.__doc__,
                            "required": ["spec"],
                            "properties": {
                                "apiVersion": {"type": "string"},
                                "kind": {"type": "string"},
                                "metadata": {"type": "object"},
                                "spec": of_model(IntegrationRunSpec),
                                # a status has only what the operator wrote
                                "status": without_defaults(of_model(IntegrationRunStatus)),
                            },
                        }
                    },
                }
            ],
        },
    }


def text() -> str:
    """The CRD as YAML, with a line about where it comes from."""
    body = yaml.dump(crd(), Dumper=_PlainDumper, sort_keys=False, width=120, allow_unicode=True)
    return f"# Generated from operator/seatrial/api by `python -m seatrial.generate`; do not edit.\n{body}"
