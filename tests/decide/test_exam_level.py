"""From images to exams, and which rows stand for a stratum."""

import numpy as np

from tests.calibration_sites import site
from triage.decide.exam_level import exam_level, units
from triage.decide.operating_point import CalibrationSet


def _exam(scores: list[float], birads: list[int], follow_up: list[str], exam: str = "e1") -> CalibrationSet:
    n = len(scores)
    names = [np.full(n, "p1"), np.full(n, exam), np.array(follow_up), np.full(n, "s")]
    return CalibrationSet(np.array(scores), np.array(birads), *names)


def test_the_least_score_and_the_worst_category() -> None:
    for given, worst in (
        ([1, 1, 1, 1], 1),
        ([1, 2, 1, 1], 2),
        ([2, 3, 1, 1], 3),
        ([3, 0, 2, 1], 0),
        ([0, 4, 3, 1], 4),
        ([4, 0, 5, 1], 5),
        ([6, 5, 0, 3], 6),
    ):
        exams, left_out = exam_level(_exam([0.3, -1.25, 2, 5], given, [""] * 4))
        assert (exams.scores.tolist(), exams.birads.tolist(), left_out) == ([-1.25], [worst], 0)


def test_follow_up_of_an_exam() -> None:
    for given, joined in (
        (["no-cancer"] * 4, "no-cancer"),
        (["no-cancer", "", "no-cancer", "no-cancer"], ""),
        (["no-cancer", "", "interval", ""], "interval"),
        (["interval", "screen-detected", "", "interval"], "screen-detected"),
    ):
        assert exam_level(_exam([1.0] * 4, [1] * 4, given))[0].follow_up.tolist() == [joined]


def test_fewer_than_four_images_are_no_exam() -> None:
    both = _joined(_exam([1.0] * 3, [1] * 3, [""] * 3, "short"), _exam([2.0] * 4, [1] * 4, [""] * 4, "whole"))
    exams, left_out = exam_level(both)
    assert (exams.exams.tolist(), left_out) == (["whole"], 1)
    assert exam_level(both.where(np.zeros(7, bool)))[1] == 0
    none, left_out = exam_level(both.where(both.exams == "short"))
    assert (none.scores.size, left_out) == (0, 1)


def test_against_one_exam_after_another() -> None:
    data = site(50, 4)
    exams, _ = exam_level(data)
    for i, exam in enumerate(exams.exams):
        of = data.exams == exam
        assert exams.scores[i] == data.scores[of].min()
        assert exams.birads[i] == data.birads[of][0]
        assert exams.patients[i] == data.patients[of][0]


def test_pooling_takes_the_abnormals_of_others_alone() -> None:
    data = site(300, 5, strata=("a", "b", "c"))
    for kind in ("image", "exam_min"):
        alone, pooled = units(data, "a", kind, False), units(data, "a", kind, True)
        assert set(alone.data.strata) == {"a"}
        assert alone.local.all()
        assert set(pooled.data.strata) == {"a", "b", "c"}
        assert set(pooled.data.strata[pooled.data.normal]) == {"a"}
        assert pooled.local.tolist() == (pooled.data.strata == "a").tolist()
        assert pooled.data.scores[pooled.local].tolist() == alone.data.scores.tolist()


def test_exams_left_out_are_counted_in_the_stratum() -> None:
    data = site(60, 6, strata=("a", "b"))
    first = np.unique(data.exams, return_index=True)[1]
    keep = np.ones(data.scores.size, bool)
    keep[first] = False
    for pool in (False, True):
        assert units(data.where(keep), "a", "exam_min", pool).exams_left_out == 30
        assert units(data.where(keep), "a", "image", pool).exams_left_out == 0


def _joined(*parts: CalibrationSet) -> CalibrationSet:
    names = ("scores", "birads", "patients", "exams", "follow_up", "strata")
    return CalibrationSet(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
