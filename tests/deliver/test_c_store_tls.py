"""Deliveries over TLS to DCMTK's storescp, and to peers that are not who they should be."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from certificates import Authority, Identity
from dicom_samples import dcmtk, free_port

from triage.core.errors import ConfigurationError
from triage.deliver.c_store import CStore
from triage.deliver.peer_tls import PeerTls
from triage.deliver.sender import Receipt, Unreachable


@dataclass(frozen=True)
class Peers:
    """We and the PACS are vouched for by one authority, the stranger by another."""

    triage: Identity
    pacs: Identity
    stranger: Identity

    def tls(self, sha256: str = "", identity: Identity | None = None) -> PeerTls:
        ours = identity or self.triage
        return PeerTls(ours.certificate, ours.key, self.pacs.authority, sha256)


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Peers:
    ours = Authority(tmp_path_factory.mktemp("ours"), "hospital")
    theirs = Authority(tmp_path_factory.mktemp("theirs"), "elsewhere")
    return Peers(ours.identity("triage"), ours.identity("pacs"), theirs.identity("stranger"))


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Starts storescp and tells its port; what it takes lies in `taken`."""
    with ExitStack() as stack:

        def starting(*options: str) -> int:
            if shutil.which("storescp") is None:
                pytest.skip("storescp of DCMTK is not installed (Debian package dcmtk)")
            port, folder = free_port(), tmp_path / "taken"
            folder.mkdir()
            process = subprocess.Popen(
                ["storescp", "-aet", "PACS", "-od", folder, *options, str(port)], stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            for _ in range(200):
                if dcmtk("echoscu", "-aec", "PACS", *options, "127.0.0.1", str(port)).returncode == 0:
                    return port
                time.sleep(0.05)
            raise AssertionError("storescp does not answer")

        yield starting


def client(port: int, tls: PeerTls | None, host: str = "127.0.0.1") -> CStore:
    return CStore("TRIAGE", "PACS", host, port, 3, 3, tls=tls)


def test_a_report_arrives_over_tls(peers: Peers, storescp: Callable[..., int], report: Path, tmp_path: Path) -> None:
    port = storescp(*peers.pacs.dcmtk())
    fingerprint = peers.pacs.sha256.rpartition("=")[2].replace(":", "").lower()
    assert client(port, peers.tls(), "localhost").send(report) is Receipt.SENT
    assert client(port, peers.tls(fingerprint)).send(report) is Receipt.SENT
    assert len(list((tmp_path / "taken").iterdir())) == 1
    with pytest.raises(Unreachable, match="no TLS with it: another certificate than the one of certificate_sha256"):
        client(port, peers.tls("00" * 32)).send(report)
    with pytest.raises(Unreachable, match="does not take our certificate"):
        client(port, peers.tls(identity=peers.stranger)).send(report)
    with pytest.raises(Unreachable, match="cannot be reached"):
        client(port, None).send(report)


def test_a_peer_without_the_right_certificate_gets_nothing(
    peers: Peers, storescp: Callable[..., int], report: Path, tmp_path: Path
) -> None:
    port = storescp(*peers.stranger.dcmtk(), "-ic")
    with pytest.raises(Unreachable, match=r"PACS@127\.0\.0\.1:\d+: no TLS with it: self-signed certificate in cert"):
        client(port, peers.tls()).send(report)
    assert list((tmp_path / "taken").iterdir()) == []


def test_the_certificate_must_name_the_host(peers: Peers, storescp: Callable[..., int], report: Path) -> None:
    port = storescp(*peers.pacs.dcmtk())
    with pytest.raises(Unreachable, match="certificate is not valid for '127.1'"):
        client(port, peers.tls(), "127.1").send(report)


def test_a_peer_that_speaks_no_tls_is_told(peers: Peers, storescp: Callable[..., int], report: Path) -> None:
    with pytest.raises(Unreachable, match="no TLS with it"):
        client(storescp(), peers.tls()).send(report)


def test_files_are_checked_at_the_start_and_may_be_replaced(peers: Peers, report: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"tls\.ca_file: cannot read"):
        client(1, replace(peers.tls(), ca_file=tmp_path / "none"))
    moved = tmp_path / "moved.crt"
    shutil.copy(peers.triage.certificate, moved)
    made = client(free_port(), replace(peers.tls(), cert_file=moved))
    moved.unlink()
    with pytest.raises(Unreachable, match=r"tls\.cert_file: cannot read"):
        made.send(report)
