"""Stage: store. Frozen records of what is watched: observed exams, control charts, assessments, incidents, shadows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from triage.core.finding import StudyFinding
from triage.core.strata import Stratum


@dataclass(frozen=True)
class Observation:
    """What one exam adds to the control charts of the calibration it was decided by."""

    study_instance_uid: str
    calibration_id: str
    stratum_id: str
    flag: bool
    """The exam is confidently normal."""
    refusal: bool
    """The exam was not evaluated, whatever the reason."""
    ood: bool
    """An image of it was refused as out of distribution."""
    exam_score: float | None
    baselines: Mapping[str, float] = field(default_factory=dict)
    """Rate of each event that is watched (`triage.decide.drift.baselines`): what a chart starts from if it is new."""


@dataclass(frozen=True)
class ChartState:
    """The numbers of one control chart; what they mean is known to `triage.decide.drift`."""

    event: str
    """flag, refusal or ood."""
    baseline: float
    up: float
    down: float
    exams: int
    events: int


@dataclass(frozen=True)
class ChartRecord:
    """One control chart, and when it last alarmed."""

    state: ChartState
    alarm_at: datetime | None


@dataclass(frozen=True)
class WeekOfScores:
    """How the exam scores of one week are spread."""

    monday: date
    """Of the week, in UTC."""
    counts: tuple[int, ...]
    """One more than there are edges: below the first, from each edge up to the next, from the last one on."""
    without_score: int


@dataclass(frozen=True)
class WhatIf:
    """What a threshold would have done to recent exams."""

    exams: int
    flagged: int
    """As they were decided."""
    would_flag: int


@dataclass(frozen=True)
class AssessmentRecord:
    """What a reader, a biopsy or the follow-up said of one exam."""

    id: int
    study_instance_uid: str
    result_id: str | None
    """The result in force when it came."""
    right_birads: int | None
    left_birads: int | None
    source: str
    """final-report, biopsy, follow-up or second-read."""
    follow_up: str
    """Empty, no-cancer, screen-detected or interval."""
    by: str
    at: datetime
    incident: int | None = None
    """The incident that it opened."""


@dataclass(frozen=True)
class NewIncident:
    """Something that a person must look into."""

    kind: str
    """`drift` or `missed-abnormal`."""
    detail: dict[str, Any]
    stratum_id: str | None = None
    calibration_id: str | None = None
    study_instance_uid: str | None = None


@dataclass(frozen=True)
class IncidentRecord:
    """An incident and what became of it."""

    id: int
    kind: str
    stratum_id: str | None
    calibration_id: str | None
    study_instance_uid: str | None
    detail: dict[str, Any]
    at: datetime
    closed_at: datetime | None
    closed_by: str | None
    resolution: str | None


@dataclass(frozen=True)
class ScoredImage:
    """One image as the models saw it."""

    laterality: str
    view: str
    fused: float


@dataclass(frozen=True)
class LabelledExam:
    """An exam that was scored, and what is known to be true of it; a line of a calibration set, not yet hashed."""

    study_instance_uid: str
    patient_id: str
    stratum: Stratum
    images: tuple[ScoredImage, ...]
    right: int | None = None
    """BI-RADS category of the right breast."""
    left: int | None = None
    follow_up: str = ""


@dataclass(frozen=True)
class ShadowComparison:
    """What a calibration in shadow said of exams beside what the active one said; newest revision of each exam."""

    n: int
    both_flagged: int
    only_active: int
    only_shadow: int
    neither: int
    evaluated_by_one: int
    """Among them, those that only one of the two evaluated."""
    max_score_difference: float | None
    """Between the two exam scores; None if no exam has both."""


@dataclass(frozen=True)
class SeenStratum:
    """A combination of place, device and so on that has sent exams lately, calibrated or not."""

    stratum: Stratum
    exams: int
    uncalibrated: int
    """Exams refused because no calibration was in force for it."""
    last_at: datetime
    """Arrival of its newest image."""


@dataclass(frozen=True)
class StoredFinding:
    """A result as it lies in the ledger, and what is wrong with the row itself."""

    result_id: str
    study_instance_uid: str
    finding: StudyFinding | None
    """None if it cannot be read any more."""
    sealed: bool
    """The audit trail has its digest."""
    in_force: bool
    """It is the newest answer to its study, given to the images that the ledger holds now."""
    problems: tuple[str, ...]
    """How the row contradicts itself or the audit trail."""
