"""Stage: store. Versions of calibrations: drafting one, and reading them with their history."""

from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, func, select

from triage.core.errors import TriageError
from triage.core.governance import (
    Act,
    Actor,
    CalibrationAct,
    CalibrationState,
    CalibrationVersion,
    Purpose,
    Signature,
)
from triage.core.governance_rules import permit
from triage.store import calibration_tables as c
from triage.store.calibration_deed import Deed, calibration_row
from triage.store.calibration_records import NewCalibration
from triage.store.calibration_versions import (
    KINDS,
    VERSION_COLUMNS,
    history_of,
    stored_json,
    stratum_columns,
    version_of,
)
from triage.store.database import insert_new, reading, writing
from triage.store.rows import Part

_CALIBRATION = c.calibration.c


class Calibrations(Part):
    """Drafting and reading. What else is done to a version is an act: see `CalibrationActs`."""

    def draft(self, new: NewCalibration, actor: Actor) -> CalibrationVersion:
        """Makes a version: the next number of its stratum, the protocol fixed.

        Errors:
            Forbidden: The actor is no admin. TriageError: A set does not exist or does not fit, or a value is wrong.
        """
        signature = Signature(actor.printed_name, "author of the draft, its protocol fixed")
        permit(Act.DRAFT, actor, signature)
        if new.kind not in KINDS:
            raise TriageError(f"kind {new.kind!r} is none of {', '.join(KINDS)}")
        now = self._now()
        if new.expires_at <= now:
            raise TriageError(f"a calibration that expires on {new.expires_at:%Y-%m-%d} would be of no use")
        row = {
            "id": uuid4().hex,
            **stratum_columns(new.stratum),
            "state": CalibrationState.DRAFT.value,
            "kind": new.kind,
            "limited_by_safety": False,
            "demonstration": False,
            "author": actor.name,
            "created_at": now,
            "expires_at": new.expires_at,
            "calibration_set": new.calibration_set,
            "evaluation_set": new.evaluation_set,
            "pool_abnormals": new.pool_abnormals,
            "protocol": stored_json(new.protocol, "protocol"),
            "digest": None,
        }
        with writing(self._engine) as connection:
            _check_set(connection, new, new.calibration_set, Purpose.CALIBRATION)
            if new.evaluation_set is not None:
                _check_set(connection, new, new.evaluation_set, Purpose.EVALUATION)
            number = _insert_numbered(connection, row)
            deed = Deed(connection, now, Act.DRAFT, actor, signature)
            deed.note({**row, "number": number}, None)
            deed.close()
            return version_of(calibration_row(connection, row["id"]))

    def calibrations(
        self, stratum_id: str | None = None, state: CalibrationState | None = None
    ) -> tuple[CalibrationVersion, ...]:
        """The versions of a stratum, or of all, newest first. TriageError if one was tampered with."""
        statement = select(*VERSION_COLUMNS)
        if stratum_id is not None:
            statement = statement.where(_CALIBRATION.stratum_id == stratum_id)
        if state is not None:
            statement = statement.where(_CALIBRATION.state == state.value)
        newest_first = (_CALIBRATION.created_at.desc(), _CALIBRATION.stratum_id, _CALIBRATION.number.desc())
        with reading(self._engine) as connection:
            return tuple(version_of(row) for row in connection.execute(statement.order_by(*newest_first)).mappings())

    def calibration(self, calibration_id: str) -> CalibrationVersion | None:
        """One version, or None if there is no such. TriageError if it was tampered with."""
        statement = select(*VERSION_COLUMNS).where(_CALIBRATION.id == calibration_id)
        with reading(self._engine) as connection:
            row = connection.execute(statement).mappings().one_or_none()
        return version_of(row) if row else None

    def history(self, calibration_id: str) -> tuple[CalibrationAct, ...]:
        """What was done to a version, oldest first; nothing for an unknown one."""
        with reading(self._engine) as connection:
            return history_of(connection, calibration_id)


def _insert_numbered(connection: Connection, row: dict[str, Any]) -> int:
    """Inserts with the next free number of the stratum, and again if another draft took that number just now."""
    last = select(func.coalesce(func.max(_CALIBRATION.number), 0)).where(_CALIBRATION.stratum_id == row["stratum_id"])
    while True:
        number = int(connection.execute(last).scalar_one()) + 1
        if insert_new(connection, c.calibration, {**row, "number": number}, _CALIBRATION.id) is not None:
            return number


def _check_set(connection: Connection, new: NewCalibration, set_id: str, purpose: Purpose) -> None:
    table = c.calibration_set.c
    statement = select(table.purpose, table.bundle_sha256, table.preprocessing).where(table.id == set_id)
    found = connection.execute(statement).one_or_none()
    if found is None:
        raise TriageError(f"no calibration set {set_id}")
    if found.purpose != purpose:
        raise TriageError(f"set {set_id} is for {found.purpose}, not for {purpose}")
    if (found.bundle_sha256, found.preprocessing) != (new.stratum.bundle_sha256, new.stratum.preprocessing):
        raise TriageError(
            f"the scores of set {set_id} were made by bundle {found.bundle_sha256[:12]} with preprocessing"
            f" {found.preprocessing}, not by the {new.stratum.bundle_sha256[:12]} with {new.stratum.preprocessing} of"
            " the stratum: score the images again"
        )
