"""People, strata and calibrations for tests that govern them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from triage.core.governance import (
    Act,
    Actor,
    CalibrationState,
    CalibrationVersion,
    Purpose,
    Role,
    ShippedCalibration,
    Signature,
)
from triage.core.strata import Stratum
from triage.store.calibration_records import NewCalibration, NewSet
from triage.store.ledger import Ledger

ADMIN = Actor("ann", "Ann Admin", frozenset({Role.ADMIN}))
UPLOADER = Actor("ugo", "Ugo Uploader", frozenset({Role.ADMIN, Role.APPROVER}))
APPROVER = Actor("bea", "Bea Approver, MD", frozenset({Role.APPROVER}))
SECOND = Actor("cyd", "Cyd Second, MD", frozenset({Role.APPROVER}))
BOTH = Actor("dee", "Dee Both", frozenset({Role.ADMIN, Role.APPROVER}))
READER = Actor("eve", "Eve Reader", frozenset({Role.READER}))
EVERYBODY = (ADMIN, UPLOADER, APPROVER, SECOND, BOTH, READER)

STRATUM = Stratum("Site", "ACME", "Mammo 1", "1.0", "DIRECT", "ab" * 32, "1")
OTHER = replace(STRATUM, software_version="2.0")
YEAR = timedelta(days=365)
REPORT: dict[str, Any] = {
    "kind": "exam_min",
    "threshold": 1.25,
    "image_threshold": 2.5,
    "limited_by_safety": True,
    "pool_abnormals": False,
    "kinds": {"exam_min": {"t20": 0.5}},
}


def signed(actor: Actor, meaning: str = "I looked at it.") -> Signature:
    """The actor's own signature."""
    return Signature(actor.printed_name, meaning)


def version(**changes: Any) -> CalibrationVersion:
    """An evaluated version that `ann` wrote."""
    made = datetime(2026, 1, 1, tzinfo=UTC)
    fields: dict[str, Any] = {
        "id": "v1",
        "number": 1,
        "stratum": STRATUM,
        "state": CalibrationState.EVALUATED,
        "kind": "exam_min",
        "threshold": 1.25,
        "image_threshold": 2.5,
        "limited_by_safety": False,
        "demonstration": False,
        "author": ADMIN.name,
        "created_at": made,
        "expires_at": made + YEAR,
        "calibration_set": "set",
        "evaluation_set": None,
        "protocol": {},
        "report": {},
    }
    return CalibrationVersion(**{**fields, **changes})


def shipped(stratum: Stratum = STRATUM, **changes: Any) -> ShippedCalibration:
    """A demonstration calibration made on 1 January 2026."""
    made = datetime(2026, 1, 1, tzinfo=UTC)
    one = ShippedCalibration(
        stratum, "image", 0.75, 0.75, False, {"alpha": 0.025}, {"dataset": "phantoms"}, made, made + 10 * YEAR
    )
    return replace(one, **changes)


def a_set(ledger: Ledger, purpose: Purpose = Purpose.CALIBRATION, by: Actor = UPLOADER, **changes: Any) -> str:
    """Adds a set; its id."""
    new = NewSet("a set", purpose, STRATUM.bundle_sha256, STRATUM.preprocessing, {"consecutive": True}, 3, b"rows")
    return ledger.add_set(replace(new, **changes), by).id


def a_draft(ledger: Ledger, stratum: Stratum = STRATUM, by: Actor = ADMIN, **changes: Any) -> CalibrationVersion:
    """A draft on a set of `ugo`'s, by `ann`, that expires in a year of the samples' clock."""
    expires = datetime(2027, 11, 21, tzinfo=UTC)
    new = NewCalibration(stratum, "exam_min", expires, a_set(ledger), None, False, {"alpha": 0.025})
    return ledger.draft(replace(new, **changes), by)


def an_evaluated(ledger: Ledger, stratum: Stratum = STRATUM, **changes: Any) -> CalibrationVersion:
    """A draft that was evaluated."""
    made = a_draft(ledger, stratum, **changes)
    return ledger.act(made.id, Act.EVALUATE, ADMIN, signed(ADMIN), report=REPORT)


def a_shadow(ledger: Ledger, stratum: Stratum = STRATUM, **changes: Any) -> CalibrationVersion:
    """A version that `bea` approved and that runs in shadow."""
    made = an_evaluated(ledger, stratum, **changes)
    ledger.act(made.id, Act.APPROVE, APPROVER, signed(APPROVER))
    return ledger.act(made.id, Act.SHADOW, ADMIN, signed(ADMIN))


def an_active(
    ledger: Ledger, stratum: Stratum = STRATUM, former: str | None = None, **changes: Any
) -> CalibrationVersion:
    """A version that `ann` put in force, in place of `former`."""
    made = a_shadow(ledger, stratum, **changes)
    return ledger.act(made.id, Act.ACTIVATE, ADMIN, signed(ADMIN), expected_active=former)
