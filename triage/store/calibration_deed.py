"""Stage: store. One act within a transaction: what it changes of versions and activations, and its three records.

A stratum is locked first (on PostgreSQL the row of its version 1; SQLite has one writer anyway) and the end of the
audit trail last, so that of two who act at once the second sees what the first did, and no two wait in a ring.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from triage.core.errors import TriageError
from triage.core.governance import Act, Actor, CalibrationState, Conflict, Signature
from triage.store import calibration_tables as c
from triage.store.audit import append
from triage.store.calibration_versions import VERSION_COLUMNS, VersionRow

_CALIBRATION, _ACTIVATION = c.calibration.c, c.activation.c


class Deed:
    """What somebody does to a version, with everything that follows from it for others of the stratum."""

    def __init__(self, connection: Connection, now: datetime, act: Act, actor: Actor, signature: Signature) -> None:
        self.connection, self.now, self.act = connection, now, act
        self._signed = {"by": actor.name, "printed_name": actor.printed_name, "meaning": signature.meaning.strip()}
        self._events: list[dict[str, Any]] = []

    def move(
        self,
        row: RowMapping,
        to_state: CalibrationState,
        values: Mapping[str, Any] | None = None,
        because: str = "",
    ) -> None:
        """Compare-and-set of a version's state, with other columns in `values`; the lock makes it hold."""
        changes = {"state": to_state.value, **(values or {})}
        same = update(c.calibration).where(_CALIBRATION.id == row["id"], _CALIBRATION.state == row["state"])
        if self.connection.execute(same.values(changes).returning(_CALIBRATION.id)).first() is None:
            raise Conflict(f"calibration {row['id']} is no longer {row['state']}: look at it, and decide again")
        self.note({**row, **changes}, row["state"], because)

    def note(self, version: VersionRow, from_state: str | None, because: str = "") -> None:
        """Adds to the history of a version; `because` says so where the act was done to another one."""
        line = {
            **self._signed,
            "meaning": f"{because}{self._signed['meaning']}",
            "calibration_id": version["id"],
            "act": self.act.value,
        }
        values = {**line, "from_state": from_state, "to_state": version["state"], "at": self.now}
        self.connection.execute(insert(c.calibration_act).values(values))
        # The digest binds the signature to exactly the record that was signed (21 CFR 11.70).
        bound = {name: version[name] for name in ("stratum_id", "number", "digest")}
        self._events.append({**line, **bound, "from": from_state, "to": version["state"]})

    def begin(self, version: VersionRow, since: datetime | None = None) -> None:
        """Puts a version in force, from now on unless `since` is given."""
        values = {"stratum_id": version["stratum_id"], "calibration_id": version["id"], "from_at": since or self.now}
        self.connection.execute(insert(c.activation).values(values))

    def end(self, version: VersionRow) -> None:
        """Takes a version out of force."""
        open_one = update(c.activation).where(_ACTIVATION.calibration_id == version["id"])
        values = {"until_at": self.now, "ended_by": self.act.value}
        self.connection.execute(open_one.where(_ACTIVATION.until_at.is_(None)).values(values))

    def close(self) -> None:
        """Adds everything to the audit trail: the last step of the transaction."""
        for event in self._events:
            append(self.connection, self.now, f"calibration-{self.act}", None, event)


def locked(connection: Connection, calibration_id: str) -> RowMapping:
    """The row of a version, its stratum locked until the transaction ends. TriageError if there is none of that id."""
    stratum_id = calibration_row(connection, calibration_id)["stratum_id"]
    first = select(_CALIBRATION.id).where(_CALIBRATION.stratum_id == stratum_id, _CALIBRATION.number == 1)
    # NO KEY UPDATE: an insert that merely points at a version, such as an observation, need not wait.
    connection.execute(first.with_for_update(key_share=True))
    return calibration_row(connection, calibration_id)


def calibration_row(connection: Connection, calibration_id: str) -> RowMapping:
    """The row of a version. TriageError if there is none of that id."""
    statement = select(*VERSION_COLUMNS).where(_CALIBRATION.id == calibration_id)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise TriageError(f"no calibration {calibration_id}")
    return row


def known(connection: Connection, calibration_id: str) -> bool:
    """Whether the ledger holds the version: a result of before calibrations were kept in it names one that it lacks."""
    return connection.execute(select(_CALIBRATION.id).where(_CALIBRATION.id == calibration_id)).first() is not None


def not_before(connection: Connection, stratum_id: str, now: datetime) -> datetime:
    """The time of an act: never before the last change of the stratum, should a clock have been set back."""
    statement = select(func.max(_ACTIVATION.from_at), func.max(_ACTIVATION.until_at))
    times = connection.execute(statement.where(_ACTIVATION.stratum_id == stratum_id)).one()
    known: list[datetime] = [time for time in times if time is not None]
    return max([now, *known])
