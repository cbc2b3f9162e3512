"""Labels and truth: who has what, and whether the boxes hold what was put there."""

from collections import Counter

import numpy as np
import pytest

from training.phantom.exam import make_exam
from training.phantom.lesions import FORMS
from triage.core.views import STANDARD_VIEWS, View


def test_same_seed_same_exam() -> None:
    first, second = make_exam(11, birads=4), make_exam(11, birads=4)
    assert first.lesions == second.lesions
    assert first.look is second.look


def test_half_of_the_exams_are_birads_1_and_category_2_leads_the_rest() -> None:
    found = Counter(make_exam(seed).birads for seed in range(600))
    assert 0.43 < found[1] / 600 < 0.57
    assert found[2] > found[3] > found[4] + found[5] + found[6]
    assert set(found) == {0, 1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize("birads", [0, 2, 3, 4, 5, 6])
def test_a_finding_makes_one_breast_abnormal(birads: int) -> None:
    exam = make_exam(100 + birads, birads=birads)
    labels = {view: exam.birads_of(view) for view in STANDARD_VIEWS}
    side = exam.lesions[0].laterality
    assert all(labels[view] == (birads if view.laterality == side else 1) for view in STANDARD_VIEWS)
    healthy = next(view for view in STANDARD_VIEWS if view.laterality != side)
    assert exam.pathology_of(healthy) == "normal"
    assert exam.render(healthy).boxes == ()


def test_categories_2_and_3_are_benign_and_6_is_malignant() -> None:
    for seed in range(20):
        assert {lesion.pathology for lesion in make_exam(seed, birads=2).lesions} == {"benign"}
        assert {lesion.pathology for lesion in make_exam(seed, birads=3).lesions} == {"benign"}
        assert {lesion.pathology for lesion in make_exam(seed, birads=6).lesions} == {"malignant"}


@pytest.mark.parametrize("birads", [0, 2, 3, 4, 5])
def test_boxes_hold_the_pixels_that_the_finding_changed(birads: int) -> None:
    exam = make_exam(200 + birads, birads=birads)
    side = exam.lesions[0].laterality
    for view in (View(side + "CC"), View(side + "MLO")):
        sick, healthy = exam.render(view), exam.render(view, with_lesions=False)
        change = np.abs(sick.density - healthy.density)
        assert sick.boxes
        inside = np.zeros(change.shape, bool)
        for _, (xmin, ymin, xmax, ymax) in sick.boxes:
            inside[ymin:ymax, xmin:xmax] = True
            assert change[ymin:ymax, xmin:xmax].max() > 0.02
        assert change[inside].sum() > 0.93 * change.sum()
        assert change[~inside].max() <= 0.15 * change.max()


def test_every_finding_is_seen_in_both_views_of_its_breast() -> None:
    for seed in range(300, 312):
        exam = make_exam(seed, birads=2 + seed % 3)
        side = exam.lesions[0].laterality
        for position in ("CC", "MLO"):
            assert len(exam.render(View(side + position)).boxes) == len(exam.lesions)


def test_conspicuity_scales_contrast_but_not_place() -> None:
    weak, strong = (make_exam(17, birads=3, conspicuity=factor).lesions[0] for factor in (0.2, 0.6))
    assert weak.position == strong.position
    assert strong.contrast == pytest.approx(3 * weak.contrast)


def test_conspicuity_is_widely_spread() -> None:
    contrasts = [make_exam(seed, birads=3).lesions[0].contrast for seed in range(120)]
    assert np.percentile(contrasts, 90) > 2 * np.percentile(contrasts, 10)


def test_every_kind_of_lesion_occurs() -> None:
    kinds = {
        lesion.kind for seed in range(40) for birads in (0, 2, 3, 4, 5, 6) for lesion in make_exam(seed, birads).lesions
    }
    assert kinds == set(FORMS)
