"""The one finding of a study revision. Every report, page and API answer is made from it."""

from dataclasses import dataclass
from enum import StrEnum

from triage.core.reasons import Reason
from triage.core.views import View, standard_view


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
    """One image of the study. `flagged` is the papers' image-level flag: fused logit >= threshold."""

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
    result_id: str
    """Deterministic: the same images, bundle and threshold give the same id, and so the same SOP Instance UIDs."""
    decided_at: str
    """UTC, ISO 8601."""
