"""Stage: store. What readers, biopsies and follow-up said of exams; a flagged exam that was abnormal is an incident.

Input: BI-RADS categories of the two breasts and follow-up. Output: assessment rows; where the service had flagged the
exam as confidently normal and it was not, the calibration is suspended at once, in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select

from triage.core.errors import TriageError
from triage.core.finding import Outcome
from triage.core.governance import SYSTEM, Actor, Forbidden, Role
from triage.store import calibration_tables as c
from triage.store import tables as t
from triage.store.audit import append
from triage.store.calibration_acts import MISSED, suspend_in
from triage.store.calibration_deed import known
from triage.store.codec import finding_from_json
from triage.store.database import reading, writing
from triage.store.incidents import open_incident_in
from triage.store.monitoring_records import AssessmentRecord, NewIncident
from triage.store.rows import Part

SOURCES = ("final-report", "biopsy", "follow-up", "second-read")
FOLLOW_UPS = ("", "no-cancer", "screen-detected", "interval")
ABNORMAL = (4, 5, 6)
"""BI-RADS categories that a flagged exam must never have; 0 is an unfinished assessment."""
_CANCER = ("screen-detected", "interval")


@dataclass(frozen=True)
class Assessed:
    """What is said of one exam; at least one breast or the follow-up must be given."""

    right: int | None = None
    left: int | None = None
    source: str = "final-report"
    follow_up: str = ""

    @property
    def abnormal(self) -> bool:
        """Such an exam must not have been flagged as confidently normal."""
        return self.right in ABNORMAL or self.left in ABNORMAL or self.follow_up in _CANCER

    def check(self) -> None:
        """Raises TriageError naming the first value that cannot be."""
        for side, birads in (("right", self.right), ("left", self.left)):
            if birads is not None and (isinstance(birads, bool) or birads not in range(7)):
                raise TriageError(f"BI-RADS of the {side} breast is {birads}; expected 0 to 6, or nothing")
        if self.source not in SOURCES:
            raise TriageError(f"source of the assessment is {self.source!r}; expected one of {', '.join(SOURCES)}")
        if self.follow_up not in FOLLOW_UPS:
            expected = ", ".join(FOLLOW_UPS[1:])
            raise TriageError(f"follow-up is {self.follow_up!r}; expected one of {expected}, or nothing")
        if self.right is None and self.left is None and not self.follow_up:
            raise TriageError("the assessment says nothing: give a BI-RADS category of a breast, or a follow-up")


class Assessments(Part):
    """Taking assessments in, and reading them."""

    def record_assessment(self, study_instance_uid: str, assessed: Assessed, actor: Actor) -> AssessmentRecord:
        """Adds what is said of an exam; it replaces nothing, the newest one counts.

        If the exam's result in force calls it confidently normal and this says BI-RADS 4, 5 or 6 or cancer, a
        `missed-abnormal` incident is opened and the calibration that flagged it is suspended, also if a newer version
        has replaced it meanwhile.

        Errors:
            Forbidden: The person does not read. TriageError: An impossible value, or an unknown study.
        """
        if Role.READER not in actor.roles:
            raise Forbidden(f"{actor.name} may not assess exams: a reader may")
        assessed.check()
        now = self._now()
        with writing(self._engine) as connection:
            study = _locked(connection, study_instance_uid)
            if study is None:
                raise TriageError(f"no study {study_instance_uid}; `triage studies` lists those received")
            row = {
                "study_instance_uid": study_instance_uid,
                "result_id": study["result_id"],
                "right_birads": assessed.right,
                "left_birads": assessed.left,
                "source": assessed.source,
                "follow_up": assessed.follow_up,
                "by": actor.name,
                "at": now,
            }
            made = connection.execute(insert(c.assessment).values(row).returning(c.assessment.c.id)).scalar_one()
            incident = check_missed_in(connection, now, study_instance_uid)
            detail = {"assessment": made, "source": assessed.source, "by": actor.name, "result_id": study["result_id"]}
            append(connection, now, "assessment", study_instance_uid, detail)
        return AssessmentRecord(id=made, **row, incident=incident)

    def assessments(self, study_instance_uid: str) -> tuple[AssessmentRecord, ...]:
        """Everything that was said of an exam, oldest first."""
        statement = select(c.assessment).where(c.assessment.c.study_instance_uid == study_instance_uid)
        with reading(self._engine) as connection:
            rows = connection.execute(statement.order_by(c.assessment.c.id)).mappings().all()
            opened = {one["detail"]["assessment"]: one["id"] for one in _missed(connection, study_instance_uid)}
        return tuple(AssessmentRecord(**row, incident=opened.get(row["id"])) for row in rows)


def check_missed_in(connection: Connection, now: datetime, study_instance_uid: str) -> int | None:
    """Opens the incident, and suspends, if the newest assessment contradicts the result in force; the incident's id.

    Called for a new assessment, and for a new result of an exam that was assessed before. One incident for a result,
    however many assessments say so. Locks what `suspend_in` locks, the audit trail last.
    """
    newest = (
        select(c.assessment)
        .where(c.assessment.c.study_instance_uid == study_instance_uid)
        .order_by(c.assessment.c.id.desc())
        .limit(1)
    )
    row = connection.execute(newest).mappings().one_or_none()
    if row is None or not Assessed(row["right_birads"], row["left_birads"], row["source"], row["follow_up"]).abnormal:
        return None
    flagged = _flagged(connection, study_instance_uid)
    told = {one["detail"]["result_id"] for one in _missed(connection, study_instance_uid)}
    if flagged is None or flagged["result_id"] in told:
        return None
    finding = finding_from_json(flagged["finding"])
    point = finding.operating_point
    why = "an exam flagged as confidently normal was assessed as abnormal"
    suspended = bool(point and known(connection, point.id) and suspend_in(connection, now, point.id, SYSTEM, why))
    incident = NewIncident(
        MISSED,
        {
            "result_id": flagged["result_id"],
            "assessment": row["id"],
            "right_birads": row["right_birads"],
            "left_birads": row["left_birads"],
            "source": row["source"],
            "follow_up": row["follow_up"],
            "suspended": suspended,
        },
        finding.stratum.id if finding.stratum else None,
        point.id if point else None,
        study_instance_uid,
    )
    return open_incident_in(connection, now, incident)


def _locked(connection: Connection, study_instance_uid: str) -> RowMapping | None:
    """The study, locked: no result may come between the assessment and the check of it."""
    statement = select(t.study.c.result_id).where(t.study.c.study_instance_uid == study_instance_uid)
    return connection.execute(statement.with_for_update()).mappings().one_or_none()


def _flagged(connection: Connection, study_instance_uid: str) -> RowMapping | None:
    """The result in force if it flags all images that were received, else None."""
    statement = (
        select(t.result.c.result_id, t.result.c.finding)
        .join(t.study, t.study.c.result_id == t.result.c.result_id)
        .where(t.study.c.study_instance_uid == study_instance_uid, t.study.c.rev == t.study.c.done_rev)
        .where(t.result.c.outcome == Outcome.CONFIDENTLY_NORMAL.value)
    )
    return connection.execute(statement).mappings().one_or_none()


def _missed(connection: Connection, study_instance_uid: str) -> Sequence[RowMapping]:
    """The incidents of this kind that the exam has had."""
    statement = select(c.incident.c.id, c.incident.c.detail).where(
        c.incident.c.kind == MISSED, c.incident.c.study_instance_uid == study_instance_uid
    )
    return connection.execute(statement).mappings().all()
