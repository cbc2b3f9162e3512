"""Stage: store. Putting a result in force and its deliveries into the outbox; reading the result before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, select, update

from triage.core.errors import TriageError
from triage.core.finding import Outcome, StudyFinding
from triage.store import tables as t
from triage.store.assessments import check_missed_in
from triage.store.audit import append
from triage.store.calibrations_in_force import hold_in
from triage.store.codec import finding_to_json
from triage.store.database import insert_new, writing
from triage.store.findings import finding_digest
from triage.store.monitoring_records import Observation
from triage.store.observations import Step, lock_charts_in, observe_in
from triage.store.records import Claim, PlannedDelivery
from triage.store.rows import Part
from triage.store.studies import change_held, held


@dataclass(frozen=True)
class Watched:
    """What a result adds to the control charts, and how a chart moves (`triage.decide.drift.step`)."""

    observation: Observation
    step: Step


class Results(Part):
    """What becomes of a study once it is analysed."""

    def finish(
        self,
        claim: Claim,
        finding: StudyFinding,
        deliveries: Sequence[PlannedDelivery],
        dead: bool = False,
        watched: Watched | None = None,
    ) -> bool:
        """Puts a result in force and its deliveries into the outbox, in one transaction.

        The same result id is written once however often it is made. Deliveries of older results that were not sent yet
        are failed as superseded. `dead` gives the study up until a new image comes. If images came meanwhile, the study
        stays open and will be claimed again. `watched` is counted on the charts of its calibration, and an exam that
        was assessed as abnormal before is held against the new result. Returns False, and writes nothing, if the claim
        was lost.

        Errors:
            TriageError: The exam is flagged by a calibration that was taken out of use since it was looked up, or that
                was changed. Nothing is written: the next attempt looks up again.
        """
        now = self._now()
        with writing(self._engine) as connection:
            study = held(connection, claim)
            if study is None:
                return False
            _insert_result(connection, finding)
            _plan(connection, finding, deliveries, now)
            _supersede_deliveries(connection, finding, now)
            closed = "dead" if dead else "done"
            changes = {
                "done_rev": claim.rev,
                "state": closed if study.rev == claim.rev else "receiving",
                "lease_until": None,
                "result_id": finding.result_id,
            }
            changed = change_held(connection, claim, changes)
            detail = {
                "result_id": finding.result_id,
                "revision": claim.rev,
                "outcome": finding.outcome.value,
                "reasons": sorted({one.code for one in finding.reasons}),
                "dead": dead,
                "finding_sha256": finding_digest(finding_to_json(finding)),
            }
            # The audit trail is locked last, by whatever adds to it: charts and then calibrations come before.
            _hold_calibration(connection, finding, watched)
            if watched is not None:
                observe_in(connection, now, watched.observation, watched.step)
            check_missed_in(connection, now, claim.study_instance_uid)
            append(connection, now, "result", claim.study_instance_uid, detail)
        return changed


def _hold_calibration(connection: Connection, finding: StudyFinding, watched: Watched | None) -> None:
    """No flag is stored by a calibration that is out of use: a suspension comes before, or waits for the commit.

    Only flags wait for each other here. A suspension that this exam itself causes comes after (`observe_in` says why).
    """
    if finding.outcome is not Outcome.CONFIDENTLY_NORMAL or finding.operating_point is None:
        return
    if watched is not None:
        lock_charts_in(connection, watched.observation)
    hold_in(connection, finding.operating_point.id)


def _insert_result(connection: Connection, finding: StudyFinding) -> None:
    row = {
        "result_id": finding.result_id,
        "study_instance_uid": finding.study_instance_uid,
        "revision": finding.revision,
        "outcome": finding.outcome.value,
        "finding": finding_to_json(finding),
        "decided_at": datetime.fromisoformat(finding.decided_at),
    }
    insert_new(connection, t.result, row, t.result.c.result_id)
    owner = select(t.result.c.study_instance_uid).where(t.result.c.result_id == finding.result_id)
    if connection.execute(owner).scalar_one() != finding.study_instance_uid:
        raise TriageError(f"result {finding.result_id} belongs to another study")


def _plan(connection: Connection, finding: StudyFinding, deliveries: Sequence[PlannedDelivery], now: datetime) -> None:
    for one in deliveries:
        row = {
            "result_id": finding.result_id,
            "study_instance_uid": finding.study_instance_uid,
            "destination": one.destination,
            "output": one.output,
            "sop_instance_uid": one.sop_instance_uid,
            "path": one.path,
            "state": "pending",
            "created_at": now,
            "next_at": now,
        }
        insert_new(connection, t.delivery, row, t.delivery.c.id)


def _supersede_deliveries(connection: Connection, finding: StudyFinding, now: datetime) -> None:
    """Only the newest result is sent: older unsent ones fail; those of a result that is in force again are revived."""
    delivery = t.delivery.c
    older = and_(delivery.study_instance_uid == finding.study_instance_uid, delivery.result_id != finding.result_id)
    connection.execute(
        update(t.delivery)
        .where(older, delivery.state == "pending")
        .values(state="failed", last_error=f"superseded by revision {finding.revision}")
    )
    connection.execute(
        update(t.delivery)
        .where(delivery.result_id == finding.result_id, delivery.state == "failed")
        .values(state="pending", attempts=0, created_at=now, next_at=now)
    )
