"""Storage commitment against Orthanc, and against a PACS that reports here or there, late, badly or never."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from delivery_parts import REPORT, delivery, orthanc, until
from dicom_samples import free_port
from ledger_samples import LEASE, Clock, at_once, digest, finding, header
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from triage.deliver import commitment
from triage.deliver.association import DicomNode
from triage.deliver.c_store import CStore
from triage.deliver.commitment import (
    ASK_FOR,
    FIRST_PAUSE,
    SEND_AGAIN_AFTER,
    StorageCommitment,
    accept_reports,
    delivery_of,
    note_report,
    report_handler,
    transaction_uid,
)
from triage.deliver.outbox import Outbox
from triage.store.ledger import Ledger

Report = Callable[[Dataset], Dataset]


def all_kept(request: Dataset) -> Dataset:
    answer = Dataset()
    answer.TransactionUID, answer.ReferencedSOPSequence = request.TransactionUID, request.ReferencedSOPSequence
    return answer


def nothing_kept(reason: int | None) -> Report:
    def report(request: Dataset) -> Dataset:
        answer = Dataset()
        answer.TransactionUID, answer.FailedSOPSequence = request.TransactionUID, request.ReferencedSOPSequence
        if reason is not None:
            answer.FailedSOPSequence[0].FailureReason = reason
        return answer

    return report


class Pacs:
    """Stores everything, and says of storage commitment what the test wants."""

    def __init__(self) -> None:
        self.report: Report | None = all_kept
        self.action_status = 0x0000
        self.asked: list[Dataset] = []
        self.stored = 0
        ae = AE(ae_title="PACS")
        ae.add_supported_context(ComprehensiveSRStorage, ExplicitVRLittleEndian)
        ae.add_supported_context(StorageCommitmentPushModel)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_N_ACTION, self._action)]
        self.server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.node = ("TRIAGE", "PACS", "127.0.0.1", self.server.server_address[1], 2, 2)

    def _store(self, _event: Any) -> int:
        self.stored += 1
        return 0x0000

    def _action(self, event: Any) -> tuple[int, None]:
        self.asked.append(event.action_information)
        if self.action_status == 0x0000 and self.report is not None:
            # After the answer to the request, as a PACS does: not from within its handler.
            Thread(target=self._send, args=(event.assoc, self.report(self.asked[-1]))).start()
        return self.action_status, None

    @staticmethod
    def _send(association: Any, report: Dataset) -> None:
        kind = 2 if "FailedSOPSequence" in report else 1
        association.send_n_event_report(report, kind, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)


@pytest.fixture(scope="module")
def started() -> Iterator[Pacs]:
    made = Pacs()
    yield made
    made.server.shutdown()


@pytest.fixture
def pacs(started: Pacs) -> Pacs:
    """The PACS as it was when it started."""
    started.report, started.action_status, started.asked, started.stored = all_kept, 0x0000, [], 0
    return started


@pytest.fixture
def outbox(ledger: Ledger, pacs: Pacs, clock: Clock) -> Outbox:
    """An outbox that has sent its report; storage commitment is still to be asked for."""
    made = Outbox(ledger, {"pacs": CStore(*pacs.node)}, clock, {"pacs": StorageCommitment(*pacs.node, 0.5)})
    assert made.deliver_one("pacs")
    assert delivery(ledger).state == "sent"
    return made


def test_sent_is_confirmed_by_a_report_on_the_same_association(ledger: Ledger, outbox: Outbox, pacs: Pacs) -> None:
    assert outbox.commit_one("pacs")
    assert delivery(ledger).state == "confirmed"
    [asked] = pacs.asked
    [item] = asked.ReferencedSOPSequence
    assert (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) == (ComprehensiveSRStorage, REPORT)
    assert not outbox.commit_one("pacs"), "asked once"


def test_without_a_report_it_stays_sent_and_is_asked_again(
    ledger: Ledger, outbox: Outbox, pacs: Pacs, clock: Clock
) -> None:
    pacs.report = None
    assert outbox.commit_one("pacs")
    assert (delivery(ledger).state, delivery(ledger).last_error) == ("sent", None)
    clock.advance(seconds=FIRST_PAUSE.total_seconds() - 1)
    assert not outbox.commit_one("pacs")
    clock.advance(seconds=1)
    pacs.report = all_kept
    assert outbox.commit_one("pacs")
    assert delivery(ledger).state == "confirmed"
    assert len({asked.TransactionUID for asked in pacs.asked}) == 2, "each request is a transaction of its own"


@pytest.mark.parametrize(
    ("reason", "said"),
    [(0x0112, "no such object instance (0x0112)"), (0x0213, "resource limitation"), (0x0BAD, "0x0BAD"), (None, "no")],
)
def test_what_is_not_kept_is_told_in_the_peers_words_and_sent_again(
    reason: int | None, said: str, ledger: Ledger, outbox: Outbox, pacs: Pacs, clock: Clock
) -> None:
    pacs.report = nothing_kept(reason)
    assert outbox.commit_one("pacs")
    found = delivery(ledger)
    assert found.state == "pending"
    assert said in (found.last_error or "")
    assert not outbox.deliver_one("pacs")
    clock.advance(seconds=SEND_AGAIN_AFTER.total_seconds())
    pacs.report = all_kept
    assert outbox.deliver_one("pacs")
    assert outbox.commit_one("pacs")
    assert (delivery(ledger).state, pacs.stored) == ("confirmed", 2)


def test_what_a_newer_result_replaced_is_not_sent_again(
    ledger: Ledger, outbox: Outbox, pacs: Pacs, clock: Clock
) -> None:
    ledger.record_instance(header(2), digest(2), "p", at_once)
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    assert ledger.finish(claim, finding("result-2", 2), [])
    pacs.report = nothing_kept(0x0112)
    assert outbox.commit_one("pacs")
    clock.advance(days=1)
    assert delivery(ledger).state == "failed"
    assert not outbox.deliver_one("pacs")
    assert delivery(ledger) not in ledger.troubled_deliveries()


def test_a_request_that_is_refused_is_trouble_but_no_reason_to_send_again(
    ledger: Ledger, outbox: Outbox, pacs: Pacs
) -> None:
    pacs.action_status = 0x0213
    assert outbox.commit_one("pacs")
    found = delivery(ledger)
    assert found.state == "sent"
    assert "status 0x0213" in (found.last_error or "")
    assert ledger.troubled_deliveries() == (found,)


def test_a_peer_that_cannot_commit_or_is_away_is_told(
    ledger: Ledger, clock: Clock, report: Path, pacs: Pacs, caplog: pytest.LogCaptureFixture
) -> None:
    ae = AE(ae_title="PACS")
    ae.add_supported_context(ComprehensiveSRStorage, ExplicitVRLittleEndian)
    plain = ae.start_server(("127.0.0.1", 0), block=False)
    node = ("TRIAGE", "PACS", "127.0.0.1", plain.server_address[1], 1, 1)
    outbox = Outbox(ledger, {"pacs": CStore(*pacs.node)}, clock, {"pacs": StorageCommitment(*node, 0.1)})
    assert outbox.deliver_one("pacs")
    try:
        assert outbox.commit_one("pacs")
    finally:
        plain.shutdown()
    assert "does not take Storage Commitment" in (delivery(ledger).last_error or "")
    assert [one.levelname for one in caplog.records if one.name == commitment.__name__] == ["ERROR"]
    clock.advance(seconds=FIRST_PAUSE.total_seconds())
    assert outbox.commit_one("pacs")
    assert "cannot be reached" in (delivery(ledger).last_error or "")
    assert delivery(ledger).state == "sent"


def test_the_outbox_asks_by_itself(ledger: Ledger, pacs: Pacs, clock: Clock) -> None:
    outbox = Outbox(ledger, {"pacs": CStore(*pacs.node)}, clock, {"pacs": StorageCommitment(*pacs.node, 2)})
    outbox.start()
    until(lambda: delivery(ledger).state == "confirmed")
    outbox.stop()


def test_after_a_week_nobody_asks_any_more(ledger: Ledger, pacs: Pacs, clock: Clock) -> None:
    outbox = Outbox(ledger, {"pacs": CStore(*pacs.node)}, clock, {"pacs": StorageCommitment(*pacs.node, 0.01)})
    assert outbox.deliver_one("pacs")
    pacs.report = None
    asked = 0
    for _ in range(24 * 10):
        asked += outbox.commit_one("pacs") and 1
        clock.advance(hours=1)
        if clock.now - (delivery(ledger).sent_at or clock.now) > ASK_FOR:
            break
    assert 5 < asked < 30
    clock.advance(days=1)
    assert not outbox.commit_one("pacs")
    assert delivery(ledger).state == "sent"


def test_the_report_may_come_on_an_association_of_the_pacs(ledger: Ledger, outbox: Outbox, pacs: Pacs) -> None:
    pacs.report = None
    assert outbox.commit_one("pacs")
    ours = AE(ae_title="TRIAGE")
    accept_reports(ours)
    listener = ours.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, report_handler(ledger))]
    )
    theirs = AE(ae_title="PACS")
    theirs.add_requested_context(StorageCommitmentPushModel)
    role = build_role(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    port = listener.server_address[1]
    try:
        association = theirs.associate("127.0.0.1", port, ae_title="TRIAGE", ext_neg=[role])
        model = (StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
        status, _ = association.send_n_event_report(all_kept(pacs.asked[0]), 1, *model)
        association.release()
    finally:
        listener.shutdown()
    assert status.Status == 0x0000
    assert delivery(ledger).state == "confirmed"


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_reports_that_are_not_ours_change_nothing(ledger: Ledger, outbox: Outbox, pacs: Pacs) -> None:
    sent = delivery(ledger)
    wanted = Dataset()
    wanted.ReferencedSOPClassUID, wanted.ReferencedSOPInstanceUID = ComprehensiveSRStorage, REPORT
    for transaction, uid in (
        ("1.2.3", REPORT),
        ("", REPORT),
        ("2.25.x", REPORT),
        (transaction_uid(sent.id + 1000), REPORT),
        (transaction_uid(sent.id), "1.2.3"),
    ):
        request = Dataset()
        wanted.ReferencedSOPInstanceUID = uid
        request.TransactionUID, request.ReferencedSOPSequence = transaction, [wanted]
        note_report(ledger, all_kept(request))
        note_report(ledger, nothing_kept(0x0112)(request))
    note_report(ledger, Dataset())
    assert delivery(ledger) == sent


def test_a_late_failure_does_not_take_a_confirmation_back(ledger: Ledger, outbox: Outbox, pacs: Pacs) -> None:
    assert outbox.commit_one("pacs")
    note_report(ledger, nothing_kept(0x0112)(pacs.asked[0]))
    assert delivery(ledger).state == "confirmed"


def test_a_transaction_tells_its_delivery() -> None:
    for number in (1, 77, 2**31 - 1, 2**48 - 1):
        made = {transaction_uid(number) for _ in range(20)}
        assert len(made) == 20
        assert {delivery_of(one) for one in made} == {number}
        assert all(len(one) <= 64 for one in made)
    for foreign in ("", "2.25.", "1.2.840.5", "2.25.1", "2.25.-5", f"2.25.{2**130}"):
        assert delivery_of(foreign) is None


def test_orthanc_keeps_what_it_has_and_says_so_when_it_has_it_not(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    ours, port = AE(ae_title="TRIAGE"), free_port()
    accept_reports(ours)
    handlers = [(evt.EVT_N_EVENT_REPORT, report_handler(ledger))]
    listener = ours.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    modalities = {"triage": ["TRIAGE", "127.0.0.1", port]}
    try:
        with orthanc(tmp_path, DicomModalities=modalities) as (_, dicom):
            node = DicomNode("TRIAGE", "ORTHANC", "127.0.0.1", dicom)
            address = (node.calling_ae_title, node.ae_title, node.host, node.port)
            senders = {"pacs": CStore(*address), "dead": CStore(*address)}
            outbox = Outbox(ledger, senders, clock, {"pacs": StorageCommitment(*address, wait_seconds=0.1)})
            # Not stored, only claimed to be: Orthanc must deny it.
            [taken] = ledger.due_deliveries("pacs", limit=1)
            ledger.sent(taken.id)
            assert outbox.commit_one("pacs")
            until(lambda: delivery(ledger).state == "pending")
            assert "no such object instance (0x0112)" in (delivery(ledger).last_error or "")
            clock.advance(seconds=SEND_AGAIN_AFTER.total_seconds())
            assert outbox.deliver_one("pacs")
            assert delivery(ledger).state == "sent"
            assert outbox.commit_one("pacs")
            until(lambda: delivery(ledger).state == "confirmed")
    finally:
        listener.shutdown()
