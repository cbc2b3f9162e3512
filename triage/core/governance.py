"""The records of calibrations: versions, acts, who acted. Who may do what is said in `triage.core.governance_rules`.

draft -> evaluated -> approved -> shadow -> active -> suspended | rolled_back | retired. A version never changes once it
is evaluated; at most one is active for a stratum.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, Final, Literal

from triage.core.errors import TriageError
from triage.core.finding import OperatingPoint
from triage.core.strata import Stratum


class Role(StrEnum):
    """What a person may do. Nobody has a right by having another one."""

    READER = "reader"
    """Gives final assessments of exams."""
    ADMIN = "admin"
    """Uploads sets, drafts and evaluates calibrations, activates, suspends, rolls back."""
    APPROVER = "approver"
    """Approves and reinstates what others made."""


class CalibrationState(StrEnum):
    """Where a calibration stands."""

    DRAFT = "draft"
    EVALUATED = "evaluated"
    APPROVED = "approved"
    SHADOW = "shadow"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ROLLED_BACK = "rolled_back"
    RETIRED = "retired"


class Act(StrEnum):
    """What can be done to a calibration."""

    DRAFT = "draft"
    EVALUATE = "evaluate"
    APPROVE = "approve"
    SHADOW = "shadow"
    ACTIVATE = "activate"
    SUSPEND = "suspend"
    REQUEST_REINSTATEMENT = "request-reinstatement"
    REINSTATE = "reinstate"
    ROLL_BACK = "roll-back"
    RETIRE = "retire"


class Purpose(StrEnum):
    """What a set of labelled scores is for."""

    CALIBRATION = "calibration"
    EVALUATION = "evaluation"
    TRAINING = "training"
    """Only the patients count: nobody of them may appear in the other two."""


@dataclass(frozen=True)
class Actor:
    """A person, or the service itself, that acts."""

    name: str
    """Login name."""
    printed_name: str
    roles: frozenset[Role]


SYSTEM = Actor("system", "the service itself", frozenset())
"""May suspend, and nothing else."""
BUNDLE = Actor("bundle", "shipped with the model bundle", frozenset())
"""Author of demonstration calibrations."""


@dataclass(frozen=True)
class Signature:
    """What stands under an act (21 CFR 11.50): who, in letters; what it means. The time is that of the act."""

    printed_name: str
    meaning: str


@dataclass(frozen=True)
class CalibrationAct:
    """One line of a calibration's history.

    The act may have been done to another version of the stratum: `activate` with `to_state` retired means that a newer
    version replaced this one, `roll-back` with `to_state` active that the newer one was rolled back.
    """

    act: Act
    from_state: CalibrationState | None
    to_state: CalibrationState
    by: str
    printed_name: str
    meaning: str
    at: datetime


@dataclass(frozen=True)
class CalibrationVersion:
    """One version of a threshold for one stratum."""

    id: str
    number: int
    """1, 2, 3, ... within its stratum."""
    stratum: Stratum
    state: CalibrationState
    kind: str
    """`image` or `exam_min`: what the exam's outcome is decided by."""
    threshold: float | None
    """For `kind`; None: nothing is flagged."""
    image_threshold: float | None
    """The papers' image-level threshold, whatever `kind` is."""
    limited_by_safety: bool
    demonstration: bool
    author: str
    created_at: datetime
    expires_at: datetime
    calibration_set: str | None
    evaluation_set: str | None
    protocol: dict[str, Any]
    """Fixed before any data was looked at: alpha, delta and so on."""
    report: dict[str, Any] | None
    """What `triage.decide.evaluation.evaluate` found; None while it is a draft."""
    pool_abnormals: bool = False
    """Abnormal exams of other strata served as evidence of safety; the normals are always local."""
    digest: str | None = None
    """SHA-256 over everything above but the state, made when it was evaluated; checked whenever it is read."""

    @property
    def operating_point(self) -> OperatingPoint:
        """What the rule and the reports need of this version."""
        return OperatingPoint(
            self.id, self.kind, self.threshold, self.limited_by_safety, self.demonstration, self.image_threshold
        )


@dataclass(frozen=True)
class ShippedCalibration:
    """A demonstration calibration that came with a model bundle. It was approved by nobody and measured elsewhere."""

    stratum: Stratum
    kind: str
    threshold: float | None
    image_threshold: float | None
    limited_by_safety: bool
    protocol: dict[str, Any]
    report: dict[str, Any]
    created_at: datetime
    expires_at: datetime


UncalibratedCode = Literal["uncalibrated-device", "calibration-suspended", "calibration-expired"]


@dataclass(frozen=True)
class InForce:
    """The version by which a study is decided, or why there is none."""

    version: CalibrationVersion | None
    reason_code: UncalibratedCode | None
    """One of the codes in `triage.core.reasons`; None if there is a version."""
    text: str
    """The reason as a sentence; empty if there is a version."""


class Unset(Enum):
    """An argument that was not given, where None means something."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


class Forbidden(TriageError):
    """This person may not do this; the message says why and who may."""


class Conflict(TriageError):
    """The calibration is not in the state that the act needs, or somebody else was faster."""


class Refused(TriageError):
    """A calibration cannot be approved; `refusals` has a code and a sentence for each reason."""

    def __init__(self, refusals: tuple[tuple[str, str], ...]) -> None:
        super().__init__("approval refused: " + "; ".join(f"{code}: {text}" for code, text in refusals))
        self.refusals = refusals
