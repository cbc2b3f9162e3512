"""Stage: store. What people do to calibrations, each in one transaction: state, activation, history, audit."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from triage.core.errors import TriageError
from triage.core.governance import (
    UNSET,
    Act,
    Actor,
    CalibrationState,
    CalibrationVersion,
    Signature,
    Unset,
)
from triage.core.governance_rules import Circumstances, check, decides, replaced
from triage.store import calibration_tables as c
from triage.store.calibration_deed import Deed, calibration_row, locked, not_before
from triage.store.calibration_versions import (
    digest_of,
    history_of,
    is_whole,
    stored_json,
    stored_threshold,
    unchecked_version_of,
    version_of,
)
from triage.store.database import writing
from triage.store.rows import Part

_ACTIVATION = c.activation.c
# What takes a version out of use must work on one that somebody tampered with, too.
_LEAVING = {Act.SUSPEND, Act.ROLL_BACK, Act.RETIRE}
MISSED, DRIFT = "missed-abnormal", "drift"
"""Kinds of incidents that speak against a calibration."""


class CalibrationActs(Part):
    """Acts on versions."""

    def act(  # noqa: PLR0913 - an act, who does it, and what two of the acts need besides
        self,
        calibration_id: str,
        act: Act,
        actor: Actor,
        signature: Signature,
        *,
        expected_active: str | None | Unset = UNSET,
        report: dict[str, Any] | None = None,
    ) -> CalibrationVersion:
        """Does something to a version, or nothing at all; when it returns, the commit is on the disk.

        Args:
            expected_active: the version that the actor believes in force, None for none; `activate` must say it.
            report: what `triage.decide.evaluation.evaluate` found, for `evaluate` alone.

        Errors:
            Forbidden: This person may not. Conflict: Somebody was faster, or the state is another one.
            TriageError: There is no such version, it was tampered with, or the report is not about it.
        """
        if (report is not None) != (act is Act.EVALUATE):
            raise TriageError(f"{act} of calibration {calibration_id}: a report belongs to evaluate, and to it alone")
        read = unchecked_version_of if act in _LEAVING else version_of
        with writing(self._engine) as connection:
            row = locked(connection, calibration_id)
            now = not_before(connection, row["stratum_id"], self._now())
            around = _circumstances(connection, row, now, expected_active)
            to_state = check(act, read(row), actor, signature, around)
            deed = Deed(connection, now, act, actor, signature)
            _perform(deed, row, to_state, around.in_force, report)
            deed.close()
            return read(calibration_row(connection, calibration_id))


def suspend_in(connection: Connection, now: datetime, calibration_id: str, by: Actor, why: str) -> bool:
    """Suspends a version within the caller's transaction; False, and nothing written, if it decides no exam (any more).

    One that a newer version replaced is suspended too: it decides what was received in its time, and a roll-back would
    put it in force again. It ends by adding to the audit trail, so it comes after every other lock that the transaction
    takes.

    Errors:
        Forbidden: `by` may not suspend. TriageError: There is no such version.
    """
    row = locked(connection, calibration_id)
    now = not_before(connection, row["stratum_id"], now)
    around = _circumstances(connection, row, now, UNSET)
    if not decides(CalibrationState(row["state"]), around.history):
        return False
    signature = Signature(by.printed_name, why)
    to_state = check(Act.SUSPEND, unchecked_version_of(row), by, signature, around)
    deed = Deed(connection, now, Act.SUSPEND, by, signature)
    _perform(deed, row, to_state, around.in_force)
    deed.close()
    return True


def _circumstances(
    connection: Connection, row: RowMapping, now: datetime, expected_active: str | None | Unset
) -> Circumstances:
    sets = [row["calibration_set"], row["evaluation_set"]]
    uploaders = select(c.calibration_set.c.uploaded_by).where(c.calibration_set.c.id.in_(sets))
    in_force = select(_ACTIVATION.calibration_id).where(
        _ACTIVATION.stratum_id == row["stratum_id"], _ACTIVATION.until_at.is_(None)
    )
    return Circumstances(
        now,
        history_of(connection, row["id"]),
        frozenset(connection.execute(uploaders).scalars()),
        connection.execute(in_force).scalar_one_or_none(),
        expected_active,
    )


def _perform(
    deed: Deed,
    row: RowMapping,
    to_state: CalibrationState,
    in_force: str | None,
    report: dict[str, Any] | None = None,
) -> None:
    """Writes the act and what follows from it. What is in force ends before another begins: there is at most one."""
    if deed.act is Act.ACTIVATE and in_force is not None:
        former = calibration_row(deed.connection, in_force)
        deed.end(former)
        deed.move(former, CalibrationState.RETIRED, because=f"replaced by version {row['number']}: ")
    if row["state"] == CalibrationState.ACTIVE:
        deed.end(row)
    deed.move(row, to_state, _evaluated(row, report) if report is not None else None)
    if to_state is CalibrationState.ACTIVE:
        deed.begin(row)
    if deed.act is Act.ROLL_BACK:
        predecessor = _predecessor(deed, row)
        if predecessor is not None:
            deed.move(predecessor, CalibrationState.ACTIVE, because=f"version {row['number']} was rolled back: ")
            deed.begin(predecessor)


def _predecessor(deed: Deed, row: RowMapping) -> RowMapping | None:
    """The version that this one replaced when it was activated, if it can be used again.

    That is the one of the activation just before this version's first, if it was this version that ended it, and if
    nothing has happened to the former since. Rolling back takes one person, so it brings back none that was suspended,
    before or after it was replaced (that takes two), and none with an incident that nobody has closed.
    """
    first = select(func.min(_ACTIVATION.id)).where(_ACTIVATION.calibration_id == row["id"]).scalar_subquery()
    before = (
        select(_ACTIVATION.id, _ACTIVATION.calibration_id, _ACTIVATION.ended_by)
        .where(_ACTIVATION.stratum_id == row["stratum_id"], _ACTIVATION.id < first)
        .order_by(_ACTIVATION.id.desc())
        .limit(1)
    )
    found = deed.connection.execute(before).one_or_none()
    if found is None or found.ended_by != Act.ACTIVATE:
        return None
    former = calibration_row(deed.connection, found.calibration_id)
    retired_then = (
        former["state"] == CalibrationState.RETIRED
        and found.id == _last_activation(deed.connection, former["id"])
        and replaced(history_of(deed.connection, former["id"]))
    )
    usable = retired_then and former["expires_at"] > deed.now and is_whole(former)
    return former if usable and not _has_open_incident(deed.connection, former["id"]) else None


def _last_activation(connection: Connection, calibration_id: str) -> int | None:
    last: int | None = connection.execute(
        select(func.max(_ACTIVATION.id)).where(_ACTIVATION.calibration_id == calibration_id)
    ).scalar_one()
    return last


def _has_open_incident(connection: Connection, calibration_id: str) -> bool:
    mine = (c.incident.c.calibration_id == calibration_id, c.incident.c.kind.in_((MISSED, DRIFT)))
    statement = select(c.incident.c.id).where(*mine, c.incident.c.closed_at.is_(None)).limit(1)
    return connection.execute(statement).first() is not None


def _evaluated(row: RowMapping, report: dict[str, Any]) -> dict[str, Any]:
    """The columns that the evaluation fills, and the digest over all."""
    where = f"report on calibration {row['id']}"
    missing = {"kind", "threshold", "image_threshold", "limited_by_safety"} - report.keys()
    if missing:
        raise TriageError(f"{where}: {', '.join(sorted(missing))} missing")
    for name in ("kind", "pool_abnormals"):
        if report.get(name, row[name]) != row[name]:
            raise TriageError(f"{where}: {name} is {report[name]!r}, the draft says {row[name]!r}")
    values = {
        "threshold": stored_threshold(report["threshold"], f"{where}: threshold"),
        "image_threshold": stored_threshold(report["image_threshold"], f"{where}: image_threshold"),
        "limited_by_safety": bool(report["limited_by_safety"]),
        "report": stored_json(report, where),
    }
    return {**values, "digest": digest_of({**row, **values})}
