"""The C-STORE client: what it makes of a peer's answers."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dicom_samples import free_port
from pydicom import Dataset, dcmread
from pydicom.uid import (
    ComprehensiveSRStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom import AE, evt

from triage.deliver.c_store import CStore
from triage.deliver.sender import DeliveryError, DeliveryRejected, Receipt, Unreachable

Peer = Callable[..., CStore]


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Starts a storage SCP that gives the wanted answer, and makes a client for it."""
    servers = []

    def starting(
        answer: int | Dataset | Callable[[object], object] = 0x0000,
        sop_class: str = ComprehensiveSRStorage,
        syntax: str = ExplicitVRLittleEndian,
        title: str = "PACS",
    ) -> CStore:
        ae = AE(ae_title=title)
        ae.require_called_aet = True
        ae.add_supported_context(sop_class, syntax)
        handler = answer if callable(answer) and not isinstance(answer, Dataset) else lambda _event: answer
        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, handler)])
        servers.append(server)
        return CStore("TRIAGE", "PACS", "127.0.0.1", server.server_address[1], 2, 2)

    yield starting
    for server in servers:
        server.shutdown()


def refusal(client: CStore, report: Path) -> str:
    with pytest.raises(DeliveryError) as raised:
        client.send(report)
    return str(raised.value)


@pytest.mark.parametrize("status", [0x0000, 0x0111, 0xB000, 0xB006, 0xB007])
def test_success_warnings_and_an_object_that_is_there_mean_accepted(peer: Peer, report: Path, status: int) -> None:
    assert peer(status).send(report) is Receipt.SENT


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0xA700, DeliveryError),
        (0x0110, DeliveryError),
        (0x0213, DeliveryError),
        (0xA900, DeliveryRejected),
        (0xC123, DeliveryRejected),
        (0x0122, DeliveryRejected),
        (0x0124, DeliveryRejected),
    ],
)
def test_what_will_be_the_same_next_time_is_a_rejection(
    peer: Peer, report: Path, status: int, kind: type[DeliveryError]
) -> None:
    with pytest.raises(DeliveryError) as raised:
        peer(status).send(report)
    assert type(raised.value) is kind


def test_a_peer_that_is_not_there_is_unreachable_and_one_that_does_not_want_us_is_not(peer: Peer, report: Path) -> None:
    with pytest.raises(Unreachable):
        CStore("TRIAGE", "PACS", "127.0.0.1", free_port(), 1, 1).send(report)
    with pytest.raises(DeliveryRejected):
        peer(title="OTHER").send(report)
    with pytest.raises(DeliveryRejected):
        peer(sop_class=DigitalMammographyXRayImageStorageForPresentation).send(report)


def test_a_failure_is_told_with_the_peers_own_status_and_comment(peer: Peer, report: Path) -> None:
    answer = Dataset()
    answer.Status, answer.ErrorComment = 0xA700, "disk full"
    text = refusal(peer(answer), report)
    assert "0xA700" in text
    assert "disk full" in text


def test_a_class_that_the_peer_does_not_take_is_told(peer: Peer, report: Path) -> None:
    text = refusal(peer(sop_class=DigitalMammographyXRayImageStorageForPresentation), report)
    assert "Comprehensive SR" in text
    assert "presentation context" in text


def test_a_rejected_association_is_told(peer: Peer, report: Path) -> None:
    assert "Called AE title not recognised" in refusal(peer(title="OTHER"), report)


def test_an_abort_is_told(peer: Peer, report: Path) -> None:
    def abort(event: object) -> int:
        event.assoc.abort()  # type: ignore[attr-defined]
        return 0x0000

    assert "broke the association off" in refusal(peer(abort), report)


def test_a_peer_that_is_not_there_or_does_not_speak_is_told(report: Path) -> None:
    assert "cannot be reached" in refusal(CStore("TRIAGE", "PACS", "127.0.0.1", free_port(), 1, 1), report)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = CStore("TRIAGE", "PACS", "127.0.0.1", silent.getsockname()[1], 1, 1)
        assert "PACS@127.0.0.1" in refusal(client, report)


def test_a_peer_of_implicit_vr_gets_implicit_vr(peer: Peer, report: Path, tmp_path: Path) -> None:
    received = []

    def keep(event: object) -> int:
        received.append(event.encoded_dataset())  # type: ignore[attr-defined]
        return 0x0000

    from pynetdicom import _config

    chunked, _config.STORE_RECV_CHUNKED_DATASET = _config.STORE_RECV_CHUNKED_DATASET, False
    try:
        peer(keep, syntax=ImplicitVRLittleEndian).send(report)
    finally:
        _config.STORE_RECV_CHUNKED_DATASET = chunked
    file = tmp_path / "received.dcm"
    file.write_bytes(received[0])
    assert dcmread(file).file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert dcmread(file).SOPInstanceUID == dcmread(report).SOPInstanceUID
