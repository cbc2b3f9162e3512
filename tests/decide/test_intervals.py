"""Korn-Graubard against published and simulated figures."""

import numpy as np
import pytest

from triage.decide.intervals import clopper_pearson, proportion


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
