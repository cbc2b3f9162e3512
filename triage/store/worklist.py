"""Stage: store. Reading the ledger: the worklist, one study, and the counts for health and metrics."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, func, or_, select

from triage.core.errors import TriageError
from triage.core.finding import Outcome, State
from triage.store import tables as t
from triage.store.codec import finding_from_json
from triage.store.database import reading
from triage.store.records import Counts, StudyRecord, WorklistRow
from triage.store.rows import Part, current_instances, deliveries_where

_DELIVERY_STATES = ("pending", "sent", "confirmed", "failed")


class Worklist(Part):
    """The reader's side of the ledger."""

    def worklist(  # noqa: PLR0913 - one keyword for each filter of the REST route
        self,
        *,
        outcome: Outcome | None = None,
        state: State | None = None,
        q: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[WorklistRow], str | None]:
        """Studies that match every filter, newest image first, and the cursor of the next page (None at the end).

        `outcome` matches answers to the newest revision only: an answer to fewer images is none for more. `q` is looked
        for in patient ID and name, accession number, description and Study Instance UID, in any case.

        Errors:
            TriageError: The cursor is not one that this method gave.
        """
        now = self._now()
        statement = _rows(now)
        if outcome is not None:
            statement = statement.where(_is_current, t.result.c.outcome == outcome.value)
        if state is not None:
            statement = statement.where(_state(now) == state.value)
        if q:
            statement = statement.where(_matches(q))
        if since is not None:
            statement = statement.where(t.study.c.last_at >= since)
        if cursor is not None:
            statement = statement.where(_after(cursor))
        statement = statement.order_by(t.study.c.last_at.desc(), t.study.c.study_instance_uid).limit(limit + 1)
        with reading(self._engine) as connection:
            rows = [_row(row) for row in connection.execute(statement).mappings()]
        following = _cursor(rows[limit - 1]) if len(rows) > limit else None
        return rows[:limit], following

    def study(self, study_instance_uid: str) -> StudyRecord | None:
        """Everything known of one study, in one consistent view; None if it is unknown."""
        statement = _rows(self._now(), t.result.c.finding).where(t.study.c.study_instance_uid == study_instance_uid)
        with reading(self._engine) as connection:
            row = connection.execute(statement).mappings().one_or_none()
            if row is None:
                return None
            finding = finding_from_json(row["finding"]) if row["finding"] else None
            instances = current_instances(connection, study_instance_uid)
            deliveries = deliveries_where(connection, t.delivery.c.study_instance_uid == study_instance_uid)
        return StudyRecord(_row(row), finding, instances, deliveries)

    def counts(self) -> Counts:
        """How many studies and deliveries are in each state."""
        state = _state(self._now()).label("shown_state")
        outcome = case((_is_current, t.result.c.outcome), else_=None).label("outcome")
        studies = select(state, outcome, func.count().label("n")).select_from(_STUDIES).group_by(state, outcome)
        deliveries = select(t.delivery.c.state, func.count().label("n")).group_by(t.delivery.c.state)
        states = dict.fromkeys(map(str, State), 0)
        outcomes = dict.fromkeys(map(str, Outcome), 0)
        sending = dict.fromkeys(_DELIVERY_STATES, 0)
        with reading(self._engine) as connection:
            for row in connection.execute(studies):
                states[row.shown_state] += row.n
                if row.outcome is not None:
                    outcomes[row.outcome] += row.n
            for row in connection.execute(deliveries):
                sending[row.state] += row.n
        return Counts(states, outcomes, sending)


_STUDIES = t.study.outerjoin(t.result, t.study.c.result_id == t.result.c.result_id)
_is_current = t.study.c.rev == t.study.c.done_rev
_COLUMNS = [t.study.c[name] for name in WorklistRow.__dataclass_fields__ if name in t.study.c and name != "state"]


def _rows(now: datetime, *more: ColumnElement[Any]) -> Select[Any]:
    state = _state(now).label("state")
    return select(*_COLUMNS, state, t.result.c.outcome, t.result.c.decided_at, *more).select_from(_STUDIES)


def _state(now: datetime) -> ColumnElement[str]:
    """The stored state; a study whose time has come and that nobody claimed yet is `ready`."""
    waiting = and_(t.study.c.state == "receiving", t.study.c.due_at <= now)
    return case((waiting, State.READY.value), else_=t.study.c.state)


def _row(row: RowMapping) -> WorklistRow:
    values = {name: row[name] for name in WorklistRow.__dataclass_fields__}
    outcome = Outcome(row["outcome"]) if row["outcome"] else None
    return WorklistRow(**{**values, "state": State(row["state"]), "outcome": outcome})


def _matches(q: str) -> ColumnElement[bool]:
    study = t.study.c
    texts = (study.patient_id, study.patient_name, study.accession_number, study.study_description)
    return or_(*(column.icontains(q, autoescape=True) for column in (*texts, study.study_instance_uid)))


def _cursor(row: WorklistRow) -> str:
    return urlsafe_b64encode(f"{row.last_at.isoformat()}|{row.study_instance_uid}".encode()).decode()


def _after(cursor: str) -> ColumnElement[bool]:
    try:
        at_text, uid = urlsafe_b64decode(cursor).decode().split("|")
        at = datetime.fromisoformat(at_text)
        if at.tzinfo is None:
            raise ValueError("no zone")
    except ValueError as error:
        raise TriageError("the cursor is not one of this worklist: start again without it") from error
    study = t.study.c
    return or_(study.last_at < at, and_(study.last_at == at, study.study_instance_uid > uid))
