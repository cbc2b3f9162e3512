"""t_safe against the test spelled out candidate by candidate, and against sites whose true miss rate is known."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.calibration_sites import SHIFT, SPREAD
from triage.decide.intervals import upper_bound
from triage.decide.safety import t_safe


def _spelled_out(abnormal, patients, candidates, alpha, delta):  # noqa: ANN001, ANN202
    """Walks down the candidates with the interval module's own bound."""
    if upper_bound(np.zeros(abnormal.size, bool), patients, delta) > alpha:
        return None
    safe = None
    for candidate in sorted(set(candidates.tolist()), reverse=True):
        if upper_bound(abnormal >= candidate, patients, delta) > alpha:
            break
        safe = candidate
    return safe


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("decimals", [1, 6])
def test_the_walk_is_the_bound_at_every_candidate(seed: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    patients = rng.integers(0, 150, 500)
    latent = rng.standard_normal(150)[patients] + 0.7 * rng.standard_normal(500)
    abnormal, normal = np.round(latent, decimals), np.round(2 + rng.standard_normal(300), decimals)
    candidates = np.concatenate((abnormal, normal))
    for alpha, delta in ((0.025, 0.05), (0.05, 0.05), (0.1, 0.2)):
        found = t_safe(abnormal, patients, candidates, alpha, delta)
        assert found == _spelled_out(abnormal, patients, candidates, alpha, delta)
    assert found is not None


def test_too_few_patients_prove_nothing() -> None:
    scores, candidates = np.full(4 * 119, -9.0), np.array([-9.0, 1.0, 2.0])
    # 118 patients without a miss leave 2.507%, 119 leave 2.486%; their images count no more than they do.
    assert t_safe(scores[: 4 * 118], np.repeat(np.arange(118), 4), candidates, 0.025, 0.05) is None
    assert t_safe(scores, np.repeat(np.arange(119), 4), candidates, 0.025, 0.05) == 1.0
    assert t_safe(np.array([]), np.array([]), candidates, 0.025, 0.05) is None


def test_nothing_is_safe_if_the_highest_scores_are_abnormal() -> None:
    abnormal = np.concatenate((np.full(60, 9.0), np.zeros(940)))
    assert t_safe(abnormal, np.arange(1000), np.concatenate((abnormal, np.arange(8.0))), 0.025, 0.05) is None


def test_tied_abnormals_are_passed_together() -> None:
    # One miss in 200 is proven below 2.5%, eleven are not; the ten share a score.
    abnormal = np.concatenate(([5.0], np.full(10, 3.0), np.full(189, -5.0)))
    candidates = np.concatenate((abnormal, [4.0, 3.5, 2.0]))
    assert t_safe(abnormal, np.arange(200), candidates, 0.025, 0.05) == 3.5


def test_the_promise_holds_where_the_naive_rule_breaks_it() -> None:
    rng = np.random.default_rng(3)
    rounds, alpha, broken, naive = 300, 0.025, 0, 0
    patients = np.repeat(np.arange(300), 4)
    for _ in range(rounds):
        shared = np.repeat(rng.standard_normal(300), 4) * np.sqrt(0.6)
        abnormal = SPREAD * (shared + rng.standard_normal(1200) * np.sqrt(0.4))
        candidates = np.concatenate((abnormal, SHIFT + rng.standard_normal(1200)))
        threshold = t_safe(abnormal, patients, candidates, alpha, 0.05)
        broken += threshold is not None and norm.sf(threshold / SPREAD) > alpha
        empirical = np.sort(abnormal)[::-1][int(alpha * 1200)]
        naive += norm.sf(empirical / SPREAD) > alpha
    assert broken / rounds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / rounds)
    assert naive / rounds >= 0.45
