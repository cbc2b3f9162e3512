"""Stage: store. Which version decides a study; and the demonstration versions that come with a model bundle.

A study pins the version whose activation covers the moment at which the study was opened. What that version is *now*
counts besides: one that was suspended (be it after it was replaced) or rolled back since then decides nobody's exam,
while one that a newer version replaced still decides what was received in its time. What was received while none was
in force pins none, and stays without one whatever comes later, until the study is analysed again as of now.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from triage.core.errors import TriageError
from triage.core.governance import (
    BUNDLE,
    Act,
    CalibrationState,
    Conflict,
    InForce,
    ShippedCalibration,
    Signature,
    UncalibratedCode,
)
from triage.core.governance_rules import decides, replaced
from triage.core.strata import Stratum
from triage.store import calibration_tables as c
from triage.store.calibration_deed import Deed, known, locked
from triage.store.calibration_versions import (
    KINDS,
    VERSION_COLUMNS,
    digest_of,
    history_of,
    stored_json,
    stored_threshold,
    stratum_columns,
    version_of,
)
from triage.store.database import insert_new, reading, writing
from triage.store.rows import Part

_CALIBRATION, _ACTIVATION = c.calibration.c, c.activation.c
_SHIPPED = Signature(BUNDLE.printed_name, "demonstration calibration: measured and approved at no site")
_SUSPENDING = {Act.SUSPEND.value, Act.ROLL_BACK.value}


class CalibrationsInForce(Part):
    """Looking up, and the first versions of all."""

    def in_force(self, stratum: Stratum, at: datetime) -> InForce:
        """The version that decides a study of this stratum which was opened at `at`, or why there is none.

        Nothing pinned       uncalibrated-device; calibration-suspended if the last one before had been taken away
        suspended since      calibration-suspended, unless it was reinstated meanwhile; retiring it changes nothing
        rolled back since    calibration-suspended
        retired since        the version, if a newer one replaced it; uncalibrated-device if an admin retired it
        expired by now       calibration-expired

        Errors:
            TriageError: The version was changed after its evaluation.
        """
        # Activations of a stratum do not overlap, so the last one that had begun is the only one that may cover `at`.
        statement = (
            select(*VERSION_COLUMNS, _ACTIVATION.until_at, _ACTIVATION.ended_by)
            .select_from(c.activation)
            .join(c.calibration, _CALIBRATION.id == _ACTIVATION.calibration_id)
            .where(_ACTIVATION.stratum_id == stratum.id, _ACTIVATION.from_at <= at)
            .order_by(_ACTIVATION.from_at.desc(), _ACTIVATION.id.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            row = connection.execute(statement).mappings().one_or_none()
            code = _why_not(connection, row, at, self._now())
        if row is not None and code is None:
            version = version_of(row)
            if version.stratum != stratum:
                raise TriageError(f"calibration {version.id} is in force for a stratum that it was not made for")
            return InForce(version, None, "")
        return InForce(None, code, _sentence(code, stratum, row))

    def adopt(self, shipped: Sequence[ShippedCalibration]) -> None:
        """Puts demonstration calibrations in force where a stratum has no version at all; others stay as they are.

        Each counts from when it was made, not from now, so that studies which were waiting when its bundle was
        installed are decided by it: nothing else was ever in force there.

        Errors:
            TriageError: A threshold or a kind is wrong; then nothing is adopted.
        """
        # All processes take them in one order, so that no two wait for each other.
        rows = sorted((_shipped_row(one, self._now()) for one in shipped), key=lambda row: str(row["stratum_id"]))
        with reading(self._engine) as connection:
            taken = set(connection.execute(select(_CALIBRATION.stratum_id).distinct()).scalars())
        if all(row["stratum_id"] in taken for row in rows):
            return
        with writing(self._engine) as connection:
            deed = Deed(connection, self._now(), Act.ACTIVATE, BUNDLE, _SHIPPED)
            for row in rows:
                # Number 1 is taken wherever there is a version, be it that of another process which starts just now.
                if insert_new(connection, c.calibration, row, _CALIBRATION.id) is not None:
                    deed.note(row, None)
                    deed.begin(row, since=row["created_at"])
            deed.close()


def hold_in(connection: Connection, calibration_id: str) -> None:
    """Keeps a version as it is until the caller's transaction ends, if it decides exams; for a flag about to be stored.

    It locks what `suspend_in` locks: whoever takes the version out of use comes before this, or after the commit. That
    it expired since the exam was compared with it does not matter. An id that the ledger does not hold is let pass:
    `in_force`, the only source of what is decided here, gives none.

    Errors:
        Conflict: It was suspended, rolled back or retired meanwhile. TriageError: It was changed after its evaluation.
    """
    if not known(connection, calibration_id):
        return
    version = version_of(locked(connection, calibration_id))
    if not decides(version.state, history_of(connection, calibration_id)):
        raise Conflict(
            f"calibration {calibration_id} (version {version.number}) is {version.state} by now: analyse the exam again"
        )


def _why_not(connection: Connection, row: RowMapping | None, at: datetime, now: datetime) -> UncalibratedCode | None:
    """Why the version of the last activation that had begun by `at` does not decide; None if it does."""
    if row is None:
        return "uncalibrated-device"
    if row["until_at"] is not None and row["until_at"] <= at:
        return "calibration-suspended" if row["ended_by"] in _SUSPENDING else "uncalibrated-device"
    state = CalibrationState(row["state"])
    if state in {CalibrationState.SUSPENDED, CalibrationState.ROLLED_BACK}:
        return "calibration-suspended"
    if state is CalibrationState.RETIRED:
        history = history_of(connection, row["id"])
        if not replaced(history):
            suspended = bool(history) and history[-1].from_state is CalibrationState.SUSPENDED
            return "calibration-suspended" if suspended else "uncalibrated-device"
    elif state is not CalibrationState.ACTIVE:
        raise TriageError(f"calibration {row['id']} was in force, but is {state}: its state was tampered with")
    return "calibration-expired" if row["expires_at"] <= now else None


def _sentence(code: UncalibratedCode | None, stratum: Stratum, row: RowMapping | None) -> str:
    place = f"{stratum.device} at {stratum.site or 'an unnamed site'}"
    if code == "uncalibrated-device" or row is None:
        return f"No calibration was in force for {place} when the study was opened, or it was retired since."
    if code == "calibration-suspended":
        return f"The calibration for {place} (version {row['number']}) is suspended or was rolled back."
    return f"The calibration for {place} (version {row['number']}) expired on {row['expires_at']:%Y-%m-%d}."


def _shipped_row(shipped: ShippedCalibration, now: datetime) -> dict[str, Any]:
    where = f"calibration shipped for {shipped.stratum.device}"
    if shipped.kind not in KINDS:
        raise TriageError(f"{where}: kind {shipped.kind!r} is none of {', '.join(KINDS)}")
    row = {
        "id": "",
        **stratum_columns(shipped.stratum),
        "number": 1,
        "state": CalibrationState.ACTIVE.value,
        "kind": shipped.kind,
        "threshold": stored_threshold(shipped.threshold, where),
        "image_threshold": stored_threshold(shipped.image_threshold, where),
        "limited_by_safety": shipped.limited_by_safety,
        "demonstration": True,
        "author": BUNDLE.name,
        "created_at": min(shipped.created_at, now),
        "expires_at": shipped.expires_at,
        "calibration_set": None,
        "evaluation_set": None,
        "pool_abnormals": False,
        "protocol": stored_json(shipped.protocol, where),
        "report": stored_json(shipped.report, where),
    }
    # The same in every database: what is decided by it gets the same result, and so the same UIDs, after a rebuild.
    row["id"] = digest_of(row)[:32]
    return {**row, "digest": digest_of(row)}
