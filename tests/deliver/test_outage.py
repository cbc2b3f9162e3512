"""Two days without a destination, on a clock of our own: nothing is lost, mixed up or multiplied."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

from delivery_parts import Receiver, acknowledgement, delivery, message, plan
from dicom_samples import free_port
from ledger_samples import STUDY, Clock

from triage.deliver.mllp import Mllp
from triage.deliver.outbox import LONGEST_PAUSE, Outbox
from triage.store.ledger import Ledger
from triage.store.records import PlannedDelivery

OUTAGE = timedelta(hours=48)


def result(ledger: Ledger, folder: Path, number: int, revision: int = 1) -> str:
    """A result for `ris`; its control ID."""
    control_id = f"s{number}r{revision}".ljust(20, "0")
    path = folder / control_id
    path.write_bytes(message(control_id))
    plan(ledger, number, control_id, PlannedDelivery("ris", "hl7-oru", control_id, str(path)), revision)
    return control_id


def run(outbox: Outbox, clock: Clock, span: timedelta) -> int:
    """Lets the time pass as the destination's thread would see it; the number of attempts."""
    end, attempts = clock.now + span, 0
    while clock.now < end:
        while outbox.deliver_one("ris"):
            attempts += 1
        clock.advance(seconds=300)
    return attempts


def test_after_48_hours_every_result_arrives_once_and_in_order(
    empty_ledger: Ledger, clock: Clock, tmp_path: Path
) -> None:
    port = free_port()
    outbox = Outbox(empty_ledger, {"ris": Mllp("127.0.0.1", port, 1, 1)}, clock)
    first = [result(empty_ledger, tmp_path, number) for number in (1, 2, 3)]
    run(outbox, clock, OUTAGE / 2)
    revised = result(empty_ledger, tmp_path, 2, revision=2)
    last = result(empty_ledger, tmp_path, 4)
    attempts = run(outbox, clock, OUTAGE / 2)
    assert attempts < 4 * 60, "pauses grow: one attempt in half an hour, not one at every look"
    assert empty_ledger.counts().deliveries == {"pending": 4, "sent": 0, "confirmed": 0, "failed": 1}

    receiver = Receiver(port)
    try:
        run(outbox, clock, LONGEST_PAUSE)
        wanted = [first[0], first[2], revised, last]
        assert Counter(receiver.ids) == Counter(wanted), "each once, under its own id; none that was replaced"
        assert receiver.ids.index(wanted[-2]) < receiver.ids.index(wanted[-1])
        assert [one for one in receiver.ids if one.startswith("s2")] == [revised], "the newest revision and no other"
        run(outbox, clock, timedelta(days=8))
        assert len(receiver.ids) == len(wanted)
    finally:
        receiver.close()
    assert empty_ledger.counts().deliveries == {"pending": 0, "sent": 0, "confirmed": 4, "failed": 1}
    assert empty_ledger.troubled_deliveries() == ()


def test_revisions_arrive_in_their_order(empty_ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    receiver = Receiver()
    outbox = Outbox(empty_ledger, {"ris": Mllp("127.0.0.1", receiver.port, 1, 1)}, clock)
    sent = []
    try:
        for revision in (1, 2, 3):
            sent.append(result(empty_ledger, tmp_path, 1, revision))
            run(outbox, clock, timedelta(minutes=5))
    finally:
        receiver.close()
    assert receiver.ids == sent


def test_once_it_is_back_nothing_waits_for_its_grown_pause(empty_ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    port = free_port()
    outbox = Outbox(empty_ledger, {"ris": Mllp("127.0.0.1", port, 1, 1)}, clock)
    waiting = [result(empty_ledger, tmp_path, number) for number in (1, 2)]
    run(outbox, clock, OUTAGE)
    while outbox.deliver_one("ris"):
        pass
    receiver = Receiver(port)
    try:
        fresh = result(empty_ledger, tmp_path, 3)
        while outbox.deliver_one("ris"):
            pass
        assert receiver.ids == [fresh, *waiting], "a new result finds it back, and takes the others along"
    finally:
        receiver.close()


def test_a_message_that_it_does_not_take_is_no_outage(
    empty_ledger: Ledger, clock: Clock, tmp_path: Path, receiver: Receiver
) -> None:
    bad = result(empty_ledger, tmp_path, 1)
    receiver.behave = lambda connection, one: connection.sendall(acknowledgement("AE" if one == bad else "AA", one))
    outbox = Outbox(empty_ledger, {"ris": Mllp("127.0.0.1", receiver.port, 1, 1)}, clock)
    run(outbox, clock, timedelta(hours=2))
    before = receiver.ids.count(bad)
    for number in range(2, 6):
        result(empty_ledger, tmp_path, number)
        assert outbox.deliver_one("ris")
    assert receiver.ids.count(bad) <= before + 1, "others that pass do not bring its next attempt forward"
    assert delivery(empty_ledger, "ris", f"{STUDY}.1").state == "pending"


def test_a_week_is_the_limit(empty_ledger: Ledger, clock: Clock, tmp_path: Path, receiver: Receiver) -> None:
    outbox = Outbox(empty_ledger, {"ris": Mllp("127.0.0.1", free_port(), 1, 1)}, clock)
    result(empty_ledger, tmp_path, 1)
    run(outbox, clock, timedelta(days=6, hours=23))
    assert delivery(empty_ledger, "ris", f"{STUDY}.1").state == "pending"
    run(outbox, clock, timedelta(hours=2))
    found = delivery(empty_ledger, "ris", f"{STUDY}.1")
    assert found.state == "failed"
    assert empty_ledger.resend(found.id), "one click"
    assert Outbox(empty_ledger, {"ris": Mllp("127.0.0.1", receiver.port, 1, 1)}, clock).deliver_one("ris")
    assert receiver.ids == [found.sop_instance_uid], "under the id that it always had"
