"""Findings to report on, made by the real header rules and the real decision rule."""

from mg_headers import EXPLICIT, STUDY
from pydicom.dataset import Dataset

from triage.accept.exam_rules import exam_reasons
from triage.accept.header_rules import describe
from triage.core.finding import BundleIdentity, ImageFinding, Logits, OperatingPoint, Outcome, StudyFinding
from triage.decide.rule import judge_exam

POINT = OperatingPoint("op-1", "image", 1.25, limited_by_safety=True)
BUNDLE = BundleIdentity("scp-sf-mip", "0.1.0", "ab" * 32, demonstration=True)


def decided(datasets: list[Dataset], scores: list[float] | None = None, **changes: object) -> StudyFinding:
    """The finding for an exam; `scores` are the fused logits of its images in order, none where the exam is refused."""
    headers = [describe(ds, EXPLICIT) for ds in datasets]
    images = [
        ImageFinding(
            header.sop_instance_uid,
            header.sop_class_uid,
            header.series_instance_uid,
            header.laterality,
            header.view_position,
            header.eligible,
            header.reasons,
            logits=Logits(scores[place], scores[place], scores[place]) if scores and header.eligible else None,
        )
        for place, header in enumerate(headers)
    ]
    outcome, judged, reasons = judge_exam(images, exam_reasons(headers), POINT)
    fields: dict[str, object] = {
        "study_instance_uid": str(datasets[0].StudyInstanceUID) if datasets else STUDY,
        "revision": 1,
        "outcome": Outcome(outcome),
        "reasons": reasons,
        "images": judged,
        "operating_point": POINT,
        "bundle": BUNDLE,
        "result_id": "result-1",
        "decided_at": "2026-11-21T10:15:30.123+00:00",
    }
    return StudyFinding(**(fields | changes))  # type: ignore[arg-type]
