"""The port with TLS as DCMTK sees it: who gets in, and that who does not is told so soon and harms nobody."""

import logging
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest
from certificates import Authority, Identity
from dicom_samples import dcmtk, four_datasets, write
from mg_headers import STUDY
from receive_parts import SUCCESS, Service, send

from triage.core.errors import ConfigurationError
from triage.core.tls import TlsFiles
from triage.receive.admission import Admission, Sender
from triage.receive.scp import Listener, TlsPort

HERE, ELSEWHERE = (ip_network("127.0.0.0/8"),), (ip_network("192.0.2.0/24"),)


@dataclass(frozen=True)
class Hospital:
    """Who is who: `pacs` and `other` are vouched for by our authority, `stranger` by its own."""

    server: Identity
    pacs: Identity
    other: Identity
    expired: Identity
    stranger: Identity


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    ours = Authority(tmp_path_factory.mktemp("ours"), "hospital")
    theirs = Authority(tmp_path_factory.mktemp("theirs"), "elsewhere")
    return Hospital(
        ours.identity("triage"),
        ours.identity("pacs"),
        ours.identity("other"),
        ours.identity("expired", days=-1),
        theirs.identity("stranger"),
    )


def tls_listener(hospital: Hospital, *senders: Sender, plain: bool = False) -> Listener:
    files = hospital.server
    tls = TlsPort(files.certificate, files.key, files.authority, port=0)
    return Listener(port=0, plain=plain, tls=tls, admission=Admission(senders))


def fingerprint(identity: Identity) -> str:
    return identity.sha256.rpartition("=")[2].replace(":", "").lower()


@pytest.fixture(scope="module")
def guarded(hospital: Hospital, listen_on: Callable[[Listener], Service]) -> Service:
    """A listener for PACS with its certificate, WARD by a name and GUEST from another network."""
    senders = (
        Sender("PACS", HERE, certificate_sha256=fingerprint(hospital.pacs)),
        Sender("WARD", HERE, certificate_name="Other"),
        Sender("GUEST", ELSEWHERE),
    )
    return listen_on(tls_listener(hospital, *senders, plain=True))


def echo(port: int, title: str, *options: str) -> subprocess.CompletedProcess[str]:
    """An echoscu within ten seconds."""
    command = ("echoscu", "-v", "-to", "9", "-ta", "9", "-aet", title, "-aec", "TRIAGE", *options)
    return dcmtk(*command, "127.0.0.1", str(port), timeout=10)


def test_a_study_comes_in_over_tls(hospital: Hospital, listen: Callable[..., Service], tmp_path: Path) -> None:
    service = listen(listener=tls_listener(hospital, Sender("PACS", certificate_name="pacs")))
    files = [write(ds, tmp_path) for ds in four_datasets()]
    options = ("-aet", "PACS", *hospital.pacs.dcmtk())
    assert send(service.tls_port, *files, options=options) == [SUCCESS] * 4
    assert len(service.ledger.instances(STUDY)) == 4
    assert service.server.port is None, "the plain port is off"


@pytest.mark.parametrize(("title", "name"), [("PACS", "pacs"), ("WARD", "other")])
def test_the_bound_certificate_opens(guarded: Service, hospital: Hospital, title: str, name: str) -> None:
    identity: Identity = getattr(hospital, name)
    assert echo(guarded.tls_port, title, *identity.dcmtk()).returncode == 0


@pytest.mark.parametrize(
    ("title", "name", "cause"),
    [
        ("PACS", "other", "wrong-certificate"),
        ("WARD", "pacs", "wrong-certificate"),
        ("NOBODY", "pacs", "unknown-title"),
        ("GUEST", "pacs", "wrong-address"),
    ],
)
def test_a_title_that_is_not_the_peers_own_is_rejected(
    guarded: Service, hospital: Hospital, title: str, name: str, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    identity: Identity = getattr(hospital, name)
    done = echo(guarded.tls_port, title, *identity.dcmtk())
    assert done.returncode != 0
    assert "Result: Rejected Permanent, Source: Service User" in done.stdout + done.stderr
    assert "Reason: Calling AE Title Not Recognized" in done.stdout + done.stderr
    assert f"dicom-refused {cause} from 127.0.0.1" in caplog.text
    assert echo(guarded.tls_port, "PACS", *hospital.pacs.dcmtk()).returncode == 0


def test_a_sender_bound_to_a_certificate_may_not_come_without_tls(
    guarded: Service, caplog: pytest.LogCaptureFixture
) -> None:
    done = echo(guarded.port, "PACS")
    assert "Reason: Calling AE Title Not Recognized" in done.stdout + done.stderr
    assert "dicom-refused no-certificate from 127.0.0.1: as 'PACS'" in caplog.text


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("expired", "certificate has expired"),
        ("stranger", "unable to get local issuer certificate"),
        ("", "peer did not return a certificate"),
        ("plain", "wrong version number"),
    ],
)
def test_who_has_no_valid_certificate_gets_no_association(
    guarded: Service, hospital: Hospital, name: str, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    ways = {
        "expired": hospital.expired.dcmtk(),
        "stranger": hospital.stranger.dcmtk(hospital.server.authority),
        "": ("+tla", "+cf", str(hospital.server.authority)),
        "plain": (),
    }
    with caplog.at_level(logging.WARNING):
        assert echo(guarded.tls_port, "PACS", *ways[name]).returncode != 0
        for _ in range(50):
            if "tls-failed" in caplog.text:
                break
            time.sleep(0.02)
    assert f"dicom-refused tls-failed from 127.0.0.1: {cause}" in caplog.text
    assert echo(guarded.tls_port, "PACS", *hospital.pacs.dcmtk()).returncode == 0


@pytest.mark.parametrize(
    ("version", "name"),
    [(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-GCM-SHA384"), (ssl.TLSVersion.TLSv1_3, "TLS_AES_256_GCM_SHA384")],
)
def test_modern_versions_and_ciphers_only(
    guarded: Service, hospital: Hospital, version: ssl.TLSVersion, name: str
) -> None:
    files = hospital.pacs
    context = TlsFiles(files.certificate, files.key, files.authority).client_context()
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", guarded.tls_port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as encrypted,
    ):
        assert encrypted.cipher()[0] == name  # type: ignore[index]
    for refused in ("AES256-SHA", "ECDHE-ECDSA-AES256-SHA"):
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_cert_chain(files.certificate, files.key)
        old.load_verify_locations(files.authority)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.set_ciphers(refused)
        with socket.create_connection(("127.0.0.1", guarded.tls_port)) as plain, pytest.raises(ssl.SSLError):
            old.wrap_socket(plain, server_hostname="127.0.0.1")


def test_files_that_cannot_be_used_are_named(hospital: Hospital, tmp_path: Path) -> None:
    server, pacs, empty = hospital.server, hospital.pacs, tmp_path / "empty"
    empty.touch()
    for files, said in (
        (TlsFiles(tmp_path / "none", server.key, server.authority), r"tls\.cert_file: cannot read .*none"),
        (TlsFiles(server.certificate, pacs.key, server.authority), "no certificate and its key"),
        (TlsFiles(server.certificate, server.key, empty), r"tls\.ca_file: .*empty holds no certificate"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            files.server_context()
