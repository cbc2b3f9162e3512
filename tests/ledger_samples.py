"""Headers, findings and a clock for tests that write to the ledger."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from triage.core.finding import (
    BundleIdentity,
    ImageFinding,
    Logits,
    OperatingPoint,
    Outcome,
    Registration,
    StudyFinding,
)
from triage.core.reasons import reason
from triage.core.strata import Stratum
from triage.core.study import InstanceHeader

STUDY = "1.2.826.0.1.3680043.10.1338.1"
MG = "1.2.840.10008.5.1.4.1.1.1.2"
LEASE = timedelta(seconds=30)
START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        """Moves on by a timedelta given by keywords."""
        self.now += timedelta(**amount)


def header(number: int = 1, study: str = STUDY, **changes: object) -> InstanceHeader:
    """An eligible right CC view."""
    made = InstanceHeader(
        sop_instance_uid=f"{study}.2.{number}",
        sop_class_uid=MG,
        study_instance_uid=study,
        series_instance_uid=f"{study}.1",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        laterality="R",
        view_position="CC",
        analysable=True,
        attributes={"PatientID": "P-0001", "PatientName": "Doe^Jane", "AccessionNumber": "ACC0001"},
    )
    return replace(made, **changes)


def at_once(instances: Sequence[InstanceHeader], first_at: datetime, last_at: datetime) -> datetime:
    """A completeness rule that waits for nothing."""
    return last_at


def digest(number: int) -> str:
    """A SHA-256 that no other number has."""
    return f"{number:064x}"


def finding(result_id: str = "result-1", revision: int = 1, study: str = STUDY, **changes: object) -> StudyFinding:
    """A finding with everything in it that a finding can hold."""
    image = ImageFinding(
        sop_instance_uid=f"{study}.2.1",
        sop_class_uid=MG,
        series_instance_uid=f"{study}.1",
        laterality="R",
        view_position="CC",
        eligible=True,
        logits=Logits(1.25, 0.5, 0.875),
        flagged=True,
        registration=Registration(0.93, True, "affine"),
    )
    other = replace(image, eligible=False, reasons=(reason("implant").on("1.2"),), logits=None, registration=None)
    made = StudyFinding(
        study_instance_uid=study,
        revision=revision,
        outcome=Outcome.NOT_FLAGGED,
        reasons=(reason("views-extra"),),
        images=(image, other),
        operating_point=OperatingPoint("op-1", "image", 1.5),
        bundle=BundleIdentity("tiny", "1", "ab" * 32, True),
        stratum=Stratum("Site", "ACME", "Mammo 1", "1.0", "DIRECT", "ab" * 32, "1"),
        result_id=result_id,
        decided_at="2026-11-21T08:00:05+00:00",
    )
    return replace(made, **changes)
