"""Blind evaluation: the service's code, labels only afterwards, the whole-image model alone where there is no pair."""

from pathlib import Path

import pytest

from training.data.manifest import Manifest, read_manifest
from training.evaluate.blind import ImageScore, result, score
from training.phantom.study import Choices, write_exams
from triage.core.study import UInt16Image


class BrightnessEngine:
    """Scores by mean brightness; stands in for a bundle's models."""

    def dual_view(self, main: list[UInt16Image], contralateral: list[UInt16Image]) -> list[tuple[float, None]]:
        return [(float(a.mean()) - float(b.mean()), None) for a, b in zip(main, contralateral, strict=True)]

    def whole_image(self, images: list[UInt16Image]) -> list[tuple[float, None]]:
        return [(float(image.mean()), None) for image in images]

    def fuse(self, dual_view: float, whole_image: float) -> float:
        return dual_view + 2 * whole_image


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("exam")
    write_exams(folder, 1, 6, choices=Choices(birads=4))
    (folder / "broken.dcm").write_bytes(b"not DICOM")
    found = read_manifest(folder / "manifest.csv")
    broken = found.rows[0].model_copy(update={"file": "broken.dcm", "patient_id": "other", "study_id": "other"})
    without_lmlo = tuple(row for row in found.rows if not row.file.endswith("LMLO.dcm"))
    return Manifest(folder, (*without_lmlo, broken))


def test_scores(exam: Manifest) -> None:
    scores = score(exam, BrightnessEngine(), workers=1)  # type: ignore[arg-type]
    by_file = {Path(found.file).stem: found for found in scores}
    assert by_file["RCC"].contralateral.endswith("LCC.dcm")
    rcc, lcc, rmlo = by_file["RCC"], by_file["LCC"], by_file["RMLO"]
    assert rcc.fused == pytest.approx(rcc.dual_view + 2 * rcc.whole_image, abs=1e-5)
    assert lcc.dual_view is not None
    assert (rmlo.contralateral, rmlo.dual_view, rmlo.fused) == ("none", None, None)
    assert rmlo.whole_image is not None
    assert by_file["broken"].rejected == "undecodable"
    found = result(exam, scores, threshold=0.0)
    assert (found["images"], found["not_scored"], found["whole_image_model_alone"]) == (4, 1, 1)
    assert found["metrics"]["whole_image"]["images"] == {"normal": 2, "abnormal": 1}


def test_labels_are_not_read_before_scoring(exam: Manifest) -> None:
    blinded = Manifest(
        exam.folder, tuple(row.model_copy(update={"birads": None, "pathology": None}) for row in exam.rows)
    )
    engine = BrightnessEngine()
    assert score(blinded, engine, 1) == score(exam, engine, 1)  # type: ignore[arg-type]


def test_metrics_need_both_kinds(exam: Manifest) -> None:
    unlabelled = Manifest(exam.folder, tuple(row.model_copy(update={"birads": 1}) for row in exam.rows))
    scores = [ImageScore(row.file, 1.0, 1.0, 1.0) for row in exam.rows]
    assert "needs normal and abnormal" in result(unlabelled, scores)["metrics"]["fused"]
