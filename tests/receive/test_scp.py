"""The Storage SCP as DCMTK's storescu and echoscu see it."""

import logging
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dicom_samples import dcmtk, four_datasets, mg_dataset, write
from mg_headers import STUDY
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import (
    JPEG2000,
    ComprehensiveSRStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import AE
from receive_parts import SUCCESS, Service, is_intact

from triage.core.errors import ConfigurationError
from triage.core.finding import State
from triage.receive.scp import Listener


def echo(port: int, called: str = "TRIAGE") -> bool:
    return dcmtk("echoscu", "-aec", called, "127.0.0.1", str(port)).returncode == 0


def test_echo_by_our_title_only(service: Service) -> None:
    assert echo(service.port)
    assert not echo(service.port, "OTHER")


def test_four_views_are_kept_and_ready(service: Service, tmp_path: Path) -> None:
    datasets = four_datasets()
    assert service.send(*(write(ds, tmp_path) for ds in datasets)) == [SUCCESS] * 4
    record = service.ledger.study(STUDY)
    assert record is not None
    assert record.row.state is State.READY
    assert record.row.patient_id == "P-0001"
    assert all(is_intact(one) for one in record.instances)
    assert len(service.files()) == 4, "nothing but the four images"
    kept = {one.header.sop_instance_uid: dcmread(one.path) for one in record.instances}
    for ds in datasets:
        assert kept[ds.SOPInstanceUID].PixelData == ds.PixelData
        assert kept[ds.SOPInstanceUID].file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_a_study_over_two_associations_at_once_is_one_study(service: Service, tmp_path: Path) -> None:
    files = [write(ds, tmp_path) for ds in four_datasets()]
    with ThreadPoolExecutor(2) as pool:
        sent = list(pool.map(lambda part: service.send(*part), (files[:2], files[2:])))
    assert sent == [[SUCCESS] * 2] * 2
    record = service.ledger.study(STUDY)
    assert record is not None
    assert (record.row.rev, record.row.state, len(record.instances)) == (4, State.READY, 4)


def test_three_views_wait(service: Service, tmp_path: Path) -> None:
    service.send(*(write(ds, tmp_path) for ds in four_datasets()[:3]))
    assert service.ledger.study(STUDY).row.state is State.RECEIVING  # type: ignore[union-attr]


def test_resending_is_a_success_and_changes_nothing(service: Service, tmp_path: Path) -> None:
    file = write(mg_dataset(), tmp_path)
    assert service.send(file) == [SUCCESS]
    before = service.ledger.study(STUDY)
    assert service.send(file) == [SUCCESS]
    assert service.ledger.study(STUDY) == before
    assert len(service.files()) == 1


def test_other_bytes_under_the_same_uid_are_both_kept(service: Service, tmp_path: Path) -> None:
    first, second = mg_dataset(), mg_dataset(ImageComments="sent again with another header")
    service.send(write(first, tmp_path, "first"), write(second, tmp_path, "second"))
    record = service.ledger.study(STUDY)
    assert record is not None
    assert record.row.rev == 2
    [current] = record.instances
    assert dcmread(current.path).ImageComments == second.ImageComments
    assert len(service.files()) == 2


def test_a_compressed_image_is_kept_as_it_came(service: Service, tmp_path: Path) -> None:
    ds = mg_dataset()
    pixels = ds.PixelData
    ds.compress(RLELossless)
    assert service.send(write(ds, tmp_path), options=("-xr",)) == [SUCCESS]
    [stored] = service.ledger.instances(STUDY)
    assert stored.header.transfer_syntax_uid == RLELossless
    assert is_intact(stored)
    assert dcmread(stored.path).pixel_array.tobytes() == pixels


def test_the_best_offered_transfer_syntax_is_taken(service: Service) -> None:
    for offered, taken in (
        ([JPEG2000, JPEGLSLossless, ImplicitVRLittleEndian, ExplicitVRLittleEndian], ExplicitVRLittleEndian),
        ([JPEG2000, JPEG2000Lossless], JPEG2000Lossless),
        ([JPEG2000], JPEG2000),
    ):
        ae = AE()
        ae.add_requested_context(DigitalMammographyXRayImageStorageForPresentation, offered)
        association = ae.associate("127.0.0.1", service.port, ae_title="TRIAGE")
        assert [context.transfer_syntax[0] for context in association.accepted_contexts] == [taken]
        association.release()


def test_reports_are_acknowledged_and_not_kept(service: Service, tmp_path: Path) -> None:
    report = mg_dataset(SOPClassUID=ComprehensiveSRStorage, PixelData=None)
    assert service.send(write(report, tmp_path)) == [SUCCESS]
    assert service.files() == []
    assert service.ledger.study(STUDY) is None


def test_an_image_without_a_study_is_kept_and_shown(service: Service, tmp_path: Path) -> None:
    assert service.send(write(mg_dataset(StudyInstanceUID=None), tmp_path)) == [SUCCESS]
    [row], _ = service.ledger.worklist()
    assert row.study_instance_uid.startswith("2.25.")
    [stored] = service.ledger.instances(row.study_instance_uid)
    assert stored.header.analysable
    assert not stored.header.eligible
    [found] = [one for one in stored.header.reasons if one.code == "undecodable"]
    assert "StudyInstanceUID" in found.text


def test_silent_clients_hold_up_nobody(service: Service) -> None:
    silent = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(20)]
    started = time.monotonic()
    assert echo(service.port)
    assert time.monotonic() - started < 2
    for one in silent:
        one.close()


def test_logs_name_no_patient(service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        service.send(write(mg_dataset(), tmp_path), write(mg_dataset(number=2, StudyInstanceUID=None), tmp_path))
        odd = mg_dataset(number=3)
        odd.add(RawDataElement(Tag("PatientBirthDate"), "DA", 8, b"not-1965", 0, False, True))
        service.send(write(odd, tmp_path))
    assert STUDY in caplog.text
    assert "not-1965" not in caplog.text
    assert "Jane" not in caplog.text
    assert "P-0001" not in caplog.text


def test_a_listener_that_cannot_have_its_port_says_so(service: Service, listen: Callable[..., Service]) -> None:
    from receive_parts import start

    with pytest.raises(ConfigurationError, match="in use"):
        start(service.blobs, service.ledger, lambda *_: None, Listener(port=service.port))  # type: ignore[arg-type, return-value]
