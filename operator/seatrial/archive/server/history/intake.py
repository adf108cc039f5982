"""Takes records and sets in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    delete,
    exists,
    insert,
    select,
    update,
)

from seatrial.archive.model.json import to_json
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.record import Record
from seatrial.archive.model.summaries import parse_summary
from seatrial.archive.server.history.counts import recount
from seatrial.archive.server.history.database import Database
from seatrial.archive.server.history.schema import EVIDENCE, attempts, components, labels, runs, sets, tests, texts
from seatrial.archive.server.history.text import cleaned
from seatrial.archive.server.history.writing import insert_all, upsert
from seatrial_protocol.summary import Summary

_EMPTY_AT_FIRST = (
    "namespace_uid", "phase", "reason", "message", "started_by", "started_with", "started_link", "spec_hash"
)  # fmt: skip


class Intake:
    """Writes what the operator and the collectors send."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self.database = database
        self._clock = clock

    def put_record(self, record: Record) -> None:
        """Takes the operator's record of a run in place of an earlier one.

        But a record without components leaves those that are known: an operator that was started again knows no pods of
        old runs.
        """
        run = {
            "namespace": record.namespace,
            "name": record.name,
            "created_at": record.created_at,
            "changed_at": self._clock(),
            "recorded": True,
            "attempt": record.attempt,
            "phase": record.phase,
            "verdict": record.verdict,
            "reason": record.reason,
            "message": record.message,
            "labels": record.labels,
            "started_by": record.started_by.by,
            "started_with": record.started_by.program,
            "started_link": record.started_by.link,
            "spec_hash": record.spec_hash,
            "spec": record.spec,
            "started_at": record.timeline.started,
            "ended_at": record.timeline.verdict,
        }
        if record.namespace_uid:  # else it stays as it is: the namespace may be gone by now
            run["namespace_uid"] = record.namespace_uid
        attempt = {
            "verdict": record.verdict,
            "reason": record.reason,
            "message": record.message,
            "environment": record.environment,
            "digest": record.digest,
            "timeline": to_json(record.timeline),
        }
        with self.database.writing() as connection:
            at_first = {"deleted": False, "tests": {}} | ({} if record.namespace_uid else {"namespace_uid": ""})
            upsert(connection, runs, {"uid": record.uid}, run, at_first)
            this = {"uid": record.uid, "attempt": record.attempt}
            upsert(connection, attempts, this, attempt)
            connection.execute(delete(labels).where(labels.c.uid == record.uid))
            insert_all(
                connection,
                labels,
                [{"uid": record.uid, "key": key, "value": value} for key, value in record.labels.items()],
            )
            if not record.components:
                return
            connection.execute(
                delete(components).where(components.c.uid == record.uid, components.c.attempt == record.attempt)
            )
            rows = [{**this, "number": number, **asdict(part)} for number, part in enumerate(record.components)]
            insert_all(connection, components, rows)

    def restore_record(self, record: Record) -> None:
        """Takes the record in the evidence if the operator has sent none of this run: the database was lost."""
        with self.database.reading() as connection:
            recorded = connection.scalar(select(runs.c.recorded).where(runs.c.uid == record.uid))
        if not recorded:
            self.put_record(record)

    def begin_set(self, key: SetKey, digest: str, archived_at: datetime, size: int, summary: Mapping[str, Any]) -> int:
        """Takes a sealed set, in place of what an earlier try left of it; its tests come next.

        Args:
            key: of the set.
            digest: of its manifest.
            archived_at: when it was sealed.
            size: what it takes, in bytes.
            summary: of a shard: its summary.json; of the evidence: nothing.

        Returns:
            What `add_tests` and `end_set` call it.
        """
        shard = EVIDENCE if key.shard is None else key.shard
        this = {"uid": key.uid, "attempt": key.attempt, "shard": shard}
        summary = cleaned(dict(summary))
        with self.database.writing() as connection:
            connection.execute(delete(sets).where(*(sets.c[name] == value for name, value in this.items())))
            ensure_attempt(connection, key, parse_summary(summary)[0], archived_at)
            values = {"digest": digest, "archived_at": archived_at, "size": size, "summary": summary, "ingested": False}
            number = connection.execute(insert(sets).values(**this, **values)).inserted_primary_key
            recount(connection, key.uid)
        assert number is not None
        return int(number[0])

    def add_tests(self, set_id: int, rows: Sequence[Mapping[str, Any]], failures: Sequence[Mapping[str, Any]]) -> None:
        """Adds rows of the tables `tests` and `texts`, without their set_id."""
        with self.database.writing() as connection:
            insert_all(connection, tests, [{"set_id": set_id, **row} for row in rows])
            insert_all(connection, texts, [{"set_id": set_id, **row} for row in failures])

    def end_set(self, set_id: int, problems: Sequence[str] = ()) -> None:
        """All tests of the set are there, but what of its events could not be read: that is in the problems."""
        values = {"ingested": True, "problems": cleaned(list(problems))}
        with self.database.writing() as connection:
            connection.execute(update(sets).where(sets.c.id == set_id).values(**values))

    def ingested(self) -> set[SetKey]:
        """The sets that are here with all their tests."""
        query = select(sets.c.uid, sets.c.attempt, sets.c.shard).where(sets.c.ingested)
        with self.database.reading() as connection:
            return {
                SetKey(row.uid, row.attempt, None if row.shard == EVIDENCE else row.shard)
                for row in connection.execute(query)
            }


def ensure_attempt(connection: Connection, key: SetKey, summary: Summary | None, archived_at: datetime) -> None:
    """Sees to it that the set's run and attempt are there; without a record they are known from the results alone."""
    began = None if summary is None else summary.started_at
    at_first = {
        "namespace": "" if summary is None else summary.run.namespace,
        "name": "" if summary is None else summary.run.name,
        "created_at": archived_at if began is None else datetime.fromtimestamp(began, UTC),
        "recorded": False,
        "deleted": False,
        **dict.fromkeys(_EMPTY_AT_FIRST, ""),
        "attempt": key.attempt,
        "labels": {},
        "spec": {},
        "tests": {},
    }
    upsert(connection, runs, {"uid": key.uid}, {"changed_at": archived_at}, at_first)
    nothing = {**dict.fromkeys(("reason", "message", "environment", "digest"), ""), "timeline": {}}
    this = {"uid": key.uid, "attempt": key.attempt}
    if not connection.scalar(select(exists().where(attempts.c.uid == key.uid, attempts.c.attempt == key.attempt))):
        upsert(connection, attempts, this, nothing)
