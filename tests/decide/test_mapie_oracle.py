"""MAPIE's Learn-then-Test controller agrees on data without clusters, where its exact binomial p-values hold."""

import numpy as np
import pytest
from mapie.risk_control import BinaryClassificationController
from scipy.stats import binom

from triage.decide.safety import t_safe

ALPHA, DELTA = 0.025, 0.05


def _as_probability(scores: np.ndarray) -> np.ndarray:
    """Any increasing map will do, since MAPIE takes probabilities: ranks among the scores lose nothing."""
    return 0.001 + 0.998 * (scores + 20) / 40


def _mapie(abnormal: np.ndarray, normal: np.ndarray, candidates: np.ndarray) -> tuple[float | None, np.ndarray]:
    grid = _as_probability(candidates[::-1])
    controller = BinaryClassificationController(
        lambda column: np.column_stack((1 - column.ravel(), column.ravel())),
        "fpr",
        target_level=ALPHA,
        confidence_level=1 - DELTA,
        best_predict_param_choice="recall",
        list_predict_params=grid,
        fwer_method="fixed_sequence",
    )
    scores = _as_probability(np.concatenate((abnormal, normal)))
    labels = np.repeat((0, 1), (abnormal.size, normal.size))
    controller.calibrate(scores.reshape(-1, 1), labels)
    valid = controller.valid_predict_params
    least = float(candidates[::-1][len(valid) - 1]) if len(valid) else None
    return least, np.ravel(controller.p_values)


@pytest.mark.parametrize(("seed", "n"), [(0, 300), (1, 500), (2, 1192), (3, 1192), (4, 2000)])
def test_same_threshold(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    abnormal = np.round(1.482 * rng.standard_normal(n), 6)
    normal = np.round(2.339 + rng.standard_normal(n), 6)
    # From above the highest abnormal to well beyond where either stops: MAPIE compares every score with each candidate.
    candidates = np.unique(np.concatenate((abnormal, normal)))[-n:]
    theirs, p_values = _mapie(abnormal, normal, candidates)
    assert theirs is not None
    assert t_safe(abnormal, np.arange(n), candidates, ALPHA, DELTA) == theirs
    k = np.array([(abnormal >= candidate).sum() for candidate in candidates[::-1]])
    exact = binom.cdf(k, n, ALPHA)
    # Further down MAPIE takes the smaller of this and Hoeffding's bound; where the walk stops they are the same.
    decisive = exact <= 2 * DELTA
    np.testing.assert_allclose(p_values[decisive], exact[decisive], rtol=1e-9)


def test_clusters_are_what_it_does_not_see() -> None:
    rng = np.random.default_rng(5)
    shared = np.repeat(rng.standard_normal(300), 4) * np.sqrt(0.6)
    abnormal = np.round(1.482 * (shared + rng.standard_normal(1200) * np.sqrt(0.4)), 6)
    normal = np.round(2.339 + rng.standard_normal(1200), 6)
    candidates = np.unique(np.concatenate((abnormal, normal)))[-1200:]
    clustered = t_safe(abnormal, np.repeat(np.arange(300), 4), candidates, ALPHA, DELTA)
    theirs, _ = _mapie(abnormal, normal, candidates)
    assert clustered is not None
    assert theirs is not None
    assert clustered > theirs
