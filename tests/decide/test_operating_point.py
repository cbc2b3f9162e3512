"""t20 and the calibration record."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from triage.core.errors import ConfigurationError
from triage.decide.operating_point import CalibrationSet, calibrate, read_record, t20, write_record


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


def _record(data: CalibrationSet):  # noqa: ANN202
    return calibrate(
        data,
        bundle_sha256="b" * 64,
        dataset="drawn",
        devices=(("ACME", "M1"),),
        created="2026-11-21T00:00:00Z",
        demonstration=True,
    )


def test_record_counts_agree_with_the_scores() -> None:
    data = _set()
    record = _record(data)
    flagged = np.round(data.scores, 6) >= record.threshold
    assert record.sensitivity["k"] == int(flagged[data.birads == 1].sum())
    assert record.sensitivity["k"] <= 0.20 * record.sensitivity["n"]
    assert record.missed["k"] == int(flagged[data.birads != 1].sum())
    assert sum(row["k"] for row in record.missed_by_birads.values()) == record.missed["k"]
    assert list(record.missed_by_birads) == ["2", "3", "0", "4", "5", "6"]
    assert record.covers("ACME", "M1")
    assert not record.covers("ACME", "M2")


def test_record_round_trip_and_tampering(tmp_path: Path) -> None:
    path = tmp_path / "operating_point.json"
    record = _record(_set())
    write_record(record, path)
    assert read_record(path) == record
    content = json.loads(path.read_text())
    content["threshold"] -= 0.5
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match="was changed"):
        read_record(path)
    with pytest.raises(ConfigurationError, match="not a calibration record"):
        read_record(tmp_path / "absent.json")


def test_bad_rows_are_named() -> None:
    data = _set(8)
    with pytest.raises(ConfigurationError, match="row 3"):
        replace(data, scores=np.array([0, 0, np.nan, 0, 0, 0, 0, 0.0]))
    with pytest.raises(ConfigurationError, match="row 2 is 9"):
        replace(data, birads=np.array([1, 9, 1, 1, 1, 1, 1, 1]))
