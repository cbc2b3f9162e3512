"""Control charts: increments, alarms, run lengths, and what they are started from."""

import importlib.util
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from triage.decide import drift
from triage.decide.drift import Chart, baselines, increments, interval, ks, psi, smoothed, step
from triage.store.monitoring_records import ChartState

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(chart: Chart, events: list[bool]) -> Chart:
    for event in events:
        chart = chart.step(event)
    return chart


def exams_to_alarm(baseline: float, events: np.ndarray) -> tuple[int, str] | None:
    chart = Chart(baseline)
    for number, event in enumerate(events, 1):
        chart = chart.step(bool(event))
        if chart.alarm:
            return number, chart.alarm
    return None


def test_increments_are_the_log_likelihood_ratios_of_double_and_half() -> None:
    (none, event), (down_none, down_event) = increments(0.06)
    assert event == pytest.approx(math.log(2))
    assert none == pytest.approx(math.log(0.88 / 0.94))
    assert down_event == pytest.approx(-math.log(2))
    assert down_none == pytest.approx(math.log(0.97 / 0.94))


@pytest.mark.parametrize("baseline", [0.001, 0.06, 0.2, 0.5, 0.6, 0.95, 0.999])
def test_the_chart_of_an_event_mirrors_that_of_its_absence(baseline: float) -> None:
    (rise_none, rise_event), _ = increments(baseline)
    _, (fall_none, fall_event) = increments(1 - baseline)
    assert (rise_none, rise_event) == pytest.approx((fall_event, fall_none))
    assert all(map(math.isfinite, (rise_none, rise_event)))
    assert rise_none < 0 < rise_event
    # The expected step under no change is negative: only a change lets the sum grow (Kullback-Leibler).
    assert baseline * rise_event + (1 - baseline) * rise_none < 0


def test_sums_never_fall_below_zero_and_exams_are_counted() -> None:
    chart = run(Chart(0.06), [False] * 10)
    assert chart.up == 0.0
    assert chart.down == pytest.approx(10 * math.log(0.97 / 0.94))
    chart = chart.step(True)
    assert (chart.exams, chart.events, chart.down) == (11, 1, 0.0)
    assert chart.up == pytest.approx(math.log(2))


def test_a_run_of_events_alarms_once_and_the_chart_starts_again() -> None:
    needed = math.ceil(interval(0.05) / math.log(2))
    chart = run(Chart(0.05), [True] * (needed - 1))
    assert chart.alarm is None
    chart = chart.step(True)
    assert chart.alarm == "up"
    after = chart.step(True)
    assert after.alarm is None
    assert after.up == pytest.approx(math.log(2))
    assert after.exams == needed + 1, "the counts go on"


def test_a_stream_without_events_alarms_downwards_where_that_is_watched() -> None:
    none = np.zeros(1000, np.bool_)
    found = exams_to_alarm(0.06, none)
    assert found == (math.ceil(interval(0.06) / math.log(0.97 / 0.94)), "down")
    assert run(Chart(0.06, two_sided=False), [False] * 1000).alarm is None


def test_the_interval_grows_with_the_baseline() -> None:
    assert interval(0.01) == interval(0.06) == drift.INTERVAL
    assert interval(0.12) == pytest.approx(drift.INTERVAL + math.log(2))
    assert interval(0.2) == pytest.approx(interval(0.8))


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_baseline_of_nothing_or_all_can_still_be_watched(rate: float) -> None:
    usual, odd = rate == 1.0, rate != 1.0
    assert run(Chart(rate), [usual] * 200).alarm is None
    assert run(Chart(rate), [odd] * 11).alarm == ("up" if rate == 0.0 else "down")


def test_steps_on_stored_charts() -> None:
    state = ChartState("flag", 0.06, 0.0, 0.0, 0, 0)
    state, alarm = step(state, True)
    assert (state.exams, state.events, alarm) == (1, 1, None)
    assert state.up == Chart(0.06).step(True).up
    alarms = []
    for _ in range(400):
        state, alarm = step(state, False)
        alarms.append(alarm)
    assert alarms.count("down") == 1


@pytest.mark.parametrize("state", [("refusal", 0.05), ("ood", 0.01), ("flag", 0.005)])
def test_fewer_than_a_limit_is_no_alarm(state: tuple[str, float]) -> None:
    chart = ChartState(*state, 0.0, 0.0, 0, 0)
    for _ in range(3000):
        chart, alarm = step(chart, False)
        assert alarm is None
    assert chart.down == 0.0


def rates(k: int, n: int) -> dict[str, dict[str, float]]:
    return {"exam_flag_rate": {"k": k, "n": n, "value": k / n if n else None}}  # type: ignore[dict-item]


def test_baselines_come_from_the_evaluation_set_first() -> None:
    report = {"kinds": {"exam_min": {"calibration": rates(300, 1000), "evaluation": rates(60, 1000)}}}
    found = baselines(report, "exam_min")
    assert found["flag"] == pytest.approx(0.06, abs=5e-4)
    assert (found["refusal"], found["ood"]) == (0.05, 0.01)
    report["kinds"]["exam_min"]["evaluation"] = None  # type: ignore[assignment]
    assert baselines(report, "exam_min")["flag"] == pytest.approx(0.3, abs=5e-4)


def test_an_image_rate_is_no_baseline_of_exams() -> None:
    of_images = {"flag_rate": {"k": 200, "n": 1000, "value": 0.2}}
    report = {"kinds": {"image": {"calibration": of_images, "evaluation": None}}}
    assert "flag" not in baselines(report, "image")
    report["kinds"]["image"]["calibration"] |= rates(10, 250)  # type: ignore[arg-type]
    assert baselines(report, "image")["flag"] == pytest.approx(0.0418, abs=1e-4)


@pytest.mark.parametrize("report", [None, {}, {"kinds": {}}, {"kinds": {"exam_min": {"calibration": rates(0, 0)}}}])
def test_without_a_report_the_limits_are_watched_all_the_same(report: dict[str, object] | None) -> None:
    assert baselines(report, "exam_min") == {"refusal": 0.05, "ood": 0.01}


def test_nothing_flagged_is_a_baseline_too() -> None:
    assert 0 < smoothed(0, 20) < drift.DOWN_FROM
    assert 0 < smoothed(0, 100_000) < smoothed(1, 100_000)
    assert smoothed(20, 20) < 1


def test_psi_and_ks() -> None:
    # The design's own example: 20 -> 30% flags stays under the folklore 0.1, which is why no alarm hangs on it.
    assert psi([800, 200], [750, 250]) == pytest.approx(0.0144, abs=0.002)
    assert psi([800, 200], [700, 300]) == pytest.approx(0.054, abs=0.004)
    assert psi([10, 0], [0, 10]) > 1
    assert psi([5, 5], [50, 50]) == pytest.approx(0.0, abs=1e-12)
    rng = np.random.default_rng(1)
    same, other = rng.normal(size=400), rng.normal(1.0, size=400)
    assert ks(same, rng.normal(size=400))[1] > 0.01
    assert ks(same, other)[1] < 1e-6
    assert math.isnan(ks(same, np.empty(0))[0])


@pytest.fixture(scope="module")
def benchmark_module() -> ModuleType:
    """benchmarks/drift.py, which steps many charts at once."""
    import sys

    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("drift_benchmark", BENCHMARKS / "drift.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


@pytest.mark.parametrize(("baseline", "rate"), [(0.06, 0.06), (0.06, 0.12), (0.2, 0.1), (0.7, 0.9), (0.0, 0.01)])
def test_many_charts_at_once_step_like_one(benchmark_module: ModuleType, baseline: float, rate: float) -> None:
    events = np.random.default_rng(3).random((1500, 6)) < rate
    found = benchmark_module.run_lengths(baseline, iter(events), two_sided=True)
    for column in range(6):
        one = exams_to_alarm(baseline, events[:, column])
        assert found[column] == (one[0] if one else 0)


def test_a_doubled_rate_is_found_in_time(benchmark_module: ModuleType) -> None:
    rng = np.random.default_rng(7)
    doubled = benchmark_module.run_lengths(0.06, (rng.random(300) < 0.12 for _ in range(3000)), two_sided=True)
    assert (doubled > 0).all()
    assert np.median(doubled) <= 250
    calm = benchmark_module.run_lengths(0.06, (rng.random(300) < 0.06 for _ in range(3000)), two_sided=True)
    assert (calm > 0).mean() < 3000 / 40_000 * 1.5
