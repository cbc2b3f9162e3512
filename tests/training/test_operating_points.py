"""From scores to operating points and the out-of-distribution check."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from training.calibration_scores import Scores, Wanted, read_scores, score_phantoms
from training.operating_points import ABNORMAL_ONLY, Evidence, calibrations, device_stratum, fit_check, summary
from training.phantom.acquisition import LOOKS
from triage.core.views import STANDARD_VIEWS
from triage.decide import ood, shipped

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
SHA256 = "ab" * 32


def scores(exams: int, seed: int, abnormal: float = 0.5) -> Scores:
    """Normal breasts score about 2.3, abnormal ones 0; each device has its own look."""
    generator = np.random.default_rng(seed)
    number = np.repeat(np.arange(exams), 4)
    devices = np.asarray(list(LOOKS), np.str_)[generator.integers(len(LOOKS), size=exams)]
    birads = np.where(generator.random(exams) < abnormal, generator.choice([2, 3, 0, 4, 5, 6], exams), 1)
    left = np.tile([False, True, False, True], exams)
    of_image = np.where(left, birads[number], 1)
    fused = (
        np.where(of_image == 1, 2.3, -1.0)
        + generator.normal(size=exams)[number]
        + 0.5 * generator.normal(size=4 * exams)
    )
    shift = np.asarray([list(LOOKS).index(name) for name in devices[number]])[:, None]
    return Scores(
        number + seed * 1_000_000,
        np.tile(np.asarray([str(view) for view in STANDARD_VIEWS], np.str_), exams),
        of_image,
        devices[number],
        np.round(np.stack([fused, fused, fused], axis=1), 6),
        (shift + generator.normal(size=(4 * exams, 8))).astype(np.float32),
        (shift + generator.normal(size=(4 * exams, 16))).astype(np.float32),
        (),
    )


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return Evidence(scores(1800, 1), scores(1500, 2, abnormal=1.0), ("PNG-WRAPPER",), "drawn numbers")


def test_each_unit_gets_a_version_and_the_admitted_one_says_that_it_has_no_data(
    evidence: Evidence, tmp_path: Path
) -> None:
    content = calibrations(evidence, SHA256, CREATED)
    shipped.write(tmp_path / "calibrations.json", content, SHA256)
    found = shipped.read(tmp_path / "calibrations.json", SHA256)
    assert [one.stratum.manufacturer for one in found.calibrations] == [*sorted(LOOKS), "PNG-WRAPPER"]
    for one in found.calibrations:
        low, high = found.bounds["exam_min"]
        assert one.threshold is not None
        assert low <= one.threshold <= high
        assert one.report["kinds"]["image"]["threshold"] == one.image_threshold
    assert [one["own_data"] for one in summary(content)] == [True] * len(LOOKS) + [False]


def test_chosen_abnormal_exams_do_not_bring_their_healthy_breasts(evidence: Evidence) -> None:
    alone = Evidence(evidence.consecutive, scores(1, 3), (), "")
    for one, other in zip(
        calibrations(evidence, SHA256, CREATED)["calibrations"],
        calibrations(alone, SHA256, CREATED)["calibrations"],
        strict=False,
    ):
        kinds = one["report"]["kinds"], other["report"]["kinds"]
        assert kinds[0]["image"]["t20"] == kinds[1]["image"]["t20"]
        assert (
            kinds[0]["exam_min"]["calibration"]["counts"]["normal"]
            == kinds[1]["exam_min"]["calibration"]["counts"]["normal"]
        )
        assert kinds[0]["exam_min"]["calibration"]["counts"]["abnormal"] > 1000
    assert device_stratum("PHANTOM-A").site != ABNORMAL_ONLY


def test_the_check_knows_its_units(evidence: Evidence, tmp_path: Path) -> None:
    (tmp_path / "ood.npz").write_bytes(fit_check(evidence.consecutive, None))
    check = ood.read(tmp_path / "ood.npz")
    key = ood.device_key(device_stratum("PHANTOM-A"))
    usual = np.zeros(8, np.float32), np.zeros(16, np.float32)
    assert check.score(key, "CC", *usual) < 1
    assert check.score(key, "CC", usual[0] + 9, usual[1]) > 1
    assert check.score(key, "CC", usual[0], usual[1] + 9) > 1


def test_real_phantoms_are_scored_once_and_kept(tmp_path: Path) -> None:
    found = score_phantoms("models/default", tmp_path / "scores", Wanted(2, 990), workers=1)
    assert found.exams.tolist() == [990_000_000] * 4 + [990_000_001] * 4
    assert found.embeddings.shape == (8, 256)
    assert np.isfinite(found.fused).all()
    [file] = (tmp_path / "scores").glob("*.npz")
    written = file.stat().st_mtime_ns
    again = score_phantoms("no bundle is needed", tmp_path / "scores", Wanted(2, 990), workers=1)
    assert file.stat().st_mtime_ns == written
    assert np.array_equal(again.fused, found.fused)
    assert np.array_equal(read_scores([file]).logits, found.logits)
