"""Stage: store. The study ledger: one object with every operation, and the one that takes a received instance in."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, select, update

from triage.core.study import InstanceHeader
from triage.store import tables as t
from triage.store.audit import Audit, append
from triage.store.calibration_acts import CalibrationActs
from triage.store.calibration_sets import CalibrationSets
from triage.store.calibrations import Calibrations
from triage.store.calibrations_in_force import CalibrationsInForce
from triage.store.database import insert_new, reading, writing
from triage.store.monitoring import Monitoring
from triage.store.outbox import Outbox
from triage.store.people import People
from triage.store.records import StoredInstance
from triage.store.results import Results
from triage.store.rows import Part, current_instances, is_open, stored_instance
from triage.store.studies import Studies
from triage.store.worklist import Worklist

# Columns of the worklist, and the DICOM keyword that fills each.
_WORKLIST_KEYWORDS = {
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "accession_number": "AccessionNumber",
    "study_description": "StudyDescription",
    "study_date": "StudyDate",
    "manufacturer": "Manufacturer",
    "manufacturer_model_name": "ManufacturerModelName",
}


class DueAt(Protocol):
    """When a study may be analysed: `triage.assemble.completeness.due_at` with its waiting times bound."""

    def __call__(self, instances: Sequence[InstanceHeader], first_at: datetime, last_at: datetime) -> datetime:
        """`first_at` is when the study last became open: its first image, or the late one that reopened it."""


class Intake(Part):
    """Taking instances in, and reading them back."""

    def record_instance(self, header: InstanceHeader, sha256: str, path: str, due_at: DueAt) -> bool:
        """Records one instance whose bytes are durable; its study gets a new revision and is open (a dead one too).

        Returns False if these bytes are the current version of the instance already (then nothing changes), else True.
        Other bytes under a known SOP Instance UID are kept beside the old ones and become the current version; so do
        older bytes that are sent again, since the sender's last word counts. When it returns, the commit is on the
        disk.

        Errors:
            sqlalchemy.exc.SQLAlchemyError: The ledger is locked, full or away; nothing was recorded.
        """
        now = self._now()
        with writing(self._engine) as connection:
            if _is_current(connection, header.sop_instance_uid, sha256):
                return False
            study = _study_for_update(connection, header, now)
            instance_id = _put_current(connection, _instance_row(header, sha256, path, now))
            if instance_id is None:
                return False
            replaced = _supersede(connection, header, instance_id)
            was_open = study["rev"] > study["done_rev"]
            opened_at = study["opened_at"] if was_open else now
            headers = [one.header for one in current_instances(connection, header.study_instance_uid)]
            changes = {
                **_worklist_columns(header, study),
                "rev": study["rev"] + 1,
                "state": "receiving",
                "attempts": 0,
                "opened_at": opened_at,
                "last_at": now,
                "due_at": due_at(headers, opened_at, now),
                "last_error": None,
            }
            _update_study(connection, header.study_instance_uid, changes)
            detail = {"sop_instance_uid": header.sop_instance_uid, "sha256": sha256, "revision": study["rev"] + 1}
            if replaced:
                append(connection, now, "instance-replaced", header.study_instance_uid, detail)
            if study["done_rev"] and not was_open:
                append(connection, now, "study-reopened", header.study_instance_uid, detail)
        return True

    def instances(self, study_instance_uid: str) -> tuple[StoredInstance, ...]:
        """The current version of each instance of a study, in order of arrival."""
        with reading(self._engine) as connection:
            return current_instances(connection, study_instance_uid)

    def claim_unprepared(self, limit: int = 4) -> tuple[StoredInstance, ...]:
        """Eligible current images of open studies that were not prepared yet, oldest first.

        Nothing is locked: preparing an image twice costs time, never a result.
        """
        statement = (
            select(t.instance)
            .join(t.study, t.study.c.study_instance_uid == t.instance.c.study_instance_uid)
            .where(t.instance.c.prepared_at.is_(None), ~t.instance.c.superseded, t.instance.c.analysable)
            .where(is_open())
            .order_by(t.instance.c.id)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(statement).mappings()
            waiting = (one for one in map(stored_instance, rows) if one.header.eligible)
            return tuple(one for one, _ in zip(waiting, range(limit), strict=False))

    def mark_prepared(self, instance_id: int) -> None:
        """The image need not be offered by `claim_unprepared` again."""
        with writing(self._engine) as connection:
            connection.execute(update(t.instance).where(t.instance.c.id == instance_id).values(prepared_at=self._now()))

    def known_digests(self, sha256s: Sequence[str]) -> set[str]:
        """Those of `sha256s` that belong to a recorded instance; the others are files without a row."""
        with reading(self._engine) as connection:
            statement = select(t.instance.c.sha256).where(t.instance.c.sha256.in_(sha256s))
            return set(connection.execute(statement).scalars())


class Ledger(
    Intake,
    Studies,
    Results,
    Outbox,
    Worklist,
    Audit,
    CalibrationSets,
    Calibrations,
    CalibrationActs,
    CalibrationsInForce,
    Monitoring,
    People,
):
    """The only truth about what was received, found and sent. Several processes and threads may use one database.

    Args of the constructor: the engine of `triage.store.database.open_database`, and a clock for tests.
    """


def _is_current(connection: Connection, sop_instance_uid: str, sha256: str) -> bool:
    statement = select(t.instance.c.id).where(_version(sop_instance_uid, sha256), ~t.instance.c.superseded)
    return connection.execute(statement).first() is not None


def _version(sop_instance_uid: str, sha256: str) -> ColumnElement[bool]:
    return and_(t.instance.c.sop_instance_uid == sop_instance_uid, t.instance.c.sha256 == sha256)


def _put_current(connection: Connection, row: dict[str, Any]) -> int | None:
    """Inserts the version, or brings back a superseded one; its id, or None if another writer did so just now."""
    inserted: int | None = insert_new(connection, t.instance, row, t.instance.c.id)
    if inserted is not None:
        return inserted
    again = update(t.instance).where(_version(row["sop_instance_uid"], row["sha256"]), t.instance.c.superseded)
    return connection.execute(again.values(row).returning(t.instance.c.id)).scalar_one_or_none()


def _study_for_update(connection: Connection, header: InstanceHeader, now: datetime) -> RowMapping:
    """The row of the study, made if need be, and locked until the transaction ends."""
    uid = header.study_instance_uid
    times = {"first_at": now, "opened_at": now, "last_at": now, "due_at": now}
    insert_new(
        connection, t.study, {"study_instance_uid": uid, "state": "receiving", **times}, t.study.c.study_instance_uid
    )
    statement = select(t.study).where(t.study.c.study_instance_uid == uid).with_for_update()
    return connection.execute(statement).mappings().one()


def _instance_row(header: InstanceHeader, sha256: str, path: str, now: datetime) -> dict[str, Any]:
    row = asdict(header)
    row["reasons"] = list(row["reasons"])
    return {**row, "sha256": sha256, "path": path, "received_at": now, "superseded": False}


def _supersede(connection: Connection, header: InstanceHeader, current: int) -> bool:
    """Other versions of the instance stay, but no longer count. True if there were any."""
    statement = (
        update(t.instance)
        .where(t.instance.c.study_instance_uid == header.study_instance_uid)
        .where(t.instance.c.sop_instance_uid == header.sop_instance_uid, t.instance.c.id != current)
        .values(superseded=True)
        .returning(t.instance.c.id)
    )
    return bool(connection.execute(statement).all())


def _worklist_columns(header: InstanceHeader, study: RowMapping) -> dict[str, str]:
    """What the first image that says so says of the study; a later one only fills what is still empty."""
    return {
        column: study[column] or str(header.attributes.get(keyword) or "").replace("\0", "")
        for column, keyword in _WORKLIST_KEYWORDS.items()
    }


def _update_study(connection: Connection, study_instance_uid: str, changes: dict[str, Any]) -> None:
    connection.execute(update(t.study).where(t.study.c.study_instance_uid == study_instance_uid).values(changes))
