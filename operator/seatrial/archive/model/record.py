"""The record of a run: the operator writes it at each change of the status, the archive keeps the last."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from seatrial.archive.model.errors import InvalidError
from seatrial.archive.model.runs import Component, Timeline


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class Started(_Part):
    """Who started a run."""

    by: str = ""
    program: Annotated[str, Field(alias="with")] = ""
    link: str = ""


class Record(_Part):
    """A run as it is now. What a later operator writes beyond this is ignored."""

    uid: str
    name: str
    namespace: str
    namespace_uid: str = ""
    """Empty: not known."""
    attempt: Annotated[int, Field(ge=0, lt=2**31)] = 1
    created_at: AwareDatetime
    phase: str = ""
    verdict: Literal["Passed", "Failed", "Errored", "Cancelled"] | None = None
    reason: str = ""
    message: str = ""
    labels: dict[str, str] = {}
    started_by: Started = Started()
    environment: str = ""
    spec_hash: str = ""
    spec: dict[str, Any] = {}
    timeline: Timeline = Timeline()
    digest: str = ""
    components: tuple[Component, ...] = ()
    """Of its environment's pods. Not set: nothing is known of them any more, and what the archive knows stays."""

    def to_json(self) -> dict[str, Any]:
        """The JSON object that `parse_record` reads."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def parse_record(value: object, uid: str) -> Record:
    """The record in this JSON value.

    Raises:
        InvalidError: it is none, or one of another run.
    """
    try:
        record = Record.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise InvalidError(f"the record is wrong at {where}: {first['msg']}", "see archive/model/record.py") from error
    if record.uid != uid:
        raise InvalidError(f"the record is of another run than {uid}", "send it to its own run")
    return record
