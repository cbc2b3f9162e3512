"""Stage: store. Frozen records of calibrations, their sets and people, that the ledger takes and hands out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from triage.core.governance import Actor, Purpose
from triage.core.strata import Stratum


@dataclass(frozen=True)
class NewSet:
    """A set of labelled scores to be kept."""

    name: str
    purpose: Purpose
    bundle_sha256: str
    preprocessing: str
    declarations: dict[str, Any]
    n_rows: int
    rows: bytes
    """Kept as given; what they mean is no concern of the ledger."""


@dataclass(frozen=True)
class SetRecord:
    """A set of labelled scores, without its rows. It never changes."""

    id: str
    name: str
    purpose: Purpose
    created_at: datetime
    uploaded_by: str
    bundle_sha256: str
    preprocessing: str
    declarations: dict[str, Any]
    n_rows: int
    rows_sha256: str


@dataclass(frozen=True)
class NewCalibration:
    """What is fixed before the data is looked at."""

    stratum: Stratum
    kind: str
    """`image` or `exam_min`."""
    expires_at: datetime
    calibration_set: str
    evaluation_set: str | None
    pool_abnormals: bool
    protocol: dict[str, Any]


@dataclass(frozen=True)
class PersonRecord:
    """Somebody who may act, or could once."""

    actor: Actor
    created_at: datetime
    disabled_at: datetime | None
