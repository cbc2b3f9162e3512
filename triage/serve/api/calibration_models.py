"""Serve: what the REST interface takes and answers about calibrations, their sets and people, field by field."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from triage.core.governance import Act, Actor, CalibrationAct, CalibrationState, CalibrationVersion, Purpose, Role
from triage.core.strata import Stratum
from triage.decide.pooling import LEAST_LOCAL

Text = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
"""PostgreSQL refuses NUL in any text."""
BundleDigest = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
"""SHA-256 of a bundle's manifest; empty: the one that serves."""
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
FollowUp = Literal["", "no-cancer", "screen-detected", "interval"]
Birads = Annotated[int, Field(ge=0, le=6)]


class Body(BaseModel):
    """What a request carries; a field that nobody reads is an error, since it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid")


class Declarations(Body):
    """What the uploader vouches for. A calibration is not approved on sets that leave something open."""

    label_source: Text = Field(default="", description="Who gave the BI-RADS categories, and how.")
    follow_up: Text = Field(default="", description="How long and by which source cancers were looked for.")
    consecutive: bool = Field(default=False, description="Every exam of the period is in the set: none was chosen.")
    disjoint_from_training: Text = Field(
        default="",
        description="How no patient of it is known to have trained the models. Always asked for: an uploaded training"
        " set shows overlaps only among keys made with the same secret.",
    )


class SetUpload(Body):
    """A set of labelled scores."""

    name: Name
    purpose: Purpose
    declarations: Declarations = Declarations()
    bundle_sha256: BundleDigest = Field(
        default="", description="Which models made the scores: the bundle that serves (also if empty) or its shadow."
    )
    rows: list[dict[str, Any]] = Field(
        min_length=1,
        description="One an image: patient and exam (64 hexadecimal digits, HMAC-SHA-256 with a key of yours), site,"
        " manufacturer, model, software_version, acquisition_type, laterality, view, score (the fused logit), birads"
        " (0 to 6), follow_up (may be left out). Only site and follow_up may be empty. For training only `patient` is"
        " read. Patients who are in two sets are found only if the keys of both were made with one secret.",
    )


class StudyLabels(Body):
    """The final assessment of one study, for a set made from what the service has scored."""

    study_instance_uid: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
    right_birads: Birads | None = None
    left_birads: Birads | None = None
    follow_up: FollowUp = ""


class SetFromStudies(Body):
    """A set made from studies that the service has scored. Without `studies` the recorded assessments are the labels.

    Patients and exams stand in it by keyed hashes; no ID leaves the service.
    """

    name: Name
    purpose: Literal[Purpose.CALIBRATION, Purpose.EVALUATION]
    declarations: Declarations = Declarations()
    stratum_id: str | None = Field(default=None, description="Only studies of this stratum.")
    since: AwareDatetime | None = Field(default=None, description="Only studies decided at or after this time.")
    until: AwareDatetime | None = Field(default=None, description="Only studies decided before this time.")
    studies: list[StudyLabels] | None = Field(default=None, min_length=1, description="Not with since or until.")

    @model_validator(mode="after")
    def _by_name_or_by_time(self) -> Self:
        if self.studies is not None and (self.since or self.until):
            raise ValueError("studies are named, so since and until would have no effect; leave them out")
        return self


class Group(BaseModel):
    """How many images of one stratum have one BI-RADS category."""

    stratum_id: str
    birads: int
    images: int


class SetModel(BaseModel):
    """A set of labelled scores; it never changes."""

    id: str
    name: str
    purpose: Purpose
    created_at: datetime
    uploaded_by: str
    bundle_sha256: str
    preprocessing: str
    declarations: dict[str, Any]
    rows: int = Field(description="Number of images (for training: of patients).")
    rows_sha256: str


class LeftOut(BaseModel):
    """A study that could not go into a set."""

    study_instance_uid: str
    problem: str


class SetDetail(SetModel):
    """A set and what is in it."""

    patients: int
    exams: int
    strata: dict[str, "StratumModel"]
    counts: list[Group]


class SetMade(SetDetail):
    """A set made from studies."""

    left_out: list[LeftOut]


class StratumModel(BaseModel):
    """For what a threshold holds."""

    id: str
    device: str = Field(description="Manufacturer, model and software version.")
    site: str
    manufacturer: str
    model: str
    software_version: str
    acquisition_type: str
    bundle_sha256: str
    preprocessing: str

    @classmethod
    def of(cls, stratum: Stratum) -> Self:
        """The stratum as the interface tells it."""
        return cls.model_validate(stratum, from_attributes=True)


class Draft(Body):
    """A calibration to be made. The protocol is fixed here, before the data is looked at."""

    stratum_id: str
    kind: Literal["image", "exam_min"] = Field(
        default="exam_min", description="Whether the exam's least logit or each image's is calibrated to 20%."
    )
    calibration_set: str
    evaluation_set: str | None = None
    pool_abnormals: bool = Field(
        default=False,
        description="Take abnormal exams of other strata for the safety limit. Approved only if the stratum has"
        f" {LEAST_LOCAL} patients with abnormal exams of its own, the strata do not differ, and it misses no more.",
    )
    protocol: dict[str, Any] = Field(
        default={},
        description="Any of target_sensitivity, alpha, delta, alpha_severe, level, bootstraps. Weaker than"
        " the default it can be evaluated and not approved.",
    )
    valid_days: int = Field(default=365, ge=1, le=3650)


class SignatureModel(Body):
    """What stands under an act: the name of who signs, in letters, and what the signature means."""

    printed_name: Name
    meaning: Name = Field(examples=["I reviewed the report and approve this threshold."])


class Signed(Body):
    """An act. With `expected_active` it is done only if exactly that version (null: none) is in force."""

    signature: SignatureModel
    expected_active: str | None = Field(default=None, description="If given: what its author believes to be in force.")


class Activation(Signed):
    """An activation takes the place of exactly what its author saw in force, so it must say what that was."""

    expected_active: str | None = Field(description="Id of the version in force now; null if none is.")


class CalibrationSummary(BaseModel):
    """One version of a threshold for one stratum."""

    id: str
    number: int = Field(description="1, 2, 3, ... within its stratum.")
    stratum: StratumModel
    state: CalibrationState
    kind: str
    threshold: float | None = Field(description="For `kind`; null: nothing is flagged, or not evaluated yet.")
    image_threshold: float | None = Field(description="The papers' image-level threshold, whatever `kind` is.")
    limited_by_safety: bool
    demonstration: bool
    author: str
    created_at: datetime
    expires_at: datetime
    calibration_set: str | None
    evaluation_set: str | None
    pool_abnormals: bool
    protocol: dict[str, Any]

    @classmethod
    def of(cls, version: CalibrationVersion) -> Self:
        """The version as the interface tells it."""
        return cls.model_validate(version, from_attributes=True)


class CalibrationModel(CalibrationSummary):
    """A version and its report."""

    report: dict[str, Any] | None = Field(description="What the evaluation found; null while it is a draft.")


class HistoryLine(BaseModel):
    """One act and its signature."""

    act: Act
    from_state: CalibrationState | None
    to_state: CalibrationState
    by: str
    printed_name: str
    meaning: str
    at: datetime

    @classmethod
    def of(cls, act: CalibrationAct) -> Self:
        """The act as the interface tells it."""
        return cls.model_validate(act, from_attributes=True)


class Refusal(BaseModel):
    """Something that speaks against approving."""

    code: str
    text: str


class PersonModel(BaseModel):
    """Somebody who may act."""

    name: str
    printed_name: str
    roles: list[Role]
    disabled: bool = False

    @classmethod
    def of(cls, actor: Actor, disabled: bool = False) -> Self:
        """The person as the interface tells it."""
        return cls(name=actor.name, printed_name=actor.printed_name, roles=sorted(actor.roles), disabled=disabled)


class NewPerson(Body):
    """A person to be added."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="Login name.")]
    printed_name: Name
    roles: list[Role] = Field(
        min_length=1, description="Not `approver`: those are added with `triage user add` on the service's machine."
    )


class PersonMade(PersonModel):
    """A person who was just added."""

    key: str = Field(description="Shown this once; the service keeps only its digest.")
