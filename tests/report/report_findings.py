"""Findings to report on, made by the real header rules and the real decision rule."""

from pathlib import Path

import pydicom
import pytest
from mg_headers import EXPLICIT, STUDY, four_views, mg_header
from pydicom.dataset import Dataset

from triage.accept.exam_rules import exam_reasons
from triage.accept.header_rules import describe
from triage.core.finding import BundleIdentity, ImageFinding, Logits, OperatingPoint, Outcome, StudyFinding
from triage.decide.rule import judge_exam

NORMAL, SUSPICIOUS = 2.5, -0.75
SR_CLASS = "1.2.840.10008.5.1.4.1.1.88.34"
PREDECESSOR = (SR_CLASS, "1.2.3.1", "1.2.3.2", "1.2.3.3")
POINT = OperatingPoint("op-1", "image", 1.25, limited_by_safety=True)
BUNDLE = BundleIdentity("scp-sf-mip", "0.1.0", "ab" * 32, demonstration=True)


def decided(datasets: list[Dataset], scores: list[float] | None = None, **changes: object) -> StudyFinding:
    """The finding for an exam; `scores` are the fused logits of its images in order, none where the exam is refused."""
    headers = [describe(ds, EXPLICIT) for ds in datasets]
    images = {
        header.sop_instance_uid: ImageFinding(
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
    }
    counted = [images[header.sop_instance_uid] for header in headers if header.analysable]
    set_aside = [images[header.sop_instance_uid] for header in headers if not header.analysable]
    outcome, judged, reasons = judge_exam(counted, exam_reasons(headers), POINT)
    fields: dict[str, object] = {
        "study_instance_uid": headers[0].study_instance_uid if headers else STUDY,
        "revision": 1,
        "outcome": Outcome(outcome),
        "reasons": reasons,
        "images": (*judged, *set_aside),
        "operating_point": POINT,
        "bundle": BUNDLE,
        "stratum": None,
        "result_id": "result-1",
        "decided_at": "2026-11-21T10:15:30.123+00:00",
    }
    return StudyFinding(**(fields | changes))  # type: ignore[arg-type]


def real(data_dir: Path, name: str) -> Dataset:
    path = data_dir / "dicom-mg" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return pydicom.dcmread(path, stop_before_pixels=True)


def ge(data_dir: Path) -> Dataset:
    return real(data_dir, "ge_senographe_rmlo_jpegll_GH133.dcm")


def siemens(data_dir: Path) -> Dataset:
    return real(data_dir, "siemens_inspiration_stereo_OutOfBoundsOverlay.dcm")


def implant() -> list[Dataset]:
    return [*four_views()[:3], mg_header("LMLO", BreastImplantPresent="YES")]


def with_set_aside() -> list[Dataset]:
    """A complete exam, a capture without orientation and spacing, and a report of another system."""
    capture = mg_header(
        "RCC", SOPInstanceUID="1.2.9.1", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", PatientOrientation=None
    )
    report = mg_header("RCC", SOPInstanceUID="1.2.9.2", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Rows=None)
    return [*four_views(), capture, report]


def bare() -> list[Dataset]:
    absent = ["StudyID", "AccessionNumber", "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate"]
    absent += [
        "StudyTime",
        "ReferringPhysicianName",
        "SpecificCharacterSet",
        "PatientOrientation",
        "ImagerPixelSpacing",
    ]
    absent += ["Rows", "Columns", "Modality", "ImageLaterality"]
    return [mg_header("RCC", **dict.fromkeys(absent))]


CASES = {
    "flagged": lambda _: (four_views(), [NORMAL] * 4),
    "mixed": lambda _: (four_views(), [NORMAL, SUSPICIOUS, NORMAL, NORMAL]),
    "close": lambda _: (four_views(), [NORMAL, 1.2501, NORMAL, NORMAL]),
    "implant": lambda _: (implant(), [NORMAL] * 4),
    "one-view": lambda _: ([mg_header("RMLO")], None),
    "set-aside": lambda _: (with_set_aside(), [NORMAL] * 6),
    "bare": lambda _: (bare(), None),
    "japanese": lambda _: (four_views(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう"), [NORMAL] * 4),
    "ge": lambda folder: ([ge(folder)], None),
    "siemens": lambda folder: ([siemens(folder)], None),
}


def case(name: str, data_dir: Path | None = None) -> tuple[StudyFinding, list[Dataset]]:
    datasets, scores = CASES[name](data_dir)
    return decided(datasets, scores), datasets
