"""Exams on control charts: counted once, an alarm suspends once, and only what it is about."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from governance_samples import an_active
from ledger_samples import START, Clock
from monitoring_samples import BASELINES, OTHER, STRATUM, audited, in_force, observe, received, seen
from sqlalchemy import Engine

from triage.core.governance import CalibrationState, CalibrationVersion
from triage.decide.drift import Chart, interval
from triage.store.database import writing
from triage.store.ledger import Ledger
from triage.store.monitoring import Monitoring
from triage.store.observations import start_charts_in

ALARM_AFTER = 11
"""Refusals in a row that alarm at a baseline of 5%."""


@pytest.fixture
def watch(engine: Engine, clock: Clock) -> Monitoring:
    """The watching side."""
    return Monitoring(engine, clock)


@pytest.fixture
def version(ledger: Ledger) -> CalibrationVersion:
    """A calibration in force."""
    return in_force(ledger)


@pytest.fixture
def refuse(engine: Engine, ledger: Ledger) -> Callable[[CalibrationVersion, range], list[int]]:
    """Lets studies of these numbers be refused; the incidents that this opened."""

    def run(version: CalibrationVersion, numbers: range) -> list[int]:
        opened = [observe(engine, seen(received(ledger, number), version, refusal=True)) for number in numbers]
        return [one for some in opened for one in some]

    return run


def chart(watch: Monitoring, version: CalibrationVersion, event: str) -> tuple[int, int]:
    [found] = [one for one in watch.charts(version.id) if one.state.event == event]
    return found.state.exams, found.state.events


def test_charts_start_with_the_first_exam(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    assert watch.charts(version.id) == ()
    assert observe(engine, seen(received(ledger, 1), version, flag=True)) == ()
    assert observe(engine, seen(received(ledger, 2), version)) == ()
    charts = {one.state.event: one for one in watch.charts(version.id)}
    assert {event: one.state.baseline for event, one in charts.items()} == BASELINES
    assert list(charts) == ["flag", "refusal", "ood"]
    expected = Chart(0.06).step(True).step(False)
    state = charts["flag"].state
    assert (state.up, state.down, state.exams, state.events) == (expected.up, expected.down, 2, 1)
    assert charts["flag"].alarm_at is None


def test_a_chart_keeps_the_baseline_it_started_with(
    engine: Engine, watch: Monitoring, version: CalibrationVersion
) -> None:
    for rate in (0.06, 0.5):
        with writing(engine) as connection:
            start_charts_in(connection, version.id, {"flag": rate})
    [found] = watch.charts(version.id)
    assert found.state.baseline == 0.06


def test_a_study_analysed_twice_counts_once(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    uid = received(ledger, 1)
    observe(engine, seen(uid, version, flag=True))
    observe(engine, seen(uid, version, refusal=True))
    assert chart(watch, version, "flag") == (1, 1)
    assert chart(watch, version, "refusal") == (1, 0)
    assert [one.flag for one in watch.observations(STRATUM.id, 10)] == [True]


def test_refused_exams_say_nothing_about_flags(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    observe(engine, seen(received(ledger, 1), version, refusal=True, ood=True, exam_score=None))
    assert chart(watch, version, "flag") == (0, 0)
    assert chart(watch, version, "refusal") == (1, 1)
    assert chart(watch, version, "ood") == (1, 1)


def test_an_alarm_suspends_once_and_says_why(
    engine: Engine,
    ledger: Ledger,
    watch: Monitoring,
    version: CalibrationVersion,
    refuse: Callable[[CalibrationVersion, range], list[int]],
) -> None:
    assert refuse(version, range(1, ALARM_AFTER)) == []
    assert ledger.in_force(STRATUM, START).version is not None
    [incident] = refuse(version, range(ALARM_AFTER, ALARM_AFTER + 1))
    answer = ledger.in_force(STRATUM, START)
    assert (answer.version, answer.reason_code) == (None, "calibration-suspended")
    [opened] = watch.incidents(open_only=True)
    assert (opened.id, opened.kind, opened.stratum_id, opened.calibration_id) == (
        incident,
        "drift",
        STRATUM.id,
        version.id,
    )
    assert opened.study_instance_uid == f"1.2.{ALARM_AFTER}", "the exam that alarmed is not hidden"
    assert opened.detail == {"event": "refusal", "direction": "up", "exams": 11, "events": 11, "baseline": 0.05}
    act = ledger.history(version.id)[-1]
    assert (act.to_state, act.by) == (CalibrationState.SUSPENDED, "system")
    assert "more refused exams than the baseline of 5.00% (11 in 11 exams)" in act.meaning
    events = [event for event, _ in audited(engine)]
    assert events.count("calibration-suspend") == 1
    assert events[-1] == "incident-opened"
    assert audited(engine)[-1][1]["detail"] == opened.detail
    # Studies that were on their way still arrive: they count, and open nothing more.
    assert refuse(version, range(20, 20 + 3 * ALARM_AFTER)) == []
    assert chart(watch, version, "refusal") == (44, 44)
    assert len(watch.incidents()) == 1
    assert [event for event, _ in audited(engine)].count("calibration-suspend") == 1
    assert ledger.verify_audit() is None
    [noted] = [one for one in watch.charts(version.id) if one.state.event == "refusal"]
    assert noted.alarm_at == START


def test_an_alarm_of_a_version_that_was_replaced_suspends_it_and_not_its_successor(
    ledger: Ledger,
    watch: Monitoring,
    version: CalibrationVersion,
    refuse: Callable[[CalibrationVersion, range], list[int]],
    clock: Clock,
) -> None:
    clock.advance(hours=1)
    second = an_active(ledger, former=version.id)
    [incident] = refuse(version, range(1, ALARM_AFTER + 1))
    assert [(one.id, one.calibration_id) for one in watch.incidents()] == [(incident, version.id)]
    assert ledger.in_force(STRATUM, START).reason_code == "calibration-suspended"
    assert ledger.in_force(STRATUM, clock.now).version == second


def test_two_charts_that_alarm_at_the_same_exam_suspend_once(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    for number in range(1, ALARM_AFTER + 1):
        observe(engine, seen(received(ledger, number), version, refusal=True, ood=True))
    assert sorted(one.detail["event"] for one in watch.incidents()) == ["ood", "refusal"]
    assert [event for event, _ in audited(engine)].count("calibration-suspend") == 1


def test_an_alarm_in_one_stratum_leaves_others(
    engine: Engine,
    ledger: Ledger,
    watch: Monitoring,
    version: CalibrationVersion,
    refuse: Callable[[CalibrationVersion, range], list[int]],
) -> None:
    other = in_force(ledger, OTHER)
    observe(engine, seen(received(ledger, 100), other))
    assert refuse(version, range(ALARM_AFTER))
    assert ledger.in_force(OTHER, START).version == other
    assert ledger.in_force(STRATUM, START).version is None
    assert chart(watch, other, "refusal") == (1, 0)


def test_a_shift_of_the_flag_rate_suspends(engine: Engine, ledger: Ledger, watch: Monitoring) -> None:
    version = in_force(ledger)
    uids = [received(ledger, number) for number in range(40)]
    needed = next(n for n in range(99) if n * 0.6931 >= interval(0.06))
    for number, uid in enumerate(uids, 1):
        opened = observe(engine, seen(uid, version, flag=True))
        assert bool(opened) == (number == needed)
        if opened:
            break
    assert watch.incidents()[0].detail["direction"] == "up"


def test_many_observers_at_once_lose_no_exam_and_alarm_once(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    uids = [received(ledger, number) for number in range(24)]
    # Each study comes to two workers: one whose lease ran out, and its successor.
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda uid: observe(engine, seen(uid, version, refusal=True)), [*uids, *uids]))
    assert chart(watch, version, "refusal") == (24, 24)
    assert len([one for some in opened for one in some]) == 1
    assert len(watch.incidents()) == 1
    assert ledger.in_force(STRATUM, START).reason_code == "calibration-suspended"
    assert ledger.verify_audit() is None


def test_what_if_and_the_newest_exams(
    engine: Engine, ledger: Ledger, watch: Monitoring, version: CalibrationVersion
) -> None:
    scores = [0.1, 0.5, 0.9, 1.3, 1.7, None]
    for number, score in enumerate(scores):
        flag = score is not None and score >= 1.0
        one = seen(received(ledger, number), version, exam_score=score, flag=flag, refusal=score is None)
        observe(engine, one)
    refused = seen(received(ledger, 9), version, exam_score=5.0, refusal=True)
    observe(engine, refused)
    found = watch.what_if(STRATUM.id, 0.5, 100)
    assert (found.exams, found.flagged, found.would_flag) == (7, 2, 4)
    found = watch.what_if(STRATUM.id, 1.7, 4)
    assert (found.exams, found.flagged, found.would_flag) == (4, 2, 1)
    assert watch.what_if(OTHER.id, 0.5, 100).exams == 0
    newest = watch.observations(STRATUM.id, 2)
    assert [one.exam_score for one in newest] == [None, 5.0]


def test_an_exam_decided_by_two_versions_is_one_exam(engine: Engine, ledger: Ledger, watch: Monitoring) -> None:
    first, second = in_force(ledger), in_force(ledger, OTHER)
    uid = received(ledger, 1)
    observe(engine, seen(uid, first))
    observe(engine, seen(uid, second, stratum_id=STRATUM.id, flag=True))
    assert [one.flag for one in watch.observations(STRATUM.id, 10)] == [True]


def test_scores_week_by_week(engine: Engine, ledger: Ledger, watch: Monitoring, clock: Clock) -> None:
    version = in_force(ledger)
    sunday = datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
    for number, (score, at) in enumerate(
        [
            (9.0, START - timedelta(weeks=5)),
            (-5.0, START),
            (0.0, START),
            (0.99, sunday),
            (1.0, sunday),
            (None, START),
            (0.5, sunday + timedelta(minutes=1)),
        ]
    ):
        observe(engine, seen(received(ledger, number), version, exam_score=score), at)
    clock.now = sunday + timedelta(days=2)
    first, second = watch.histograms(STRATUM.id, 3, (0.0, 1.0))
    assert (first.monday, first.counts, first.without_score) == (date(2026, 11, 16), (1, 2, 1), 1)
    assert (second.monday, second.counts) == (date(2026, 11, 23), (0, 1, 0))
    assert len(watch.histograms(STRATUM.id, 1, (0.0, 1.0))) == 1
    assert len(watch.histograms(STRATUM.id, 52, (0.0, 1.0))) == 3
