"""Stage: store. Incidents: what the service found that a person must look into, and what became of it."""

from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select, update

from triage.core.errors import TriageError
from triage.core.governance import Actor, Conflict, Forbidden, Role
from triage.store import calibration_tables as c
from triage.store.audit import append
from triage.store.calibration_acts import DRIFT
from triage.store.database import reading, writing
from triage.store.monitoring_records import IncidentRecord, NewIncident
from triage.store.rows import Part


class Incidents(Part):
    """Reading incidents and closing them."""

    def incidents(self, open_only: bool = False) -> tuple[IncidentRecord, ...]:
        """All incidents or those that nobody closed, newest first."""
        statement = select(c.incident).order_by(c.incident.c.id.desc())
        if open_only:
            statement = statement.where(c.incident.c.closed_at.is_(None))
        with reading(self._engine) as connection:
            return tuple(_record(row) for row in connection.execute(statement).mappings())

    def close_incident(self, incident_id: int, actor: Actor, resolution: str) -> IncidentRecord:
        """Closes an incident with what was found and done about it.

        Errors:
            Forbidden: The person is neither admin nor approver. Conflict: It is closed already.
            TriageError: There is no such incident, or nothing was written as its resolution.
        """
        if not actor.roles & {Role.ADMIN, Role.APPROVER}:
            raise Forbidden(f"{actor.name} may not close incidents: an admin or an approver may")
        if not resolution.strip():
            raise TriageError("an incident is closed with a resolution: write what was found and done")
        now = self._now()
        with writing(self._engine) as connection:
            mine = c.incident.c.id == incident_id
            row = connection.execute(select(c.incident).where(mine).with_for_update()).mappings().one_or_none()
            if row is None:
                raise TriageError(f"no incident {incident_id}")
            if row["closed_at"] is not None:
                raise Conflict(f"incident {incident_id} was closed by {row['closed_by']} already")
            changes = {"closed_at": now, "closed_by": actor.name, "resolution": resolution.strip()}
            connection.execute(update(c.incident).where(mine).values(changes))
            detail = {"incident": incident_id, "by": actor.name, "resolution": resolution.strip()}
            append(connection, now, "incident-closed", row["study_instance_uid"], detail)
        return _record({**row, **changes})  # type: ignore[arg-type]


def open_incident_in(connection: Connection, now: datetime, new: NewIncident) -> int:
    """Opens an incident within the caller's transaction; its id. The audit trail gets no finding of a patient."""
    row = {
        "kind": new.kind,
        "stratum_id": new.stratum_id,
        "calibration_id": new.calibration_id,
        "study_instance_uid": new.study_instance_uid,
        "detail": new.detail,
        "at": now,
    }
    incident_id: int = connection.execute(insert(c.incident).values(row).returning(c.incident.c.id)).scalar_one()
    detail = {"incident": incident_id, "kind": new.kind, "calibration_id": new.calibration_id}
    if new.kind == DRIFT:
        detail["detail"] = new.detail
    append(connection, now, "incident-opened", new.study_instance_uid, detail)
    return incident_id


def _record(row: RowMapping) -> IncidentRecord:
    return IncidentRecord(**row)
