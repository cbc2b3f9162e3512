"""Stage: store. Exams that the service has scored, with what was later said of them: rows for a calibration set."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import RowMapping, Select, and_, func, select

from triage.core.strata import Stratum
from triage.store import calibration_tables as c
from triage.store import tables as t
from triage.store.codec import finding_from_json
from triage.store.database import reading
from triage.store.monitoring_records import LabelledExam, ScoredImage, SeenStratum
from triage.store.rows import Part

NO_CALIBRATION = ("uncalibrated-device", "calibration-suspended", "calibration-expired")
"""Reasons that say nothing about the exam itself."""
_ABOUT_THE_THRESHOLD = frozenset((*NO_CALIBRATION, "within-tolerance-of-threshold"))
_BATCH = 500


class Labelled(Part):
    """Scored exams with their labels, and the strata that were seen."""

    def labelled_exams(
        self, stratum_id: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> tuple[LabelledExam, ...]:
        """Exams with an assessment, as scored by their result in force, in the order of their decisions.

        Left out are exams that would be refused whatever the threshold (an implant, a missing view), since no threshold
        will ever be asked about them. The newest assessment counts.

        Args:
            since: decided at or after this time. until: decided before this time.
        """
        newest = select(func.max(c.assessment.c.id)).group_by(c.assessment.c.study_instance_uid)
        of_study = c.assessment.c.study_instance_uid == t.study.c.study_instance_uid
        labels = (c.assessment.c.right_birads, c.assessment.c.left_birads, c.assessment.c.follow_up)
        statement = _scored().add_columns(*labels).join(c.assessment, and_(of_study, c.assessment.c.id.in_(newest)))
        if since is not None:
            statement = statement.where(t.result.c.decided_at >= since)
        if until is not None:
            statement = statement.where(t.result.c.decided_at < until)
        found = self._exams(statement)
        return tuple(exam for exam in found if stratum_id is None or exam.stratum.id == stratum_id)

    def scored_exams(self, study_instance_uids: Sequence[str]) -> tuple[LabelledExam, ...]:
        """Those of the studies that have scores in force, without labels; the same exams are left out."""
        found: list[LabelledExam] = []
        for start in range(0, len(study_instance_uids), _BATCH):
            some = study_instance_uids[start : start + _BATCH]
            found += self._exams(_scored().where(t.study.c.study_instance_uid.in_(some)))
        return tuple(found)

    def strata_seen(self, last: int = 10_000) -> tuple[SeenStratum, ...]:
        """The strata of the newest `last` studies that have a result, those most often refused for it first."""
        newest = select(t.study.c.last_at, t.study.c.result_id).where(t.study.c.result_id.is_not(None))
        some = newest.order_by(t.study.c.last_at.desc()).limit(last).subquery()
        finding = t.result.c.finding
        statement = select(some.c.last_at, finding["stratum"].label("stratum"), finding["reasons"].label("reasons"))
        seen: dict[Stratum, list[tuple[datetime, bool]]] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(statement.join(t.result, t.result.c.result_id == some.c.result_id)):
                if row.stratum:
                    refused = any(found["code"] in NO_CALIBRATION for found in row.reasons)
                    seen.setdefault(Stratum(**row.stratum), []).append((row.last_at, refused))
        counted = [
            SeenStratum(stratum, len(exams), sum(refused for _, refused in exams), max(at for at, _ in exams))
            for stratum, exams in seen.items()
        ]
        return tuple(sorted(counted, key=lambda one: (-one.uncalibrated, -one.exams, one.stratum)))

    def _exams(self, statement: Select[tuple[object, ...]]) -> Iterator[LabelledExam]:
        with reading(self._engine) as connection:
            rows = connection.execution_options(yield_per=_BATCH).execute(statement).mappings()
            for row in rows:
                exam = _exam(row)
                if exam is not None:
                    yield exam


def _scored() -> Select[tuple[object, ...]]:
    current = and_(t.study.c.result_id == t.result.c.result_id, t.study.c.rev == t.study.c.done_rev)
    columns = (t.study.c.study_instance_uid, t.study.c.patient_id, t.result.c.finding)
    return select(*columns).join(t.result, current).order_by(t.result.c.decided_at, t.study.c.study_instance_uid)


def _exam(row: RowMapping) -> LabelledExam | None:
    finding = finding_from_json(row["finding"])
    if finding.stratum is None or not {found.code for found in finding.reasons} <= _ABOUT_THE_THRESHOLD:
        return None
    images = tuple(
        ScoredImage(image.view.laterality, image.view.view_position, image.logits.fused)
        for image in finding.images
        if image.view is not None and image.logits is not None and image.logits.fused is not None
    )
    if not images:
        return None
    labels = (
        {}
        if "follow_up" not in row
        else {
            "right": row["right_birads"],
            "left": row["left_birads"],
            "follow_up": row["follow_up"],
        }
    )
    return LabelledExam(row["study_instance_uid"], row["patient_id"], finding.stratum, images, **labels)
