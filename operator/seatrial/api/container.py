"""What services, migrations, apps and tests share: variables, resources, references to ConfigMaps."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from seatrial.api.base import Model, cel, list_map, rules
from seatrial.api.scalars import ObjectName, Quantity, Word


class EnvVar(Model):
    """One environment variable. `$(NAME)` in a value stands for a variable that comes earlier in the list."""

    name: Annotated[str, Field(max_length=253, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
    """Its name. Names that begin with `SEATRIAL_` are taken."""
    value: Annotated[str, Field(max_length=32768)] = ""
    """Its value; `$$(NAME)` is a literal `$(NAME)`. There is no `valueFrom`: a run reads no Secrets."""


Env = Annotated[tuple[EnvVar, ...], Field(max_length=200, json_schema_extra=list_map("name"))]
Command = Annotated[tuple[Word, ...], Field(max_length=100)]

_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DEVICE = rf"^{_LABEL}([.]{_LABEL})*/[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$"
_IS_DEVICE = f"k.size() <= 200 && k.matches('{_DEVICE}') && !k.contains('kubernetes.io/') && !k.startsWith('requests.')"
Quantities = Annotated[
    dict[str, Quantity],
    Field(
        max_length=8,
        json_schema_extra=rules(
            cel(
                f"self.all(k, k in {list(_RESOURCES)} || ({_IS_DEVICE}))",
                f"resources are {', '.join(_RESOURCES)}, and those of devices such as vendor.example/gpu",
            ),
            cel(
                "self.all(k, !k.contains('/') || string(self[k]).matches('^[0-9]+$'))",
                "devices are counted in whole numbers",
            ),
        ),
    ),
]


class Resources(Model):
    """What the container asks for and may use at most, as in a Pod."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.requests) || self.requests.all(k, !k.contains('/') || "
                "(has(self.limits) && k in self.limits && string(self.limits[k]) == string(self.requests[k])))",
                "devices have the same number in requests and limits",
            )
        )
    )
    requests: Quantities = {}
    """What is set aside for it, such as `cpu: 100m`, `memory: 256Mi`."""
    limits: Quantities = {}
    """What it may use at most. More memory than this ends the container, more `ephemeral-storage` its pod."""


_PART = r"\.?[^./:\x00-\x1f][^/:\x00-\x1f]*"


class ConfigMapItem(Model):
    """One key of a ConfigMap and where its file is."""

    key: Annotated[str, Field(max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """The key."""
    path: Annotated[str, Field(max_length=512, pattern=rf"^{_PART}(/{_PART})*$")]
    """Where its file is, with folders: `unit/test_orders.py`. No part is `.` or begins with `..`."""


class ConfigMapRef(Model):
    """A ConfigMap in the run's own namespace."""

    name: ObjectName
    """Its name. It is copied into the environment when the run starts."""
    items: Annotated[tuple[ConfigMapItem, ...], Field(max_length=500, json_schema_extra=list_map("path"))] = ()
    """The keys that count, each with the path of its file, as in a volume of a Pod. Without them every key is a file of
    that name."""


class FileSource(Model):
    """Where files come from."""

    model_config = ConfigDict(json_schema_extra=rules(cel("has(self.configMapRef)", "give configMapRef: {name: ...}")))
    config_map_ref: ConfigMapRef | None = None
    """A ConfigMap in the run's own namespace whose keys are the files' names, unless `items` says more."""

    @property
    def config_map(self) -> str:
        """The ConfigMap's name. Empty in a run of version 0.1.0: the API server has dropped its old field."""
        return self.config_map_ref.name if self.config_map_ref else ""

    @property
    def items(self) -> tuple[ConfigMapItem, ...]:
        """The keys that count and their paths; empty: all, under their own names."""
        return self.config_map_ref.items if self.config_map_ref else ()
