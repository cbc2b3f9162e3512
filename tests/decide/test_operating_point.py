"""t20, the larger of it and what is safe, and the protocol."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.calibration_sites import site
from triage.core.errors import ConfigurationError
from triage.decide.operating_point import CalibrationSet, Protocol, find_threshold, t20


def test_the_papers_count() -> None:
    # 1,346 normals: floor(0.20 * 1346) = 269 are flagged, 19.985%.
    scores = np.random.default_rng(0).permutation(1346).astype(float)
    threshold = t20(scores)
    assert threshold is not None
    assert int((scores >= threshold).sum()) == 269


def test_ties_flag_fewer() -> None:
    scores = np.array([5.0, 4.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -3.0])
    # k = 2, but two scores tie at 4: flagging them would make three.
    assert t20(scores) == 5.0


def test_nothing_is_flagged_when_no_score_qualifies() -> None:
    assert t20(np.zeros(10)) is None
    assert t20(np.array([1.0, 2.0])) is None
    assert t20(np.array([])) is None


def test_scores_are_rounded_before_they_tie() -> None:
    scores = np.array([1.0000001, 1.0000002, *np.linspace(-1, 0, 8)])
    assert t20(scores) == 1.0


def test_an_exact_fifth_counts_in_full() -> None:
    for n in (5, 10, 15, 35, 55):
        threshold = t20(np.arange(n, dtype=float))
        assert threshold == n - n // 5


def _set(n: int = 400) -> CalibrationSet:
    rng = np.random.default_rng(1)
    birads = rng.choice([1, 1, 1, 2, 3, 0, 4, 5], n)
    scores = rng.normal(np.where(birads == 1, 1.0, -1.0))
    return CalibrationSet(scores, birads.astype(np.int64), np.array([f"p{i // 4}" for i in range(n)]))


def test_bad_rows_are_named() -> None:
    data = _set(8)
    with pytest.raises(ConfigurationError, match="row 3"):
        replace(data, scores=np.array([0, 0, np.nan, 0, 0, 0, 0, 0.0]))
    with pytest.raises(ConfigurationError, match="row 2 is 9"):
        replace(data, birads=np.array([1, 9, 1, 1, 1, 1, 1, 1]))
    with pytest.raises(ConfigurationError, match="exams has not one value for each of the 8"):
        replace(data, exams=np.array(["e1"]))


def test_a_set_without_exams_and_strata_is_one_image_an_exam() -> None:
    data = _set(8)
    assert np.unique(data.exams).size == 8
    assert set(data.strata) == {""}
    assert data.where(data.normal).birads.tolist() == [1] * int(data.normal.sum())
    assert data.where(np.zeros(8, bool)).scores.size == 0


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"alfa": 0.1}, "alfa not known"),
        ({"alpha": "2.5%"}, "alpha is '2.5%'"),
        ({"alpha": 0}, "alpha is 0.0"),
        ({"delta": 0.5}, "delta is 0.5"),
        ({"level": 95}, "level is 95"),
        ({"level": float("nan")}, "level is nan"),
        ({"bootstraps": 2000.5}, "bootstraps is 2000.5"),
        ({"bootstraps": True}, "bootstraps is True"),
        ({"bootstraps": 10}, "bootstraps is 10"),
    ],
)
def test_a_wrong_protocol_is_named(given: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Protocol.from_json(given)


def test_protocol_round_trip() -> None:
    assert Protocol.from_json({}) == Protocol(0.20, 0.025, 0.05, 0.05, 0.95, 2000)
    other = Protocol(alpha=0.016, bootstraps=500)
    assert Protocol.from_json(json.loads(json.dumps(other.to_json()))) == other


EVERYWHERE = Protocol()


def _found(data: CalibrationSet, protocol: Protocol = EVERYWHERE):  # noqa: ANN202
    return find_threshold(data, np.ones(data.scores.size, bool), protocol)


def test_the_target_decides_where_it_is_safe() -> None:
    data = site(2500, 1)
    found = _found(data)
    assert found.t_safe is not None
    assert found.t_safe == max(found.t_safe_abnormal, found.t_safe_severe)  # type: ignore[type-var]
    assert found.t_safe <= found.t20  # type: ignore[operator]
    assert found.threshold == found.t20 == t20(data.scores[data.normal])
    assert (found.limited_by_safety, found.limited_by) == (False, "none")


def test_safety_raises_the_threshold() -> None:
    data = site(2500, 1)
    strict = _found(data, Protocol(alpha=0.005))
    assert strict.threshold == strict.t_safe == strict.t_safe_abnormal
    assert strict.threshold > strict.t20  # type: ignore[operator]
    assert (strict.limited_by_safety, strict.limited_by) == (True, "abnormal")
    severe = _found(data, Protocol(alpha_severe=0.01))
    assert severe.threshold == severe.t_safe_severe
    assert (severe.limited_by_safety, severe.limited_by) == (True, "severe")


def test_what_cannot_be_proven_flags_nothing() -> None:
    data = site(2500, 1)
    few = _found(data.where(data.birads < 4))
    assert few.t_safe_abnormal is not None
    assert (few.t_safe_severe, few.t_safe, few.threshold) == (None, None, None)
    assert (few.limited_by_safety, few.limited_by) == (True, "severe")
    small = _found(site(100, 1))
    assert (small.threshold, small.limited_by_safety, small.limited_by) == (None, True, "abnormal")
    assert small.t20 is not None


def test_without_normals_there_is_no_target() -> None:
    data = site(2500, 1)
    found = _found(data.where(~data.normal))
    assert (found.t20, found.threshold) == (None, None)
    assert (found.limited_by_safety, found.limited_by) == (False, "no-normals")


def test_only_local_normals_set_the_target() -> None:
    data = site(2500, 1, strata=("a", "b"))
    local = data.strata == "a"
    shifted = replace(data, scores=np.where(local | ~data.normal, data.scores, data.scores + 100))
    found = find_threshold(shifted, local, Protocol())
    assert found == find_threshold(data, local, Protocol())
    assert found.t20 == t20(data.scores[local & data.normal])
    assert found.t_safe_abnormal != find_threshold(data.where(local), local[local], Protocol()).t_safe_abnormal
