"""Receivers that quote the patient: nothing of it stays in the error, the log, the ledger or the audit trail."""

import json
import logging
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from delivery_parts import REPORT, Receiver, acknowledgement, delivery, message
from dicom_samples import mg_dataset, write
from ledger_samples import Clock
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel
from sqlalchemy import select

from triage.deliver.c_store import CStore
from triage.deliver.commitment import StorageCommitment
from triage.deliver.masking import HIDDEN, LONGEST_WORDS, mask_of_message, mask_of_object
from triage.deliver.mllp import Mllp
from triage.deliver.outbox import Outbox
from triage.deliver.sender import DeliveryError, Sender
from triage.deliver.stow import Stow
from triage.store import tables as t
from triage.store.database import open_database, reading
from triage.store.ledger import Ledger

SAID = "No: MULLER, Jane^Muller\nP-0001 19650101 / 1965-01-01 ACC0001"
"""As long as an Error Comment (0000,0902) may be; the name as ASCII has it."""
SECRETS = ("muller", "müller", "jane", "p-0001", "0001", "1965", "acc0")
Sending = Callable[[], AbstractContextManager[Sender]]


def patient_object(**changes: object) -> Dataset:
    fields = {"PatientName": "Müller^Jane", "SOPClassUID": ComprehensiveSRStorage, "SOPInstanceUID": REPORT}
    return mg_dataset(**(fields | {"PixelData": None} | changes))


def assert_unsaid(*texts: str) -> None:
    for text in texts:
        assert not [secret for secret in SECRETS if secret in text.lower()], text


@contextmanager
def c_store() -> Iterator[Sender]:
    with dicom_peer() as node:
        yield CStore(*node)


@contextmanager
def dicom_peer() -> Iterator[tuple[str, str, str, int, int, int]]:
    """A PACS that refuses objects and storage commitment, for good, and says why."""
    refused = Dataset()
    refused.Status, refused.ErrorComment = 0xA900, SAID
    ae = AE(ae_title="PACS")
    ae.add_supported_context(ComprehensiveSRStorage, ExplicitVRLittleEndian)
    ae.add_supported_context(StorageCommitmentPushModel)
    handlers = [(evt.EVT_C_STORE, lambda _: refused), (evt.EVT_N_ACTION, lambda _: (refused, None))]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield ("TRIAGE", "PACS", "127.0.0.1", server.server_address[1], 2, 2)
    finally:
        server.shutdown()


@contextmanager
def stow() -> Iterator[Sender]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"why": SAID, "name": "Müller"}).encode()  # written M\u00fcller
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield Stow(f"http://127.0.0.1:{http.server_address[1]}")
    finally:
        http.shutdown()
        http.server_close()


@contextmanager
def garbled_stow() -> Iterator[Sender]:
    """A server whose answer is no HTTP, so that the client's own error quotes it."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                while not connection.recv(1 << 20).endswith(b"--\r\n"):
                    pass
                connection.sendall(SAID.replace("\n", " ").encode() + b" M\xfcller\r\n\r\n")

    Thread(target=serve, daemon=True).start()
    try:
        yield Stow(f"http://127.0.0.1:{server.getsockname()[1]}", response_seconds=3)
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@contextmanager
def mllp() -> Iterator[Sender]:
    receiver = Receiver()
    said = SAID.replace("\n", " ").replace("^", "\\S\\")
    receiver.behave = lambda connection, control_id: connection.sendall(
        acknowledgement("AR", control_id, f"|{said}\rERR|||207|E|||{said}|M\u00dcLLER")
    )
    try:
        yield Mllp("127.0.0.1", receiver.port, 1, 1)
    finally:
        receiver.close()


@contextmanager
def mllp_of_another_message() -> Iterator[Sender]:
    receiver = Receiver()
    receiver.behave = lambda connection, _: connection.sendall(acknowledgement("AA", SAID.replace("\n", " ")))
    try:
        yield Mllp("127.0.0.1", receiver.port, 1, 1)
    finally:
        receiver.close()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """What the outbox of `ledger` sends: an object, or for the tests of HL7 a message, of the same patient."""
    return write(patient_object(), tmp_path)


def audit(folder: Path) -> list[str]:
    with reading(open_database("", folder)) as connection:
        return [json.dumps(dict(row), default=str) for row in connection.execute(select(t.audit)).mappings()]


@pytest.mark.parametrize("kind", [c_store, stow, garbled_stow, mllp, mllp_of_another_message])
def test_no_sender_lets_the_patient_through(
    kind: Sending, ledger: Ledger, report: Path, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    if kind in (mllp, mllp_of_another_message):
        report.write_bytes(message("0123456789"))
    with kind() as sender:
        with pytest.raises(DeliveryError) as raised:
            sender.send(report)
        outbox = Outbox(ledger, {"pacs": sender}, clock)
        for _ in range(2):  # at the second rejection it is given up, and the audit trail gets the reason
            assert outbox.deliver_one("pacs")
            clock.advance(days=8)
    found = delivery(ledger)
    assert found.state == "failed"
    assert HIDDEN in str(raised.value), "the receiver did quote something"
    trail = audit(tmp_path)
    assert any(HIDDEN in row for row in trail)
    assert HIDDEN in caplog.text
    assert_unsaid(str(raised.value), found.last_error or "", caplog.text, *trail)


def test_storage_commitment_lets_it_through_as_little(
    ledger: Ledger, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with dicom_peer() as node:
        outbox = Outbox(ledger, {}, clock, {"pacs": StorageCommitment(*node, 0.1)})
        [taken] = ledger.due_deliveries("pacs", limit=1)
        ledger.sent(taken.id)
        assert outbox.commit_one("pacs")
    error = delivery(ledger).last_error or ""
    assert HIDDEN in error
    assert HIDDEN in caplog.text
    assert_unsaid(error, caplog.text, *audit(tmp_path))


def test_an_error_that_nobody_foresaw_is_logged_without_its_text(
    ledger: Ledger, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def send(self, path: Path) -> None:
            raise KeyError(path.name and SAID)

    assert Outbox(ledger, {"pacs": Broken()}, clock).deliver_one("pacs")  # type: ignore[dict-item]
    assert delivery(ledger).last_error == "KeyError"
    assert "in send" in caplog.text, "where it happened"
    assert_unsaid(caplog.text, *audit(tmp_path))


@pytest.mark.parametrize(
    "said",
    [
        "Müller", "MÜLLER^LI", "Mueller", "Mu\u0308ller", "M?ller", "M\ufffdller", "MÃ¼ller", r"M\u00fcller",
        r"M\xfcller", r"M\XC3BC\ller", "M&uuml;ller", "M&#252;ller", "M%C3%BCller", "Lüdenscheidt", "Li",
        "山田", "太郎", "P&0001", "P0001", "P&amp;0001", "P%260001", r"P\T\0001", "19650102", "1965-01-02",
        "02.01.1965", "01/02/1965", "X-77", "y88", "SEQ5", "acc0001", "M\0\xfc\0l\0l\0e\0r\0",
    ],
)  # fmt: skip
def test_each_spelling_is_hidden(said: str) -> None:
    item = Dataset()
    item.PatientID = "SEQ5"
    ds = patient_object(
        PatientName="Müller-Lüdenscheidt^Li Q=山田^太郎", PatientID="P&0001", PatientBirthDate="19650102",
        AccessionNumber="ACC0001", OtherPatientIDs=["X-77", "Y88"], OtherPatientIDsSequence=[item],
    )  # fmt: skip
    masked = mask_of_object(ds).words(f"no patient <{said}> here")
    assert re.fullmatch(r"no patient <\*{3}(\^\*{3})?> here", masked), masked


def test_what_is_no_patient_is_kept() -> None:
    ds = patient_object(PatientName="Li^An Q", PatientID="17", PatientBirthDate=None, AccessionNumber="")
    text = f"The application cannot take 2017 objects of {ds.StudyInstanceUID}: quota 99 %, really?"
    assert mask_of_object(ds).words(text) == text
    assert mask_of_object(ds).words("LI, AN (17)") == "***, *** (***)"
    assert mask_of_object(Dataset()).words("disk\r\n full ") == "disk full"
    for content in ("", "MSH", "MSH|^~\\&", "PID|1||P"):
        assert mask_of_message(content).words("P disk full") == "P disk full"


def test_the_text_is_cut_after_it_was_masked() -> None:
    mask = mask_of_object(patient_object())
    for length in range(LONGEST_WORDS - 12, LONGEST_WORDS + 1):
        masked = mask.words("x" * length + " Müller " + "y" * 20)
        assert len(masked) <= LONGEST_WORDS
        assert "M" not in masked


def test_of_an_object_whose_patient_cannot_be_read_nothing_is_said() -> None:
    ds = patient_object()
    tag = Tag("PatientName")
    ds._dict[tag] = RawDataElement(tag, "US", 1, b"\x01", 0, False, True)
    assert mask_of_object(ds).words("no patient\nJane") == HIDDEN


def test_fields_of_a_message_are_hidden_each_as_what_it_is() -> None:
    text = (
        "MSH|^~\\&|A\r"
        "PID|1|OLD-9|P\\T\\1^^^HOSP~N77^^^GOV|ALT3|Lee^Bo^^^Dr||19650102|F|Lea^B|X|9 High Street^^Town^^NW1\r"
        "OBR|1|PL-1|FI-2|CODE^Mammography|||||||||||||||ACC18\r"
    )
    masked = mask_of_message(text).words(
        "OLD-9 P&1 N77 ALT3 LEE BO 02.01.1965 Lea 9 High Street Town PL-1 FI-2 ACC18 from HOSP: no Mammography"
    )
    assert re.fullmatch(r"(\*{3} ){13}from HOSP: no Mammography", masked), masked


def test_no_answer_makes_the_search_slow() -> None:
    name = "ä" * 60 + "^" + "é" * 60
    mask = mask_of_object(patient_object(PatientName=name, PatientID="-".join("1" * 30)))
    for said in ("ä" * 59 + "x", "?" * 500, "1-" * 300, r"\x" * 400, "&" * 700, "a" * 700):
        assert len(mask.words(said * 300)) <= LONGEST_WORDS
