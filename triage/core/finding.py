"""The one finding of a study revision. Every report, page and API answer is made from it."""

from dataclasses import dataclass
from enum import StrEnum

from triage.core.reasons import Reason
from triage.core.strata import Stratum
from triage.core.views import STANDARD_VIEWS, View, standard_view


class Outcome(StrEnum):
    """The exam-level answer. There is no suspicious counterpart and no BI-RADS category."""

    CONFIDENTLY_NORMAL = "confidently_normal"
    NOT_FLAGGED = "not_flagged"
    NOT_EVALUATED = "not_evaluated"


class State(StrEnum):
    """Where a study stands in the ledger."""

    RECEIVING = "receiving"
    READY = "ready"
    ANALYSING = "analysing"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True)
class Logits:
    """Pre-sigmoid scores rounded to 6 decimals; higher is more surely normal. None where a model was not run."""

    dual_view: float | None
    whole_image: float | None
    fused: float | None


@dataclass(frozen=True)
class Registration:
    """How the contralateral view was aligned."""

    quality: float
    accepted: bool
    method: str


@dataclass(frozen=True)
class ImageFinding:
    """One image of the study. `flagged`: the fused logit reaches the operating point's threshold.

    For kind `image` this is the papers' flag. For `exam_min` the threshold is the exam's, so that here too an exam is
    confidently normal only if all of its images are flagged.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    laterality: str | None
    view_position: str | None
    eligible: bool
    reasons: tuple[Reason, ...] = ()
    logits: Logits | None = None
    flagged: bool = False
    registration: Registration | None = None
    ood: float | None = None
    """How unlike the calibration's images this one is; above 1 is refused. None if it was not measured."""

    @property
    def view(self) -> View | None:
        """The standard view, or None."""
        return standard_view(self.laterality, self.view_position)


@dataclass(frozen=True)
class OperatingPoint:
    """The threshold in force. Sensitivity counts *normal* (BI-RADS 1) as positive, as the papers do."""

    id: str
    kind: str
    """`image` (the papers') or `exam_min`."""
    threshold: float | None
    """None: nothing is flagged."""
    limited_by_safety: bool = False
    demonstration: bool = True
    image_threshold: float | None = None
    """The papers' image-level threshold, for comparison where `kind` is `exam_min`."""


@dataclass(frozen=True)
class BundleIdentity:
    """Which model bundle made the scores."""

    name: str
    version: str
    sha256: str
    demonstration: bool


@dataclass(frozen=True)
class StudyFinding:
    """The answer to one revision of one study."""

    study_instance_uid: str
    revision: int
    outcome: Outcome
    reasons: tuple[Reason, ...]
    images: tuple[ImageFinding, ...]
    operating_point: OperatingPoint | None
    bundle: BundleIdentity | None
    stratum: Stratum | None
    """For what the operating point was looked up; None if the images do not agree on one."""
    result_id: str
    """Deterministic: the same images, bundle and threshold give the same id, and so the same SOP Instance UIDs."""
    decided_at: str
    """UTC, ISO 8601."""

    @property
    def exam_score(self) -> float | None:
        """The least fused logit of the exam, which kind `exam_min` is found on; None unless all four views have one."""
        fused = {image: image.logits.fused for image in self.images if image.view and image.logits}
        scores = [score for score in fused.values() if score is not None]
        complete = len(scores) == len(fused) and {image.view for image in fused} == set(STANDARD_VIEWS)
        return min(scores) if complete else None
