"""The HL7 sender against a receiver that answers well, badly, late or never; and what the outbox makes of it."""

import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from delivery_parts import END, START, Receiver, acknowledgement, delivery, message, plan
from dicom_samples import free_port
from ledger_samples import STUDY, Clock

from triage.deliver.mllp import LONGEST_ANSWER, Mllp
from triage.deliver.outbox import LONGEST_PAUSE, Outbox
from triage.deliver.sender import DeliveryError, Receipt, Unreachable
from triage.store.ledger import Ledger
from triage.store.records import PlannedDelivery

Behaviour = Callable[[socket.socket, str], None]
ID = "0123456789abcdef0123"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "oru.hl7"
    path.write_bytes(message(ID))
    return path


@pytest.fixture
def hl7_ledger(empty_ledger: Ledger, file: Path) -> Ledger:
    """A ledger with the message in the outbox, for `ris`."""
    plan(empty_ledger, 1, "result-1", PlannedDelivery("ris", "hl7-oru", ID, str(file)))
    return empty_ledger


def client(receiver: Receiver) -> Mllp:
    return Mllp("127.0.0.1", receiver.port, 1, 0.3)


def answering(*parts: bytes, pause: float = 0.0) -> Behaviour:
    def behave(connection: socket.socket, _control_id: str) -> None:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)

    return behave


def never(connection: socket.socket, _control_id: str) -> None:
    connection.settimeout(5)
    connection.recv(1)


def late(connection: socket.socket, control_id: str) -> None:
    time.sleep(0.5)
    connection.sendall(acknowledgement("AA", control_id))


def half(connection: socket.socket, control_id: str) -> None:
    connection.sendall(acknowledgement("AA", control_id)[:-8])
    never(connection, control_id)


CASES: dict[str, tuple[Behaviour, str, str | None]] = {
    "AA": (answering(acknowledgement("AA", ID)), "confirmed", None),
    "CA": (answering(acknowledgement("CA", ID)), "sent", None),
    "AA in pieces": (answering(*(bytes([one]) for one in acknowledgement("AA", ID))), "confirmed", None),
    "AA with line feeds": (answering(acknowledgement("AA", ID).replace(b"\r", b"\r\n")[:-3] + END), "confirmed", None),
    "AE": (answering(acknowledgement("AE", ID, "|no such order")), "pending", "answered AE: no such order"),
    "CE": (answering(acknowledgement("CE", ID, "|disk full")), "pending", "answered CE: disk full"),
    "AR": (answering(acknowledgement("AR", ID, "|version")), "pending", "rejected: 127.0.0.1"),
    "CR": (answering(acknowledgement("CR", ID)), "pending", "answered CR: without a reason"),
    "wrong id": (answering(acknowledgement("AA", "other")), "pending", "acknowledged message 'other'"),
    "no id": (answering(acknowledgement("AA", "")), "pending", "acknowledged message ''"),
    "unknown code": (answering(acknowledgement("OK", ID)), "pending", "did not answer with an acknowledgement"),
    "garbage": (answering(START + b"\xff\xfe\x00hello" + END), "pending", "did not answer with an acknowledgement"),
    "an empty frame": (answering(START + END), "pending", "did not answer with an acknowledgement"),
    "no MSA": (answering(START + b"MSH|^~\\&|RIS\r" + END), "pending", "did not answer with an acknowledgement"),
    "no frame": (answering(acknowledgement("AA", ID)[1:]), "pending", "not framed as MLLP"),
    "endless": (answering(b"x" * (LONGEST_ANSWER + 1)), "pending", "longer than"),
    "half": (half, "pending", "did not answer in time"),
    "half and closed": (answering(acknowledgement("AA", ID)[:-2]), "pending", "in the middle of its answer"),
    "late": (late, "pending", "did not answer in time"),
    "drop by drop": (answering(*[b"x"] * 9, pause=0.1), "pending", "did not answer in time"),
    "never": (never, "pending", "did not answer in time"),
    "closed": (answering(), "pending", "without an answer"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_outbox_is_in_the_right_state_after_each_answer(
    name: str, hl7_ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    behave, state, error = CASES[name]
    receiver.behave = behave
    assert Outbox(hl7_ledger, {"ris": client(receiver)}, clock).deliver_one("ris")
    found = delivery(hl7_ledger, "ris", f"{STUDY}.1")
    assert found.state == state
    assert (error or "") in (found.last_error or "")
    assert (found.last_error is None) == (error is None)
    if state == "pending":
        wait = LONGEST_PAUSE if name in ("AR", "CR") else timedelta(seconds=5)
        assert found.next_at == clock.now + wait
    assert receiver.received == [message(ID)], "framed once, and byte for byte"


def test_a_resend_is_the_same_message_and_is_believed_once(
    hl7_ledger: Ledger, receiver: Receiver, clock: Clock
) -> None:
    outbox = Outbox(hl7_ledger, {"ris": client(receiver)}, clock)
    receiver.behave = late
    assert outbox.deliver_one("ris")
    receiver.behave = receiver.accept
    clock.advance(seconds=5)
    assert outbox.deliver_one("ris")
    assert receiver.ids == [ID, ID]
    assert delivery(hl7_ledger, "ris", f"{STUDY}.1").state == "confirmed"


def test_the_receivers_own_words_are_kept_without_the_patient(file: Path, receiver: Receiver) -> None:
    said = "|Segment PID of MÜLLER, JANE (P-0001)\rERR|||207^Application error|E|||no patient Müller\nborn 19650101"
    receiver.behave = answering(acknowledgement("AE", ID, said))
    with pytest.raises(DeliveryError) as raised:
        client(receiver).send(file)
    text = str(raised.value)
    assert "Segment PID of ***, *** (***); 207^Application error" in text
    assert not any(secret in text.lower() for secret in ("müller", "jane", "p-0001", "1965"))
    assert "\n" not in text


def test_long_words_are_cut(file: Path, receiver: Receiver) -> None:
    receiver.behave = answering(acknowledgement("AE", ID, "|" + "y" * 5000))
    with pytest.raises(DeliveryError) as raised:
        client(receiver).send(file)
    assert len(str(raised.value)) < 400


def test_nobody_there_and_a_name_that_nobody_knows(file: Path) -> None:
    for host in ("127.0.0.1", "no-such-host.invalid"):
        with pytest.raises(Unreachable, match=host):
            Mllp(host, free_port(), 1, 0.3).send(file)


@pytest.mark.parametrize("content", [b"", b"DICM", b"MSH|^~\\&|TRIAGE\r", message(ID) + END + message(ID)])
def test_what_is_no_message_is_not_sent(content: bytes, file: Path, receiver: Receiver) -> None:
    file.write_bytes(content)
    with pytest.raises(DeliveryError, match="no HL7 message"):
        client(receiver).send(file)
    assert receiver.received == []


def test_processed_is_more_than_stored(file: Path, receiver: Receiver) -> None:
    assert client(receiver).send(file) is Receipt.CONFIRMED
    receiver.behave = answering(acknowledgement("CA", ID))
    assert client(receiver).send(file) is Receipt.SENT
