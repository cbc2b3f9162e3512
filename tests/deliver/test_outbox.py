"""The outbox against DCMTK's storescp as the PACS."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from delivery_parts import REPORT, delivery, until
from dicom_samples import dcmtk, free_port
from ledger_samples import LEASE, Clock, at_once, digest, finding, header
from pydicom import dcmread

from triage.deliver.c_store import CStore
from triage.deliver.outbox import GIVE_UP_AFTER, LONGEST_PAUSE, Outbox, pause_after
from triage.deliver.sender import DeliveryError, DeliveryRejected, Receipt
from triage.store.ledger import Ledger
from triage.store.outbox import SENDING
from triage.store.records import PlannedDelivery


@contextmanager
def pacs(port: int, folder: Path, *options: str) -> Iterator[Path]:
    """storescp on `port`; what it received lies in the folder."""
    folder.mkdir(exist_ok=True)
    dcmtk("storescp", "--version")
    process = subprocess.Popen(["storescp", "--fork", "-od", str(folder), *options, str(port)])
    try:
        for _ in range(100):
            if dcmtk("echoscu", "127.0.0.1", str(port)).returncode == 0:
                break
            time.sleep(0.02)
        yield folder
    finally:
        process.terminate()
        process.wait()


def test_a_pacs_that_was_down_gets_the_report_once(ledger: Ledger, clock: Clock, report: Path, tmp_path: Path) -> None:
    port = free_port()
    outbox = Outbox(ledger, {"pacs": CStore("TRIAGE", "PACS", "127.0.0.1", port)}, clock)
    assert outbox.deliver_one("pacs")
    assert delivery(ledger).state == "pending"
    assert "cannot be reached" in (delivery(ledger).last_error or "")
    assert not outbox.deliver_one("pacs"), "not before the pause is over"
    with pacs(port, tmp_path / "pacs") as folder:
        clock.advance(seconds=5)
        assert outbox.deliver_one("pacs")
        clock.advance(days=1)
        assert not outbox.deliver_one("pacs")
        [received] = folder.iterdir()
        assert dcmread(received).SOPInstanceUID == dcmread(report).SOPInstanceUID == REPORT
    sent = delivery(ledger)
    assert (sent.state, sent.attempts, sent.last_error) == ("sent", 2, None)


def test_a_dead_destination_holds_up_no_other(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    class Hanging:
        def send(self, path: Path) -> Receipt:
            time.sleep(1.5)
            raise DeliveryError("hangs")

    port = free_port()
    with pacs(port, tmp_path / "pacs"):
        senders = {"dead": Hanging(), "pacs": CStore("TRIAGE", "PACS", "127.0.0.1", port)}
        outbox = Outbox(ledger, senders, clock)
        outbox.start()
        started = time.monotonic()
        until(lambda: delivery(ledger).state == "sent")
        assert time.monotonic() - started < 1.5
        until(lambda: delivery(ledger, "dead").last_error == "hangs")
        outbox.stop()


def test_a_crash_between_sending_and_marking_sends_the_same_object_again(
    ledger: Ledger, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    outbox = Outbox(ledger, {"pacs": CStore("TRIAGE", "PACS", "127.0.0.1", port)}, clock)

    def crash(_self: Ledger, _delivery_id: int) -> None:
        raise SystemExit

    with pacs(port, tmp_path / "pacs") as folder:
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "sent", crash)
            with pytest.raises(SystemExit):
                outbox.deliver_one("pacs")
        assert delivery(ledger).state == "pending"
        clock.advance(seconds=SENDING.total_seconds())
        assert outbox.deliver_one("pacs")
        assert len(list(folder.iterdir())) == 1, "the same SOP Instance UID: the PACS has one report"
    assert delivery(ledger).state == "sent"


def test_it_is_given_up_after_a_week_and_not_before(ledger: Ledger, clock: Clock) -> None:
    outbox = Outbox(ledger, {"pacs": CStore("TRIAGE", "PACS", "127.0.0.1", free_port())}, clock)
    assert outbox.deliver_one("pacs")
    clock.advance(seconds=(GIVE_UP_AFTER - timedelta(seconds=1)).total_seconds())
    assert outbox.deliver_one("pacs")
    assert delivery(ledger).state == "pending"
    clock.advance(seconds=LONGEST_PAUSE.total_seconds())
    assert outbox.deliver_one("pacs")
    assert delivery(ledger).state == "failed"
    assert "cannot be reached" in (delivery(ledger).last_error or "")
    assert ledger.troubled_deliveries() == (delivery(ledger),)


class Scripted:
    """A sender that does what the script says, one step an attempt."""

    def __init__(self, *steps: Exception | Receipt) -> None:
        self.steps = list(steps)

    def send(self, path: Path) -> Receipt:
        step = self.steps.pop(0)
        if isinstance(step, Receipt):
            return step
        raise step


def test_a_rejection_raises_the_alarm_and_a_second_one_ends_it(
    ledger: Ledger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(ledger, {"pacs": Scripted(*[DeliveryRejected("AR: not for us")] * 2)}, clock)
    assert outbox.deliver_one("pacs")
    assert (delivery(ledger).state, delivery(ledger).last_error) == ("pending", "rejected: AR: not for us")
    assert [one.levelname for one in caplog.records if "not for us" in one.message] == ["ERROR"]
    assert ledger.troubled_deliveries() == (delivery(ledger),)
    clock.advance(seconds=LONGEST_PAUSE.total_seconds() - 1)
    assert not outbox.deliver_one("pacs"), "a rejection is not answered by haste"
    clock.advance(seconds=1)
    assert outbox.deliver_one("pacs")
    assert (delivery(ledger).state, delivery(ledger).last_error) == ("failed", "rejected: AR: not for us")


def test_a_rejection_that_passes_was_none(ledger: Ledger, clock: Clock) -> None:
    steps = (DeliveryRejected("starting"), DeliveryError("busy"), DeliveryRejected("starting"), Receipt.CONFIRMED)
    outbox = Outbox(ledger, {"pacs": Scripted(*steps)}, clock)
    for _ in steps:
        assert outbox.deliver_one("pacs")
        clock.advance(seconds=LONGEST_PAUSE.total_seconds())
    assert (delivery(ledger).state, delivery(ledger).last_error) == ("confirmed", None)
    assert ledger.troubled_deliveries() == ()


def test_a_fault_of_our_own_is_an_attempt_and_not_the_end_of_the_thread(ledger: Ledger, clock: Clock) -> None:
    outbox = Outbox(ledger, {"pacs": Scripted(ZeroDivisionError("Doe^Jane"), Receipt.SENT)}, clock)
    assert outbox.deliver_one("pacs")
    assert delivery(ledger).last_error == "ZeroDivisionError"
    clock.advance(seconds=5)
    assert outbox.deliver_one("pacs")
    assert delivery(ledger).state == "sent"


def test_a_result_that_was_replaced_while_it_was_being_sent_is_not_sent_again(ledger: Ledger, clock: Clock) -> None:
    class Slow:
        def send(self, path: Path) -> Receipt:
            ledger.record_instance(header(2), digest(2), "p", at_once)
            claim = ledger.claim_study(LEASE)
            assert claim is not None
            planned = [PlannedDelivery("pacs", "sr", "2.25.43", str(path))]
            assert ledger.finish(claim, finding("result-2", 2), planned)
            raise DeliveryError("hung up")

    old = delivery(ledger)
    assert Outbox(ledger, {"pacs": Slow()}, clock).deliver_one("pacs")
    clock.advance(days=1)
    outbox = Outbox(ledger, {"pacs": Scripted(Receipt.SENT)}, clock)
    assert outbox.deliver_one("pacs")
    assert not outbox.deliver_one("pacs")
    assert delivery(ledger).sop_instance_uid == "2.25.43"
    assert [one.last_error for one in ledger.deliveries("failed") if one.id == old.id] == ["superseded by revision 2"]


def test_a_report_that_vanished_from_the_disk_is_told(ledger: Ledger, clock: Clock, report: Path) -> None:
    report.unlink()
    outbox = Outbox(ledger, {"pacs": CStore("TRIAGE", "PACS", "127.0.0.1", free_port())}, clock)
    outbox.deliver_one("pacs")
    assert "No such file" in (delivery(ledger).last_error or "")


def test_pauses_double_from_five_seconds_to_half_an_hour() -> None:
    seconds = [pause_after(attempts).total_seconds() for attempts in range(1, 12)]
    assert seconds == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800]
    assert pause_after(100_000).total_seconds() == 1800
