"""Serve: what the REST interface answers, field by field. Pages are rendered from the same models."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from triage.core.finding import Outcome, State
from triage.core.views import View

POSITIVE_CLASS = "normal (BI-RADS 1)"


class ReasonModel(BaseModel):
    """Why an exam or an image was not evaluated."""

    code: str = Field(examples=["views-missing"])
    text: str = Field(examples=["RMLO is missing"])
    sop_instance_uid: str | None = Field(description="The image it is about; null if it is about the exam.")


class LogitsModel(BaseModel):
    """Scores before the sigmoid; higher is more surely normal. Null where a model was not run."""

    dual_view: float | None
    whole_image: float | None
    fused: float | None


class RegistrationModel(BaseModel):
    """How the same view of the other breast was aligned."""

    quality: float = Field(description="Overlap of the two breasts after alignment, 0 to 1.")
    accepted: bool
    method: str


class ImageModel(BaseModel):
    """One received object of the study, analysed or not."""

    sop_instance_uid: str
    laterality: str | None = Field(examples=["R"])
    view: str | None = Field(examples=["CC"])
    eligible: bool = Field(description="Nothing speaks against analysing the image.")
    reasons: list[ReasonModel]
    logits: LogitsModel | None = Field(description="Null if the image was not analysed (yet).")
    flagged: bool = Field(description="Fused logit at or above the threshold; the papers' flag where kind is `image`.")
    ood: float | None = Field(description="How unlike the known images; above 1 it is refused. Null: not measured.")
    registration: RegistrationModel | None


class OperatingPointModel(BaseModel):
    """The threshold in force when the study was decided."""

    id: str
    kind: str = Field(
        description="How the threshold was found: `image` so that 20% of normal images reach it (the papers'), "
        "`exam_min` so that the least score of 20% of normal exams does."
    )
    threshold: float | None = Field(description="Compared with each image's fused logit. Null: nothing is flagged.")
    image_threshold: float | None = Field(description="The papers' threshold, whatever the kind.")
    limited_by_safety: bool
    demonstration: bool
    positive_class: str = Field(default=POSITIVE_CLASS, description="What sensitivity counts as positive.")


class StratumModel(BaseModel):
    """For what the operating point was looked up; texts as the sender wrote them."""

    id: str
    site: str
    manufacturer: str
    model: str
    software_version: str
    acquisition_type: str


class BundleModel(BaseModel):
    """The models that made the scores."""

    name: str
    version: str
    sha256: str
    demonstration: bool


class DeliveryModel(BaseModel):
    """One object for one receiver."""

    destination: str
    output: str = Field(examples=["sr"])
    state: Literal["pending", "sent", "confirmed", "failed"]
    attempts: int
    sop_instance_uid: str
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None
    result_id: str
    of_current_result: bool = Field(description="False for objects of an older result of the study.")


class PreviousResultModel(BaseModel):
    """The answer to an older revision. It no longer holds, since images came or the study is analysed again."""

    revision: int
    outcome: Outcome
    decided_at: datetime


class ReceivedView(BaseModel):
    """One of the four standard views, as received."""

    view: View
    eligible: bool


class StudySummary(BaseModel):
    """One row of the worklist."""

    study_instance_uid: str
    accession_number: str
    patient_id: str
    patient_name: str = Field(description="As in DICOM: components parted by ^.")
    study_date: str = Field(description="As in DICOM: YYYYMMDD.")
    study_description: str
    manufacturer: str
    manufacturer_model_name: str
    revision: int = Field(description="Grows with every accepted change of the study's images.")
    state: State
    outcome: Outcome | None = Field(description="Of this revision; null until it is decided.")
    reasons: list[ReasonModel]
    views: list[ReceivedView] = Field(description="Standard views received, in hanging order.")
    other_images: int = Field(description="Received objects that show none of the standard views.")
    demonstration: bool | None = Field(description="Made by a demonstration model. Null: no result.")
    received_at: datetime = Field(description="When the first image came.")
    last_image_at: datetime
    decided_at: datetime | None
    previous_result: PreviousResultModel | None = Field(description="The answer put out of force by this revision.")


class Study(StudySummary):
    """Everything the service knows of one study."""

    images: list[ImageModel]
    operating_point: OperatingPointModel | None
    stratum: StratumModel | None = Field(description="Null if the images do not agree on one.")
    bundle: BundleModel | None
    deliveries: list[DeliveryModel] = Field(description="Of every result of the study, oldest first.")
    attempts: int = Field(description="Attempts at analysing this revision.")
    last_error: str | None = Field(description="Why the last attempt failed.")


class WorklistPage(BaseModel):
    """A page of the worklist, newest image first."""

    studies: list[StudySummary]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end.")
