"""Stage: store. Frozen records that the ledger hands out and takes."""

from dataclasses import dataclass
from datetime import UTC, datetime

from triage.core.finding import Outcome, State, StudyFinding
from triage.core.study import InstanceHeader


def utc_now() -> datetime:
    """The clock of the ledger, unless a test gives another."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class StoredInstance:
    """One instance as it lies on the disk: the newest bytes received under its SOP Instance UID."""

    id: int
    header: InstanceHeader
    sha256: str
    path: str
    received_at: datetime
    prepared_at: datetime | None


@dataclass(frozen=True)
class Claim:
    """A worker's right to analyse one study at one revision until its lease runs out."""

    study_instance_uid: str
    rev: int
    fence: int
    attempts: int
    """Attempts at this revision, this one included."""
    opened_at: datetime
    """Since when images of this revision await analysis: the operating point of that time decides."""
    exhausted: bool
    """All attempts are used up: write the `attempts-exhausted` finding and `finish(..., dead=True)`; do not analyse."""


@dataclass(frozen=True)
class PlannedDelivery:
    """One object file to be sent to one destination; the file is durable before the ledger hears of it."""

    destination: str
    output: str
    sop_instance_uid: str
    path: str


@dataclass(frozen=True)
class Delivery:
    """One entry of the outbox."""

    id: int
    result_id: str
    study_instance_uid: str
    destination: str
    output: str
    sop_instance_uid: str
    path: str
    state: str
    """pending, sent, confirmed or failed."""
    attempts: int
    created_at: datetime
    next_at: datetime
    sent_at: datetime | None
    last_error: str | None


@dataclass(frozen=True)
class WorklistRow:
    """One study of the worklist."""

    study_instance_uid: str
    patient_id: str
    patient_name: str
    accession_number: str
    study_description: str
    study_date: str
    manufacturer: str
    manufacturer_model_name: str
    rev: int
    done_rev: int
    state: State
    attempts: int
    first_at: datetime
    last_at: datetime
    due_at: datetime
    last_error: str | None
    outcome: Outcome | None
    """Of the result in force; it belongs to an older revision while `rev > done_rev`."""
    decided_at: datetime | None


@dataclass(frozen=True)
class StudyRecord:
    """Everything the ledger knows of one study."""

    row: WorklistRow
    finding: StudyFinding | None
    instances: tuple[StoredInstance, ...]
    deliveries: tuple[Delivery, ...]
    """Of every result of the study, oldest first."""


@dataclass(frozen=True)
class Counts:
    """How many studies are in each state and outcome, and deliveries in each state. Every key is present."""

    states: dict[str, int]
    outcomes: dict[str, int]
    deliveries: dict[str, int]
