"""The outbox against DCMTK's storescp as the PACS."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from dicom_samples import dcmtk, free_port, mg_dataset, write
from ledger_samples import LEASE, STUDY, Clock, at_once, digest, finding, header
from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage

from triage.deliver.c_store import CStore
from triage.deliver.outbox import GIVE_UP_AFTER, DeliveryError, Outbox, pause_after
from triage.store.database import open_database
from triage.store.ledger import Ledger
from triage.store.outbox import SENDING
from triage.store.records import Delivery, PlannedDelivery

REPORT = "2.25.42"


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


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report, as far as C-STORE is concerned."""
    ds = mg_dataset(SOPClassUID=ComprehensiveSRStorage, SOPInstanceUID=REPORT, PixelData=None)
    return write(ds, tmp_path)


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock, report: Path) -> Ledger:
    """A result to be sent to `dead` and to `pacs`."""
    made = Ledger(open_database("", tmp_path), clock)
    made.record_instance(header(), digest(1), "p", at_once)
    claim = made.claim_study(LEASE)
    assert claim is not None
    made.finish(claim, finding(), [PlannedDelivery(name, "sr", REPORT, str(report)) for name in ("dead", "pacs")])
    return made


def delivery(ledger: Ledger, destination: str = "pacs") -> Delivery:
    record = ledger.study(STUDY)
    assert record is not None
    [found] = [one for one in record.deliveries if one.destination == destination]
    return found


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
        def send(self, path: Path) -> None:
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


def test_after_a_week_it_is_given_up(ledger: Ledger, clock: Clock) -> None:
    outbox = Outbox(ledger, {"pacs": CStore("TRIAGE", "PACS", "127.0.0.1", free_port())}, clock)
    assert outbox.deliver_one("pacs")
    clock.advance(seconds=(GIVE_UP_AFTER - timedelta(seconds=1)).total_seconds())
    assert outbox.deliver_one("pacs")
    assert delivery(ledger).state == "failed"
    assert "cannot be reached" in (delivery(ledger).last_error or "")


def test_a_report_that_vanished_from_the_disk_is_told(ledger: Ledger, clock: Clock, report: Path) -> None:
    report.unlink()
    outbox = Outbox(ledger, {"pacs": CStore("TRIAGE", "PACS", "127.0.0.1", free_port())}, clock)
    outbox.deliver_one("pacs")
    assert "No such file" in (delivery(ledger).last_error or "")


def test_pauses_double_from_five_seconds_to_half_an_hour() -> None:
    seconds = [pause_after(attempts).total_seconds() for attempts in range(1, 12)]
    assert seconds == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800]
    assert pause_after(100_000).total_seconds() == 1800
