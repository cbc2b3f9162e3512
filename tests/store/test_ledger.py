"""Taking instances in: duplicates, versions, reopening."""

from dataclasses import replace
from datetime import timedelta

from ledger_samples import LEASE, START, STUDY, Clock, at_once, digest, finding, header
from sqlalchemy import Engine, select

from triage.core.finding import State
from triage.core.reasons import reason
from triage.store import tables as t
from triage.store.database import reading
from triage.store.ledger import Ledger


def state(ledger: Ledger) -> State:
    record = ledger.study(STUDY)
    assert record is not None
    return record.row.state


def test_an_instance_comes_back_as_it_was_recorded(ledger: Ledger) -> None:
    given = header(
        reasons=(reason("implant", "Implant!", "1.2"),), attributes={"PatientID": "Ä\u3042", "list": [1, 2.5]}
    )
    assert ledger.record_instance(given, digest(1), "/spool/x.dcm", at_once)
    [stored] = ledger.instances(STUDY)
    assert stored.header == given
    assert (stored.sha256, stored.path, stored.received_at) == (digest(1), "/spool/x.dcm", START)


def test_the_same_bytes_twice_change_nothing(ledger: Ledger, clock: Clock) -> None:
    assert ledger.record_instance(header(), digest(1), "p", at_once)
    before = ledger.study(STUDY)
    clock.advance(seconds=5)
    assert not ledger.record_instance(header(), digest(1), "p", at_once)
    assert ledger.study(STUDY) == before


def test_other_bytes_under_one_uid_are_a_new_revision_and_the_current_version(ledger: Ledger) -> None:
    ledger.record_instance(header(), digest(1), "old", at_once)
    ledger.record_instance(header(2), digest(2), "other", at_once)
    assert ledger.record_instance(header(), digest(3), "new", at_once)
    record = ledger.study(STUDY)
    assert record is not None
    assert record.row.rev == 3
    assert [one.path for one in record.instances] == ["other", "new"]
    assert ledger.known_digests([digest(1), digest(9)]) == {digest(1)}, "the old bytes are kept"
    assert not ledger.record_instance(header(), digest(3), "new", at_once)


def test_older_bytes_sent_again_are_the_current_version_again(ledger: Ledger, engine: Engine, clock: Clock) -> None:
    ledger.record_instance(header(), digest(1), "first", at_once)
    ledger.record_instance(replace(header(), view_position="MLO"), digest(2), "second", at_once)
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    assert ledger.finish(claim, finding(revision=2), [])
    clock.advance(days=1)
    assert ledger.record_instance(header(), digest(1), "first", at_once)
    record = ledger.study(STUDY)
    assert record is not None
    assert (record.row.rev, record.row.state, record.row.last_at) == (3, State.READY, clock.now)
    [current] = record.instances
    assert (current.path, current.header, current.received_at) == ("first", header(), clock.now)
    assert [one.path for one in ledger.claim_unprepared(9)] == ["first"]
    with reading(engine) as connection:
        events = connection.execute(select(t.audit.c.event).order_by(t.audit.c.id)).scalars().all()
    assert events == ["instance-replaced", "result", "instance-replaced", "study-reopened"]
    assert not ledger.record_instance(header(), digest(1), "first", at_once), "now it is the current one"
    assert ledger.record_instance(header(), digest(2), "second", at_once)
    assert [one.path for one in ledger.instances(STUDY)] == ["second"]


def test_the_first_image_that_says_so_names_the_patient(ledger: Ledger) -> None:
    ledger.record_instance(header(1, attributes={}), digest(1), "p", at_once)
    ledger.record_instance(header(2, attributes={"PatientName": "Doe^Jane"}), digest(2), "p", at_once)
    ledger.record_instance(
        header(3, attributes={"PatientName": "Roe^Ann", "StudyDate": "20260101"}), digest(3), "p", at_once
    )
    record = ledger.study(STUDY)
    assert record is not None
    assert (record.row.patient_name, record.row.study_date) == ("Doe^Jane", "20260101")


def test_due_time_is_asked_with_current_versions_and_the_time_of_opening(ledger: Ledger, clock: Clock) -> None:
    seen = []

    def due_at(instances, first_at, last_at):  # type: ignore[no-untyped-def]
        seen.append(([one.view_position for one in instances], first_at, last_at))
        return last_at + timedelta(seconds=60)

    ledger.record_instance(header(), digest(1), "p", due_at)
    clock.advance(seconds=10)
    ledger.record_instance(replace(header(), view_position="MLO"), digest(2), "p", due_at)
    assert seen == [(["CC"], START, START), (["MLO"], START, clock.now)]
    assert state(ledger) is State.RECEIVING
    assert ledger.claim_study(LEASE) is None
    clock.advance(seconds=60)
    assert state(ledger) is State.READY
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    assert state(ledger) is State.ANALYSING
    assert ledger.finish(claim, finding(revision=2), [])
    clock.advance(days=2)
    ledger.record_instance(header(3), digest(3), "p", due_at)
    assert seen[-1][1:] == (clock.now, clock.now), "a study that was done waits anew"


def test_a_late_image_reopens_a_done_and_a_dead_study(ledger: Ledger) -> None:
    for number, dead in ((1, False), (2, True), (3, False)):
        ledger.record_instance(header(number), digest(number), "p", at_once)
        claim = ledger.claim_study(LEASE)
        assert claim is not None
        assert (claim.rev, claim.attempts) == (number, 1)
        assert ledger.finish(claim, finding(f"result-{number}", number), [], dead=dead)
        assert state(ledger) is (State.DEAD if dead else State.DONE)
        assert ledger.claim_study(LEASE) is None


def test_unprepared_are_the_eligible_current_images_of_open_studies(ledger: Ledger) -> None:
    ledger.record_instance(header(1), digest(1), "old", at_once)
    ledger.record_instance(header(1), digest(2), "new", at_once)
    ledger.record_instance(header(2, reasons=(reason("implant"),)), digest(3), "implant", at_once)
    ledger.record_instance(header(3, analysable=False), digest(4), "scan", at_once)
    ledger.record_instance(header(4), digest(5), "second", at_once)
    assert [one.path for one in ledger.claim_unprepared(9)] == ["new", "second"]
    [first] = ledger.claim_unprepared(1)
    ledger.mark_prepared(first.id)
    assert [one.path for one in ledger.claim_unprepared(9)] == ["second"]
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    ledger.finish(claim, finding(revision=5), [])
    assert ledger.claim_unprepared(9) == ()
