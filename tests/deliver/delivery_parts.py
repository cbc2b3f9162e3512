"""What tests of deliveries share: a wait, an outbox entry, a message, an MLLP receiver, an Orthanc."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from dicom_samples import free_port
from ledger_samples import LEASE, STUDY, at_once, digest, finding, header

from triage.store.ledger import Ledger
from triage.store.records import Delivery, PlannedDelivery

REPORT = "2.25.42"
START, END = b"\x0b", b"\x1c\x0d"
ORTHANC, PLUGIN = Path("/usr/sbin/Orthanc"), Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def delivery(ledger: Ledger, destination: str = "pacs", study: str = STUDY) -> Delivery:
    """The newest delivery of a study to a destination."""
    record = ledger.study(study)
    assert record is not None
    return [one for one in record.deliveries if one.destination == destination][-1]


def plan(ledger: Ledger, number: int, result_id: str, planned: PlannedDelivery, revision: int = 1) -> None:
    """A result of study `number` with one delivery in the outbox."""
    study = f"{STUDY}.{number}"
    ledger.record_instance(header(revision, study), digest(100 * number + revision), "p", at_once)
    claim = ledger.claim_study(LEASE)
    assert claim is not None
    assert claim.study_instance_uid == study
    assert ledger.finish(claim, finding(result_id, revision, study), [planned])


def message(control_id: str, text: str = "Confidently normal") -> bytes:
    segments = (
        f"MSH|^~\\&|TRIAGE||RIS||20261121080005+0000||ORU^R01^ORU_R01|{control_id}|T|2.5.1||||||UNICODE UTF-8",
        "PID|1||P-0001^^^HOSP||Müller^Jane^^^^^L^A||19650101|F",
        "OBR|1||ACC0001|TRI-002^Mammography triage^99MTRIAGE|||20250314093000",
        f"OBX|1|TX|121106^Comment^DCM||{text}||||||P",
    )
    return "".join(f"{segment}\r" for segment in segments).encode()


def acknowledgement(code: str, control_id: str, rest: str = "") -> bytes:
    """A framed ACK; `rest` continues MSA and may hold further segments."""
    text = f"MSH|^~\\&|RIS||TRIAGE||20261121||ACK^R01^ACK|1|P|2.5.1\rMSA|{code}|{control_id}{rest}\r"
    return START + text.encode() + END


class Receiver:
    """An MLLP receiver on the loopback: `behave` gets each connection and the message, and answers as it likes."""

    def __init__(self, port: int = 0) -> None:
        self.behave: Callable[[socket.socket, str], None] = self.accept
        self.received: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = int(self._server.getsockname()[1])
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def ids(self) -> list[str]:
        """The control IDs of what came, in order."""
        return [self.control_id(one) for one in self.received]

    @staticmethod
    def control_id(content: bytes) -> str:
        return content.decode().split("\r")[0].split("|")[9]

    @staticmethod
    def accept(connection: socket.socket, control_id: str) -> None:
        connection.sendall(acknowledgement("AA", control_id))

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                content = b""
                while not content.endswith(END):
                    content += connection.recv(4096)
                self.received.append(content.removeprefix(START).removesuffix(END))
                self.behave(connection, self.control_id(self.received[-1]))

    def close(self) -> None:
        """Ends the receiver; whoever waits in `accept` is woken."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)


@contextmanager
def orthanc(folder: Path, **settings: object) -> Iterator[tuple[str, int]]:
    """Orthanc with DICOMweb and storage commitment: its HTTP address and DICOM port. Skips where it is missing."""
    if not (ORTHANC.is_file() and PLUGIN.exists()):
        pytest.skip("Orthanc is not installed (Debian packages orthanc and orthanc-dicomweb)")
    http, dicom = free_port(), free_port()
    configuration = {
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "Plugins": [str(PLUGIN)],
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "RemoteAccessAllowed": False,
        "DicomServerEnabled": True,
        **settings,
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(configuration))
    with (folder / "orthanc.log").open("wb") as output:
        process = subprocess.Popen([str(ORTHANC), str(file)], stdout=output, stderr=output)
    try:
        until(lambda: _answers(f"http://127.0.0.1:{http}/system"))
        yield f"http://127.0.0.1:{http}", dicom
    finally:
        process.kill()  # a polite end takes it four seconds, and nothing of it is kept
        process.wait()
        shutil.rmtree(folder / "orthanc", ignore_errors=True)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=1):
            return True
    except urllib.error.HTTPError:
        return True  # it asks for a password
    except OSError:
        return False
