"""Stage: store. The outbox: what is still to be sent where, and what became of it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, select, update

from triage.store import tables as t
from triage.store.audit import append
from triage.store.database import reading, writing
from triage.store.records import Delivery
from triage.store.rows import Part, deliveries_where, delivery_record

SENDING = timedelta(minutes=5)
"""How long one sender may take before another one may try the same delivery."""


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
        self._settle(delivery_id, "delivery-sent", {"state": "sent", "sent_at": now, "last_error": None})

    def retry(self, delivery_id: int, error: str, next_at: datetime) -> None:
        """The object was not accepted; it is offered again at `next_at`, unless a newer result superseded it."""
        statement = update(t.delivery).where(t.delivery.c.id == delivery_id, t.delivery.c.state == "pending")
        with writing(self._engine) as connection:
            connection.execute(statement.values(last_error=error, next_at=next_at))

    def failed(self, delivery_id: int, error: str) -> None:
        """The delivery is given up."""
        self._settle(delivery_id, "delivery-failed", {"state": "failed", "last_error": error})

    def deliveries(self, state: str) -> tuple[Delivery, ...]:
        """Every delivery in a state, oldest first."""
        with reading(self._engine) as connection:
            return deliveries_where(connection, t.delivery.c.state == state)

    def resend(self, delivery_id: int) -> bool:
        """Offers a delivery again at once, whatever became of it; False if there is none of that id."""
        now = self._now()
        values = {"state": "pending", "attempts": 0, "created_at": now, "next_at": now}
        return self._settle(delivery_id, "delivery-resent", values)

    def _settle(self, delivery_id: int, event: str, values: dict[str, Any]) -> bool:
        with writing(self._engine) as connection:
            statement = update(t.delivery).where(t.delivery.c.id == delivery_id).values(values).returning(t.delivery)
            row = connection.execute(statement).one_or_none()
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
