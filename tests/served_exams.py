"""Exams of every kind in a real ledger, with drawn pictures, for tests of REST and pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from fastapi.testclient import TestClient
from ledger_samples import LEASE, header

from triage.core.finding import (
    BundleIdentity,
    ImageFinding,
    Logits,
    OperatingPoint,
    Outcome,
    Registration,
    StudyFinding,
)
from triage.core.reasons import Reason, reason
from triage.core.study import InstanceHeader
from triage.core.views import STANDARD_VIEWS, View
from triage.observe.heartbeat import Heartbeat
from triage.serve.health import HealthCheck
from triage.store.database import open_database
from triage.store.ledger import Ledger
from triage.store.pictures import PREVIEW, Pictures, attention_name
from triage.store.records import Claim, PlannedDelivery

ROOT = "1.2.826.0.1.3680043.10.1338.9"
BUNDLE = BundleIdentity("demo-phantom", "0.1", "c0ffee" + "1" * 58, demonstration=True)
POINT = OperatingPoint("5f1e2d3c4b5a6978", "image", 1.25)
LONG_AGO = timedelta(days=999)


class Archive:
    """A service home as scp and worker leave it. `clock` moves on its own by a second with every image."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.now = datetime.now(UTC) - timedelta(hours=2)
        self.ledger = Ledger(open_database("", home), self.clock)
        self.pictures = Pictures(home / "pictures")
        self.health = HealthCheck(home, self.ledger)

    def clock(self) -> datetime:
        return self.now

    def alive(self) -> None:
        """Scp and worker beat."""
        Heartbeat(self.home, "scp").beat("ready", {"address": "TRIAGE@127.0.0.1:11112"})
        Heartbeat(self.home, "worker").beat("ready", {"bundle": {"name": BUNDLE.name}, "device": "cpu"})

    def receive(
        self,
        number: int,
        views: Sequence[View] = STANDARD_VIEWS,
        wait: timedelta = timedelta(0),
        change: Callable[[InstanceHeader], InstanceHeader] | None = None,
        **attributes: str,
    ) -> str:
        """Images of study `number` arrive, analysable after `wait`; its Study Instance UID."""
        uid = f"{ROOT}.{number}"
        said = {
            "PatientID": f"P-{number:04d}",
            "PatientName": "Doe^Jane",
            "AccessionNumber": f"ACC{number:04d}",
            "StudyDate": "20261120",
            "StudyDescription": "Screening mammography",
            "Manufacturer": "HOLOGIC, Inc.",
            "ManufacturerModelName": "Selenia Dimensions",
        }
        for view in views:
            self.now += timedelta(seconds=1)
            made = header(
                STANDARD_VIEWS.index(view) + 1,
                uid,
                laterality=view.laterality,
                view_position=view.view_position,
                attributes=said | attributes,
            )
            self.take(change(made) if change else made, wait)
        return uid

    def take(self, made: InstanceHeader, wait: timedelta = timedelta(0), picture: bool = True) -> str:
        """One image arrives, with its preview; its digest."""
        sha256 = f"{abs(hash((made.sop_instance_uid, self.now))):064x}"
        self.ledger.record_instance(made, sha256, f"{sha256}.dcm", lambda _, first, last: last + wait)
        if picture:
            self.pictures.write(sha256, PREVIEW, breast(made.laterality or "R", made.sop_instance_uid))
        return sha256

    def claim(self) -> Claim:
        """The next study that is due."""
        claim = self.ledger.claim_study(LEASE)
        assert claim is not None
        return claim

    def decide(
        self, outcome: Outcome, reasons: Sequence[Reason] = (), deliveries: Sequence[str] = ("pacs",)
    ) -> StudyFinding:
        """The next due study is analysed, and its result is in force."""
        claim = self.claim()
        self.now += timedelta(seconds=1)
        stored = [one for one in self.ledger.instances(claim.study_instance_uid) if one.header.analysable]
        finding = StudyFinding(
            study_instance_uid=claim.study_instance_uid,
            revision=claim.rev,
            outcome=outcome,
            reasons=tuple(reasons),
            images=tuple(scored(one.header, outcome, position) for position, one in enumerate(stored)),
            operating_point=POINT,
            bundle=BUNDLE,
            stratum=None,
            result_id=f"{claim.study_instance_uid}-{claim.rev}",
            decided_at=self.now.isoformat(),
        )
        planned = [PlannedDelivery(name, "sr", f"{finding.result_id}.9", "sr.dcm") for name in deliveries]
        assert self.ledger.finish(claim, finding, planned)
        for one in stored:
            self.pictures.write(one.sha256, attention_name(BUNDLE.sha256), glow(one.header.laterality or "R"))
        return finding


@dataclass
class Populated:
    """An archive with one study of every kind, and a caller of its service; for tests that only read."""

    archive: Archive
    client: TestClient
    uids: dict[str, str]


def scored(made: InstanceHeader, outcome: Outcome, position: int) -> ImageFinding:
    """The image as a run of the models leaves it."""
    plain = ImageFinding(
        made.sop_instance_uid,
        made.sop_class_uid,
        made.series_instance_uid,
        made.laterality,
        made.view_position,
        made.eligible,
        made.reasons,
    )
    if not made.eligible or outcome is Outcome.NOT_EVALUATED:
        return plain
    normal = outcome is Outcome.CONFIDENTLY_NORMAL
    fused = (1.75 if normal else 0.5) + position / 8
    flagged = fused >= (POINT.threshold or 0)
    logits = Logits(fused + 0.25, fused - 0.25, fused)
    return replace(plain, logits=logits, flagged=flagged, registration=Registration(0.93, True, "affine"))


def populate(archive: Archive) -> dict[str, str]:
    """One study of every kind, oldest first; the Study Instance UID of each."""
    uids = {"normal": archive.receive(1, PatientName="Kowalska^Anna^Maria")}
    archive.decide(Outcome.CONFIDENTLY_NORMAL)
    for one in archive.ledger.due_deliveries("pacs"):
        archive.ledger.sent(one.id)
    uids["plain"] = archive.receive(
        2, PatientName="Okafor^Ngozi", Manufacturer="SIEMENS", ManufacturerModelName="MAMMOMAT"
    )
    archive.decide(Outcome.NOT_FLAGGED)
    uids["missing"] = archive.receive(3, STANDARD_VIEWS[:3], PatientName="Lindqvist^Eva")
    archive.decide(Outcome.NOT_EVALUATED, [reason("views-missing", "LMLO is missing")])
    uids["implant"] = archive.receive(4, change=_implant, PatientName="山田^花子=山田^花子")
    raw = header(9, uids["implant"], laterality="R", view_position="CC", analysable=False)
    archive.take(replace(raw, reasons=(reason("not-for-presentation").on(raw.sop_instance_uid),)), picture=False)
    implants = [reason("implant").on(f"{uids['implant']}.2.{number}") for number in (1, 2)]
    archive.decide(Outcome.NOT_EVALUATED, [reason("views-missing", "RCC and LCC cannot be evaluated"), *implants])
    uids["late"] = archive.receive(5, PatientName="Moreau^Claire")
    archive.decide(Outcome.CONFIDENTLY_NORMAL)
    extra = header(5, uids["late"], view_position="XCCL", laterality="L")
    archive.take(replace(extra, reasons=(reason("view-not-standard").on(extra.sop_instance_uid),)), LONG_AGO)
    uids["analysing"] = archive.receive(6, PatientName="Rossi^Giulia")
    archive.claim()
    uids["receiving"] = archive.receive(7, STANDARD_VIEWS[:2], LONG_AGO, PatientName="Haddad^Leila")
    return uids


def _implant(made: InstanceHeader) -> InstanceHeader:
    has = made.view_position == "CC"
    return replace(made, reasons=(reason("implant").on(made.sop_instance_uid),) if has else ())


def breast(laterality: str, seed: str) -> bytes:
    """A drawn breast, chest wall at the right of a right one as such images are stored; PNG."""
    rows, columns = 512, 416
    noise = np.random.default_rng(sum(seed.encode())).normal(0, 1, (rows // 40, columns // 40))
    texture = cv2.resize(noise.astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC)
    shape = np.zeros((rows, columns), np.float32)
    cv2.ellipse(shape, (0, rows // 2), (int(columns * 0.72), int(rows * 0.42)), 0, -90, 90, 1.0, -1)
    shape = cv2.GaussianBlur(shape, (0, 0), 7)
    image = np.clip(shape * (90 + 34 * texture), 0, 255).astype(np.uint8)
    return _png(image, laterality)


def glow(laterality: str) -> bytes:
    """A drawn attention map on the grid of the preview; PNG."""
    spot = np.zeros((512, 416), np.uint8)
    cv2.circle(spot, (150, 230), 48, 255, -1)
    return _png(cv2.GaussianBlur(spot, (0, 0), 28), laterality)


def _png(image: np.ndarray, laterality: str) -> bytes:
    return bytes(cv2.imencode(".png", image[:, ::-1] if laterality == "R" else image)[1])
