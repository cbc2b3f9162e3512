"""Stage: store. What a calibration in shadow would have said. It is kept beside the results and never becomes one."""

from typing import Any

from sqlalchemy import and_, func, select

from triage.core.finding import Outcome, StudyFinding
from triage.store import calibration_tables as c
from triage.store import tables as t
from triage.store.codec import finding_from_json, finding_to_json
from triage.store.database import insert_new, reading, writing
from triage.store.monitoring_records import ShadowComparison
from triage.store.rows import Part

_BATCH = 500


class Shadows(Part):
    """Keeping shadow results and comparing them with those in force."""

    def save_shadow(self, finding: StudyFinding, calibration_id: str, active_outcome: Outcome) -> bool:
        """Keeps what a shadow calibration said of an exam; False if it was kept for this revision already.

        Args:
            finding: decided by the shadow calibration.
            calibration_id: of the shadow calibration.
            active_outcome: of the result that counts, made from the same images.
        """
        row = {
            "study_instance_uid": finding.study_instance_uid,
            "revision": finding.revision,
            "calibration_id": calibration_id,
            "outcome": finding.outcome.value,
            "active_outcome": active_outcome.value,
            "exam_score": finding.exam_score,
            "finding": finding_to_json(finding),
            "at": self._now(),
        }
        with writing(self._engine) as connection:
            return insert_new(connection, c.shadow_result, row, c.shadow_result.c.id) is not None

    def shadow_comparison(self, calibration_id: str) -> ShadowComparison:
        """How often the shadow and the active calibration agreed."""
        flag, refused = Outcome.CONFIDENTLY_NORMAL, Outcome.NOT_EVALUATED
        pairs: list[tuple[Outcome, Outcome]] = []
        difference: float | None = None
        with reading(self._engine) as connection:
            rows = connection.execution_options(yield_per=_BATCH).execute(_newest(calibration_id)).mappings()
            for row in rows:
                pairs.append((Outcome(row["active_outcome"]), Outcome(row["outcome"])))
                scores = (row["exam_score"], _active_score(row["active_finding"]))
                if scores[0] is not None and scores[1] is not None:
                    difference = max(difference or 0.0, abs(scores[0] - scores[1]))
        return ShadowComparison(
            n=len(pairs),
            both_flagged=sum(active == shadow == flag for active, shadow in pairs),
            only_active=sum(active == flag != shadow for active, shadow in pairs),
            only_shadow=sum(shadow == flag != active for active, shadow in pairs),
            neither=sum(flag not in pair for pair in pairs),
            evaluated_by_one=sum((active == refused) != (shadow == refused) for active, shadow in pairs),
            max_score_difference=difference,
        )


def _newest(calibration_id: str) -> Any:
    """The newest shadow result of each exam, beside the finding in force."""
    shadow = c.shadow_result
    last = select(func.max(shadow.c.id)).where(shadow.c.calibration_id == calibration_id)
    active = t.result.alias()
    return (
        select(shadow.c.outcome, shadow.c.active_outcome, shadow.c.exam_score, active.c.finding.label("active_finding"))
        .join(t.study, t.study.c.study_instance_uid == shadow.c.study_instance_uid)
        .outerjoin(active, and_(active.c.result_id == t.study.c.result_id, active.c.revision == shadow.c.revision))
        .where(shadow.c.id.in_(last.group_by(shadow.c.study_instance_uid)))
    )


def _active_score(finding: dict[str, Any] | None) -> float | None:
    return finding_from_json(finding).exam_score if finding else None
