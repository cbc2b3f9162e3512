"""No flag is stored by a calibration that was taken out of use between the look-up and the commit."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest
from governance_samples import an_active
from ledger_samples import LEASE, START, Clock
from monitoring_samples import ADMIN, STRATUM, audited, decided, in_force, received, seen
from sqlalchemy import Engine, update

from triage.core.errors import TriageError
from triage.core.finding import Outcome, StudyFinding
from triage.core.governance import SYSTEM, Act, CalibrationVersion, Conflict, Signature
from triage.core.reasons import reason
from triage.decide.drift import step
from triage.store import calibration_tables as c
from triage.store.calibration_acts import suspend_in
from triage.store.database import writing
from triage.store.ledger import Ledger
from triage.store.records import Claim, PlannedDelivery
from triage.store.results import Watched

SR = PlannedDelivery("pacs", "sr", "2.25.1", "/spool/sr.dcm")


@pytest.fixture
def version(ledger: Ledger) -> CalibrationVersion:
    """A calibration in force."""
    return in_force(ledger)


def evaluated(
    ledger: Ledger, version: CalibrationVersion, number: int = 1, fused: float = 2.0
) -> tuple[Claim, StudyFinding]:
    """A study that was claimed and compared with the threshold, its result not stored yet."""
    uid = received(ledger, number)
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    found = ledger.in_force(STRATUM, claim.opened_at).version
    assert found == version
    return claim, decided(uid, fused, version.operating_point)


def finish(ledger: Ledger, claim: Claim, made: StudyFinding, version: CalibrationVersion) -> bool:
    flag = made.outcome is Outcome.CONFIDENTLY_NORMAL
    watched = Watched(seen(made.study_instance_uid, version, flag=flag, exam_score=made.exam_score), step)
    return ledger.finish(claim, made, [SR], watched=watched)


def done(ledger: Ledger, version: CalibrationVersion, *acts: Act) -> None:
    for act in acts:
        ledger.act(version.id, act, ADMIN, Signature(ADMIN.printed_name, "seen"))


OUT_OF_USE: dict[str, Callable[[Ledger, CalibrationVersion], object]] = {
    "suspended": lambda ledger, version: done(ledger, version, Act.SUSPEND),
    "rolled back": lambda ledger, version: done(ledger, version, Act.ROLL_BACK),
    "retired": lambda ledger, version: done(ledger, version, Act.RETIRE),
    "suspended and retired": lambda ledger, version: done(ledger, version, Act.SUSPEND, Act.RETIRE),
    "replaced and suspended": lambda ledger, version: (
        an_active(ledger, former=version.id),
        done(ledger, version, Act.SUSPEND),
    ),
}


@pytest.mark.parametrize("way", OUT_OF_USE)
def test_what_is_taken_out_of_use_before_the_commit_flags_nothing(
    engine: Engine, ledger: Ledger, version: CalibrationVersion, clock: Clock, way: str
) -> None:
    claim, made = evaluated(ledger, version)
    assert made.outcome is Outcome.CONFIDENTLY_NORMAL
    clock.advance(milliseconds=5)
    OUT_OF_USE[way](ledger, version)
    before = audited(engine)
    with pytest.raises(Conflict, match="analyse the exam again"):
        finish(ledger, claim, made, version)
    record = ledger.study("1.2.1")
    assert record is not None
    assert (record.finding, record.deliveries, ledger.charts(version.id)) == (None, (), ())
    assert audited(engine) == before
    # What the worker does with the error: the claim goes back, and the next attempt is told why there is no answer.
    assert ledger.fail_attempt(claim, "Conflict")
    clock.advance(seconds=2)
    again = ledger.claim_study(LEASE)
    assert again is not None
    assert (again.study_instance_uid, again.attempts, again.exhausted) == ("1.2.1", 2, False)
    code = ledger.in_force(STRATUM, again.opened_at).reason_code
    assert code == ("uncalibrated-device" if way == "retired" else "calibration-suspended")
    refused = decided("1.2.1", 2.0, None, (reason(code),))
    assert ledger.finish(again, refused, [SR])
    assert ledger.verify_audit() is None


def test_what_was_replaced_still_flags_what_came_in_its_time(
    ledger: Ledger, version: CalibrationVersion, clock: Clock
) -> None:
    claim, made = evaluated(ledger, version)
    clock.advance(seconds=1)
    an_active(ledger, former=version.id)
    assert finish(ledger, claim, made, version)


def test_an_exam_that_is_not_flagged_is_stored_whatever_became_of_its_calibration(
    ledger: Ledger, version: CalibrationVersion
) -> None:
    claim, made = evaluated(ledger, version, fused=0.1)
    assert made.outcome is Outcome.NOT_FLAGGED
    done(ledger, version, Act.SUSPEND)
    assert finish(ledger, claim, made, version)


def test_a_version_changed_since_it_was_looked_up_flags_nothing(
    engine: Engine, ledger: Ledger, version: CalibrationVersion
) -> None:
    claim, made = evaluated(ledger, version)
    with writing(engine) as connection:
        connection.execute(update(c.calibration).where(c.calibration.c.id == version.id).values(threshold=0.0))
    with pytest.raises(TriageError, match="was changed after its evaluation"):
        finish(ledger, claim, made, version)


def test_a_suspension_that_is_under_way_is_waited_for(
    engine: Engine, ledger: Ledger, version: CalibrationVersion
) -> None:
    claim, made = evaluated(ledger, version)
    begun = threading.Event()

    def suspend() -> None:
        with writing(engine) as connection:
            assert suspend_in(connection, START, version.id, SYSTEM, "a miss")
            begun.set()
            sleep(0.3)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(suspend)
        assert begun.wait(5)
        with pytest.raises(Conflict, match="is suspended by now"):
            finish(ledger, claim, made, version)
        running.result()
    record = ledger.study("1.2.1")
    assert record is not None
    assert record.finding is None


def test_many_flags_at_once_end_with_the_one_that_alarms(
    engine: Engine, ledger: Ledger, version: CalibrationVersion
) -> None:
    ready = [evaluated(ledger, version, number) for number in range(1, 25)]

    def stored(one: tuple[Claim, StudyFinding]) -> bool:
        try:
            return finish(ledger, *one, version)
        except Conflict:
            return False

    with ThreadPoolExecutor(6) as pool:
        count = sum(pool.map(stored, ready))
    [incident] = ledger.incidents()
    assert incident.kind == "drift"
    events = [event for event, _ in audited(engine)]
    assert incident.detail["events"] == count == events.count("result") < len(ready)
    record = ledger.study(incident.study_instance_uid or "")
    assert record is not None
    assert record.finding is not None
    assert record.finding.outcome is Outcome.CONFIDENTLY_NORMAL, "decided while the calibration held; named, not hidden"
    suspended = events.index("calibration-suspend")
    assert "result" not in events[suspended + 3 :], "only its own result follows"
    assert ledger.verify_audit() is None
