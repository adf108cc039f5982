"""All reads and writes of the history. Every method blocks: call it in a thread. Each raises UnavailableError while the database can't be
reached.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    case,
    delete,
    exists,
    false,
    func,
    insert,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from seatrial.archive.model.errors import InvalidError
from seatrial.archive.model.json import to_json
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.questions import RunFilter, TestFilter, TestOrder
from seatrial.archive.model.record import Record
from seatrial.archive.model.runs import (
    Attempt,
    Component,
    Counts,
    Evidence,
    RunDetail,
    RunPage,
    RunRow,
    Shard,
    Timeline,
)
from seatrial.archive.model.tests import DurationRow, FailureText, FlakyTest, TestHistory, TestPage, TestPoint, TestRow
from seatrial.archive.server.history.database import Database
from seatrial.archive.server.history.schema import EVIDENCE, attempts, components, labels, runs, sets, tests, texts

GONE = "Deleted"
"""Phase of a run that was deleted before it had a verdict."""
PASSED = ("passed", "xpassed")
AnyRow = Row[*tuple[Any, ...]]

_LONGEST_ID = 2_000  # bytes; PostgreSQL indexes no more than 2,700
_PASSES_FOR_A_DURATION = 5
_NOT_DELETED = runs.c.deleted.is_(False)
_ACTIVE = and_(runs.c.verdict.is_(None), runs.c.phase != GONE)
_RUN_COLUMNS = [runs.c[field.name] for field in fields(RunRow)]
_TEST_COLUMNS = [
    sets.c.uid,
    sets.c.attempt,
    sets.c.shard,
    tests.c.test_id.label("id"),
    *(
        tests.c[field.name]
        for field in fields(TestRow)
        if field.name not in ("uid", "attempt", "shard", "id", "failures")
    ),
]
# What a shard's outcome says of the run, where no record does.
_VERDICTS = {"passed": ("Passed", "TestsPassed"), "failed": ("Failed", "TestsFailed")}


@dataclass(frozen=True, slots=True)
class Kept:
    """A run in the archive, as far as retention goes by it."""

    uid: str
    size: int
    """Of its complete sets, in bytes."""
    heard: float
    """When its record or one of its sets came last, in unix seconds."""
    active: bool
    """It has no verdict yet, and may still get one."""


class History:
    """The history in one database."""

    def __init__(self, url: URL, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Connects to nothing yet; `migrate` comes first."""
        self.database = Database(url)
        self._clock = clock

    def migrate(self) -> None:
        """Brings the tables up to date.

        Raises:
            RuntimeError: a newer version made them.
        """
        self.database.migrate()

    def close(self) -> None:
        """Closes all connections."""
        self.database.close()

    # Runs

    def runs(self, filter: RunFilter, limit: int, cursor: str | None = None) -> RunPage:
        """Runs, the newest first.

        Raises:
            InvalidError: the cursor is none of ours.
        """
        wanted = _matching(filter)
        query = select(*_RUN_COLUMNS).where(*wanted).order_by(runs.c.created_at.desc(), runs.c.uid.desc())
        if cursor is not None:
            at, uid = _run_cursor(cursor)
            query = query.where(or_(runs.c.created_at < at, and_(runs.c.created_at == at, runs.c.uid < uid)))
        with self.database.reading() as connection:
            total = connection.scalar(select(func.count()).select_from(runs).where(*wanted)) or 0
            rows = [_run_row(row) for row in connection.execute(query.limit(limit + 1))]
        more = len(rows) > limit
        rows = rows[:limit]
        following = _cursor(f"{rows[-1].created_at.isoformat()} {rows[-1].uid}") if more else None
        return RunPage(tuple(rows), following, total)

    def run(self, uid: str) -> RunDetail | None:
        """All of one run but its tests; None if it is unknown."""
        with self.database.reading() as connection:
            found = connection.execute(select(runs).where(runs.c.uid == uid, _NOT_DELETED)).first()
            if found is None:
                return None
            of_run = {
                table: connection.execute(select(table).where(table.c.uid == uid).order_by(*table.primary_key)).all()
                for table in (attempts, components)
            }
            its_sets = connection.execute(select(sets).where(sets.c.uid == uid).order_by(sets.c.shard)).all()
        tried = tuple(
            _attempt(
                row,
                [part for part in of_run[components] if part.attempt == row.attempt],
                [part for part in its_sets if part.attempt == row.attempt],
            )
            for row in of_run[attempts]
        )
        return RunDetail(**_run_values(found), spec=found.spec, attempts=tried)

    def namespace(self, uid: str) -> str | None:
        """The namespace of a run; None if the run is unknown."""
        with self.database.reading() as connection:
            return connection.scalar(select(runs.c.namespace).where(runs.c.uid == uid, _NOT_DELETED))

    def namespaces(self) -> frozenset[str]:
        """All namespaces that have runs here."""
        with self.database.reading() as connection:
            return frozenset(connection.scalars(select(runs.c.namespace).where(_NOT_DELETED).distinct()))

    # Tests

    def tests(
        self, uid: str, filter: TestFilter, limit: int, cursor: str | None = None, order: TestOrder = "bad-first"
    ) -> TestPage:
        """Tests of one attempt of a run.

        Raises:
            InvalidError: the cursor is none of ours.
        """
        offset = _offset(cursor)
        joined = tests.join(sets).join(runs, runs.c.uid == sets.c.uid)
        attempt: Any = filter.attempt
        if attempt is None:
            attempt = (
                select(func.max(sets.c.attempt)).where(sets.c.uid == uid, sets.c.shard != EVIDENCE).scalar_subquery()
            )
        wanted = [_NOT_DELETED, sets.c.uid == uid, sets.c.attempt == attempt]
        if filter.outcome == "bad":
            wanted.append(tests.c.bad)
        elif filter.outcome == "flaky":
            wanted.append(tests.c.flaky)
        elif filter.outcome is not None:
            wanted.append(tests.c.outcome == filter.outcome)
        if filter.text:
            wanted.append(
                or_(*(c.icontains(filter.text, autoescape=True) for c in (tests.c.test_id, tests.c.catalogue_id)))
            )
        by_place: list[ColumnElement[Any]] = [sets.c.shard, tests.c.number]
        ordered: dict[TestOrder, list[ColumnElement[Any]]] = {
            "bad-first": [case((tests.c.bad, 0), (tests.c.flaky, 1), else_=2), *by_place],
            "duration": [tests.c.seconds.desc(), *by_place],
            "id": [tests.c.test_id, *by_place],
        }
        query = select(*_TEST_COLUMNS).select_from(joined).where(*wanted).order_by(*ordered[order])
        with self.database.reading() as connection:
            total = connection.scalar(select(func.count()).select_from(joined).where(*wanted)) or 0
            rows = [_test_row(row) for row in connection.execute(query.offset(offset).limit(limit))]
        end = offset + len(rows)
        return TestPage(tuple(rows), _cursor(str(end)) if end < total else None, total)

    def test(self, uid: str, attempt: int, test_id: str) -> TestRow | None:
        """One test with the texts of its failures; None if it is unknown."""
        joined = tests.join(sets).join(runs, runs.c.uid == sets.c.uid).outerjoin(texts)
        query = (
            select(*_TEST_COLUMNS, texts.c.failures)
            .select_from(joined)
            .where(_NOT_DELETED, sets.c.uid == uid, sets.c.attempt == attempt, tests.c.test_id == bounded_id(test_id))
            .order_by(sets.c.shard.desc(), tests.c.number.desc())
        )
        with self.database.reading() as connection:
            row = connection.execute(query.limit(1)).first()
        return None if row is None else _test_row(row)

    def test_history(self, namespace: str, test_id: str, limit: int) -> TestHistory:
        """How a test went in the last runs of a namespace; without points if it is unknown."""
        at = func.coalesce(tests.c.started_at, runs.c.created_at).label("at")
        query = (
            select(
                *(tests.c[name] for name in ("outcome", "bad", "seconds", "flaky", "message", "catalogue_id")),
                *(sets.c[name] for name in ("uid", "attempt", "shard")),
                *(runs.c.name.label("run"), runs.c.spec_hash, at),
            )
            .select_from(tests.join(sets).join(runs, runs.c.uid == sets.c.uid))
            .where(_NOT_DELETED, runs.c.namespace == namespace, tests.c.test_id == bounded_id(test_id))
            .order_by(at.desc())
        )
        with self.database.reading() as connection:
            rows = connection.execute(query.limit(limit)).all()
        points = tuple(
            TestPoint(**{field.name: getattr(row, field.name) for field in fields(TestPoint)}) for row in rows
        )
        passes = [point.seconds for point in points if point.outcome in PASSED]
        return TestHistory(
            namespace=namespace,
            id=test_id,
            catalogue_id=next((row.catalogue_id for row in rows if row.catalogue_id), None),
            points=points,
            passed=len(passes),
            bad=sum(row.bad for row in rows),
            flaky=sum(row.flaky for row in rows),
            median_seconds=statistics.median(passes) if passes else None,
        )

    def flaky(self, namespaces: frozenset[str] | None, since: datetime, limit: int) -> list[FlakyTest]:
        """Tests that passed when run again, or passed and failed on the same spec; the flakiest first.

        Args:
            namespaces: those that the reader may see; None: all.
            since: only runs created at this moment or later.
            limit: how many.
        """
        joined = tests.join(sets).join(runs, runs.c.uid == sets.c.uid)
        wanted = [_NOT_DELETED, runs.c.created_at >= since, _in_namespaces(namespaces)]
        suspicious = or_(tests.c.bad, tests.c.flaky)
        by_test = (runs.c.namespace, tests.c.test_id)
        of_spec = (
            select(
                *by_test,
                runs.c.spec_hash,
                func.max(tests.c.catalogue_id).label("catalogue_id"),
                *(
                    func.sum(case((condition, 1), else_=0)).label(name)
                    for name, condition in (
                        ("passed", tests.c.outcome.in_(PASSED)), ("bad", tests.c.bad), ("flaky", tests.c.flaky)
                    )
                ),
            )
            .select_from(joined)
            .where(*wanted, tests.c.test_id.in_(select(tests.c.test_id).where(suspicious)))
            .group_by(*by_test, runs.c.spec_hash)
            .subquery()
        )  # fmt: skip
        both_ways = case(
            (of_spec.c.spec_hash == "", 0), (of_spec.c.passed < of_spec.c.bad, of_spec.c.passed), else_=of_spec.c.bad
        )
        flaked, passed, bad = (
            func.sum(each) for each in (of_spec.c.flaky + both_ways, of_spec.c.passed, of_spec.c.bad)
        )
        rate = flaked / case((passed + bad > 0, passed + bad), else_=1)
        query = (
            select(
                of_spec.c.namespace,
                of_spec.c.test_id,
                func.max(of_spec.c.catalogue_id).label("catalogue_id"),
                *(flaked.label("flaked"), passed.label("passed"), bad.label("bad")),
            )
            .group_by(of_spec.c.namespace, of_spec.c.test_id)
            .having(flaked > 0)
            .order_by(flaked.desc(), rate.desc(), of_spec.c.namespace, of_spec.c.test_id)
        )
        with self.database.reading() as connection:
            found = connection.execute(query.limit(limit)).all()
            return [self._flaky_test(connection, counted, joined, wanted) for counted in found]

    @staticmethod
    def _flaky_test(connection: Connection, counted: AnyRow, joined: Any, wanted: Iterable[Any]) -> FlakyTest:
        last = connection.execute(
            select(runs.c.created_at, runs.c.uid, tests.c.message)
            .select_from(joined)
            .where(
                *wanted,
                runs.c.namespace == counted.namespace,
                tests.c.test_id == counted.test_id,
                or_(tests.c.bad, tests.c.flaky),
            )
            .order_by(runs.c.created_at.desc())
            .limit(1)
        ).one()
        return FlakyTest(
            counted.namespace, counted.test_id, counted.catalogue_id, int(counted.flaked), int(counted.passed),
            int(counted.bad), last.created_at, last.uid, last.message,
        )  # fmt: skip

    def durations(
        self, namespace: str, name: str | None = None, labels: Sequence[tuple[str, str]] = (), runs_back: int = 10
    ) -> list[DurationRow]:
        """How long each test takes when it passes: the median of its last five passes, the longest first.

        Args:
            namespace: of the runs.
            name: only runs of this name.
            labels: only runs that have these labels.
            runs_back: how many of these runs, the newest ones.
        """
        wanted = _matching(RunFilter(namespace=namespace, name=name, labels=tuple(labels)))
        lately = (
            select(runs.c.uid, runs.c.created_at)
            .where(*wanted, exists().where(sets.c.uid == runs.c.uid, sets.c.shard != EVIDENCE))
            .order_by(runs.c.created_at.desc(), runs.c.uid.desc())
            .limit(runs_back)
            .subquery()
        )
        newest_first = (
            lately.c.created_at.desc(), sets.c.attempt.desc(), tests.c.set_id.desc(), tests.c.number.desc()
        )  # fmt: skip
        passes = (
            select(
                tests.c.test_id,
                tests.c.seconds,
                func.row_number().over(partition_by=tests.c.test_id, order_by=newest_first).label("age"),
            )
            .select_from(tests.join(sets).join(lately, lately.c.uid == sets.c.uid))
            .where(tests.c.outcome.in_(PASSED))
            .subquery()
        )
        last = (
            select(
                passes.c.test_id,
                passes.c.seconds,
                func.row_number().over(partition_by=passes.c.test_id, order_by=passes.c.seconds).label("place"),
                func.count().over(partition_by=passes.c.test_id).label("number"),
            )
            .where(passes.c.age <= _PASSES_FOR_A_DURATION)
            .subquery()
        )
        median = func.avg(last.c.seconds)
        query = (
            select(last.c.test_id, median, func.max(last.c.number))
            .where((2 * last.c.place).between(last.c.number, last.c.number + 2))  # the one in the middle, or both
            .group_by(last.c.test_id)
            .order_by(median.desc(), last.c.test_id)
        )
        with self.database.reading() as connection:
            return [DurationRow(*row) for row in connection.execute(query)]

    # Writing

    def put_record(self, record: Record) -> None:
        """Takes what the operator tells of a run; what it told before is forgotten.

        But a record without components leaves those that are known: an operator that was started again knows no pods of old runs.
        """
        run = {
            "namespace": record.namespace,
            "name": record.name,
            "created_at": record.created_at,
            "heard_at": self._clock(),
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
        attempt = {
            "verdict": record.verdict,
            "reason": record.reason,
            "message": record.message,
            "environment": record.environment,
            "digest": record.digest,
            "timeline": to_json(record.timeline),
        }
        with self.database.writing() as connection:
            _upsert(connection, runs, {"uid": record.uid}, run, {"deleted": False, "tests": {}})
            this = {"uid": record.uid, "attempt": record.attempt}
            _upsert(connection, attempts, this, attempt)
            connection.execute(delete(labels).where(labels.c.uid == record.uid))
            _insert_all(
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
            _insert_all(connection, components, rows)

    def restore_record(self, record: Record) -> None:
        """Takes the record that lies in the evidence, if the operator has told nothing of this run: the database was lost."""
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
        summary = _clean(dict(summary))
        with self.database.writing() as connection:
            connection.execute(delete(sets).where(*(sets.c[name] == value for name, value in this.items())))
            _touch(connection, key, summary, archived_at)
            values = {"digest": digest, "archived_at": archived_at, "size": size, "summary": summary, "ingested": False}
            number = connection.execute(insert(sets).values(**this, **values)).inserted_primary_key
            _count_again(connection, key.uid)
        assert number is not None
        return int(number[0])

    def add_tests(self, set_id: int, rows: Sequence[Mapping[str, Any]], failures: Sequence[Mapping[str, Any]]) -> None:
        """Adds rows of the tables `tests` and `texts`, without their set_id."""
        with self.database.writing() as connection:
            _insert_all(connection, tests, [{"set_id": set_id, **row} for row in rows])
            _insert_all(connection, texts, [{"set_id": set_id, **row} for row in failures])

    def end_set(self, set_id: int) -> None:
        """All tests of the set are there."""
        with self.database.writing() as connection:
            connection.execute(update(sets).where(sets.c.id == set_id).values(ingested=True))

    def ingested(self) -> set[SetKey]:
        """The sets that are here with all their tests."""
        query = select(sets.c.uid, sets.c.attempt, sets.c.shard).where(sets.c.ingested)
        with self.database.reading() as connection:
            return {
                SetKey(row.uid, row.attempt, None if row.shard == EVIDENCE else row.shard)
                for row in connection.execute(query)
            }

    # Retention

    def uids(self) -> list[str]:
        """All runs that are not marked deleted."""
        with self.database.reading() as connection:
            return list(connection.scalars(select(runs.c.uid).where(_NOT_DELETED)))

    def unknown(self, uids: Sequence[str]) -> set[str]:
        """Those of these runs that are not here, not even marked deleted."""
        with self.database.reading() as connection:
            return set(uids) - set(connection.scalars(select(runs.c.uid).where(runs.c.uid.in_(uids))))

    def kept(self) -> tuple[int, int]:
        """How many runs have complete sets, and what these take in bytes."""
        query = select(func.count(sets.c.uid.distinct()), func.coalesce(func.sum(sets.c.size), 0))
        with self.database.reading() as connection:
            number, size = connection.execute(query.join(runs, runs.c.uid == sets.c.uid).where(_NOT_DELETED)).one()
        return number, int(size)

    def least_heard(self, before: float, limit: int, after: Kept | None = None) -> list[Kept]:
        """Runs of which nothing was heard for longest.

        Args:
            before: only those that were heard last before this moment, in unix seconds.
            limit: how many.
            after: only those that follow this one.
        """
        size = select(func.coalesce(func.sum(sets.c.size), 0)).where(sets.c.uid == runs.c.uid).scalar_subquery()
        query = (
            select(runs.c.uid, size.label("size"), runs.c.heard_at, _ACTIVE.label("active"))
            .where(_NOT_DELETED, runs.c.heard_at < datetime.fromtimestamp(before, UTC))
            .order_by(runs.c.heard_at, runs.c.uid)
        )
        if after is not None:
            at = datetime.fromtimestamp(after.heard, UTC)
            query = query.where(or_(runs.c.heard_at > at, and_(runs.c.heard_at == at, runs.c.uid > after.uid)))
        with self.database.reading() as connection:
            rows = connection.execute(query.limit(limit)).all()
        return [Kept(row.uid, int(row.size), row.heard_at.timestamp(), bool(row.active)) for row in rows]

    def mark_deleted(self, uids: Sequence[str]) -> None:
        """From now on these runs are shown nowhere."""
        with self.database.writing() as connection:
            connection.execute(update(runs).where(runs.c.uid.in_(uids)).values(deleted=True))

    def is_deleted(self, uid: str) -> bool:
        """Whether the run is marked so."""
        with self.database.reading() as connection:
            return bool(connection.scalar(select(runs.c.deleted).where(runs.c.uid == uid)))

    def marked_deleted(self) -> list[str]:
        """The runs that are marked so."""
        with self.database.reading() as connection:
            return list(connection.scalars(select(runs.c.uid).where(runs.c.deleted)))

    def forget(self, uid: str) -> None:
        """Deletes the run and all that hangs on it; nothing if it is unknown."""
        with self.database.writing() as connection:
            connection.execute(delete(runs).where(runs.c.uid == uid))


def bounded_id(test_id: str) -> str:
    """The node id as the database holds it: the same, unless it is too long for an index."""
    test_id = clean(test_id)
    encoded = test_id.encode()
    if len(encoded) <= _LONGEST_ID:
        return test_id
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{encoded[: _LONGEST_ID - 20].decode(errors='ignore')}...{digest}"


def clean(text: str) -> str:
    """The text without what PostgreSQL and UTF-8 can't hold."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


# Rows to views


def _run_values(row: AnyRow) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in _RUN_COLUMNS} | {"tests": Counts(**row.tests)}


def _run_row(row: AnyRow) -> RunRow:
    return RunRow(**_run_values(row))


def _attempt(row: AnyRow, parts: Sequence[AnyRow], its_sets: Sequence[AnyRow]) -> Attempt:
    evidence = next((part for part in its_sets if part.shard == EVIDENCE), None)
    return Attempt(
        attempt=row.attempt,
        verdict=row.verdict,
        reason=row.reason,
        message=row.message,
        environment=row.environment,
        digest=row.digest,
        timeline=Timeline(**row.timeline),
        components=tuple(
            Component(**{field.name: getattr(part, field.name) for field in fields(Component)}) for part in parts
        ),
        shards=tuple(
            Shard(part.shard, True, part.digest, part.archived_at, part.summary)
            for part in its_sets
            if part.shard != EVIDENCE
        ),
        evidence=None if evidence is None else Evidence(evidence.digest, evidence.archived_at),
    )


def _test_row(row: AnyRow) -> TestRow:
    values = dict(row._mapping)
    values["markers"] = tuple(values["markers"])
    values["failures"] = tuple(FailureText(**failure) for failure in values.get("failures") or ())
    return TestRow(**values)


# Questions


def _matching(filter: RunFilter) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [_NOT_DELETED, _in_namespaces(filter.namespaces)]
    wanted += [
        runs.c[name] == value
        for name in ("namespace", "name", "verdict", "reason")
        if (value := getattr(filter, name)) is not None
    ]
    wanted += [
        exists().where(labels.c.uid == runs.c.uid, labels.c.key == key, labels.c.value == value)
        for key, value in filter.labels
    ]
    if filter.since is not None:
        wanted.append(runs.c.created_at >= filter.since)
    if filter.until is not None:
        wanted.append(runs.c.created_at < filter.until)
    if filter.active is not None:
        wanted.append(_ACTIVE if filter.active else not_(_ACTIVE))
    if filter.text:
        text = filter.text
        wanted.append(or_(*(c.icontains(text, autoescape=True) for c in (runs.c.name, runs.c.message))))
    if filter.image:
        image = filter.image
        named = or_(*(c.contains(image, autoescape=True) for c in (components.c.image, components.c.image_id)))
        wanted.append(exists().where(components.c.uid == runs.c.uid, named))
    return wanted


def _in_namespaces(namespaces: frozenset[str] | None) -> ColumnElement[bool]:
    if namespaces is None:
        return true()
    return runs.c.namespace.in_(sorted(namespaces)) if namespaces else false()


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise _no_cursor() from error


def _run_cursor(cursor: str) -> tuple[datetime, str]:
    at, _, uid = _read_cursor(cursor).partition(" ")
    try:
        return datetime.fromisoformat(at), uid
    except ValueError as error:
        raise _no_cursor() from error


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    text = _read_cursor(cursor)
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise _no_cursor()
    return int(text)


def _no_cursor() -> InvalidError:
    return InvalidError("the cursor is none that this list gave", "leave it out for the first page")


# Writing


def _insert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), [_clean(dict(row)) for row in rows])


def _upsert(
    connection: Connection,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    at_first: Mapping[str, Any] | None = None,
) -> None:
    """Inserts a row, or changes the values of the one that is there; `at_first` counts only for a new row."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    changed = _clean(dict(values))
    statement = dialect.insert(table).values(**key, **changed, **(at_first or {}))
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changed))


def _clean(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(key): _clean(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_clean(inner) for inner in value]
    return value


def _touch(connection: Connection, key: SetKey, summary: Mapping[str, Any], archived_at: datetime) -> None:
    """Sees to it that the set's run and attempt are there; without a record they are known from the results alone."""
    run = summary.get("run")
    run = run if isinstance(run, dict) else {}
    began = summary.get("startedAt")
    at_first = {
        "namespace": str(run.get("namespace") or ""),
        "name": str(run.get("name") or ""),
        "created_at": datetime.fromtimestamp(began, UTC) if isinstance(began, int | float) else archived_at,
        "recorded": False,
        "deleted": False,
        **dict.fromkeys(("phase", "reason", "message", "started_by", "started_with", "started_link", "spec_hash"), ""),
        "attempt": key.attempt,
        "labels": {},
        "spec": {},
        "tests": {},
    }
    _upsert(connection, runs, {"uid": key.uid}, {"heard_at": archived_at}, at_first)
    nothing = {**dict.fromkeys(("reason", "message", "environment", "digest"), ""), "timeline": {}}
    this = {"uid": key.uid, "attempt": key.attempt}
    if not connection.scalar(select(exists().where(attempts.c.uid == key.uid, attempts.c.attempt == key.attempt))):
        _upsert(connection, attempts, this, nothing)


def _count_again(connection: Connection, uid: str) -> None:
    """Sums the counts of the last attempt's shards; without a record, takes the verdict from them too."""
    query = select(sets.c.attempt, sets.c.summary).where(sets.c.uid == uid, sets.c.shard != EVIDENCE)
    found = connection.execute(query).all()
    if not found:
        return
    last = max(row.attempt for row in found)
    summaries = [row.summary for row in found if row.attempt == last]
    connection.execute(update(runs).where(runs.c.uid == uid).values(tests=_counts(summaries)))
    outcomes = [str(summary.get("outcome")) for summary in summaries]
    worst = next((outcome for outcome in outcomes if outcome not in _VERDICTS), None) or (
        "failed" if "failed" in outcomes else "passed"
    )
    verdict, reason = _VERDICTS.get(worst, ("Errored", worst))
    told = {"attempt": last, "phase": verdict, "verdict": verdict, "reason": reason}
    connection.execute(update(runs).where(runs.c.uid == uid, runs.c.recorded.is_(False)).values(**told))


def _counts(summaries: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    counted = dict.fromkeys((field.name for field in fields(Counts)), 0)
    for summary in summaries:
        told = summary.get("tests")
        for name in counted:
            number = told.get(name) if isinstance(told, dict) else None
            counted[name] += number if isinstance(number, int) and 0 <= number < 2**31 else 0
    return counted
