"""The pipeline in process, with models that misbehave."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pydicom
import pytest
from tiny_bundle import make_bundle

from triage.accept.header_rules import describe
from triage.assemble.completeness import due_at
from triage.core.finding import Outcome, StudyFinding
from triage.core.strata import Stratum, stratum_of
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
Analyse = Callable[..., StudyFinding]


def strata(files: list[Path]) -> list[Stratum]:
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    described = [describe(ds, str(ds.file_meta.TransferSyntaxUID)) for ds in headers]
    return sorted({stratum_of(header.attributes, "", "") for header in described})


@pytest.fixture
def analyse(tmp_path: Path) -> Analyse:
    """Takes files in and analyses their study once, with a bundle of the given factor."""

    def run(files: list[Path], factor: float = 1.0, calibrated: bool = True, oddest: float = 1e9) -> StudyFinding:
        folder = make_bundle(tmp_path / "bundle", factor, strata(files) if calibrated else (), oddest)
        bundle = bundles.load(str(folder))
        ledger = Ledger(open_database("", tmp_path))
        ledger.adopt(shipped_with(bundle).calibrations)
        device = Device("name", "maker", "model", "1", "serial")
        outputs = Outputs(Blobs(tmp_path / "results"), {"pacs": ("sr",)}, device)
        views = ViewsAtHand(Pictures(tmp_path / "pictures"))
        scorer = Scorer(Engine(bundle, "cpu", 1), read_ood(bundle.file(bundles.OOD)), views, 1)
        pipeline = Pipeline(ledger, scorer, outputs)
        for number, file in enumerate(files):
            ds = pydicom.dcmread(file, stop_before_pixels=True)
            header = describe(ds, str(ds.file_meta.TransferSyntaxUID))
            due = partial(due_at, quiet=-MINUTE, max_wait=-MINUTE)
            ledger.record_instance(header, f"{number:064x}", str(file), due)
        claim = ledger.claim_study(MINUTE)
        assert claim is not None
        pipeline.analyse(claim)
        record = ledger.study(claim.study_instance_uid)
        assert record is not None
        assert record.finding is not None
        assert len(record.deliveries) == 1, "every answer is reported, a refusal too"
        return record.finding

    return run


def test_scores_below_the_threshold_are_not_flagged(analyse: Analyse, exams: list[list[Path]]) -> None:
    finding = analyse(exams[0])
    assert finding.outcome is Outcome.NOT_FLAGGED
    assert all(image.logits is not None and image.logits.fused is not None for image in finding.images)


def test_a_model_that_returns_no_number_is_no_answer(analyse: Analyse, exams: list[list[Path]]) -> None:
    finding = analyse(exams[0], factor=float("nan"))
    assert finding.outcome is Outcome.NOT_EVALUATED
    assert {found.code for found in finding.reasons} == {"non-finite-score"}
    assert not any(image.flagged for image in finding.images)


def test_high_scores_on_four_views_are_confidently_normal(analyse: Analyse, exams: list[list[Path]]) -> None:
    # The tiny bundle's whole-image logit grows with the factor; its threshold is 16.
    finding = analyse(exams[0], factor=10_000.0)
    above = [image.logits.fused > 16 for image in finding.images if image.logits and image.logits.fused is not None]
    assert finding.outcome is (Outcome.CONFIDENTLY_NORMAL if all(above) else Outcome.NOT_FLAGGED)
    assert any(above)


def test_an_unseen_device_is_scored_but_never_flagged(analyse: Analyse, exams: list[list[Path]]) -> None:
    finding = analyse(exams[0], factor=10_000.0, calibrated=False)
    assert finding.outcome is Outcome.NOT_EVALUATED
    assert [found.code for found in finding.reasons] == ["uncalibrated-device"]
    assert all(image.logits is not None for image in finding.images)
    assert not any(image.flagged for image in finding.images)


def test_an_exam_with_one_view_too_few_names_it(analyse: Analyse, exams: list[list[Path]]) -> None:
    finding = analyse([file for file in exams[0] if file.stem != "RMLO"])
    assert finding.outcome is Outcome.NOT_EVALUATED
    assert any("RMLO is missing" in found.text for found in finding.reasons)


def test_the_same_input_is_the_same_result(analyse: Analyse, exams: list[list[Path]], tmp_path: Path) -> None:
    first = analyse(exams[0])
    (tmp_path / "triage.db").unlink()
    for leftover in tmp_path.glob("triage.db-*"):
        leftover.unlink()
    second = analyse(exams[0])
    assert second.result_id == first.result_id
    assert second.images == first.images


def test_an_image_unlike_the_known_ones_is_refused(analyse: Analyse, exams: list[list[Path]]) -> None:
    finding = analyse(exams[0], factor=10_000.0, oddest=1e-3)
    assert finding.outcome is Outcome.NOT_EVALUATED
    assert {found.code for found in finding.reasons} == {"out-of-distribution"}
    assert all(image.ood is not None and image.ood > 1 and not image.flagged for image in finding.images)
