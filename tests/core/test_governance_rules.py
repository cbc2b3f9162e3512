"""The rules of governance, each by itself: every act from every state by every role, and the two-person rules."""

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from governance_samples import ADMIN, APPROVER, BOTH, SECOND, UPLOADER, YEAR, signed, version

from triage.core.governance import (
    BUNDLE,
    SYSTEM,
    Act,
    Actor,
    CalibrationAct,
    CalibrationState,
    CalibrationVersion,
    Conflict,
    Forbidden,
    Role,
    Signature,
)
from triage.core.governance_rules import Circumstances, check

S = CalibrationState
NOW = datetime(2026, 6, 1, tzinfo=UTC)

# Said again, apart from the table in the code: act, states it starts from, state it leads to, roles.
EXPECTED: dict[Act, tuple[set[S], S, set[Role]]] = {
    Act.DRAFT: (set(), S.DRAFT, {Role.ADMIN}),
    Act.EVALUATE: ({S.DRAFT}, S.EVALUATED, {Role.ADMIN}),
    Act.APPROVE: ({S.EVALUATED}, S.APPROVED, {Role.APPROVER}),
    Act.SHADOW: ({S.APPROVED}, S.SHADOW, {Role.ADMIN, Role.APPROVER}),
    Act.ACTIVATE: ({S.SHADOW}, S.ACTIVE, {Role.ADMIN, Role.APPROVER}),
    Act.SUSPEND: ({S.ACTIVE}, S.SUSPENDED, {Role.ADMIN, Role.APPROVER}),
    Act.REQUEST_REINSTATEMENT: ({S.SUSPENDED}, S.SUSPENDED, {Role.ADMIN, Role.APPROVER}),
    Act.REINSTATE: ({S.SUSPENDED}, S.ACTIVE, {Role.APPROVER}),
    Act.ROLL_BACK: ({S.ACTIVE}, S.ROLLED_BACK, {Role.ADMIN, Role.APPROVER}),
    Act.RETIRE: (
        {S.DRAFT, S.EVALUATED, S.APPROVED, S.SHADOW, S.ACTIVE, S.SUSPENDED},
        S.RETIRED,
        {Role.ADMIN},
    ),
}


def line(act: Act, by: str) -> CalibrationAct:
    return CalibrationAct(act, S.EVALUATED, S.APPROVED, by, by.title(), "m", NOW)


APPROVED = line(Act.APPROVE, "bea")
REQUESTED = (APPROVED, line(Act.SUSPEND, "system"), line(Act.REQUEST_REINSTATEMENT, "ann"))


def around(**changes: Any) -> Circumstances:
    given: dict[str, Any] = {"history": REQUESTED, "uploaders": frozenset({"ugo"}), "in_force": None}
    return Circumstances(**{"now": NOW, "expected_active": None, **given, **changes})


def done(act: Act, actor: Actor, made: CalibrationVersion | None = None, **changes: Any) -> CalibrationState:
    return check(act, made or version(), actor, signed(actor), around(**changes))


@pytest.mark.parametrize("act", Act)
def test_every_act_from_every_state_by_every_role(act: Act) -> None:
    from_states, to_state, roles = EXPECTED[act]
    for state, role in product(S, Role):
        person = Actor("fay", "Fay Other", frozenset({role}))
        made = version(state=state)
        if role not in roles:
            with pytest.raises(Forbidden, match=f"fay may not {act}: it takes the role .* and fay has {role}"):
                done(act, person, made)
        elif state not in from_states:
            with pytest.raises(Conflict, match=rf"calibration v1 \(version 1\) is {state}"):
                done(act, person, made)
        else:
            assert done(act, person, made) is to_state


def test_no_act_is_without_a_rule() -> None:
    assert set(EXPECTED) == set(Act)


@pytest.mark.parametrize(("act", "state"), [(Act.APPROVE, S.EVALUATED), (Act.REINSTATE, S.SUSPENDED)])
def test_neither_author_nor_uploader_vouches_for_their_own(act: Act, state: CalibrationState) -> None:
    with pytest.raises(Forbidden, match="dee is the author"):
        done(act, BOTH, version(state=state, author="dee"))
    with pytest.raises(Forbidden, match="ugo uploaded a set"):
        done(act, UPLOADER, version(state=state))
    assert done(act, APPROVER, version(state=state))


def test_activation_looks_for_an_independent_approval_itself() -> None:
    shadow = version(state=S.SHADOW)
    for by in ("ann", "ugo"):
        with pytest.raises(Forbidden, match="approved by nobody but its author or the uploaders"):
            done(Act.ACTIVATE, ADMIN, shadow, history=(line(Act.APPROVE, by),))
    with pytest.raises(Forbidden, match="approved by nobody"):
        done(Act.ACTIVATE, ADMIN, shadow, history=(line(Act.SHADOW, "bea"),))
    assert done(Act.ACTIVATE, ADMIN, shadow, history=(APPROVED,)) is S.ACTIVE


def test_activation_takes_the_place_of_what_was_seen_and_of_nothing_else() -> None:
    shadow = version(state=S.SHADOW)
    with pytest.raises(Conflict, match="in force for the stratum .* is v7, not no version"):
        done(Act.ACTIVATE, ADMIN, shadow, in_force="v7")
    with pytest.raises(Conflict, match="is no version, not v7"):
        done(Act.ACTIVATE, ADMIN, shadow, expected_active="v7")
    assert done(Act.ACTIVATE, ADMIN, shadow, in_force="v7", expected_active="v7") is S.ACTIVE
    silent = Circumstances(NOW, (APPROVED,), frozenset(), None)
    with pytest.raises(Conflict, match="must say which version it takes the place of"):
        check(Act.ACTIVATE, shadow, ADMIN, signed(ADMIN), silent)


@pytest.mark.parametrize(("act", "state"), [(Act.ACTIVATE, S.SHADOW), (Act.REINSTATE, S.SUSPENDED)])
def test_nothing_expired_is_put_in_force(act: Act, state: CalibrationState) -> None:
    made = version(state=state)
    with pytest.raises(Conflict, match="expired on 2027-01-01"):
        done(act, APPROVER, made, now=made.created_at + YEAR)


def test_a_request_counts_only_after_the_suspension() -> None:
    suspended = version(state=S.SUSPENDED)
    for history in ((APPROVED,), (*REQUESTED, line(Act.REINSTATE, "bea"), line(Act.SUSPEND, "bea"))):
        with pytest.raises(Conflict, match="nobody requested"):
            done(Act.REINSTATE, APPROVER, suspended, history=history)


def test_who_requested_does_not_reinstate() -> None:
    suspended = version(state=S.SUSPENDED)
    asked = (*REQUESTED[:2], line(Act.REQUEST_REINSTATEMENT, "bea"))
    with pytest.raises(Forbidden, match="bea requested the reinstatement"):
        done(Act.REINSTATE, APPROVER, suspended, history=asked)
    assert done(Act.REINSTATE, SECOND, suspended, history=asked) is S.ACTIVE


def test_nothing_is_reinstated_beside_another_version() -> None:
    with pytest.raises(Conflict, match="calibration v2 is in force"):
        done(Act.REINSTATE, APPROVER, version(state=S.SUSPENDED), in_force="v2", expected_active="v2")


def test_what_was_replaced_is_suspended_and_what_was_retired_by_itself_is_not() -> None:
    retired = version(state=S.RETIRED)
    came = CalibrationAct(Act.ACTIVATE, S.SHADOW, S.ACTIVE, "ann", "Ann", "m", NOW)
    left = CalibrationAct(Act.ACTIVATE, S.ACTIVE, S.RETIRED, "ann", "Ann", "replaced by version 2: m", NOW)
    by_itself = CalibrationAct(Act.RETIRE, S.SUSPENDED, S.RETIRED, "ann", "Ann", "m", NOW)
    for person in (SYSTEM, ADMIN, APPROVER):
        assert done(Act.SUSPEND, person, retired, history=(came, left), in_force="v2", expected_active="v2")
        for history in ((), (came,), (came, left, by_itself)):
            with pytest.raises(Conflict, match="is retired and was not replaced"):
                done(Act.SUSPEND, person, retired, history=history)
    for act in set(Act) - {Act.SUSPEND}:
        with pytest.raises(Conflict, match="is retired"):
            done(act, BOTH, retired, history=(came, left))


@pytest.mark.parametrize("act", Act)
def test_the_service_itself_suspends_and_nothing_else(act: Act) -> None:
    unsigned = Signature("", "")
    if act is Act.SUSPEND:
        assert check(act, version(state=S.ACTIVE), SYSTEM, unsigned, around()) is S.SUSPENDED
    else:
        with pytest.raises(Forbidden, match="the service itself may not"):
            check(act, version(), SYSTEM, unsigned, around())
    with pytest.raises(Forbidden, match="bundle may not"):
        check(act, version(), BUNDLE, signed(BUNDLE), around())


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (signed(SECOND), "is signed 'Cyd Second, MD', but bea is 'Bea Approver, MD'"),
        (Signature("", "m"), "is signed ''"),
        (signed(APPROVER, " \n"), "without a meaning"),
    ],
)
def test_an_act_is_signed_by_who_does_it_and_with_a_meaning(signature: Signature, message: str) -> None:
    with pytest.raises(Forbidden, match=message):
        check(Act.APPROVE, version(), APPROVER, signature, around())
