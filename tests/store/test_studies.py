"""Claims, leases, fences, attempts; results and what they supersede."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from ledger_samples import LEASE, STUDY, Clock, at_once, digest, finding, header
from sqlalchemy.exc import SQLAlchemyError

from triage.core.errors import TriageError
from triage.core.finding import Logits, Outcome, State
from triage.store.ledger import Ledger
from triage.store.records import Claim, PlannedDelivery
from triage.store.studies import MAX_ATTEMPTS

SR = PlannedDelivery("pacs", "sr", "2.25.1", "/spool/sr.dcm")


@pytest.fixture
def claim(ledger: Ledger) -> Claim:
    """The only study, claimed at revision 1."""
    ledger.record_instance(header(), digest(1), "p", at_once)
    return claimed(ledger)


def claimed(ledger: Ledger) -> Claim:
    made = ledger.claim_study(LEASE)
    assert made is not None
    return made


def delivery_states(ledger: Ledger) -> list[tuple[str, str, str | None]]:
    record = ledger.study(STUDY)
    assert record is not None
    return [(one.result_id, one.state, one.last_error) for one in record.deliveries]


def test_a_claimed_study_is_claimed_once(ledger: Ledger, claim: Claim) -> None:
    assert ledger.claim_study(LEASE) is None


def test_the_study_due_longest_is_claimed_first(ledger: Ledger, clock: Clock) -> None:
    for number in (2, 1, 3):
        ledger.record_instance(header(1, study=f"1.{number}"), digest(number), "p", at_once)
        clock.advance(seconds=1)
    assert [claimed(ledger).study_instance_uid for _ in range(3)] == ["1.2", "1.1", "1.3"]


def test_many_workers_never_share_a_study(ledger: Ledger) -> None:
    for number in range(12):
        ledger.record_instance(header(1, study=f"1.{number}"), digest(number), "p", at_once)
    with ThreadPoolExecutor(6) as pool:
        claims = list(pool.map(lambda _: ledger.claim_study(LEASE), range(18)))
    # PostgreSQL skips rows that another claim holds at that moment, so a look may miss; the next one does not.
    uids = [one.study_instance_uid for one in claims if one]
    while more := ledger.claim_study(LEASE):
        uids.append(more.study_instance_uid)
    assert sorted(uids) == sorted(f"1.{number}" for number in range(12))


def test_an_expired_lease_lets_another_worker_in_and_the_fence_keeps_the_first_out(
    ledger: Ledger, clock: Clock, claim: Claim
) -> None:
    clock.advance(seconds=31)
    second = claimed(ledger)
    assert (second.attempts, second.fence) == (2, claim.fence + 1)
    assert not ledger.finish(claim, finding("stale"), [SR])
    assert not ledger.extend(claim, LEASE)
    assert not ledger.fail_attempt(claim, "late")
    assert ledger.study(STUDY).finding is None, "the stale worker wrote nothing"  # type: ignore[union-attr]
    assert delivery_states(ledger) == []
    assert ledger.finish(second, finding(), [SR])
    assert ledger.counts().states["done"] == 1


def test_an_extended_lease_holds(ledger: Ledger, clock: Clock, claim: Claim) -> None:
    clock.advance(seconds=20)
    assert ledger.extend(claim, LEASE)
    clock.advance(seconds=20)
    assert ledger.claim_study(LEASE) is None


def test_released_leases_can_be_claimed_at_once(ledger: Ledger, claim: Claim) -> None:
    ledger.release_leases()
    assert claimed(ledger).attempts == 2
    assert not ledger.finish(claim, finding(), [])


def test_failed_attempts_wait_longer_each_time_and_are_given_up(ledger: Ledger, clock: Clock, claim: Claim) -> None:
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert (claim.attempts, claim.exhausted) == (attempt, False)
        assert ledger.fail_attempt(claim, "ModelCrashed")
        clock.advance(seconds=2**attempt - 1)
        assert ledger.claim_study(LEASE) is None
        clock.advance(seconds=1)
        claim = claimed(ledger)
    assert claim.exhausted
    record = ledger.study(STUDY)
    assert record is not None
    assert record.row.last_error == "ModelCrashed"
    assert ledger.finish(claim, finding(outcome=Outcome.NOT_EVALUATED), [SR], dead=True)
    clock.advance(days=1)
    assert ledger.claim_study(LEASE) is None
    assert ledger.counts().states["dead"] == 1
    assert ledger.redrive(STUDY)
    assert (claimed(ledger).attempts, ledger.redrive("1.9")) == (1, False)


def test_a_worker_that_dies_each_time_uses_up_its_attempts_too(ledger: Ledger, clock: Clock, claim: Claim) -> None:
    for _ in range(MAX_ATTEMPTS):
        clock.advance(seconds=31)
        claim = claimed(ledger)
    assert claim.exhausted


def test_a_new_image_gives_all_attempts_back_without_a_wait(ledger: Ledger, claim: Claim) -> None:
    ledger.record_instance(header(2), digest(2), "p", at_once)
    assert ledger.fail_attempt(claim, "ModelCrashed")
    again = claimed(ledger)
    assert (again.rev, again.attempts) == (2, 1)


def test_an_image_during_analysis_leaves_the_study_open(ledger: Ledger, claim: Claim) -> None:
    ledger.record_instance(header(2), digest(2), "p", at_once)
    assert ledger.claim_study(LEASE) is None, "the lease still holds"
    assert ledger.finish(claim, finding(), [SR])
    second = claimed(ledger)
    assert second.rev == 2
    assert ledger.finish(second, finding("result-2", 2), [])
    assert ledger.study(STUDY).row.state is State.DONE  # type: ignore[union-attr]


def test_a_finding_comes_back_as_it_was(ledger: Ledger, claim: Claim) -> None:
    assert ledger.finish(claim, finding(), [SR])
    record = ledger.study(STUDY)
    assert record is not None
    assert record.finding == finding()
    assert [(one.output, one.sop_instance_uid) for one in record.deliveries] == [("sr", "2.25.1")]


def test_a_finding_without_numbers_comes_back_too(ledger: Ledger, claim: Claim) -> None:
    bare = finding(operating_point=None, bundle=None, images=())
    assert ledger.finish(claim, bare, [])
    assert ledger.study(STUDY).finding == bare  # type: ignore[union-attr]


def test_a_score_that_is_no_number_is_refused_whole(ledger: Ledger, claim: Claim) -> None:
    from dataclasses import replace

    image = replace(finding().images[0], logits=Logits(float("nan"), None, None))
    with pytest.raises((ValueError, SQLAlchemyError)):
        ledger.finish(claim, finding(images=(image,)), [SR])
    assert ledger.study(STUDY).finding is None  # type: ignore[union-attr]
    assert delivery_states(ledger) == []


def test_the_same_result_again_is_written_and_sent_once(ledger: Ledger, claim: Claim) -> None:
    assert ledger.finish(claim, finding(), [SR])
    assert not ledger.finish(claim, finding(), [SR]), "the claim ended with the first"
    [due] = ledger.due_deliveries("pacs")
    ledger.sent(due.id)
    ledger.redrive(STUDY)
    assert ledger.finish(claimed(ledger), finding(), [SR])
    assert delivery_states(ledger) == [("result-1", "sent", None)]


def test_only_the_newest_result_is_sent(ledger: Ledger, claim: Claim) -> None:
    assert ledger.finish(claim, finding(), [SR])
    ledger.record_instance(header(2), digest(2), "p", at_once)
    assert ledger.finish(claimed(ledger), finding("result-2", 2), [PlannedDelivery("pacs", "sr", "2.25.2", "p")])
    assert delivery_states(ledger) == [
        ("result-1", "failed", "superseded by revision 2"),
        ("result-2", "pending", None),
    ]
    ledger.redrive(STUDY)
    assert ledger.finish(claimed(ledger), finding("result-1", 3), [SR])
    assert [one[:2] for one in delivery_states(ledger)] == [("result-1", "pending"), ("result-2", "failed")]
    assert ledger.study(STUDY).finding.result_id == "result-1"  # type: ignore[union-attr]


def test_a_result_id_belongs_to_one_study(ledger: Ledger, claim: Claim) -> None:
    assert ledger.finish(claim, finding(), [])
    ledger.record_instance(header(study="1.9"), digest(9), "p", at_once)
    with pytest.raises(TriageError, match="belongs to another study"):
        ledger.finish(claimed(ledger), finding(study="1.9"), [])
