"""Stage: store. Work on studies: claiming one under a lease and a fence, giving it back, doing it again.

A claim commits its attempt before any work, so that a crash counts. Whoever lost the lease can no longer write: every
claim raises the fence, and every later write compares it.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from triage.store import tables as t
from triage.store.audit import append
from triage.store.database import reading, writing
from triage.store.records import Claim
from triage.store.rows import Part, is_open

MAX_ATTEMPTS = 5
"""Attempts at one revision before it is given up."""


class Studies(Part):
    """The worker's side of the ledger."""

    def claim_study(self, lease: timedelta) -> Claim | None:
        """Claims the study that has been due for longest; None if none is due. Cheap enough to poll."""
        due = _claimable(self._now())
        with reading(self._engine) as connection:
            if connection.execute(select(t.study.c.rev).where(due).limit(1)).first() is None:
                return None
        with writing(self._engine) as connection:
            now = self._now()
            oldest = (
                select(t.study.c.study_instance_uid)
                .where(_claimable(now))
                .order_by(t.study.c.due_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            uid = connection.execute(oldest).scalar_one_or_none()
            if uid is None:
                return None
            claimed = (
                update(t.study)
                .where(t.study.c.study_instance_uid == uid)
                .values(
                    attempts=t.study.c.attempts + 1,
                    fence=t.study.c.fence + 1,
                    state="analysing",
                    lease_until=now + lease,
                )
                .returning(t.study.c.rev, t.study.c.fence, t.study.c.attempts, t.study.c.opened_at)
            )
            rev, fence, attempts, opened_at = connection.execute(claimed).one()
        return Claim(uid, rev, fence, attempts, opened_at, exhausted=attempts > MAX_ATTEMPTS)

    def extend(self, claim: Claim, lease: timedelta) -> bool:
        """Renews the lease from now on; False if the claim was lost."""
        with writing(self._engine) as connection:
            return change_held(connection, claim, {"lease_until": self._now() + lease})

    def release_leases(self) -> None:
        """Frees every claim at once: for the start of the only worker, whose predecessor may have been killed.

        Deliveries that wait are tried at once too: what the predecessor was sending cannot be told from what failed.
        Were another worker alive after all, its fence would no longer hold: the study is analysed again, never lost.
        """
        values = {"state": "receiving", "lease_until": None, "fence": t.study.c.fence + 1}
        with writing(self._engine) as connection:
            connection.execute(update(t.study).where(t.study.c.lease_until.is_not(None)).values(values))
            waiting = t.delivery.c.state == "pending"
            connection.execute(update(t.delivery).where(waiting).values(next_at=self._now()))

    def fail_attempt(self, claim: Claim, error: str) -> bool:
        """Gives the claim back after an error; the next attempt waits 2, 4, 8, ... s, at most 5 min. False if lost.

        `error` names a type and a cause, no patient.
        """
        with writing(self._engine) as connection:
            changes: dict[str, Any] = {"state": "receiving", "lease_until": None, "last_error": error}
            study = held(connection, claim)
            if study is not None and study.rev == claim.rev:  # a newer revision starts afresh, without a wait
                changes["due_at"] = self._now() + timedelta(seconds=min(2**claim.attempts, 300))
            return change_held(connection, claim, changes)

    def redrive(self, study_instance_uid: str) -> bool:
        """Analyses a study again as a new revision, a dead one too. False if there is no such study."""
        now = self._now()
        with writing(self._engine) as connection:
            statement = (
                update(t.study)
                .where(t.study.c.study_instance_uid == study_instance_uid)
                .values(
                    rev=t.study.c.rev + 1, state="receiving", attempts=0, opened_at=now, due_at=now, last_error=None
                )
                .returning(t.study.c.rev)
            )
            rev = connection.execute(statement).scalar_one_or_none()
            if rev is None:
                return False
            append(connection, now, "study-redriven", study_instance_uid, {"revision": rev})
        return True


def change_held(connection: Connection, claim: Claim, values: dict[str, Any]) -> bool:
    """Changes the study if the claim still holds; says whether it did."""
    statement = update(t.study).where(_holds(claim)).values(values).returning(t.study.c.rev)
    return connection.execute(statement).first() is not None


def _claimable(now: datetime) -> ColumnElement[bool]:
    study = t.study.c
    free = or_(study.lease_until.is_(None), study.lease_until <= now)
    return and_(is_open(), study.due_at <= now, free)


def _holds(claim: Claim) -> ColumnElement[bool]:
    study = t.study.c
    mine = and_(study.study_instance_uid == claim.study_instance_uid, study.fence == claim.fence)
    return and_(mine, study.lease_until.is_not(None))


def held(connection: Connection, claim: Claim) -> Any:
    """The row of the claimed study, locked, or None if the claim was lost."""
    statement = select(t.study.c.rev).where(_holds(claim)).with_for_update()
    return connection.execute(statement).one_or_none()
