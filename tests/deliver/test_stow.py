"""The STOW-RS client against Orthanc, and against a small server that answers whatever PS3.18 allows and more."""

import base64
import json
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from delivery_parts import REPORT, delivery, orthanc
from dicom_samples import free_port, mg_dataset, write
from ledger_samples import Clock
from pydicom import dcmread
from pydicom.uid import generate_uid

from triage.core.errors import ConfigurationError
from triage.deliver.masking import mask_of_object
from triage.deliver.outbox import Outbox
from triage.deliver.sender import DeliveryError, DeliveryRejected, Receipt, Unreachable
from triage.deliver.stow import LONGEST_ANSWER, Stow
from triage.store.ledger import Ledger


def stored(uid: str = REPORT) -> dict[str, object]:
    return {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}}]}}


def failed(reason: int, uid: str = REPORT) -> dict[str, object]:
    item = {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}}
    return {"00081198": {"vr": "SQ", "Value": [item]}}


@dataclass
class Server:
    """A DICOMweb server that keeps what it was asked and gives the answer that the test wants."""

    answer: tuple[int, bytes] = (200, json.dumps(stored()).encode())
    headers: dict[str, str] = field(default_factory=dict)
    path: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append((self.path, dict(self.headers), content))
            status, body = state.answer
            self.send_response(status)
            for name, value in {**state.headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{http.server_address[1]}/dicom-web/"
    yield state
    http.shutdown()
    http.server_close()


def test_the_request_is_one_part_of_multipart_related(server: Server, report: Path) -> None:
    assert Stow(server.url).send(report) is Receipt.SENT
    [(path, headers, content)] = server.requests
    assert path == f"/dicom-web/studies/{dcmread(report).StudyInstanceUID}"
    assert headers["Accept"] == "application/dicom+json"
    assert "Authorization" not in headers
    parsed = BytesParser().parsebytes(f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + content)
    assert parsed.get_content_type() == "multipart/related"
    assert parsed.get_param("type") == "application/dicom"
    [part] = parsed.get_payload()
    assert part.get_content_type() == "application/dicom"
    assert report.read_bytes() in content, "byte for byte"
    boundary = str(parsed.get_param("boundary")).encode()
    assert content.count(b"--" + boundary) == 2
    assert content.endswith(b"\r\n--" + boundary + b"--\r\n")
    assert boundary not in report.read_bytes()


ANSWERS: dict[str, tuple[int, object, type[DeliveryError] | None, str]] = {
    "200": (200, stored(), None, ""),
    "200 in a list": (200, [stored()], None, ""),
    "200 without a body": (200, "", None, ""),
    "200 in another form": (200, "<NativeDicomModel/>", None, ""),
    "200 that lists ours as failed": (200, failed(0xA900), DeliveryRejected, "0xA900"),
    "202 with a warning": (202, stored(), None, ""),
    "202 without ours": (202, {**stored(REPORT), **failed(0xA900, "1.2.3")}, None, ""),
    "202 for good": (202, failed(0xC000), DeliveryRejected, "0xC000"),
    "202 for now": (202, failed(0xA700), DeliveryError, "0xA700"),
    "409 for good": (409, failed(0x0122), DeliveryRejected, "0x0122"),
    "409 for now": (409, failed(0x0110), DeliveryError, "0x0110"),
    "409 since it is there": (409, failed(0x0111), None, ""),
    "409 without a reason": (409, "study is locked", DeliveryRejected, "409 Conflict: study is locked"),
    "400": (400, "bad\r\nboundary", DeliveryRejected, "400 Bad Request: bad boundary"),
    "401": (401, "", DeliveryRejected, "401 Unauthorized"),
    "403": (403, "", DeliveryRejected, "403 Forbidden"),
    "404": (404, "", DeliveryRejected, "404 Not Found"),
    "413": (413, "", DeliveryRejected, "413"),
    "429": (429, "", DeliveryError, "429 Too Many Requests"),
    "500": (500, "", DeliveryError, "500 Internal Server Error"),
    "503": (503, "", Unreachable, "503 Service Unavailable"),
    "204": (204, "", DeliveryRejected, "204 No Content"),
    "garbage": (409, '{"00081198": {"Value": [7]}}', DeliveryRejected, "409"),
    "endless": (200, "x" * (LONGEST_ANSWER + 1), DeliveryError, "longer than"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_each_answer_means(name: str, server: Server, report: Path) -> None:
    status, body, kind, said = ANSWERS[name]
    server.answer = (status, body.encode() if isinstance(body, str) else json.dumps(body).encode())
    if kind is None:
        assert Stow(server.url).send(report) is Receipt.SENT
        return
    with pytest.raises(DeliveryError) as raised:
        Stow(server.url).send(report)
    assert type(raised.value) is kind
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_redirect_is_not_followed(server: Server, report: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("token")
    server.answer, server.headers = (307, b""), {"Location": f"{server.url}elsewhere"}
    with pytest.raises(DeliveryRejected, match="307"):
        Stow(server.url, authorization="bearer", secret_file=secret).send(report)
    assert len(server.requests) == 1


def test_the_secret_is_sent_and_may_change(server: Server, report: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    bearer = Stow(server.url, authorization="bearer", secret_file=secret)
    bearer.send(report)
    secret.write_text("second")
    bearer.send(report)
    secret.write_text("jane:pass:word")
    Stow(server.url, authorization="basic", secret_file=secret).send(report)
    sent = [headers["Authorization"] for _, headers, _ in server.requests]
    assert sent == ["Bearer first", "Bearer second", f"Basic {base64.b64encode(b'jane:pass:word').decode()}"]
    secret.unlink()
    with pytest.raises(OSError, match="No such file"):
        bearer.send(report)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "pacs.example/dicom-web"}, "no address"),
        ({"url": "ftp://pacs.example"}, "no address"),
        ({"url": "https://pacs", "authorization": "basic"}, "secret_file"),
        ({"url": "https://pacs", "secret_file": Path("secret")}, "secret_file"),
        ({"url": "http://pacs", "authorization": "bearer", "secret_file": Path("secret")}, "unprotected"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Stow(**options)  # type: ignore[arg-type]


def test_nobody_there_and_no_proxy_of_the_environment(
    server: Server, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    for variable in ("HTTP_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
    assert Stow(server.url).send(report) is Receipt.SENT
    with pytest.raises(Unreachable, match="Connection refused"):
        Stow(f"http://127.0.0.1:{port}/dicom-web").send(report)


def test_a_certificate_is_verified(server: Server, report: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}"
    subprocess.run([*made.split(), "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    try:
        port = http.server_address[1]
        with pytest.raises(Unreachable, match="certificate verify failed"):
            Stow(f"https://localhost:{port}").send(report)
        with pytest.raises(Unreachable, match="certificate verify failed"):  # right authority, wrong name
            Stow(f"https://127.0.0.1:{port}", certificate).send(report)
        assert seen == [], "nothing is said before the server is known"
        assert Stow(f"https://localhost:{port}", certificate).send(report) is Receipt.SENT
        assert len(seen) == 1
    finally:
        http.shutdown()
        http.server_close()


def test_the_outbox_sends_by_stow(server: Server, ledger: Ledger, clock: Clock) -> None:
    outbox = Outbox(ledger, {"pacs": Stow(server.url)}, clock)
    server.answer = (503, b"")
    assert outbox.deliver_one("pacs")
    server.answer = (202, json.dumps(stored()).encode())
    clock.advance(seconds=5)
    assert outbox.deliver_one("pacs")
    assert delivery(ledger).state == "sent"


def test_orthanc_takes_it_and_asks_for_the_password(tmp_path: Path) -> None:
    ds = mg_dataset(SOPInstanceUID=generate_uid(), StudyInstanceUID=generate_uid())
    report, secret = write(ds, tmp_path), tmp_path / "secret"
    secret.write_text("triage:right")
    users = {"AuthenticationEnabled": True, "RegisteredUsers": {"triage": "right"}}
    with orthanc(tmp_path, **users) as (address, _):
        url = f"{address}/dicom-web"
        with pytest.raises(DeliveryRejected, match="401"):
            Stow(url).send(report)
        client = Stow(url, authorization="basic", secret_file=secret)
        assert client.send(report) is Receipt.SENT
        assert client.send(report) is Receipt.SENT, "once more changes nothing"
        found = ask(f"{address}/tools/find", {"Level": "Instance", "Query": {"SOPInstanceUID": ds.SOPInstanceUID}})
        assert len(found) == 1
        mask = mask_of_object(ds)
        with pytest.raises(DeliveryError, match="0x0110"):  # Orthanc's own reason: the object is of another study
            client._check(*client._post("1.2.3", report.read_bytes(), mask), str(ds.SOPInstanceUID), mask)


def ask(address: str, query: dict[str, object]) -> list[str]:
    login = base64.b64encode(b"triage:right").decode()
    request = urllib.request.Request(address, json.dumps(query).encode(), {"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return list(json.load(answer))
