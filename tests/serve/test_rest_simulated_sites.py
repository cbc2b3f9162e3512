"""Simulated sites (benchmarks/simulated_sites.py): their truth holds, and a few go through REST from end to end."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from simulated_site import ABNORMAL_SD, VIEWS, draw, side_of, site_rows, true_exam_miss, true_image_miss


@pytest.fixture
def sites(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    import simulated_sites

    return simulated_sites


@pytest.mark.parametrize("rho", [0.6, 0.8])
def test_the_truth_is_what_many_exams_show(rho: float) -> None:
    exams = draw(np.random.default_rng(7), 0, 400_000, rho)
    left = np.array([side_of(row) == "L" for row in range(len(exams))])
    images = np.where(left[:, None], exams[:, [1, 3]], exams[:, [0, 2]])
    assert images.std() == pytest.approx(ABNORMAL_SD, rel=0.01)
    assert (images >= 3.18).mean() == pytest.approx(true_image_miss(3.18), abs=5e-4)
    assert true_image_miss(3.18) == pytest.approx(0.016, abs=5e-4)  # the papers' 1.6% at 20% sensitivity
    assert (exams.min(axis=1) >= 1.5).mean() == pytest.approx(true_exam_miss(1.5, rho), abs=5e-4)


def test_rows_say_what_was_drawn() -> None:
    rows = site_rows(3, "x", 5, 6)
    scores = draw(np.random.default_rng(3), 5, 6, 0.7)
    assert [one["score"] for one in rows] == scores.ravel().tolist()
    assert [(one["laterality"], one["view"]) for one in rows[:4]] == list(VIEWS)
    assert sum(one["birads"] != 1 for one in rows) == 12
    assert len({one["patient"] for one in rows}) == 11


def test_a_few_sites_go_through(sites: ModuleType) -> None:
    found = sites.run(3)
    for kind in sites.KINDS:
        one = found[kind]
        assert len(one.naive) == len(one.safe_alone) == 3
        assert len(one.true_misses) + sum(one.refused.values()) >= 3
        assert one.true_misses
        assert all(0 < miss < 0.05 for miss in one.true_misses)
    assert {row.id for row in sites.rows_of("image", found["image"], 3)} == {
        "simulated-sites-image",
        "simulated-sites-image-naive",
    }
