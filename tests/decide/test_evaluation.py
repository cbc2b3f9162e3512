"""The report of a calibration: what is counted over what, and that no figure promises more than was seen."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.calibration_sites import site
from triage.core.errors import ConfigurationError
from triage.decide.evaluation import evaluate
from triage.decide.exam_level import exam_level
from triage.decide.heterogeneity import heterogeneity
from triage.decide.operating_point import CalibrationSet, Protocol

STRATUM = "s" * 16
FAST = Protocol(bootstraps=100)
RATES = ("sensitivity", "missed", "specificity", "missed_severe", "flag_rate")


def _report(calibration, evaluation=None, kind="exam_min", pool=False, protocol=FAST, stratum=STRATUM):  # noqa: ANN001, ANN202
    return evaluate(calibration, evaluation, stratum, kind, protocol, pool)


def test_counts_agree_with_the_scores() -> None:
    calibration, evaluation = site(2500, 1), site(1500, 2)
    report = _report(calibration, evaluation)
    exams = exam_level(evaluation)[0]
    for kind, rows in (("image", evaluation), ("exam_min", exams)):
        found = report["kinds"][kind]["evaluation"]
        flagged = rows.scores >= report["kinds"][kind]["threshold"]
        assert found["sensitivity"]["k"] == int(flagged[rows.normal].sum())
        assert found["missed"]["k"] == int(flagged[~rows.normal].sum())
        assert found["specificity"]["k"] == found["missed"]["n"] - found["missed"]["k"]
        assert found["missed_severe"]["n"] == int((rows.birads >= 4).sum()) == found["counts"]["severe"]
        assert found["flag_rate"]["k"] == int(flagged.sum())
        # All four images of an exam reach a threshold exactly if the least of them does.
        whole = exams.scores >= report["kinds"][kind]["threshold"]
        assert (found["exam_flag_rate"]["k"], found["exam_flag_rate"]["n"]) == (int(whole.sum()), whole.size)
        assert list(found["missed_by_birads"]) == ["2", "3", "0", "4", "5", "6"]
        assert sum(one["k"] for one in found["missed_by_birads"].values()) == found["missed"]["k"]
        assert sum(one["n"] for one in found["missed_by_birads"].values()) == found["counts"]["abnormal"]
        assert found["counts"]["patients"] == found["counts"]["exams"] == 1500
        assert 0.88 < found["auc"]["low"] < found["auc"]["value"] < found["auc"]["high"]
        assert found["sensitivity"]["low"] < 0.2 < found["sensitivity"]["high"]
    image, exam = report["kinds"]["image"], report["kinds"]["exam_min"]
    assert report["threshold"] == exam["threshold"]
    assert report["image_threshold"] == image["threshold"]
    assert image["calibration"]["sensitivity"]["k"] <= 0.2 * image["calibration"]["sensitivity"]["n"]
    assert image["calibration"]["sensitivity"]["design_effect"] > 1.5
    assert report["kind"] == "exam_min"
    assert _report(calibration, evaluation, "image")["threshold"] == image["threshold"]


def test_the_threshold_comes_from_the_calibration_set_alone() -> None:
    calibration = site(1500, 1)
    alone = _report(calibration)
    shifted = replace(site(1500, 2), scores=site(1500, 2).scores + 3)
    with_other = _report(calibration, shifted)
    assert alone["kinds"]["image"]["evaluation"] is None
    assert with_other["threshold"] == alone["threshold"]
    assert with_other["kinds"]["exam_min"]["evaluation"]["sensitivity"]["value"] > 0.9


def test_false_omission_counts_flagged_exams_with_follow_up() -> None:
    calibration = site(1500, 1)
    given = np.array(["no-cancer", "screen-detected", "interval", ""] * 5)
    n = given.size
    exams = CalibrationSet(
        np.full(4 * n, 50.0),
        np.ones(4 * n, np.int64),
        np.repeat(np.arange(n).astype(str), 4),
        np.repeat(np.arange(n).astype(str), 4),
        np.repeat(given, 4),
        np.full(4 * n, STRATUM),
    )
    found = _report(calibration, exams)["kinds"]
    omission = found["exam_min"]["evaluation"]["false_omission"]
    assert (omission["gross"]["k"], omission["gross"]["n"]) == (10, 15)
    assert (omission["net"]["k"], omission["net"]["n"], omission["unknown_follow_up"]) == (5, 15, 5)
    assert found["image"]["evaluation"]["false_omission"] is None


def test_small_and_one_sided_sets_stay_finite() -> None:
    whole = site(40, 3)
    for part in (whole, whole.where(whole.normal), whole.where(~whole.normal), whole.where(np.arange(160) < 3)):
        for pool in (False, True):
            report = _report(part, part, pool=pool)
            assert json.loads(json.dumps(report, allow_nan=False)) == report
            assert report["threshold"] is None
            assert report["kinds"]["image"]["evaluation"]["missed"]["high"] > 0


def test_the_papers_counts_print_the_papers_intervals() -> None:
    # 19 of 1,192 abnormals and none of 102 BI-RADS 4, 5 and 6, each image of another patient.
    normals = np.concatenate((np.full(269, 9.0), np.linspace(-5, 2, 1077)))
    birads = np.repeat([2, 3, 0, 4, 5, 6], [728, 226, 136, 88, 6, 8])
    scores = np.full(1192, -9.0)
    scores[np.concatenate((np.arange(7), 728 + np.arange(5), 954 + np.arange(7)))] = 9.5
    data = CalibrationSet(
        np.concatenate((normals, scores)),
        np.concatenate((np.ones(1346, np.int64), birads)),
        np.arange(2538).astype(str),
        strata=np.full(2538, STRATUM),
    )
    found = _report(data, kind="image")["kinds"]["image"]
    assert found["threshold"] == 9
    rates = found["calibration"]
    assert (rates["sensitivity"]["k"], rates["sensitivity"]["n"]) == (269, 1346)
    printed = [f"{100 * rates[name][bound]:.2f}" for name in ("missed", "missed_severe") for bound in ("low", "high")]
    assert printed == ["0.96", "2.48", "0.00", "3.55"]
    worst = rates["missed_by_birads"]["0"]
    assert [round(100 * worst[bound], 1) for bound in ("value", "low", "high")] == [5.1, 2.1, 10.3]


def test_pooled_abnormals_and_local_normals() -> None:
    data = site(1200, 7, strata=("a", "b", "c"))
    alone = _report(data, stratum="a", kind="image")
    pooled = _report(data, data, stratum="a", kind="image", pool=True)
    assert alone["heterogeneity"] is None
    mine, all_of = (one["kinds"]["image"]["calibration"] for one in (alone, pooled))
    assert alone["kinds"]["image"]["t20"] == pooled["kinds"]["image"]["t20"]
    assert mine["counts"]["normal"] == all_of["counts"]["normal"]
    assert all_of["counts"]["abnormal"] == int((~data.normal).sum())
    assert mine["flag_rate"]["n"] == all_of["flag_rate"]["n"] == int((data.strata == "a").sum())
    tested = pooled["heterogeneity"]
    assert [one["stratum_id"] for one in tested["counts"]] == ["a", "b", "c"]
    assert sum(one["n"] for one in tested["counts"]) == 2 * all_of["missed"]["n"]  # both sets, which are the same here
    assert sum(one["k"] for one in tested["counts"]) == 2 * all_of["missed"]["k"]
    assert tested["strata"] == 3
    own = data.strata == "a"
    assert mine["missed_local"] == mine["missed"]
    assert (all_of["missed_local"]["n"], all_of["missed_local"]["k"]) == (
        int((own & ~data.normal).sum()),
        int((own & ~data.normal & (data.scores >= pooled["threshold"])).sum()),
    )


def test_strata_are_compared_over_both_sets() -> None:
    calibration, evaluation = site(1200, 7, strata=("a", "b")), site(600, 8, strata=("a", "b"))
    alike = _report(calibration, evaluation, stratum="a", kind="image", pool=True)["heterogeneity"]
    assert alike["p"] > 0.05
    worse = replace(evaluation, scores=evaluation.scores + 2.0 * ((evaluation.strata == "a") & ~evaluation.normal))
    assert _report(calibration, worse, stratum="a", kind="image", pool=True)["heterogeneity"]["p"] < 0.05
    assert _report(calibration, stratum="a", kind="image", pool=True)["heterogeneity"]["counts"][0]["n"] == int(
        (~calibration.normal & (calibration.strata == "a")).sum()
    )


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="calibration set: no row is of stratum nowhere"):
        _report(site(20, 1), stratum="nowhere")
    with pytest.raises(ConfigurationError, match="evaluation set: no row"):
        _report(site(20, 1), site(20, 2, strata=("t",)))
    with pytest.raises(ConfigurationError, match="kind is 'exam'"):
        _report(site(20, 1), kind="exam")


def _abnormals(patients: int, seed: int, shift: float) -> CalibrationSet:
    rng = np.random.default_rng(seed)
    of = np.where(np.arange(patients) % 3 == 0, "a", "b")
    scores = (
        rng.standard_normal((patients, 1)) + 0.4 * rng.standard_normal((patients, 4)) + shift * (of == "a")[:, None]
    )
    names = np.repeat(np.arange(patients).astype(str), 4)
    return CalibrationSet(
        scores.ravel(), np.full(4 * patients, 2), names, strata=np.repeat(of, 4), follow_up=np.full(4 * patients, "")
    )


def test_strata_that_differ_are_found_and_others_are_not() -> None:
    different = _abnormals(600, 1, 1.0)
    found = heterogeneity(different, different.scores >= 1.5)
    assert found is not None
    assert found["p"] == 0.001
    p_values = []
    for seed in range(100):
        alike = _abnormals(150, seed, 0.0)
        tested = heterogeneity(alike, alike.scores >= 1.5)
        assert tested is not None
        p_values.append(tested["p"])
    # A chi-square test on these clustered images calls 25 of 100 different.
    assert np.mean(np.array(p_values) <= 0.05) <= 0.12
    assert 0.3 < np.mean(p_values) < 0.7


def test_heterogeneity_without_a_miss_or_a_second_stratum() -> None:
    data = _abnormals(60, 1, 0.0)
    nobody = heterogeneity(data, np.zeros(240, bool))
    assert nobody is not None
    assert nobody["p"] == 1
    assert heterogeneity(data.where(data.strata == "a"), np.zeros(80, bool)) is None
