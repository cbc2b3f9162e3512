"""Stage: store. Sets of labelled scores: kept as the bytes that came, checked whenever they are read."""

import hashlib
from uuid import uuid4

from sqlalchemy import RowMapping, insert, select

from triage.core.errors import TriageError
from triage.core.governance import Actor, Forbidden, Purpose, Role
from triage.store import calibration_tables as c
from triage.store.audit import append
from triage.store.calibration_records import NewSet, SetRecord
from triage.store.calibration_versions import stored_json
from triage.store.database import reading, writing
from triage.store.rows import Part

_COLUMNS = [c.calibration_set.c[name] for name in SetRecord.__dataclass_fields__]  # all but the rows, which are large


class CalibrationSets(Part):
    """Adding sets and reading them back. Nothing changes or removes one."""

    def add_set(self, new: NewSet, actor: Actor) -> SetRecord:
        """Keeps a set.

        Errors:
            Forbidden: The actor is no admin. TriageError: The declarations are no JSON.
        """
        if Role.ADMIN not in actor.roles:
            raise Forbidden(f"{actor.name} may not upload a set: it takes the role {Role.ADMIN}")
        now = self._now()
        record = SetRecord(
            uuid4().hex,
            new.name,
            new.purpose,
            now,
            actor.name,
            new.bundle_sha256,
            new.preprocessing,
            stored_json(new.declarations, "declarations"),
            new.n_rows,
            hashlib.sha256(new.rows).hexdigest(),
        )
        row = {**vars(record), "purpose": new.purpose.value}
        told = ("id", "name", "purpose", "declarations", "n_rows", "rows_sha256", "bundle_sha256", "preprocessing")
        detail = {"by": actor.name, "printed_name": actor.printed_name, **{name: row[name] for name in told}}
        with writing(self._engine) as connection:
            connection.execute(insert(c.calibration_set).values(rows=new.rows, **row))
            append(connection, now, "calibration-set-added", None, detail)
        return record

    def sets(self) -> tuple[SetRecord, ...]:
        """Every set, newest first."""
        statement = select(*_COLUMNS).order_by(c.calibration_set.c.created_at.desc(), c.calibration_set.c.id)
        with reading(self._engine) as connection:
            return tuple(set_of(row) for row in connection.execute(statement).mappings())

    def calibration_set(self, set_id: str) -> SetRecord | None:
        """One set, or None if there is no such."""
        statement = select(*_COLUMNS).where(c.calibration_set.c.id == set_id)
        with reading(self._engine) as connection:
            row = connection.execute(statement).mappings().one_or_none()
        return set_of(row) if row else None

    def set_rows(self, set_id: str) -> bytes:
        """The rows of a set, as they were given.

        Errors:
            TriageError: There is no such set, or its rows are not those that were uploaded.
        """
        table = c.calibration_set.c
        with reading(self._engine) as connection:
            statement = select(table.rows, table.rows_sha256).where(table.id == set_id)
            row = connection.execute(statement).one_or_none()
        if row is None:
            raise TriageError(f"no calibration set {set_id}")
        rows = bytes(row.rows)
        if hashlib.sha256(rows).hexdigest() != row.rows_sha256:
            raise TriageError(f"the rows of calibration set {set_id} were changed after the upload: upload it again")
        return rows


def set_of(row: RowMapping) -> SetRecord:
    """A row of `calibration_set`."""
    return SetRecord(**{**row, "purpose": Purpose(row["purpose"])})
