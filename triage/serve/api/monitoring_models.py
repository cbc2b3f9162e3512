"""Serve: what the REST interface takes and answers about strata, drift, incidents and assessments, field by field."""

from datetime import date, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from triage.serve.api.calibration_models import Birads, Body, CalibrationSummary, FollowUp, Name, StratumModel
from triage.store.monitoring_records import AssessmentRecord, IncidentRecord


class StratumStatus(BaseModel):
    """A place and device, calibrated or not."""

    stratum: StratumModel
    status: str = Field(
        description="`in-force`, `uncalibrated-device`, `calibration-suspended` or `calibration-expired`."
    )
    text: str = Field(description="The status in words, unless a calibration is in force.")
    in_force: CalibrationSummary | None
    exams: int = Field(description="Among the newest 10,000 studies.")
    not_evaluated: int = Field(description="Of these, how many had no calibration in force.")
    last_at: datetime | None = Field(description="When the newest image of it came.")


class ChartModel(BaseModel):
    """A two-sided CUSUM of one event; it alarms, and suspends the calibration, when `up` or `down` reach `interval`."""

    event: str = Field(description="`flag`, `refusal` or `ood` (out of distribution).")
    baseline: float = Field(description="Rate of the event that is expected, per exam.")
    up: float = Field(description="Evidence that the rate doubled.")
    down: float = Field(description="Evidence that the rate halved.")
    interval: float
    exams: int
    events: int
    alarm_at: datetime | None


class WeekModel(BaseModel):
    """The exam scores of one week."""

    monday: date
    counts: list[int] = Field(description="Below the first edge, between edges, from the last one on.")
    without_score: int
    psi: float | None = Field(description="Against `reference`; a figure to look at: no alarm hangs on it.")


class Spread(BaseModel):
    """The distance of the newest exam scores from those of the calibration."""

    statistic: float = Field(description="Kolmogorov-Smirnov.")
    p: float = Field(description="As if exams were independent; a figure to look at: no alarm hangs on it.")
    exams: int


class Drift(BaseModel):
    """Whether a stratum still is as it was calibrated."""

    stratum_id: str
    calibration_id: str | None = Field(description="Whose charts these are: in force, or suspended last.")
    charts: list[ChartModel]
    reference: str = Field(description="What it is compared with: `evaluation set`, `calibration set` or `nothing`.")
    edges: list[float] = Field(description="Of the histograms: tenths of the reference.")
    weeks: list[WeekModel]
    ks: Spread | None


class WhatIfModel(BaseModel):
    """What another threshold would have done to the newest exams."""

    threshold: float
    exams: int
    flagged: int = Field(description="As they were decided.")
    would_flag: int = Field(description="All four logits at or above the threshold, and not refused.")


class IncidentModel(BaseModel):
    """Something that a person must look into."""

    id: int
    kind: str = Field(description="`drift` or `missed-abnormal`.")
    stratum_id: str | None
    calibration_id: str | None
    study_instance_uid: str | None
    detail: dict[str, Any]
    at: datetime
    closed_at: datetime | None
    closed_by: str | None
    resolution: str | None

    @classmethod
    def of(cls, record: IncidentRecord) -> Self:
        """The incident as the interface tells it."""
        return cls.model_validate(record, from_attributes=True)


class Resolution(Body):
    """What closes an incident."""

    resolution: Name = Field(description="What was found and what was done.")


class NewAssessment(Body):
    """The final word on an exam."""

    right_birads: Birads | None = None
    left_birads: Birads | None = None
    source: Literal["final-report", "biopsy", "follow-up", "second-read"] = "final-report"
    follow_up: FollowUp = ""


class AssessmentModel(BaseModel):
    """What was said of an exam."""

    id: int
    study_instance_uid: str
    result_id: str | None = Field(description="The result in force when it came.")
    right_birads: int | None
    left_birads: int | None
    source: str
    follow_up: str
    by: str
    at: datetime

    @classmethod
    def of(cls, record: AssessmentRecord) -> Self:
        """The assessment as the interface tells it."""
        return cls.model_validate(record, from_attributes=True)


class AssessmentTaken(BaseModel):
    """An assessment, and what it set off."""

    assessment: AssessmentModel
    incident: int | None = Field(description="The incident about the result it contradicts, if it does.")


class ShadowModel(BaseModel):
    """What a calibration in shadow said of exams beside what the one in force said."""

    n: int
    both_flagged: int
    only_active: int
    only_shadow: int
    neither: int
    evaluated_by_one: int = Field(description="Exams that only one of the two evaluated.")
    max_score_difference: float | None
