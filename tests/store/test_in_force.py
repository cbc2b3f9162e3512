"""Which version decides a study: pinned when it was opened, and what became of the version since then."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from time import perf_counter

import pytest
from governance_samples import ADMIN, APPROVER, OTHER, SECOND, STRATUM, a_draft, an_active, shipped, signed
from ledger_samples import START, Clock
from sqlalchemy import Engine, func, select, update

from triage.core.errors import TriageError
from triage.core.governance import Act, CalibrationState, CalibrationVersion, Conflict
from triage.core.reasons import SENTENCES
from triage.store import calibration_tables as c
from triage.store.database import writing
from triage.store.ledger import Ledger

HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


class History:
    """Acts an hour apart; `at` gives the hour of each."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.ledger, self.clock = ledger, clock

    def activated(self, former: CalibrationVersion | None = None, **changes: object) -> CalibrationVersion:
        self.clock.advance(hours=1)
        return an_active(self.ledger, former=former.id if former else None, **changes)

    def done(self, version: CalibrationVersion, *acts: Act) -> None:
        for act in acts:
            self.clock.advance(hours=1)
            actor = APPROVER if act is Act.REINSTATE else ADMIN
            self.ledger.act(version.id, act, actor, signed(actor))

    def asked(self, hours: float, stratum: object = STRATUM) -> str | int:
        """The number of the version for a study opened so many hours after the start, or the reason's code."""
        found = self.ledger.in_force(stratum, START + hours * HOUR)  # type: ignore[arg-type]
        assert (found.version is None) == (found.reason_code is not None) == bool(found.text)
        assert found.reason_code is None or found.reason_code in SENTENCES
        return found.version.number if found.version else str(found.reason_code)


@pytest.fixture
def history(ledger: Ledger, clock: Clock) -> History:
    return History(ledger, clock)


def test_nothing_pins_what_came_before_the_first_activation(history: History) -> None:
    assert history.asked(0) == "uncalibrated-device"
    a_draft(history.ledger)
    history.activated()
    assert history.asked(1 - 1e-6) == "uncalibrated-device"
    assert (history.asked(1), history.asked(99)) == (1 + 1, 1 + 1)
    assert history.asked(1, OTHER) == "uncalibrated-device"


def test_a_replaced_version_still_decides_what_came_in_its_time(history: History) -> None:
    first = history.activated()
    history.activated(first)
    assert [history.asked(hours) for hours in (1, 2 - 1e-6, 2, 3)] == [1, 1, 2, 2]


def test_a_suspended_version_decides_nothing_until_it_is_reinstated(history: History) -> None:
    first = history.activated()
    history.done(first, Act.SUSPEND)
    assert history.asked(1.5) == history.asked(2) == history.asked(9) == "calibration-suspended"
    history.done(first, Act.REQUEST_REINSTATEMENT, Act.REINSTATE)
    assert (history.asked(1.5), history.asked(3.5), history.asked(4)) == (1, "calibration-suspended", 1)


def test_a_suspended_version_is_not_replaced_for_studies_of_its_time(history: History) -> None:
    first = history.activated()
    history.done(first, Act.SUSPEND)
    history.activated()
    assert [history.asked(hours) for hours in (1.5, 2.5, 3)] == ["calibration-suspended", "calibration-suspended", 2]
    history.done(first, Act.RETIRE)
    assert [history.asked(hours) for hours in (1.5, 2.5, 3)] == ["calibration-suspended", "calibration-suspended", 2]


def test_a_replaced_version_can_be_suspended_for_studies_of_its_time(history: History) -> None:
    first = history.activated()
    second = history.activated(first)
    history.done(first, Act.SUSPEND)
    times = (1.5, 2.5, 9)
    assert [history.asked(hours) for hours in times] == ["calibration-suspended", 2, 2]
    history.done(first, Act.REQUEST_REINSTATEMENT)
    with pytest.raises(Conflict, match=f"calibration {second.id} is in force"):
        history.done(first, Act.REINSTATE)
    assert [history.asked(hours) for hours in times] == ["calibration-suspended", 2, 2]
    history.done(first, Act.RETIRE)
    assert [history.asked(hours) for hours in times] == ["calibration-suspended", 2, 2], "retiring lifts no suspension"


def test_a_replaced_version_that_was_suspended_comes_back_by_two_persons_where_none_is_in_force(
    history: History,
) -> None:
    first = history.activated()
    second = history.activated(first)
    history.done(first, Act.SUSPEND)
    history.done(second, Act.SUSPEND)
    history.done(first, Act.REQUEST_REINSTATEMENT, Act.REINSTATE)
    assert [history.asked(hours) for hours in (1.5, 2.5, 5, 9)] == [
        1,
        "calibration-suspended",
        "calibration-suspended",
        1,
    ]


def test_a_rolled_back_version_decides_nothing_more(history: History) -> None:
    first = history.activated()
    second = history.activated(first)
    history.done(second, Act.ROLL_BACK)
    assert [history.asked(hours) for hours in (1, 2.5, 3)] == [1, "calibration-suspended", 1]
    history.done(first, Act.ROLL_BACK)
    assert [history.asked(hours) for hours in (1, 2.5, 4)] == ["calibration-suspended"] * 3


def test_a_version_retired_without_a_successor_decides_nothing_more(history: History) -> None:
    first = history.activated()
    history.done(first, Act.RETIRE)
    assert [history.asked(hours) for hours in (1, 2)] == ["uncalibrated-device"] * 2
    history.activated()
    assert [history.asked(hours) for hours in (1, 2.5, 3)] == ["uncalibrated-device", "uncalibrated-device", 2]


def test_an_expired_version_decides_nothing_more(history: History, clock: Clock) -> None:
    first = history.activated(expires_at=START + 10 * HOUR)
    clock.now = START + 10 * HOUR - MOMENT
    assert history.asked(1) == 1
    clock.now = START + 10 * HOUR
    assert history.asked(1) == history.asked(11) == "calibration-expired"
    assert f"{first.expires_at:%Y-%m-%d}" in history.ledger.in_force(STRATUM, clock.now).text
    history.done(first, Act.SUSPEND)
    assert history.asked(1) == "calibration-suspended"


def test_acts_of_one_moment_leave_the_last_one_in_force(ledger: Ledger, clock: Clock) -> None:
    first = an_active(ledger)
    second = an_active(ledger, former=first.id)
    found = ledger.in_force(STRATUM, clock.now).version
    assert found is not None
    assert found.id == second.id


def test_the_reason_names_the_device_and_no_patient(ledger: Ledger) -> None:
    text = ledger.in_force(replace(STRATUM, site=""), START).text
    assert "ACME Mammo 1 1.0 at an unnamed site" in text


def test_an_activation_moved_to_another_stratum_is_found(ledger: Ledger, engine: Engine, clock: Clock) -> None:
    an_active(ledger)
    with writing(engine) as connection:
        connection.execute(update(c.activation).values(stratum_id=OTHER.id))
    with pytest.raises(TriageError, match="a stratum that it was not made for"):
        ledger.in_force(OTHER, clock.now)


def test_an_activation_of_what_was_never_active_is_found(ledger: Ledger, engine: Engine, clock: Clock) -> None:
    made = an_active(ledger)
    with writing(engine) as connection:
        connection.execute(update(c.calibration).where(c.calibration.c.id == made.id).values(state="shadow"))
    with pytest.raises(TriageError, match="its state was tampered with"):
        ledger.in_force(STRATUM, clock.now)


def test_looking_up_is_fast(ledger: Ledger, clock: Clock) -> None:
    former = None
    for _ in range(4):
        clock.advance(minutes=1)
        former = an_active(ledger, former=former).id

    def milliseconds() -> float:
        started = perf_counter()
        ledger.in_force(STRATUM, clock.now)
        return (perf_counter() - started) * 1000

    assert sorted(milliseconds() for _ in range(200))[20] < 1, "the undisturbed ones, on a machine that others use"


def test_a_shipped_calibration_counts_from_when_it_was_made(ledger: Ledger, clock: Clock) -> None:
    ledger.adopt([shipped()])
    [made] = ledger.calibrations()
    assert (made.number, made.state, made.author, made.demonstration) == (1, CalibrationState.ACTIVE, "bundle", True)
    assert (made.threshold, made.report) == (0.75, {"dataset": "phantoms"})
    for at in (datetime.fromisoformat("2026-01-01T00:00:00+00:00"), clock.now):
        assert ledger.in_force(STRATUM, at).version == made
    assert ledger.in_force(STRATUM, made.created_at - MOMENT).reason_code == "uncalibrated-device"
    [act] = ledger.history(made.id)
    assert (act.act, act.from_state, act.by) == (Act.ACTIVATE, None, "bundle")
    assert ledger.verify_audit() is None


def test_a_calibration_dated_ahead_counts_from_now(ledger: Ledger, clock: Clock) -> None:
    ledger.adopt([shipped(created_at=clock.now + HOUR)])
    assert ledger.in_force(STRATUM, clock.now).version is not None


def test_adopting_changes_no_stratum_that_has_a_version(ledger: Ledger, clock: Clock) -> None:
    mine = a_draft(ledger)
    ledger.adopt([shipped(), shipped(OTHER)])
    assert ledger.calibrations(STRATUM.id) == (mine,)
    [other] = ledger.calibrations(OTHER.id)
    ledger.act(other.id, Act.SUSPEND, ADMIN, signed(ADMIN))
    ledger.adopt([shipped(threshold=0.0), shipped(OTHER, threshold=0.0)])
    assert ledger.in_force(OTHER, clock.now).reason_code == "calibration-suspended"
    assert len(ledger.calibrations()) == 2


def test_a_wrong_shipped_calibration_is_refused_whole(ledger: Ledger) -> None:
    for wrong in ({"threshold": float("inf")}, {"kind": "breast"}, {"report": {"p": float("nan")}}):
        with pytest.raises(TriageError, match="calibration shipped for ACME Mammo 1"):
            ledger.adopt([shipped(OTHER), shipped(**wrong)])
    assert ledger.calibrations() == ()


def test_several_who_start_together_adopt_once(ledger: Ledger, engine: Engine) -> None:
    strata = [replace(STRATUM, model=f"M{number}") for number in range(10)]
    gate = threading.Barrier(4)

    def start(seed: int) -> None:
        gate.wait()
        ledger.adopt([shipped(stratum) for stratum in strata[seed:] + strata[:seed]])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    assert len(ledger.calibrations(state=CalibrationState.ACTIVE)) == 10
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(c.activation)).scalar_one() == 10
    assert ledger.verify_audit() is None


def test_a_demonstration_is_replaced_rolled_back_to_and_reinstated_like_any_other(ledger: Ledger, clock: Clock) -> None:
    ledger.adopt([shipped()])
    [demonstration] = ledger.calibrations()
    second = an_active(ledger, former=demonstration.id)
    ledger.act(second.id, Act.ROLL_BACK, ADMIN, signed(ADMIN))
    assert ledger.in_force(STRATUM, clock.now).version == demonstration
    ledger.act(demonstration.id, Act.SUSPEND, ADMIN, signed(ADMIN))
    ledger.act(demonstration.id, Act.REQUEST_REINSTATEMENT, APPROVER, signed(APPROVER))
    ledger.act(demonstration.id, Act.REINSTATE, SECOND, signed(SECOND))
    assert ledger.in_force(STRATUM, clock.now).version == demonstration
    ledger.act(demonstration.id, Act.RETIRE, ADMIN, signed(ADMIN))
    assert ledger.in_force(STRATUM, clock.now).reason_code == "uncalibrated-device"
