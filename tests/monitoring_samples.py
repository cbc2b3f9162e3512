"""A calibration in force, exams decided by it, and the watching side of the ledger, for tests."""

from dataclasses import replace
from datetime import datetime, timedelta

from ledger_samples import LEASE, START, at_once, finding, header
from sqlalchemy import Engine, select

from triage.core.finding import ImageFinding, Logits, OperatingPoint, Outcome, StudyFinding
from triage.core.governance import Actor, CalibrationVersion, Role, ShippedCalibration
from triage.core.reasons import Reason
from triage.core.strata import Stratum
from triage.core.views import STANDARD_VIEWS
from triage.decide.drift import step
from triage.decide.rule import judge_exam
from triage.store import tables as t
from triage.store.database import reading, writing
from triage.store.ledger import Ledger
from triage.store.monitoring_records import Observation
from triage.store.observations import observe_in

STRATUM = Stratum("Site", "ACME", "Mammo 1", "1.0", "DIRECT", "ab" * 32, "1")
OTHER = replace(STRATUM, software_version="1.1")
READER = Actor("rita", "Rita Reader", frozenset({Role.READER}))
ADMIN = Actor("ada", "Ada Admin", frozenset({Role.ADMIN}))
BASELINES = {"flag": 0.06, "refusal": 0.05, "ood": 0.01}


def in_force(ledger: Ledger, stratum: Stratum = STRATUM, threshold: float = 1.0) -> CalibrationVersion:
    """A calibration of kind `exam_min` that is active."""
    end = START + timedelta(days=365)
    made = ShippedCalibration(stratum, "exam_min", threshold, 0.5, False, {}, {}, START - timedelta(days=1), end)
    ledger.adopt([made])
    version = ledger.in_force(stratum, START).version
    assert version is not None
    return version


def received(ledger: Ledger, number: int) -> str:
    """A study of one image; its UID."""
    uid = f"1.2.{number}"
    ledger.record_instance(header(1, study=uid), f"{number:064x}", "p", at_once)
    return uid


def seen(uid: str, version: CalibrationVersion, **changes: object) -> Observation:
    """An exam that was evaluated and not flagged."""
    made = Observation(uid, version.id, version.stratum.id, False, False, False, 0.25, BASELINES)
    return replace(made, **changes)


def observe(engine: Engine, one: Observation, now: datetime = START) -> tuple[int, ...]:
    """Counts it, as the worker does."""
    with writing(engine) as connection:
        return observe_in(connection, now, one, step)


def decided(
    uid: str, fused: float, point: OperatingPoint | None, reasons: tuple[Reason, ...] = (), revision: int = 1
) -> StudyFinding:
    """What the rule says of four views with this score."""
    images = [
        ImageFinding(
            f"{uid}.{view}",
            "1.2.3",
            "1.2.4",
            view.laterality,
            view.view_position,
            True,
            logits=Logits(fused, 0.5, fused),
        )
        for view in STANDARD_VIEWS
    ]
    outcome, judged, found = judge_exam(images, reasons, point)
    return finding(
        f"result-{uid}-{revision}",
        revision,
        uid,
        outcome=outcome,
        images=judged,
        reasons=found,
        operating_point=point,
        stratum=STRATUM,
    )


def finished(ledger: Ledger, number: int, fused: float, point: OperatingPoint | None, *reasons: Reason) -> StudyFinding:
    """A study with a result in force."""
    uid = received(ledger, number)
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    assert claim.study_instance_uid == uid
    made = decided(uid, fused, point, reasons, claim.rev)
    assert ledger.finish(claim, made, [])
    return made


def flagged(ledger: Ledger, number: int, version: CalibrationVersion) -> StudyFinding:
    """A study that was called confidently normal."""
    made = finished(ledger, number, 2.0, version.operating_point)
    assert made.outcome is Outcome.CONFIDENTLY_NORMAL
    return made


def audited(engine: Engine) -> list[tuple[str, dict[str, object]]]:
    """Events and details of the audit trail, oldest first."""
    with reading(engine) as connection:
        rows = connection.execute(select(t.audit.c.event, t.audit.c.detail).order_by(t.audit.c.id))
        return [(row.event, row.detail) for row in rows]
