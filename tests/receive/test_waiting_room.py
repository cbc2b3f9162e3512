"""Connections that say nothing, half a thing or something else: they go, and hold up nobody."""

import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from certificates import Authority, Identity
from dicom_samples import dcmtk
from pynetdicom import AE
from pynetdicom.sop_class import Verification
from receive_parts import DUE, Service, start

from triage.core.tls import TlsFiles
from triage.receive.admission import Admission
from triage.receive.request import LONGEST_FAREWELL
from triage.receive.scp import Listener, TlsPort
from triage.receive.waiting_room import Room
from triage.store.blobs import Blobs
from triage.store.ledger import Ledger

GOODBYE = bytes.fromhex("07000000000400000000")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Authority(tmp_path_factory.mktemp("authority"), "hospital").identity("triage")


@pytest.fixture(scope="module")
def impatient(listen_on: Callable[[Listener], Service], identity: Identity) -> Service:
    """A listener that waits for one second, with and without TLS."""
    tls = TlsPort(identity.certificate, identity.key, identity.authority, port=0)
    return listen_on(Listener(port=0, tls=tls, room=Room(seconds=1.0)))


@pytest.fixture
def connect() -> Iterator[Callable[..., socket.socket]]:
    """Opens connections that say nothing."""
    with ExitStack() as stack:

        def connecting(port: int, source: str = "127.0.0.1") -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", port), 5, source_address=(source, 0))
            return stack.enter_context(connection)

        yield connecting


def echo(port: int, *options: str) -> subprocess.CompletedProcess[str]:
    return dcmtk("echoscu", "-aec", "TRIAGE", *options, "127.0.0.1", str(port), timeout=10)


def request() -> bytes:
    """The association request that pynetdicom would send."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        ae = AE(ae_title="PACS")
        ae.acse_timeout = 1
        ae.add_requested_context(Verification)
        port = listening.getsockname()[1]
        caller = threading.Thread(target=ae.associate, args=("127.0.0.1", port), kwargs={"ae_title": "TRIAGE"})
        caller.start()
        connection, _ = listening.accept()
        with connection:
            sent = connection.recv(65536)
        caller.join()
    assert sent[0] == 1
    return sent


def test_crowds_of_silent_connections_hold_up_nobody(
    listen: Callable[..., Service], identity: Identity, connect: Callable[..., socket.socket]
) -> None:
    tls = TlsPort(identity.certificate, identity.key, identity.authority, port=0)
    service = listen(listener=Listener(port=0, tls=tls))
    silent = [connect(service.port, f"127.0.0.{2 + number % 5}") for number in range(200)]
    silent += [connect(service.tls_port) for _ in range(5)]
    for port, options in ((service.port, ()), (service.tls_port, identity.dcmtk())):
        started = time.monotonic()
        assert echo(port, *options).returncode == 0
        assert time.monotonic() - started < 1
    assert len(service.server.room) == len(silent)
    used = os.times()
    time.sleep(0.3)
    assert sum(os.times()[:2]) - sum(used[:2]) < 0.15, "those who wait cost nothing"
    silent += [connect(service.port) for _ in range(100)]
    assert echo(service.port).returncode == 0
    assert 200 < len(service.server.room) <= 200 + Room().places_for_one_host


def test_silence_and_half_a_request_end_in_time(
    impatient: Service, identity: Identity, connect: Callable[..., socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    silent, half, no_handshake = connect(impatient.port), connect(impatient.port), connect(impatient.tls_port)
    context = TlsFiles(identity.certificate, identity.key, identity.authority).client_context()
    shaken = context.wrap_socket(connect(impatient.tls_port), server_hostname="localhost")
    whole, started = request(), time.monotonic()
    half.send(whole[:100])
    shaken.send(whole[:5])
    for connection in (silent, half, no_handshake, shaken):
        try:
            assert connection.recv(100) == b""
        except ConnectionResetError:
            assert connection in (half, shaken)
    assert time.monotonic() - started < 3
    assert not impatient.server.plain.active_associations  # type: ignore[union-attr]
    time.sleep(0.1)
    assert "dicom-refused silent from 127.0.0.1" in caplog.text
    assert echo(impatient.port).returncode == 0
    assert len(impatient.server.room) == 0


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_request_in_small_pieces_is_one(
    impatient: Service, identity: Identity, connect: Callable[..., socket.socket], encrypted: bool
) -> None:
    connection = connect(impatient.tls_port if encrypted else impatient.port)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if encrypted:
        context = TlsFiles(identity.certificate, identity.key, identity.authority).client_context()
        connection = context.wrap_socket(connection, server_hostname="localhost")
    whole = request()
    for piece in (whole[:1], whole[1:6], whole[6:50], whole[50:]):
        connection.send(piece)
        time.sleep(0.02)
    assert connection.recv(6)[0] == 2, "A-ASSOCIATE-AC"


@pytest.mark.parametrize(
    "said",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x04" + bytes(60), b"\x01\0\xff\xff\xff\xff" + bytes(60), b"\1\0\0\0\0\4\0\1\0\0"],
)
def test_what_is_no_association_request_is_aborted(
    impatient: Service, connect: Callable[..., socket.socket], said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    connection = connect(impatient.port)
    connection.sendall(said)
    assert connection.recv(100) == GOODBYE
    assert connection.recv(100) == b""
    assert "dicom-refused not-dicom from 127.0.0.1" in caplog.text
    assert "HTTP" not in caplog.text


def test_a_flood_after_a_refusal_is_cut_off(impatient: Service, connect: Callable[..., socket.socket]) -> None:
    connection = connect(impatient.port)
    connection.send(b"\x04" + bytes(60))
    with pytest.raises(OSError, match="reset|pipe"):
        connection.sendall(bytes(50 * LONGEST_FAREWELL))


def test_the_longest_waiting_go_first(
    listen: Callable[..., Service], connect: Callable[..., socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    service = listen(listener=Listener(port=0, room=Room(places=3, places_for_one_host=2)))
    first, second, third = (connect(service.port) for _ in range(3))
    assert first.recv(1) == b""
    elsewhere = [connect(service.port, f"127.0.0.{number}") for number in (2, 3)]
    assert second.recv(1) == b"", "of the host with the most"
    for one in (third, *elsewhere):
        one.settimeout(0.1)
        with pytest.raises(TimeoutError):
            one.recv(1)
    time.sleep(1.2)
    assert "dicom-refused too-many from 127.0.0.1" in caplog.text


def test_an_error_in_the_judgement_lets_nobody_in(
    listen: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = listen()
    with monkeypatch.context() as patch:
        patch.setattr(Admission, "refusal", lambda *_: 1 / 0)
        assert echo(service.port).returncode != 0
    assert "a connection was dropped: ZeroDivisionError" in caplog.text
    assert echo(service.port).returncode == 0


def test_connections_that_wait_end_with_the_listener(
    ledger: Ledger, tmp_path: Path, connect: Callable[..., socket.socket]
) -> None:
    service = start(Blobs(tmp_path), ledger, DUE, Listener(port=0))
    waiting = connect(service.port)
    time.sleep(0.05)
    service.server.shutdown()
    assert waiting.recv(1) == b""


def test_a_connection_reset_at_once_is_nobody(
    impatient: Service, connect: Callable[..., socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for port in (impatient.port, impatient.tls_port):
            connection = connect(port)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        assert echo(impatient.port).returncode == 0
    assert "Error" not in caplog.text
