"""Serve: rows of a calibration set from studies that the service has scored. Input: ledger, labels. Output: `Rows`.

Patients and exams are replaced by keyed hashes here, before anything is kept: a set holds no ID of anybody.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException

from triage.core.governance import Purpose
from triage.decide.calibration_rows import Rows, parse_json
from triage.serve.api.calibration_models import LeftOut, SetFromStudies
from triage.serve.bundle import ServedBundle
from triage.store.ledger import Ledger
from triage.store.monitoring_records import LabelledExam
from triage.store.secret import PatientKeys

_NOT_SCORED = "has no scores in force: it was not received, is not decided, or is refused whatever the threshold"


class ScoredStudies:
    """Scores of the ledger with their labels."""

    def __init__(self, ledger: Ledger, bundle: ServedBundle, keys: PatientKeys) -> None:
        self._ledger = ledger
        self._bundle = bundle
        self._keys = keys

    def rows(self, wanted: SetFromStudies) -> tuple[Rows, list[LeftOut]]:
        """The rows, and the studies that gave none.

        Errors:
            HTTPException: 422, no study can be used.
        """
        found, left_out = self._labelled(wanted)
        rows: list[dict[str, Any]] = []
        for exam in found:
            problem = self._problem(exam, wanted.stratum_id)
            if problem:
                left_out.append(LeftOut(study_instance_uid=exam.study_instance_uid, problem=problem))
            else:
                rows += self._rows_of(exam)
        if not rows:
            why = "; ".join(sorted({one.problem for one in left_out})) or "no exam of them has an assessment"
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, f"No study can be used: {why}.")
        return parse_json(rows, Purpose(wanted.purpose)), left_out

    def _labelled(self, wanted: SetFromStudies) -> tuple[list[LabelledExam], list[LeftOut]]:
        if wanted.studies is None:
            return list(self._ledger.labelled_exams(wanted.stratum_id, wanted.since, wanted.until)), []
        labels = {one.study_instance_uid: one for one in wanted.studies}
        found = {one.study_instance_uid: one for one in self._ledger.scored_exams(list(labels))}
        exams = [
            replace(found[uid], right=given.right_birads, left=given.left_birads, follow_up=given.follow_up)
            for uid, given in labels.items()
            if uid in found
        ]
        left_out = [LeftOut(study_instance_uid=uid, problem=_NOT_SCORED) for uid in labels if uid not in found]
        return exams, left_out

    def _problem(self, exam: LabelledExam, stratum_id: str | None) -> str | None:
        """What keeps an exam out of the set."""
        stratum = exam.stratum
        if stratum.unnamed:
            return f"its device does not say what it is ({', '.join(stratum.unnamed)} absent)"
        if (stratum.bundle_sha256, stratum.preprocessing) != (self._bundle.sha256, self._bundle.preprocessing):
            return "was scored by another model bundle; analyse it again"
        if stratum_id is not None and stratum.id != stratum_id:
            return f"is of stratum {stratum.id}"
        if not exam.patient_id.strip():
            return "has no patient ID, so it cannot be kept apart from other sets"
        if len({(image.laterality, image.view) for image in exam.images}) < len(exam.images):
            return "has two images of one view"
        sides = {image.laterality for image in exam.images}
        missing = [side for side, birads in (("R", exam.right), ("L", exam.left)) if side in sides and birads is None]
        return f"has no BI-RADS category of breast {' and '.join(missing)}" if missing else None

    def _rows_of(self, exam: LabelledExam) -> list[dict[str, Any]]:
        same = {
            "patient": self._keys.key(exam.patient_id),
            "exam": self._keys.key(exam.study_instance_uid),
            "site": exam.stratum.site,
            "manufacturer": exam.stratum.manufacturer,
            "model": exam.stratum.model,
            "software_version": exam.stratum.software_version,
            "acquisition_type": exam.stratum.acquisition_type,
            "follow_up": exam.follow_up,
        }
        return [
            {
                **same,
                "laterality": image.laterality,
                "view": image.view,
                "score": image.fused,
                "birads": exam.right if image.laterality == "R" else exam.left,
            }
            for image in exam.images
        ]
