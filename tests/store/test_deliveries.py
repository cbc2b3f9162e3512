"""The outbox of the ledger."""

from datetime import timedelta

import pytest
from ledger_samples import LEASE, Clock, at_once, digest, finding, header

from triage.store.ledger import Ledger
from triage.store.outbox import SENDING
from triage.store.records import PlannedDelivery


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
    filled.record_instance(header(2), digest(2), "p", at_once)
    claim = filled.claim_study(LEASE)
    assert claim is not None
    assert filled.finish(claim, finding("result-2", 2), [])
    filled.retry(taken.id, "refused", clock.now)
    assert filled.due_deliveries("pacs") == ()
