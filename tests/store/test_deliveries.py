"""The outbox of the ledger."""

from datetime import timedelta

import pytest
from ledger_samples import LEASE, START, Clock, at_once, digest, finding, header

from triage.core.errors import TriageError
from triage.store.ledger import Ledger
from triage.store.outbox import REJECTED, SENDING
from triage.store.records import PlannedDelivery


def supersede(ledger: Ledger) -> None:
    """Revision 2 comes into force, without deliveries of its own."""
    ledger.record_instance(header(2), digest(2), "p", at_once)
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    assert ledger.finish(claim, finding("result-2", 2), [])


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """A ledger with one result for two destinations."""
    ledger.record_instance(header(), digest(1), "p", at_once)
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    plans = [PlannedDelivery(name, "sr", "2.25.1", "/spool/sr.dcm") for name in ("pacs", "archive")]
    assert ledger.finish(claim, finding(), plans)
    return ledger


def test_a_due_delivery_is_taken_once_and_again_after_its_sender_died(filled: Ledger, clock: Clock) -> None:
    [taken] = filled.due_deliveries("pacs")
    assert (taken.destination, taken.attempts, taken.path) == ("pacs", 1, "/spool/sr.dcm")
    assert filled.due_deliveries("pacs") == ()
    assert len(filled.due_deliveries("archive")) == 1, "destinations do not wait for each other"
    clock.advance(seconds=SENDING.total_seconds())
    assert filled.due_deliveries("pacs")[0].attempts == 2


def test_a_new_worker_takes_over_what_its_predecessor_was_sending(filled: Ledger) -> None:
    [taken] = filled.due_deliveries("pacs")
    [other] = filled.due_deliveries("archive")
    filled.sent(other.id)
    filled.release_leases()
    assert [one.id for one in filled.due_deliveries("pacs")] == [taken.id]
    assert filled.due_deliveries("archive") == ()


def test_sent_is_never_offered_again(filled: Ledger, clock: Clock) -> None:
    [taken] = filled.due_deliveries("pacs")
    filled.sent(taken.id)
    clock.advance(days=1)
    assert filled.due_deliveries("pacs") == ()
    [sent] = filled.deliveries("sent")
    assert sent.sent_at is not None
    assert filled.counts().deliveries == {"pending": 1, "sent": 1, "confirmed": 0, "failed": 0}


def test_retry_waits_until_its_time(filled: Ledger, clock: Clock) -> None:
    [taken] = filled.due_deliveries("pacs")
    filled.retry(taken.id, "refused", clock.now + timedelta(seconds=5))
    assert filled.due_deliveries("pacs") == ()
    clock.advance(seconds=5)
    [again] = filled.due_deliveries("pacs")
    assert (again.attempts, again.last_error) == (2, "refused")


def test_failed_is_kept_and_can_be_sent_again_by_hand(filled: Ledger, clock: Clock) -> None:
    [taken] = filled.due_deliveries("pacs")
    filled.failed(taken.id, "no such AE")
    clock.advance(days=1)
    assert filled.due_deliveries("pacs") == ()
    assert [one.last_error for one in filled.deliveries("failed")] == ["no such AE"]
    assert filled.resend(taken.id)
    assert filled.due_deliveries("pacs")[0].attempts == 1
    assert not filled.resend(999)


def test_a_superseded_delivery_is_not_retried(filled: Ledger, clock: Clock) -> None:
    [taken] = filled.due_deliveries("pacs")
    supersede(filled)
    filled.retry(taken.id, "refused", clock.now)
    assert filled.due_deliveries("pacs") == ()
    filled.failed(taken.id, "gave up")
    assert {one.last_error for one in filled.deliveries("failed")} == {"superseded by revision 2"}
    assert filled.troubled_deliveries() == (), "nobody need look at what was replaced"


def test_what_a_newer_result_replaced_cannot_be_sent_after_it(filled: Ledger) -> None:
    [taken] = filled.due_deliveries("pacs")
    filled.sent(taken.id)
    supersede(filled)
    with pytest.raises(TriageError, match="newer one replaced"):
        filled.resend(taken.id)
    assert [one.id for one in filled.deliveries("sent")] == [taken.id]


def test_confirmed_is_final_and_in_the_audit_trail(filled: Ledger, clock: Clock) -> None:
    [taken] = filled.due_deliveries("pacs")
    filled.confirmed(taken.id)
    clock.advance(days=1)
    [found] = filled.deliveries("confirmed")
    assert (found.sent_at, found.last_error) == (START, None)
    assert filled.due_deliveries("pacs") == filled.due_commitments("pacs", START - timedelta(days=1)) == ()
    assert filled.verify_audit() is None


def test_hasten_spares_what_was_rejected_and_what_is_being_sent(filled: Ledger, clock: Clock) -> None:
    [pacs], [archive] = filled.due_deliveries("pacs"), filled.due_deliveries("archive")
    later = clock.now + timedelta(hours=1)
    filled.retry(pacs.id, "away", later)
    filled.retry(archive.id, f"{REJECTED}no", later)
    filled.hasten("archive")
    assert filled.due_deliveries("archive") == filled.due_deliveries("pacs") == ()
    filled.hasten("pacs")
    assert [one.id for one in filled.due_deliveries("pacs")] == [pacs.id]
    assert filled.troubled_deliveries()[0].id == archive.id


def test_storage_commitment_is_asked_for_once_at_a_time(filled: Ledger, clock: Clock) -> None:
    week_ago = START - timedelta(days=7)
    assert filled.due_commitments("pacs", week_ago) == (), "nothing was sent"
    [taken] = filled.due_deliveries("pacs")
    filled.sent(taken.id)
    assert [one.id for one in filled.due_commitments("pacs", week_ago)] == [taken.id]
    assert filled.due_commitments("pacs", week_ago) == ()
    clock.advance(seconds=SENDING.total_seconds())
    assert filled.due_commitments("pacs", START) == (), "sent too long ago"
    assert len(filled.due_commitments("pacs", week_ago)) == 1, "its asker died"
    filled.not_yet_committed(taken.id, "busy", clock.now + timedelta(hours=1))
    assert filled.due_commitments("pacs", week_ago) == ()
    assert filled.troubled_deliveries()[0].last_error == "busy"
    assert not filled.committed(taken.id, "2.25.2"), "another object"
    assert filled.committed(taken.id, "2.25.1")
    assert not filled.committed(taken.id, "2.25.1")
    assert not filled.commitment_failed(taken.id, "2.25.1", "lost", clock.now)
    assert filled.troubled_deliveries() == ()


def test_newest_deliveries_are_limited_and_filtered(filled: Ledger) -> None:
    assert [one.destination for one in filled.newest_deliveries(10)] == ["archive", "pacs"]
    assert [one.destination for one in filled.newest_deliveries(1)] == ["archive"]
    assert [one.destination for one in filled.newest_deliveries(10, destination="pacs")] == ["pacs"]
    assert filled.newest_deliveries(10, "sent") == ()
