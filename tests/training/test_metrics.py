"""Metrics against values counted by hand. Positive is normal."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.evaluate.metrics import Scored, at_threshold, auc, bootstrap_auc, evaluate
from triage.core.errors import TriageError


@pytest.fixture
def ten() -> Scored:
    """Normal images score 1 to 5; abnormal ones 0, 1.5, 4.5, 4.5, 9 with BI-RADS 2, 3, 0, 4, 5."""
    return Scored(
        np.asarray([1, 2, 3, 4, 5, 0, 1.5, 4.5, 4.5, 9]),
        np.arange(10) < 5,
        np.asarray([1, 1, 1, 1, 1, 2, 3, 0, 4, 5]),
        np.asarray(list("aabbccddee")),
    )


def test_auc_by_hand_and_by_another_library(ten: Scored) -> None:
    assert auc(ten.scores, ten.normal) == pytest.approx((1 + 2 + 2 + 2 + 4) / 25)
    generator = np.random.default_rng(0)
    scores, normal = np.round(generator.normal(size=200), 1), generator.random(200) < 0.5
    assert auc(scores, normal) == pytest.approx(roc_auc_score(normal, scores))


def test_specificity_at_20_and_80_percent(ten: Scored) -> None:
    found = evaluate(ten)
    at_20, at_80 = found["at_sensitivity_20"], found["at_sensitivity_80"]
    assert at_20["threshold"] == 5
    assert (at_20["sensitivity"]["k"], at_20["sensitivity"]["n"]) == (1, 5)
    assert (at_20["specificity"]["k"], at_20["specificity"]["n"]) == (4, 5)
    assert at_80["threshold"] == 2
    assert at_80["specificity"]["k"] == 2
    assert at_80["abnormal_screened_out"] == 3


def test_missed_images_are_listed_in_the_papers_order(ten: Scored) -> None:
    missed = at_threshold(ten, 4.5)["abnormal_screened_out_by_birads"]
    assert list(missed) == ["2", "3", "0", "4", "5", "6"]
    assert [missed[category]["k"] for category in missed] == [0, 0, 1, 1, 1, 0]
    assert missed["6"] == {"k": 0, "n": 0}


def test_intervals_hold_their_value(ten: Scored) -> None:
    low, high = at_threshold(ten, 5.0)["specificity"]["interval"]
    assert 0 <= low < 0.8 < high <= 1


def test_nothing_is_flagged_without_a_threshold(ten: Scored) -> None:
    assert at_threshold(ten, None)["sensitivity"]["k"] == 0


def test_bootstrap_resamples_patients() -> None:
    generator = np.random.default_rng(1)
    truth = np.repeat(generator.random(40) < 0.5, 10)
    scores = truth + np.repeat(generator.normal(size=40), 10)
    clustered = Scored(scores, truth, np.where(truth, 1, 2), np.repeat([f"p{k}" for k in range(40)], 10))
    as_if_independent = Scored(scores, truth, clustered.birads, np.asarray([f"p{k}" for k in range(400)]))
    wide, narrow = bootstrap_auc(clustered), bootstrap_auc(as_if_independent)
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
    assert wide[0] < auc(scores, truth) < wide[1]


def test_a_system_does_not_differ_from_itself(ten: Scored) -> None:
    assert bootstrap_auc(ten, ten.scores) == (0.0, 0.0)


def test_scores_must_be_numbers(ten: Scored) -> None:
    with pytest.raises(TriageError, match="finite"):
        Scored(np.where(np.arange(10) == 3, np.nan, ten.scores), ten.normal, ten.birads, ten.patients)
