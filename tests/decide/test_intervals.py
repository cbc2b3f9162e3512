"""Korn-Graubard against published and simulated figures."""

import json

import numpy as np
import pytest
from scipy import stats

from triage.decide.intervals import clopper_pearson, freedom, proportion, upper_bound


def _independent(k: int, n: int):  # noqa: ANN202
    events = np.zeros(n, bool)
    events[:k] = True
    return proportion(events, np.arange(n))


def test_the_papers_own_counts() -> None:
    # 19 of 1,192 wrongly screened out: 0.96 to 2.48 %; none of 102: at most 3.6 %.
    missed = _independent(19, 1192)
    assert missed.low == pytest.approx(0.0096, abs=1e-4)
    assert missed.high == pytest.approx(0.0248, abs=1e-4)
    none = _independent(0, 102)
    assert none.low == 0.0
    assert none.high == pytest.approx(0.0355, abs=5e-4)


def test_clusters_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(300), 4)
    events = np.repeat(rng.random(300) < 0.2, 4)
    clustered = proportion(events, patients)
    low, high = clopper_pearson(int(events.sum()), events.size)
    assert clustered.design_effect == pytest.approx(4, rel=0.05)
    assert clustered.high - clustered.low > 1.8 * (high - low)


def test_without_events_the_patients_count() -> None:
    none = proportion(np.zeros(400, bool), np.repeat(np.arange(100), 4))
    assert none.high == pytest.approx(clopper_pearson(0, 100)[1])


def test_coverage_holds_where_the_naive_interval_fails() -> None:
    rng = np.random.default_rng(7)
    patients = np.repeat(np.arange(150), 4)
    rho, p, covered, naive, rounds = 0.7, 0.2, 0, 0, 400
    for _ in range(rounds):
        shared = np.repeat(rng.random(150) < p, 4)
        own = rng.random(600) < p
        events = np.where(rng.random(600) < np.sqrt(rho), shared, own)
        clustered = proportion(events, patients)
        covered += clustered.low <= p <= clustered.high
        low, high = clopper_pearson(int(events.sum()), 600)
        naive += low <= p <= high
    assert covered / rounds >= 0.92
    assert naive / rounds <= 0.86


def test_nothing_measured_promises_nothing() -> None:
    empty = proportion(np.zeros(0, bool), np.zeros(0))
    assert (empty.low, empty.high) == (0.0, 1.0)


def test_one_sided_bound_of_nothing_seen() -> None:
    assert upper_bound(np.zeros(102, bool), np.arange(102)) == pytest.approx(0.0290, abs=1e-4)
    assert f"{100 * _independent(0, 102).high:.1f}" == "3.6"


@pytest.mark.parametrize("n", [1, 2, 102, 100_000])
def test_zero_risk_cannot_be_stated(n: int) -> None:
    for events in (np.zeros(n, bool), np.ones(n, bool)):
        found = proportion(events, np.arange(n) // 4)
        assert found.high > 0
        assert found.low < 1
        assert upper_bound(events, np.arange(n) // 4) > 0


def test_rows_without_clusters_are_clopper_pearson_itself() -> None:
    rng = np.random.default_rng(2)
    for k in (1, 7, 250, 499):
        events = rng.permutation(np.arange(500) < k)
        found = proportion(events, np.arange(500))
        assert found.design_effect == pytest.approx(1, abs=1e-12)
        assert (found.low, found.high) == pytest.approx(clopper_pearson(k, 500), rel=1e-9)
        assert (found.low, found.high) == pytest.approx(stats.binomtest(k, 500).proportion_ci(0.95, "exact"), rel=1e-6)


def test_fewer_clusters_mean_fewer_degrees_of_freedom() -> None:
    assert freedom(400, 400, 0.025) == 1
    assert freedom(400, 5, 0.025) < freedom(400, 100, 0.025) < 1


def test_json_has_no_nan() -> None:
    empty = proportion(np.zeros(0, bool), np.zeros(0)).to_json()
    assert empty["value"] is None
    assert json.loads(json.dumps(empty, allow_nan=False)) == empty
    assert proportion(np.array([True, False]), np.arange(2)).to_json()["value"] == 0.5
