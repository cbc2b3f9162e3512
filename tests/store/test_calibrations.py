"""Sets and versions in the ledger: kept as given, numbered, immutable once evaluated, changed only by acts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from time import perf_counter
from typing import Any

import pytest
from governance_samples import (
    ADMIN,
    APPROVER,
    OTHER,
    READER,
    REPORT,
    SECOND,
    STRATUM,
    UPLOADER,
    a_draft,
    a_set,
    a_shadow,
    an_active,
    an_evaluated,
    signed,
)
from ledger_samples import START, Clock
from sqlalchemy import Engine, Table, select, update
from sqlalchemy.exc import IntegrityError

from triage.core.errors import TriageError
from triage.core.governance import SYSTEM, Act, CalibrationState, Conflict, Forbidden, Purpose
from triage.store import calibration_tables as c
from triage.store import tables as t
from triage.store.calibration_acts import suspend_in
from triage.store.database import writing
from triage.store.ledger import Ledger

S = CalibrationState


def state(ledger: Ledger, calibration_id: str) -> CalibrationState:
    found = ledger.calibration(calibration_id)
    assert found is not None
    return found.state


def tamper(engine: Engine, table: Table, row_id: str, **values: Any) -> None:
    with writing(engine) as connection:
        connection.execute(update(table).where(table.c.id == row_id).values(values))


def test_a_set_comes_back_byte_for_byte(ledger: Ledger) -> None:
    rows = bytes(range(256)) * 100
    set_id = a_set(ledger, rows=rows, name="Ä", declarations={"follow_up": "24 months", "consecutive": True})
    assert ledger.set_rows(set_id) == rows
    found = ledger.calibration_set(set_id)
    assert found is not None
    assert (found.name, found.purpose, found.uploaded_by) == ("Ä", Purpose.CALIBRATION, "ugo")
    assert found.declarations == {"follow_up": "24 months", "consecutive": True}
    assert ledger.sets() == (found,)
    assert ledger.calibration_set("none") is None


def test_changed_or_unknown_rows_are_never_handed_out(ledger: Ledger, engine: Engine) -> None:
    set_id = a_set(ledger, rows=b"abc")
    tamper(engine, c.calibration_set, set_id, rows=b"abb")
    with pytest.raises(TriageError, match="were changed after the upload"):
        ledger.set_rows(set_id)
    with pytest.raises(TriageError, match="no calibration set"):
        ledger.set_rows("none")


def test_only_an_admin_uploads_and_drafts(ledger: Ledger) -> None:
    with pytest.raises(Forbidden, match="takes the role admin"):
        a_set(ledger, by=APPROVER)
    with pytest.raises(Forbidden, match="eve may not draft"):
        a_draft(ledger, by=READER)
    assert ledger.calibrations() == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calibration_set": "none"}, "no calibration set none"),
        ({"kind": "breast"}, "kind 'breast' is none of image, exam_min"),
        ({"protocol": {"alpha": float("nan")}}, "protocol cannot be kept as JSON"),
        ({"stratum": replace(STRATUM, preprocessing="2")}, "score the images again"),
        ({"stratum": replace(STRATUM, bundle_sha256="cd" * 32)}, "score the images again"),
    ],
)
def test_a_draft_that_does_not_fit_is_refused(ledger: Ledger, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TriageError, match=message):
        a_draft(ledger, **changes)


def test_a_draft_needs_sets_for_their_purpose_and_time_to_live(ledger: Ledger, clock: Clock) -> None:
    with pytest.raises(TriageError, match="is for evaluation, not for calibration"):
        a_draft(ledger, calibration_set=a_set(ledger, Purpose.EVALUATION))
    with pytest.raises(TriageError, match="is for training, not for evaluation"):
        a_draft(ledger, evaluation_set=a_set(ledger, Purpose.TRAINING))
    with pytest.raises(TriageError, match="would be of no use"):
        a_draft(ledger, expires_at=clock.now)
    assert a_draft(ledger, evaluation_set=a_set(ledger, Purpose.EVALUATION)).number == 1


def test_drafts_are_numbered_within_their_stratum_whoever_is_faster(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda number: a_draft(ledger, (STRATUM, OTHER)[number % 2]), range(24)))
    for stratum in (STRATUM, OTHER):
        assert sorted(one.number for one in made if one.stratum == stratum) == list(range(1, 13))
    assert [one.number for one in ledger.calibrations(OTHER.id)] == list(range(12, 0, -1))
    assert ledger.verify_audit() is None


def test_the_evaluation_fixes_the_threshold(ledger: Ledger) -> None:
    made = an_evaluated(ledger)
    assert (made.threshold, made.image_threshold, made.limited_by_safety, made.report) == (1.25, 2.5, True, REPORT)
    assert made.operating_point.id == made.id
    assert ledger.calibration(made.id) == made
    with pytest.raises(Conflict, match="is evaluated; evaluate needs draft"):
        ledger.act(made.id, Act.EVALUATE, ADMIN, signed(ADMIN), report={**REPORT, "threshold": 0.0})
    assert ledger.calibrations(state=S.EVALUATED) == (made,)
    assert ledger.calibrations(state=S.DRAFT) == ledger.calibrations(OTHER.id) == ()


@pytest.mark.parametrize("threshold", [None, -0.0, 0.1 + 0.2, 7, -12.345678])
def test_every_threshold_comes_back_as_it_was(ledger: Ledger, threshold: float | None) -> None:
    report = {**REPORT, "threshold": threshold, "text": "µ\u3042", "list": [1e-7, 1.5e300, None, True]}
    made = ledger.act(a_draft(ledger).id, Act.EVALUATE, ADMIN, signed(ADMIN), report=report)
    assert ledger.calibration(made.id) == made
    assert made.threshold == threshold
    assert made.report == report


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ({**REPORT, "kind": "image"}, "kind is 'image', the draft says 'exam_min'"),
        ({**REPORT, "pool_abnormals": True}, "pool_abnormals is True, the draft says False"),
        ({**REPORT, "threshold": float("nan")}, "nan is no threshold"),
        ({**REPORT, "image_threshold": "1"}, "'1' is no threshold"),
        ({**REPORT, "auc": float("inf")}, "cannot be kept as JSON"),
        ({"kind": "exam_min", "threshold": 1.0}, "image_threshold, limited_by_safety missing"),
        (None, "a report belongs to evaluate"),
    ],
)
def test_a_report_that_is_not_about_the_draft_is_refused(
    ledger: Ledger, report: dict[str, Any] | None, message: str
) -> None:
    made = a_draft(ledger)
    with pytest.raises(TriageError, match=message):
        ledger.act(made.id, Act.EVALUATE, ADMIN, signed(ADMIN), report=report)
    with pytest.raises(TriageError, match="a report belongs to evaluate"):
        ledger.act(made.id, Act.RETIRE, ADMIN, signed(ADMIN), report=REPORT)
    assert state(ledger, made.id) is S.DRAFT


HARM: tuple[dict[str, Any], ...] = (
    {"threshold": 1.25 + 2**-52},
    {"threshold": None},
    {"image_threshold": 2.25},
    {"limited_by_safety": False},
    {"report": {**REPORT, "threshold": 1.0}},
    {"report": dict(reversed(REPORT.items()))},
    {"protocol": {"alpha": 0.1}},
    {"author": "eve"},
    {"kind": "image"},
    {"demonstration": True},
    {"pool_abnormals": True},
    {"number": 2},
    {"stratum_id": OTHER.id},
    {"stratum": asdict(OTHER)},
    {"created_at": START + timedelta(microseconds=1)},
    {"expires_at": START + timedelta(days=900)},
    {"calibration_set": None},
    {"digest": None},
    {"digest": "0" * 64},
)


def test_a_version_changed_behind_the_ledger_is_not_used(ledger: Ledger, engine: Engine, clock: Clock) -> None:
    made = an_active(ledger)
    with engine.connect() as connection:
        whole = connection.execute(select(c.calibration)).mappings().one()
    reads: tuple[Callable[[], object], ...] = (
        partial(ledger.calibration, made.id),
        ledger.calibrations,
        partial(ledger.in_force, STRATUM, clock.now),
        partial(ledger.act, made.id, Act.REQUEST_REINSTATEMENT, ADMIN, signed(ADMIN)),
    )
    harm = (*HARM, {"evaluation_set": made.calibration_set})
    for values in harm:
        tamper(engine, c.calibration, made.id, **values)
        for read in reads:
            with pytest.raises(TriageError, match="was changed after its evaluation"):
                read()
        tamper(engine, c.calibration, made.id, **whole)
        assert ledger.calibration(made.id) == made
    fixed = {column.name for column in c.calibration.columns} - {"id", "state"}
    assert {name for values in harm for name in values} == fixed, "a column without a test of its own"


def test_a_version_that_was_changed_can_still_be_taken_out_of_use(ledger: Ledger, engine: Engine, clock: Clock) -> None:
    first, second = an_active(ledger), an_active(ledger, OTHER)
    for made, act in ((first, Act.SUSPEND), (second, Act.ROLL_BACK), (first, Act.RETIRE)):
        tamper(engine, c.calibration, made.id, threshold=0.0)
        ledger.act(made.id, act, ADMIN, signed(ADMIN))
    for stratum in (STRATUM, OTHER):
        assert ledger.in_force(stratum, clock.now).reason_code == "calibration-suspended"


def test_a_threshold_slipped_into_a_draft_is_found(ledger: Ledger, engine: Engine) -> None:
    made = a_draft(ledger)
    tamper(engine, c.calibration, made.id, threshold=0.0)
    with pytest.raises(TriageError, match="was changed"):
        ledger.act(made.id, Act.EVALUATE, ADMIN, signed(ADMIN), report=REPORT)
    tamper(engine, c.calibration, made.id, state="active")
    with pytest.raises(TriageError, match="was changed"):
        ledger.calibration(made.id)


def test_an_act_leaves_its_signature_in_history_and_audit(ledger: Ledger, engine: Engine, clock: Clock) -> None:
    made = an_evaluated(ledger)
    clock.advance(minutes=5)
    ledger.act(made.id, Act.APPROVE, APPROVER, signed(APPROVER, " I approve. "))
    last = ledger.history(made.id)[-1]
    assert (last.act, last.from_state, last.to_state) == (Act.APPROVE, S.EVALUATED, S.APPROVED)
    assert (last.by, last.printed_name, last.meaning, last.at) == (
        "bea",
        APPROVER.printed_name,
        "I approve.",
        clock.now,
    )
    with engine.connect() as connection:
        row = connection.execute(select(t.audit).order_by(t.audit.c.id.desc()).limit(1)).one()
    assert row.event == "calibration-approve"
    assert row.detail == {
        "act": "approve",
        "by": "bea",
        "printed_name": APPROVER.printed_name,
        "meaning": "I approve.",
        "from": "evaluated",
        "to": "approved",
        "calibration_id": made.id,
        "stratum_id": STRATUM.id,
        "number": 1,
        "digest": made.digest,
    }


def test_a_refused_act_leaves_nothing(ledger: Ledger) -> None:
    made = a_shadow(ledger)
    before = ledger.history(made.id)
    for actor, act in ((READER, Act.ACTIVATE), (UPLOADER, Act.APPROVE), (ADMIN, Act.REINSTATE)):
        with pytest.raises((Forbidden, Conflict)):
            ledger.act(made.id, act, actor, signed(actor))
    assert ledger.history(made.id) == before
    with pytest.raises(TriageError, match="no calibration none"):
        ledger.act("none", Act.RETIRE, ADMIN, signed(ADMIN))


def test_the_uploader_of_either_set_is_kept_from_approving(ledger: Ledger) -> None:
    evaluation_set = a_set(ledger, Purpose.EVALUATION, UPLOADER)
    made = an_evaluated(ledger, calibration_set=a_set(ledger, by=ADMIN), evaluation_set=evaluation_set)
    with pytest.raises(Forbidden, match="ugo uploaded a set"):
        ledger.act(made.id, Act.APPROVE, UPLOADER, signed(UPLOADER))


def test_a_new_version_takes_the_place_of_the_former(ledger: Ledger) -> None:
    first = an_active(ledger)
    second = an_active(ledger, former=first.id)
    assert (state(ledger, first.id), state(ledger, second.id)) == (S.RETIRED, S.ACTIVE)
    assert ledger.history(first.id)[-1].meaning == "replaced by version 2: I looked at it."
    third = a_shadow(ledger)
    with pytest.raises(Conflict, match="look at it, and decide again"):
        ledger.act(third.id, Act.ACTIVATE, ADMIN, signed(ADMIN), expected_active=first.id)
    assert state(ledger, second.id) is S.ACTIVE


def test_of_many_who_activate_at_once_one_succeeds(ledger: Ledger) -> None:
    ready = [a_shadow(ledger).id for _ in range(6)]

    def activate(calibration_id: str) -> bool:
        try:
            ledger.act(calibration_id, Act.ACTIVATE, ADMIN, signed(ADMIN), expected_active=None)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(activate, ready)) == 1
    assert len(ledger.calibrations(state=S.ACTIVE)) == 1


def test_the_database_itself_keeps_a_stratum_from_having_two_in_force(ledger: Ledger, engine: Engine) -> None:
    an_active(ledger)
    second = a_shadow(ledger)
    values = {"stratum_id": STRATUM.id, "calibration_id": second.id, "from_at": second.created_at}
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(c.activation.insert().values(values))


def test_roll_back_puts_the_predecessor_in_force_within_a_second(ledger: Ledger, clock: Clock) -> None:
    first = an_active(ledger)
    second = an_active(ledger, former=first.id)
    clock.advance(minutes=1)
    started = perf_counter()
    ledger.act(second.id, Act.ROLL_BACK, APPROVER, signed(APPROVER, "flags too much"))
    found = ledger.in_force(STRATUM, clock.now).version
    assert perf_counter() - started < 1
    assert found is not None
    assert found.id == first.id
    assert (state(ledger, first.id), state(ledger, second.id)) == (S.ACTIVE, S.ROLLED_BACK)
    assert ledger.history(first.id)[-1].meaning == "version 2 was rolled back: flags too much"


def test_rolling_back_twice_goes_back_two_versions_and_then_to_none(ledger: Ledger, clock: Clock) -> None:
    first = an_active(ledger)
    second = an_active(ledger, former=first.id)
    third = an_active(ledger, former=second.id)
    for version, after in ((third, second), (second, first), (first, None)):
        ledger.act(version.id, Act.ROLL_BACK, ADMIN, signed(ADMIN))
        found = ledger.in_force(STRATUM, clock.now).version
        assert (found.id if found else None) == (after.id if after else None)
    assert ledger.in_force(STRATUM, clock.now).reason_code == "calibration-suspended"


def test_roll_back_uses_no_predecessor_that_expired_was_suspended_or_changed(
    ledger: Ledger, engine: Engine, clock: Clock
) -> None:
    def rolled_back(former_id: str | None) -> str | None:
        version = an_active(ledger, former=former_id, expires_at=clock.now + timedelta(days=900))
        clock.advance(days=10)
        ledger.act(version.id, Act.ROLL_BACK, ADMIN, signed(ADMIN))
        found = ledger.in_force(STRATUM, clock.now).version
        return found.id if found else None

    expiring = an_active(ledger, expires_at=clock.now + timedelta(days=5))
    assert rolled_back(expiring.id) is None
    suspended = an_active(ledger)
    ledger.act(suspended.id, Act.SUSPEND, ADMIN, signed(ADMIN))
    assert rolled_back(None) is None
    changed = an_active(ledger)
    tamper(engine, c.calibration, changed.id, threshold=0.0)
    assert rolled_back(changed.id) is None


def test_one_person_suspends_and_two_reinstate(ledger: Ledger, clock: Clock) -> None:
    made = an_active(ledger)
    ledger.act(made.id, Act.SUSPEND, APPROVER, signed(APPROVER))
    with pytest.raises(Conflict, match="nobody requested"):
        ledger.act(made.id, Act.REINSTATE, SECOND, signed(SECOND))
    ledger.act(made.id, Act.REQUEST_REINSTATEMENT, SECOND, signed(SECOND))
    with pytest.raises(Forbidden, match="cyd requested"):
        ledger.act(made.id, Act.REINSTATE, SECOND, signed(SECOND))
    assert ledger.act(made.id, Act.REINSTATE, APPROVER, signed(APPROVER)).state is S.ACTIVE
    assert ledger.in_force(STRATUM, clock.now).version is not None


def test_nothing_is_reinstated_beside_its_successor(ledger: Ledger) -> None:
    first = an_active(ledger)
    ledger.act(first.id, Act.SUSPEND, ADMIN, signed(ADMIN))
    ledger.act(first.id, Act.REQUEST_REINSTATEMENT, ADMIN, signed(ADMIN))
    second = an_active(ledger)
    with pytest.raises(Conflict, match=f"calibration {second.id} is in force"):
        ledger.act(first.id, Act.REINSTATE, APPROVER, signed(APPROVER))


def test_a_suspension_belongs_to_the_transaction_of_its_cause(ledger: Ledger, engine: Engine, clock: Clock) -> None:
    made = an_active(ledger)

    def broken_off() -> None:
        with writing(engine) as connection:
            assert suspend_in(connection, clock.now, made.id, SYSTEM, "drift of flags")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_off()
    assert state(ledger, made.id) is S.ACTIVE
    with writing(engine) as connection:
        assert suspend_in(connection, clock.now, made.id, SYSTEM, "drift of flags")
        assert not suspend_in(connection, clock.now, made.id, SYSTEM, "once more")
    assert (state(ledger, made.id), ledger.history(made.id)[-1].by) == (S.SUSPENDED, "system")
    assert ledger.history(made.id)[-1].meaning == "drift of flags"
    with pytest.raises(TriageError, match="no calibration none"), writing(engine) as connection:
        suspend_in(connection, clock.now, "none", SYSTEM, "why")
    other = an_active(ledger, OTHER)
    replaced = other.id
    other = an_active(ledger, OTHER, former=replaced)
    with writing(engine) as connection:
        assert suspend_in(connection, clock.now, replaced, SYSTEM, "drift of what came in its time")
    ledger.act(replaced, Act.RETIRE, ADMIN, signed(ADMIN))
    with writing(engine) as connection:
        assert not suspend_in(connection, clock.now, replaced, SYSTEM, "it decides nothing")
    with pytest.raises(Forbidden, match="eve may not suspend"), writing(engine) as connection:
        suspend_in(connection, clock.now, other.id, READER, "why")
    assert ledger.verify_audit() is None


def test_a_clock_set_back_does_not_turn_activations_around(ledger: Ledger, engine: Engine, clock: Clock) -> None:
    first = an_active(ledger)
    clock.advance(hours=-1)
    an_active(ledger, former=first.id)
    with engine.connect() as connection:
        spans = connection.execute(select(c.activation.c.from_at, c.activation.c.until_at)).all()
    assert all(span.until_at is None or span.until_at >= span.from_at for span in spans)
