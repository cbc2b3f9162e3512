"""Reading: filters, pages, one study, counts; and the audit trail."""

import pytest
from ledger_samples import LEASE, START, STUDY, Clock, at_once, digest, finding, header
from sqlalchemy import Engine, delete, text, update

from triage.core.errors import TriageError
from triage.core.finding import Outcome, State
from triage.store import tables as t
from triage.store.ledger import Ledger


@pytest.fixture
def five(ledger: Ledger, clock: Clock) -> Ledger:
    """Studies 1.1 to 1.5, a minute apart; 1.1 has a result, 1.5 is not due."""
    for number in range(1, 6):
        attributes = {"PatientName": f"Patient^{number}", "PatientID": f"ID%{number}", "AccessionNumber": f"A_{number}"}
        made = header(number, study=f"1.{number}", attributes=attributes)
        due = at_once if number < 5 else lambda _instances, _first, last: last.replace(year=2027)
        ledger.record_instance(made, digest(number), "p", due)
        clock.advance(minutes=1)
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    ledger.finish(claim, finding(study="1.1"), [])
    return ledger


def uids(rows: object) -> list[str]:
    return [row.study_instance_uid for row in rows]  # type: ignore[attr-defined]


def test_newest_first_page_by_page(five: Ledger) -> None:
    seen, cursor = [], None
    while True:
        rows, cursor = five.worklist(limit=2, cursor=cursor)
        seen += uids(rows)
        if cursor is None:
            break
    assert seen == ["1.5", "1.4", "1.3", "1.2", "1.1"]


def test_studies_of_one_moment_are_not_lost_between_pages(ledger: Ledger) -> None:
    for number in range(5):
        ledger.record_instance(header(number, study=f"1.{number}"), digest(number), "p", at_once)
    first, cursor = ledger.worklist(limit=3)
    rest, end = ledger.worklist(limit=3, cursor=cursor)
    assert uids(first + rest) == [f"1.{number}" for number in range(5)]
    assert end is None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"outcome": Outcome.NOT_FLAGGED}, ["1.1"]),
        ({"outcome": Outcome.CONFIDENTLY_NORMAL}, []),
        ({"state": State.READY}, ["1.4", "1.3", "1.2"]),
        ({"state": State.RECEIVING}, ["1.5"]),
        ({"state": State.DONE}, ["1.1"]),
        ({"q": "patient^3"}, ["1.3"]),
        ({"q": "ID%4"}, ["1.4"]),
        ({"q": "A_"}, ["1.5", "1.4", "1.3", "1.2", "1.1"]),
        ({"q": "%1"}, ["1.1"]),
        ({"q": "1.2"}, ["1.2"]),
        ({"since": START.replace(minute=3)}, ["1.5", "1.4"]),
        ({"state": State.READY, "q": "^2"}, ["1.2"]),
    ],
)
def test_filters(five: Ledger, filters: dict[str, object], expected: list[str]) -> None:
    rows, _ = five.worklist(**filters)  # type: ignore[arg-type]
    assert uids(rows) == expected


@pytest.mark.parametrize("cursor", ["x", "////", "MjAyNg==", "bm90IGEgdGltZXwxLjI="])
def test_a_foreign_cursor_is_refused(ledger: Ledger, cursor: str) -> None:
    with pytest.raises(TriageError, match="cursor"):
        ledger.worklist(cursor=cursor)


def test_one_study(five: Ledger) -> None:
    record = five.study("1.1")
    assert record is not None
    assert record.row.outcome is Outcome.NOT_FLAGGED
    assert record.row.decided_at is not None
    assert record.finding == finding(study="1.1")
    assert five.study("1.99") is None


def test_counts(five: Ledger) -> None:
    counts = five.counts()
    assert counts.states == {"receiving": 1, "ready": 3, "analysing": 0, "done": 1, "dead": 0}
    assert counts.outcomes == {"confidently_normal": 0, "not_flagged": 1, "not_evaluated": 0}


def test_the_audit_trail_tells_what_happened(ledger: Ledger, engine: Engine) -> None:
    ledger.record_instance(header(), digest(1), "p", at_once)
    ledger.record_instance(header(), digest(2), "p", at_once)
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    ledger.finish(claim, finding(revision=2), [])
    ledger.record_instance(header(2), digest(3), "p", at_once)
    ledger.record_event("calibration-activated", None, {"by": "someone"})
    with engine.connect() as connection:
        rows = connection.execute(t.audit.select().order_by(t.audit.c.id)).all()
    assert [row.event for row in rows] == ["instance-replaced", "result", "study-reopened", "calibration-activated"]
    assert rows[0].study_instance_uid == STUDY
    assert "Jane" not in str(rows)
    assert ledger.verify_audit() is None


@pytest.mark.parametrize("harm", ["change", "remove", "cut"])
def test_a_touched_audit_trail_is_found_out(ledger: Ledger, engine: Engine, harm: str) -> None:
    for number in range(4):
        ledger.record_event("event", None, {"number": number})
    with engine.begin() as connection:
        ids = connection.execute(text("SELECT id FROM audit ORDER BY id")).scalars().all()
        if harm == "change":
            connection.execute(update(t.audit).where(t.audit.c.id == ids[1]).values(detail={"number": 7}))
        else:
            connection.execute(delete(t.audit).where(t.audit.c.id == ids[1 if harm == "remove" else 3]))
    assert ledger.verify_audit() == {"change": ids[1], "remove": ids[2], "cut": 0}[harm]
