"""How many patients it takes: the published table, and the interval itself as witness."""

import json

import numpy as np
import pytest
from scipy.stats import binom

from tests.calibration_sites import site
from triage.decide.intervals import clopper_pearson, proportion
from triage.decide.operating_point import Protocol
from triage.decide.sample_size import (
    abnormals_needed,
    misses_allowed,
    missing_abnormals,
    missing_normals,
    normals_needed,
    sample_size,
)

ALPHAS = (0.05, 0.025, 0.016, 0.01, 0.005, 0.001)
TABLE = {
    0: ("59/72", "119/146", "186/229", "299/368", "598/736", "2995/3688"),
    1: ("93/110", "188/221", "295/346", "473/555", "947/1113", "4742/5570"),
    3: ("153/173", "308/348", "483/546", "773/874", "1549/1751", "7752/8765"),
    10: ("336/364", "675/732", "1057/1146", "1693/1835", "3389/3674", "16959/18387"),
    19: ("554/589", "1111/1182", "1738/1850", "2784/2962", "5572/5929", "27875/29666"),
}


@pytest.mark.parametrize("misses", TABLE)
def test_the_table_of_cases_needed(misses: int) -> None:
    found = tuple(f"{abnormals_needed(misses, alpha)}/{abnormals_needed(misses, alpha, 0.025)}" for alpha in ALPHAS)
    assert found == TABLE[misses]


def test_one_case_fewer_does_not_do() -> None:
    for misses in (0, 1, 4, 30):
        n = abnormals_needed(misses, 0.025)
        assert binom.cdf(misses, n, 0.025) <= 0.05 < binom.cdf(misses, n - 1, 0.025)
        assert clopper_pearson(misses, n, 0.9)[1] <= 0.025 < clopper_pearson(misses, n - 1, 0.9)[1]


def test_misses_allowed() -> None:
    assert [misses_allowed(n, 0.025) for n in (1192, 3000, 5000)] == [20, 60, 106]
    assert [misses_allowed(n, 0.016) for n in (1192, 3000, 5000)] == [11, 36, 65]
    assert [misses_allowed(n, 0.025) for n in (0, 118, 119)] == [None, None, 0]


def test_normals_needed() -> None:
    assert [normals_needed(width) for width in (0.05, 0.03, 0.02, 0.01)] == [246, 683, 1537, 6147]
    assert normals_needed(0.05, design_effect=2.5) == 615


def _missed(k: int, n: int, images: int = 1):  # noqa: ANN202
    events = np.zeros(n, bool)
    events[:k] = True
    return proportion(events, np.arange(n) // images)


def test_what_is_missing_of_independent_cases() -> None:
    short = missing_abnormals(_missed(19, 900), 0.025)
    assert (short["proven"], short["more_without_a_miss"]) == (False, 1111 - 900)
    assert short["more_at_this_share"] > 211
    more = 900 + short["more_at_this_share"]
    assert clopper_pearson(19 / 900 * more, more, 0.9)[1] <= 0.025
    assert clopper_pearson(19 / 900 * (more - 2), more - 2, 0.9)[1] > 0.025
    enough = missing_abnormals(_missed(19, 1192), 0.025)
    assert (enough["proven"], enough["more_without_a_miss"], enough["more_at_this_share"]) == (True, 0, 0)
    hopeless = missing_abnormals(_missed(40, 1000), 0.025)
    assert (hopeless["proven"], hopeless["more_at_this_share"]) == (False, None)
    assert hopeless["more_without_a_miss"] > 0


def test_images_of_one_patient_count_less() -> None:
    assert missing_abnormals(_missed(0, 400, 4), 0.025)["more_without_a_miss"] == 4 * 19
    assert missing_abnormals(_missed(0, 400), 0.025)["proven"]
    clustered = missing_abnormals(_missed(16, 1600, 4), 0.016)
    assert clustered["design_effect"] > 3
    assert not clustered["proven"]
    assert missing_abnormals(_missed(0, 0), 0.025)["more_without_a_miss"] == 119
    assert missing_normals(_missed(40, 200), Protocol())["more"] == 46
    assert missing_normals(_missed(0, 0), Protocol())["more"] == 246


def test_sets_are_told_what_they_lack() -> None:
    found = sample_size(site(200, 1), None, "s" * 16, "exam_min", Protocol(), False)
    assert found["needed"] == {"abnormal": 119, "severe": 59, "normal": 246}
    assert found["evaluation"] is None
    abnormal = found["calibration"]["abnormal"]
    assert abnormal["n"] < 119
    assert not abnormal["proven"]
    assert abnormal["n"] + abnormal["more_without_a_miss"] >= 119
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    enough = sample_size(site(200, 1), site(4000, 2), "s" * 16, "image", Protocol(alpha=0.1), False)
    assert enough["evaluation"]["abnormal"]["proven"]
    assert enough["evaluation"]["normal"]["more"] == 0
