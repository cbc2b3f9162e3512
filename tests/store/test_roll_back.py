"""What a roll-back does not bring back: one person must not put in force what it takes two to reinstate."""

import pytest
from governance_samples import ADMIN, APPROVER, OTHER, STRATUM, an_active, signed
from ledger_samples import Clock
from sqlalchemy import Engine

from triage.core.governance import Act, CalibrationState
from triage.store.database import writing
from triage.store.incidents import open_incident_in
from triage.store.ledger import Ledger
from triage.store.monitoring_records import NewIncident

S = CalibrationState


def state(ledger: Ledger, calibration_id: str) -> CalibrationState:
    found = ledger.calibration(calibration_id)
    assert found is not None
    return found.state


@pytest.mark.parametrize("since", [(Act.SUSPEND,), (Act.SUSPEND, Act.RETIRE)])
def test_roll_back_uses_no_predecessor_that_was_suspended_after_it_was_replaced(
    ledger: Ledger, clock: Clock, since: tuple[Act, ...]
) -> None:
    first = an_active(ledger)
    second = an_active(ledger, former=first.id)
    for act in since:
        ledger.act(first.id, act, ADMIN, signed(ADMIN))
    after = state(ledger, first.id)
    ledger.act(second.id, Act.ROLL_BACK, ADMIN, signed(ADMIN))
    assert ledger.in_force(STRATUM, clock.now).reason_code == "calibration-suspended"
    assert state(ledger, first.id) is after


@pytest.mark.parametrize("kind", ["missed-abnormal", "drift"])
def test_roll_back_uses_no_predecessor_with_an_incident_that_is_open(
    ledger: Ledger, engine: Engine, clock: Clock, kind: str
) -> None:
    first = an_active(ledger)
    second = an_active(ledger, former=first.id)
    with writing(engine) as connection:
        open_incident_in(connection, clock.now, NewIncident(kind, {}, OTHER.id, "another calibration"))
        incident = open_incident_in(connection, clock.now, NewIncident(kind, {}, STRATUM.id, first.id))
    ledger.act(second.id, Act.ROLL_BACK, ADMIN, signed(ADMIN))
    assert ledger.in_force(STRATUM, clock.now).version is None
    assert state(ledger, first.id) is S.RETIRED
    third = an_active(ledger)
    fourth = an_active(ledger, former=third.id)
    with writing(engine) as connection:
        open_incident_in(connection, clock.now, NewIncident(kind, {}, STRATUM.id, third.id))
    for one in ledger.incidents():
        if one.id != incident:
            ledger.close_incident(one.id, ADMIN, "looked into")
    ledger.act(fourth.id, Act.ROLL_BACK, ADMIN, signed(ADMIN))
    assert state(ledger, third.id) is S.ACTIVE


def test_roll_back_uses_no_predecessor_that_was_in_force_again_meanwhile(ledger: Ledger, clock: Clock) -> None:
    first = an_active(ledger)
    second = an_active(ledger, former=first.id)

    def reinstated(calibration_id: str) -> None:
        ledger.act(calibration_id, Act.REQUEST_REINSTATEMENT, ADMIN, signed(ADMIN))
        ledger.act(calibration_id, Act.REINSTATE, APPROVER, signed(APPROVER))

    for one in (first, second):
        ledger.act(one.id, Act.SUSPEND, ADMIN, signed(ADMIN))
    reinstated(first.id)
    third = an_active(ledger, former=first.id)
    ledger.act(third.id, Act.SUSPEND, ADMIN, signed(ADMIN))
    reinstated(second.id)
    ledger.act(second.id, Act.ROLL_BACK, ADMIN, signed(ADMIN))
    assert ledger.in_force(STRATUM, clock.now).version is None
    assert state(ledger, first.id) is S.RETIRED, "it was the third that replaced it last"
