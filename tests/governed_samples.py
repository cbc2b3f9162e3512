"""Labelled scores and calibrations in every state, for tests of what is shown of them."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from ledger_samples import finding
from served_exams import Archive

from triage.core.finding import Outcome
from triage.core.governance import Act, Actor, CalibrationVersion, Purpose, Role, ShippedCalibration, Signature
from triage.core.reasons import reason
from triage.core.strata import Stratum
from triage.core.views import STANDARD_VIEWS
from triage.decide import drift
from triage.decide.calibration_rows import parse_json
from triage.decide.operating_point import Protocol
from triage.serve.api.governing import Governing
from triage.serve.app import create_app
from triage.serve.bundle import ServedBundle
from triage.store.calibration_records import NewCalibration, NewSet, SetRecord
from triage.store.database import writing
from triage.store.ledger import Ledger
from triage.store.monitoring_records import Observation
from triage.store.observations import observe_in, start_charts_in
from triage.store.secret import SECRET_BYTES, PatientKeys

BUNDLE_SHA256 = "c0ffee" + "1" * 58
BUNDLE = ServedBundle(BUNDLE_SHA256, "1", {"exam_min": (1.0, 2.0)})
STRATUM = Stratum("Screening North", "HOLOGIC, Inc.", "Selenia Dimensions", "1.11.0", "DIRECT", BUNDLE_SHA256, "1")
OTHER = Stratum("Screening South", "SIEMENS", "MAMMOMAT", "VB60", "DIRECT", BUNDLE_SHA256, "1")
ADA = Actor("ada", "Ada Łukasiewicz", frozenset({Role.ADMIN}))
GRACE = Actor("grace", "山田 花子", frozenset({Role.APPROVER}))
DECLARED = {
    "label_source": "final report of two readers",
    "follow_up": "24 months, cancer registry",
    "consecutive": True,
    "disjoint_from_training": "the models saw phantoms only",
}
CATEGORIES = (2, 2, 2, 3, 3, 0, 0, 4, 4, 5, 6)
VIEWS = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))


def rows(seed: int, patients: int = 500, stratum: Stratum = STRATUM) -> list[dict[str, Any]]:
    """One exam of four views for each patient, half of them normal; no patient of one seed is in another's."""
    generator = np.random.default_rng(seed)
    device = {name: getattr(stratum, name) for name in ("site", "manufacturer", "model", "software_version")}
    made = []
    for number in range(patients):
        key = hashlib.sha256(f"{stratum.id} {seed} {number}".encode()).hexdigest()
        birads = 1 if number % 2 else CATEGORIES[number // 2 % len(CATEGORIES)]
        level = generator.normal(1.6 if birads == 1 else -0.4, 0.8)
        follow_up = "no-cancer" if birads in (1, 2) else "screen-detected" if birads in (5, 6) else ""
        for laterality, view in VIEWS:
            image = {"patient": key, "exam": key, **device, "acquisition_type": stratum.acquisition_type}
            image |= {"laterality": laterality, "view": view, "score": round(generator.normal(level, 0.5), 6)}
            made.append(image | {"birads": birads, "follow_up": follow_up})
    return made


def add_set(ledger: Ledger, name: str, purpose: Purpose, labelled: list[dict[str, Any]]) -> SetRecord:
    """Uploads rows as Ada."""
    packed = parse_json(labelled).to_bytes()
    return ledger.add_set(NewSet(name, purpose, BUNDLE_SHA256, "1", DECLARED, len(labelled), packed), ADA)


def drafted(ledger: Ledger, seed: int = 1, stratum: Stratum = STRATUM, **protocol: float) -> CalibrationVersion:
    """A draft by Ada on two sets of its own."""
    sets = {
        purpose: add_set(ledger, f"{purpose} {seed}", purpose, rows(seed * 2 + shift, stratum=stratum)).id
        for shift, purpose in enumerate((Purpose.CALIBRATION, Purpose.EVALUATION))
    }
    new = NewCalibration(
        stratum=stratum,
        kind="exam_min",
        expires_at=datetime.now(UTC) + timedelta(days=365),
        calibration_set=sets[Purpose.CALIBRATION],
        evaluation_set=sets[Purpose.EVALUATION],
        pool_abnormals=False,
        protocol=Protocol(**protocol).to_json(),
    )
    return ledger.draft(new, ADA)


def sign(ledger: Ledger, version: CalibrationVersion, act: Act, actor: Actor, **more: Any) -> CalibrationVersion:
    """One act with the signature of who acts."""
    return ledger.act(version.id, act, actor, Signature(actor.printed_name, f"{act} after reading the report"), **more)


def evaluated(ledger: Ledger, governing: Governing, seed: int = 1, **protocol: float) -> CalibrationVersion:
    """A version that waits for approval."""
    draft = drafted(ledger, seed, **protocol)
    return sign(ledger, draft, Act.EVALUATE, ADA, report=governing.report(draft))


def activated(ledger: Ledger, governing: Governing, seed: int = 1, **protocol: float) -> CalibrationVersion:
    """A version in force, which took the place of the one before."""
    version = evaluated(ledger, governing, seed, **protocol)
    sign(ledger, version, Act.APPROVE, GRACE)
    sign(ledger, version, Act.SHADOW, ADA)
    former = ledger.in_force(version.stratum, datetime.now(UTC)).version
    return sign(ledger, version, Act.ACTIVATE, ADA, expected_active=former.id if former else None)


def exam(archive: Archive, number: int, stratum: Stratum, version: CalibrationVersion | None, score: float) -> str:
    """An exam of one image arrives, gets a result, and counts on the charts; its Study Instance UID."""
    uid = archive.receive(number, STANDARD_VIEWS[:1])
    claim = archive.claim()
    flag = version is not None and score >= (version.threshold or 0)
    outcome = Outcome.NOT_EVALUATED if version is None else Outcome.CONFIDENTLY_NORMAL if flag else Outcome.NOT_FLAGGED
    made = finding(
        f"{uid}-{claim.rev}",
        claim.rev,
        uid,
        outcome=outcome,
        reasons=(reason("uncalibrated-device"),) if version is None else (),
        images=(),
        stratum=stratum,
        decided_at=archive.now.isoformat(),
    )
    assert archive.ledger.finish(claim, made, [])
    if version is not None:
        seen = Observation(uid, version.id, stratum.id, flag, False, False, score)
        with writing(archive.ledger._engine) as connection:
            start_charts_in(connection, version.id, drift.baselines(version.report, version.kind))
            observe_in(connection, archive.now, seen, drift.step)
    return uid


@dataclass
class Governed:
    """An archive with a stratum that has versions in every state, and one with a demonstration version."""

    archive: Archive
    governing: Governing
    versions: dict[str, CalibrationVersion]

    @property
    def ledger(self) -> Ledger:
        """The ledger of the archive."""
        return self.archive.ledger

    def version(self, name: str) -> CalibrationVersion:
        """A version as it is now."""
        found = self.ledger.calibration(self.versions[name].id)
        assert found is not None
        return found

    @property
    def app(self) -> FastAPI:
        """The application over the archive."""
        archive = self.archive
        return create_app(archive.ledger, archive.pictures, archive.health, BUNDLE, PatientKeys(bytes(SECRET_BYTES)))


def govern(home: Path) -> Governed:
    """Versions 1 (replaced), 2 (in force), 3 (limited by safety, out of bounds), 4 (draft); and one shipped."""
    archive = Archive(home)
    archive.alive()
    ledger = archive.ledger
    governing = Governing(ledger, BUNDLE)
    versions = {"retired": activated(ledger, governing, 1)}
    archive.now += timedelta(minutes=1)
    versions |= {
        "active": activated(ledger, governing, 2),
        "evaluated": evaluated(ledger, governing, 3, alpha=0.013),
        "draft": drafted(ledger, 4),
    }
    report = versions["active"].report
    assert report is not None
    made, expires = archive.now - timedelta(days=9), archive.now + timedelta(days=90)
    point = (OTHER, "exam_min", 2.5, 2.75, False)
    ledger.adopt([ShippedCalibration(*point, versions["active"].protocol, report, made, expires)])
    (versions["shipped"],) = ledger.calibrations(OTHER.id)
    return Governed(archive, governing, versions)
