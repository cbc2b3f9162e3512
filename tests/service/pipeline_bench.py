"""A pipeline in process with a bundle that can be made to say anything, over a real ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path

import pydicom
from tiny_bundle import make_bundle

from triage.accept.header_rules import describe
from triage.assemble.completeness import due_at
from triage.core.finding import StudyFinding
from triage.core.strata import Stratum, stratum_of
from triage.core.study import PREPROCESSING_VERSION, InstanceHeader
from triage.decide.ood import read as read_ood
from triage.infer import bundle as bundles
from triage.infer.engine import Engine
from triage.intake import ViewsAtHand
from triage.pipeline import Pipeline
from triage.report.composite import Device
from triage.report.outputs import Outputs
from triage.roles import shipped_with
from triage.scoring import Scorer
from triage.store.blobs import Blobs
from triage.store.database import open_database
from triage.store.ledger import Ledger
from triage.store.pictures import Pictures

MINUTE = timedelta(minutes=1)


def headers_of(files: Sequence[Path]) -> list[InstanceHeader]:
    """What the listener would record of files."""
    read = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    return [describe(ds, str(ds.file_meta.TransferSyntaxUID)) for ds in read]


@dataclass
class Bench:
    """One exam's files, received as often as wanted under study UIDs of one's own."""

    folder: Path
    files: Sequence[Path]
    factor: float = 10_000.0
    """Of the tiny bundle: at 10,000 everything is flagged."""
    shadow_factor: float | None = None

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(open_database("", self.folder))

    @cached_property
    def scorer(self) -> Scorer:
        return self._scorer("bundle", self.factor)

    @cached_property
    def shadow(self) -> Scorer | None:
        return None if self.shadow_factor is None else self._scorer("shadow", self.shadow_factor)

    @cached_property
    def pipeline(self) -> Pipeline:
        self.ledger.adopt(shipped_with(self.scorer.engine.bundle).calibrations)
        outputs = Outputs(Blobs(self.folder / "results"), {"pacs": ("sr",)}, Device("n", "m", "m", "1", "s"))
        return Pipeline(self.ledger, self.scorer, outputs, self.shadow)

    def _scorer(self, name: str, factor: float) -> Scorer:
        strata = {stratum_of(header.attributes, "", "") for header in headers_of(self.files)}
        bundle = bundles.load(str(make_bundle(self.folder / name, factor, sorted(strata))))
        views = ViewsAtHand(Pictures(self.folder / "pictures"))
        return Scorer(Engine(bundle, "cpu", 1), read_ood(bundle.file(bundles.OOD)), views, 1)

    def stratum(self, scorer: Scorer | None = None) -> Stratum:
        """Of the exam, for a bundle."""
        digest = (scorer or self.scorer).engine.bundle.sha256
        return stratum_of(headers_of(self.files[:1])[0].attributes, digest, str(PREPROCESSING_VERSION))

    def receive(self, study: str, files: Sequence[Path] | None = None, without: str = "") -> str:
        """The exam as another study, maybe without an attribute; its UID."""
        assert self.pipeline
        uid = f"1.2.826.0.1.3680043.10.1338.77.{study}"
        due = partial(due_at, quiet=-MINUTE, max_wait=-MINUTE)
        for number, (file, header) in enumerate(zip(files or self.files, headers_of(files or self.files), strict=True)):
            said = {name: value for name, value in header.attributes.items() if name != without}
            own = replace(header, study_instance_uid=uid, sop_instance_uid=f"{uid}.{number}", attributes=said)
            # The digest of the pixels, so that views are prepared once.
            digest = f"{int(study):032x}{number:032x}"
            self.ledger.record_instance(own, digest, str(file), due)
        return uid

    def analyse(self) -> StudyFinding:
        """Analyses the study that waits longest."""
        claim = self.ledger.claim_study(MINUTE)
        assert claim is not None
        self.pipeline.analyse(claim)
        record = self.ledger.study(claim.study_instance_uid)
        assert record is not None
        assert record.finding is not None
        return record.finding
