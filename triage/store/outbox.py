"""Stage: store. The outbox: what is still to be sent where, and what became of it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update

from triage.core.errors import TriageError
from triage.store import tables as t
from triage.store.audit import append
from triage.store.database import reading, writing
from triage.store.records import Delivery
from triage.store.rows import Part, deliveries_where, delivery_record

SENDING = timedelta(minutes=5)
"""How long one sender may take before another one may try the same delivery."""
REJECTED = "rejected: "
"""Begins the error of a delivery that its destination does not want: waiting alone will not help."""
SUPERSEDED = "superseded by "
"""Begins the error of a delivery that a newer result made pointless: nobody need look at it."""


class Outbox(Part):
    """The sender's side of the ledger."""

    def due_deliveries(self, destination: str, limit: int = 16) -> tuple[Delivery, ...]:
        """Takes pending deliveries whose time has come, oldest first; each taking counts as an attempt.

        A taken delivery is not offered again for `SENDING`, so that several senders do not send it at once, and is
        offered again if its sender died.
        """
        now = self._now()
        delivery = t.delivery.c
        due = and_(delivery.destination == destination, delivery.state == "pending", delivery.next_at <= now)
        oldest = select(delivery.id).where(due).order_by(delivery.id).limit(limit)
        with reading(self._engine) as connection:
            if connection.execute(oldest).first() is None:
                return ()
        with writing(self._engine) as connection:
            ids = connection.execute(oldest.with_for_update(skip_locked=True)).scalars().all()
            values = {"attempts": delivery.attempts + 1, "next_at": now + SENDING}
            taken = update(t.delivery).where(delivery.id.in_(ids)).values(values).returning(t.delivery)
            rows = connection.execute(taken).mappings().all()
        return tuple(sorted((delivery_record(row) for row in rows), key=lambda one: one.id))

    def sent(self, delivery_id: int) -> None:
        """The destination accepted the object."""
        now = self._now()
        values = {"state": "sent", "sent_at": now, "next_at": now, "last_error": None}
        self._settle(delivery_id, "delivery-sent", values)

    def confirmed(self, delivery_id: int) -> None:
        """The destination accepted the message and said that it processed it."""
        values = {"state": "confirmed", "sent_at": self._now(), "last_error": None}
        self._settle(delivery_id, "delivery-confirmed", values)

    def retry(self, delivery_id: int, error: str, next_at: datetime) -> None:
        """The object was not accepted; it is offered again at `next_at`, unless a newer result superseded it."""
        statement = update(t.delivery).where(t.delivery.c.id == delivery_id, t.delivery.c.state == "pending")
        with writing(self._engine) as connection:
            connection.execute(statement.values(last_error=error, next_at=next_at))

    def failed(self, delivery_id: int, error: str) -> None:
        """The delivery is given up, unless a newer result superseded it meanwhile."""
        values = {"state": "failed", "last_error": error}
        self._settle(delivery_id, "delivery-failed", values, t.delivery.c.state == "pending")

    def hasten(self, destination: str) -> None:
        """Deliveries that wait for their next attempt are due at once, except those that the destination rejected."""
        delivery = t.delivery.c
        failed_before = and_(delivery.last_error.is_not(None), ~delivery.last_error.startswith(REJECTED))
        waiting = and_(delivery.destination == destination, delivery.state == "pending", failed_before)
        with writing(self._engine) as connection:
            connection.execute(update(t.delivery).where(waiting).values(next_at=self._now()))

    def troubled_deliveries(self) -> tuple[Delivery, ...]:
        """What somebody has to look at, oldest first: given up, rejected, or sent and not committed."""
        delivery = t.delivery.c
        error = delivery.last_error
        troubled = or_(
            and_(delivery.state == "failed", ~error.startswith(SUPERSEDED)),
            and_(delivery.state == "pending", error.startswith(REJECTED)),
            and_(delivery.state == "sent", error.is_not(None)),
        )
        with reading(self._engine) as connection:
            return deliveries_where(connection, troubled)

    def newest_deliveries(
        self, limit: int, state: str | None = None, destination: str | None = None
    ) -> tuple[Delivery, ...]:
        """The last entries of the outbox, newest first."""
        conditions = [t.delivery.c.state == state] if state else []
        conditions += [t.delivery.c.destination == destination] if destination else []
        statement = select(t.delivery).where(*conditions).order_by(t.delivery.c.id.desc()).limit(limit)
        with reading(self._engine) as connection:
            return tuple(delivery_record(row) for row in connection.execute(statement).mappings())

    def deliveries(self, state: str) -> tuple[Delivery, ...]:
        """Every delivery in a state, oldest first."""
        with reading(self._engine) as connection:
            return deliveries_where(connection, t.delivery.c.state == state)

    def made_here(self, sop_instance_uid: str) -> bool:
        """Whether this is an object that the service made: some destination was to get it."""
        mine = select(t.delivery.c.id).where(t.delivery.c.sop_instance_uid == sop_instance_uid).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(mine).first() is not None

    def resend(self, delivery_id: int) -> bool:
        """Offers a delivery again at once, whatever became of it; False if there is none of that id.

        Raises:
            TriageError: its result is no longer in force; sent now, it would pass for the newest one.
        """
        now = self._now()
        values = {"state": "pending", "attempts": 0, "created_at": now, "next_at": now}
        if self._settle(delivery_id, "delivery-resent", values, _is_in_force()):
            return True
        with reading(self._engine) as connection:
            known = deliveries_where(connection, t.delivery.c.id == delivery_id)
        if known:
            raise TriageError(f"delivery {delivery_id} is of a result that a newer one replaced; resend that one")
        return False

    def due_commitments(self, destination: str, sent_after: datetime, limit: int = 16) -> tuple[Delivery, ...]:
        """Takes sent deliveries whose storage is to be asked for, oldest first; not offered again for `SENDING`."""
        now = self._now()
        delivery = t.delivery.c
        due = and_(delivery.destination == destination, delivery.state == "sent", delivery.next_at <= now)
        oldest = select(delivery.id).where(due, delivery.sent_at > sent_after).order_by(delivery.id).limit(limit)
        with reading(self._engine) as connection:
            if connection.execute(oldest).first() is None:
                return ()
        with writing(self._engine) as connection:
            ids = connection.execute(oldest.with_for_update(skip_locked=True)).scalars().all()
            taken = update(t.delivery).where(delivery.id.in_(ids)).values(next_at=now + SENDING).returning(t.delivery)
            rows = connection.execute(taken).mappings().all()
        return tuple(sorted((delivery_record(row) for row in rows), key=lambda one: one.id))

    def not_yet_committed(self, delivery_id: int, error: str | None, next_at: datetime) -> None:
        """The destination is asked again at `next_at`, unless it has answered by now."""
        statement = update(t.delivery).where(t.delivery.c.id == delivery_id, t.delivery.c.state == "sent")
        with writing(self._engine) as connection:
            connection.execute(statement.values(last_error=error, next_at=next_at))

    def committed(self, delivery_id: int, sop_instance_uid: str) -> bool:
        """The destination keeps the object. False if no such object was sent and waits for that."""
        values = {"state": "confirmed", "last_error": None}
        return self._settle(delivery_id, "delivery-confirmed", values, _awaits_commitment(sop_instance_uid))

    def commitment_failed(self, delivery_id: int, sop_instance_uid: str, error: str, next_at: datetime) -> bool:
        """The destination does not keep the object, which is sent again at `next_at` if its result is in force."""
        awaits = _awaits_commitment(sop_instance_uid)
        again = {"state": "pending", "last_error": error, "next_at": next_at}
        outdated = {"state": "failed", "last_error": f"{SUPERSEDED}a newer result; {error}"}
        event = "delivery-not-committed"
        return self._settle(delivery_id, event, again, awaits, _is_in_force()) or self._settle(
            delivery_id, event, outdated, awaits
        )

    def _settle(self, delivery_id: int, event: str, values: dict[str, Any], *conditions: ColumnElement[bool]) -> bool:
        with writing(self._engine) as connection:
            chosen = update(t.delivery).where(t.delivery.c.id == delivery_id, *conditions)
            row = connection.execute(chosen.values(values).returning(t.delivery)).one_or_none()
            if row is None:
                return False
            detail = {
                "destination": row.destination,
                "output": row.output,
                "sop_instance_uid": row.sop_instance_uid,
                "attempts": row.attempts,
                "error": row.last_error,
            }
            append(connection, self._now(), event, row.study_instance_uid, detail)
        return True


def _is_in_force() -> ColumnElement[bool]:
    return t.delivery.c.result_id.in_(
        select(t.study.c.result_id).where(t.study.c.study_instance_uid == t.delivery.c.study_instance_uid)
    )


def _awaits_commitment(sop_instance_uid: str) -> ColumnElement[bool]:
    return and_(t.delivery.c.state == "sent", t.delivery.c.sop_instance_uid == sop_instance_uid)
