"""Stage: store. The audit trail: rows are only ever added, each bound to all before it by a digest.

Ids count 1, 2, 3, ... without a gap, so that a row's place is bound too. The digest is over JSON with sorted keys; the
detail is stored as exactly that JSON, which lets a check take the stored bytes as they are.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, LargeBinary, Text, cast, func, insert, select, update

from triage.store import tables as t
from triage.store.database import reading, writing
from triage.store.rows import Part

_BATCH = 10_000
_TIME = "0000-00-00 00:00:00.000000"  # how SQLite keeps times, and how PostgreSQL is asked for them
_HEAD_ID = 1


class Audit(Part):
    """Adding to the trail and checking it."""

    def record_event(self, event: str, study_instance_uid: str | None, detail: dict[str, Any]) -> None:
        """Adds one event in a transaction of its own. `detail` holds plain JSON values and no patient's name."""
        with writing(self._engine) as connection:
            append(connection, self._now(), event, study_instance_uid, detail)

    def verify_audit(self) -> int | None:
        """The id of the first row that was changed or follows a removed one; 0 if rows are missing at the end.

        None if the trail is whole. Rows are streamed as they are stored, at about 100,000 a second.
        """
        digest = ""
        length = 0
        with reading(self._engine) as connection:
            for id_, *stored in _stored_rows(connection):
                length += 1
                if id_ != length or not _fits(digest, *stored):
                    return int(id_)
                digest = stored[-1].decode()
            columns = t.audit_head.c
            statement = select(columns.id, stored_bytes(connection, columns.digest), columns.length)
            head = [tuple(row) for row in connection.execute(statement)]
        return None if head == [(_HEAD_ID, digest.encode(), length)] else 0


def append(
    connection: Connection, at: datetime, event: str, study_instance_uid: str | None, detail: dict[str, Any]
) -> None:
    """Adds one event within the caller's transaction; the last thing to lock there, so that no two wait in a ring."""
    head = connection.execute(select(t.audit_head).with_for_update()).one()
    detail = json.loads(json.dumps(detail, sort_keys=True, default=str, allow_nan=False))
    digest = chain_digest(head.digest, at, event, study_instance_uid, detail)
    row = {"at": at, "event": event, "study_instance_uid": study_instance_uid, "detail": detail, "digest": digest}
    connection.execute(insert(t.audit).values(id=head.length + 1, **row))
    connection.execute(update(t.audit_head).values(digest=digest, length=head.length + 1))


def chain_digest(before: str, at: datetime, event: str, study_instance_uid: str | None, detail: dict[str, Any]) -> str:
    """SHA-256 that binds a row of the trail to the digest of the row before it (empty for the first)."""
    content = [before, at.astimezone(UTC).isoformat(), event, study_instance_uid, detail]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _stored_rows(connection: Connection) -> Iterator[Any]:
    """(id, at, event, study, detail, digest) in order, all but the id as the bytes that are stored."""
    columns = t.audit.c
    at: ColumnElement[Any] = columns.at
    if connection.dialect.name == "postgresql":
        at = func.to_char(func.timezone("UTC", columns.at), "YYYY-MM-DD HH24:MI:SS.US")
    texts = (at, columns.event, columns.study_instance_uid, columns.detail, columns.digest)
    statement = select(columns.id, *(stored_bytes(connection, one) for one in texts)).order_by(columns.id)
    return iter(connection.execution_options(yield_per=_BATCH).execute(statement))


def stored_bytes(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The stored bytes: what was damaged need not be text any more, and must not stop the check."""
    if connection.dialect.name == "postgresql":
        return func.convert_to(cast(column, Text), "UTF8")
    return cast(column, LargeBinary)


def _fits(before: str, at: bytes, event: bytes, study: bytes | None, detail: bytes, digest: bytes) -> bool:
    """Whether a stored row has the digest that stands beside it."""
    try:
        head = [before, _iso(at.decode()), event.decode(), None if study is None else study.decode()]
        known = digest.decode()
        stored = detail.decode()
        content = f"{json.dumps(head)[:-1]}, {stored}]"
        if hashlib.sha256(content.encode()).hexdigest() == known:
            return True
        # Details were not always stored with sorted keys.
        value = json.loads(stored)
        sorted_content = f"{json.dumps(head)[:-1]}, {json.dumps(value, sort_keys=True)}]"
        return json.dumps(value) == stored and hashlib.sha256(sorted_content.encode()).hexdigest() == known
    except (AttributeError, ValueError):  # a value is missing, or no text, no time, no JSON
        return False


def _iso(stored: str) -> str:
    """A stored time as `chain_digest` takes it: ISO 8601, without a fraction if that is zero."""
    date, time, fraction = stored[:10], stored[11:19], stored[19:]
    if len(stored) != len(_TIME) or stored[10] != " " or fraction[0] != ".":
        raise ValueError(f"{stored!r} is no stored time")
    return f"{date}T{time}{'' if fraction == '.000000' else fraction}+00:00"
