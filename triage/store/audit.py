"""Stage: store. The audit trail: rows are only ever added, each bound to all before it by a digest."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from triage.store import tables as t
from triage.store.database import reading, writing
from triage.store.rows import Part


class Audit(Part):
    """Adding to the trail and checking it."""

    def record_event(self, event: str, study_instance_uid: str | None, detail: dict[str, Any]) -> None:
        """Adds one event in a transaction of its own. `detail` holds plain JSON values and no patient's name."""
        with writing(self._engine) as connection:
            append(connection, self._now(), event, study_instance_uid, detail)

    def verify_audit(self) -> int | None:
        """The id of the first row that was changed or follows a removed one; 0 if rows are missing at the end.

        None if the trail is whole.
        """
        digest = ""
        length = 0
        with reading(self._engine) as connection:
            for row in connection.execute(select(t.audit).order_by(t.audit.c.id)):
                digest = _digest(digest, row.at, row.event, row.study_instance_uid, row.detail)
                length += 1
                if digest != row.digest:
                    return int(row.id)
            head = connection.execute(select(t.audit_head)).one()
        return None if (head.digest, head.length) == (digest, length) else 0


def append(
    connection: Connection, at: datetime, event: str, study_instance_uid: str | None, detail: dict[str, Any]
) -> None:
    """Adds one event within the caller's transaction; the last thing to lock there, so that no two wait in a ring."""
    head = connection.execute(select(t.audit_head).with_for_update()).one()
    digest = _digest(head.digest, at, event, study_instance_uid, detail)
    row = {"at": at, "event": event, "study_instance_uid": study_instance_uid, "detail": detail, "digest": digest}
    connection.execute(insert(t.audit).values(row))
    connection.execute(update(t.audit_head).values(digest=digest, length=head.length + 1))


def _digest(before: str, at: datetime, event: str, study_instance_uid: str | None, detail: dict[str, Any]) -> str:
    content = [before, at.astimezone(UTC).isoformat(), event, study_instance_uid, detail]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
