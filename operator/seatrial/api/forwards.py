"""Ports of 127.0.0.1 that lead to components, as docker-compose publishes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from seatrial.api.base import cel, rules

_NAME = "[a-z]([-a-z0-9]*[a-z0-9])?"
_PORT = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
ForwardTarget = Annotated[str, Field(max_length=104, pattern=rf"^{_NAME}(:{_PORT})?$")]
"""`component` for its main port, or `component:port` with a port's number or name."""
Forwards = Annotated[
    dict[str, ForwardTarget],
    Field(
        max_length=50,
        json_schema_extra=rules(
            cel(
                "self.all(k, k.matches('^[1-9][0-9]{0,4}$') && int(k) <= 65535)",
                'ports are numbers from 1 to 65535, in quotes: {"15432": postgres}',
            )
        ),
    ),
]
