"""The AUC against every pair, and its interval against patients really drawn."""

import numpy as np
import pytest

from tests.calibration_sites import site
from triage.decide.auc import auc_interval


def _pairs(scores: np.ndarray, normal: np.ndarray) -> float:
    difference = scores[normal][:, None] - scores[~normal][None, :]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_every_pair_and_ties_half(decimals: int) -> None:
    data = site(80, 1)
    scores = np.round(data.scores, decimals)
    found = auc_interval(scores, data.normal, data.patients, 0.95, 100)
    assert found is not None
    assert found.value == pytest.approx(_pairs(scores, data.normal), abs=1e-12)
    assert found.low < found.value < found.high


def test_the_interval_is_that_of_drawn_patients() -> None:
    data = site(150, 2)
    scores = np.round(data.scores, 1)
    names, index = np.unique(data.patients, return_inverse=True)
    rows = [np.flatnonzero(index == patient) for patient in range(names.size)]
    rng = np.random.default_rng(9)
    drawn = []
    for _ in range(600):
        chosen = np.concatenate([rows[patient] for patient in rng.integers(0, names.size, names.size)])
        drawn.append(_pairs(scores[chosen], data.normal[chosen]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    found = auc_interval(scores, data.normal, data.patients, 0.95, 2000)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.006)
    images = auc_interval(scores, data.normal, np.arange(scores.size), 0.95, 2000)
    assert images is not None
    assert found.high - found.low > 1.3 * (images.high - images.low)


def test_the_same_every_time() -> None:
    data = site(60, 3)
    found = {auc_interval(data.scores, data.normal, data.patients, 0.95, 137) for _ in range(3)}
    assert len(found) == 1
    assert found.pop().to_json()["by"] == "137 patient bootstraps"  # type: ignore[union-attr]


def test_one_side_alone_has_no_area() -> None:
    data = site(20, 4)
    for part in (data.where(data.normal), data.where(~data.normal), data.where(np.zeros(80, bool))):
        assert auc_interval(part.scores, part.normal, part.patients, 0.95, 100) is None


def test_draws_without_one_side_count_for_nothing() -> None:
    found = auc_interval(np.array([1.0, 0.0]), np.array([True, False]), np.array(["a", "b"]), 0.95, 100)
    assert found is not None
    assert (found.value, found.low, found.high) == (1, 1, 1)
