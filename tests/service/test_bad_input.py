"""Whatever arrives, the worklist shows a coded state, nothing is lost, and the service goes on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, generate_uid
from pynetdicom import AE
from running_service import Service

MG = "1.2.840.10008.5.1.4.1.1.1.2"


def truncated_pixels(ds: pydicom.Dataset) -> None:
    ds.PixelData = ds.PixelData[: len(ds.PixelData) // 3 * 2 // 2 * 2]


def corrupt_codestream(ds: pydicom.Dataset) -> None:
    garbage = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    ds.PixelData = encapsulate([garbage])
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless


def no_pixels(ds: pydicom.Dataset) -> None:
    ds.PixelData = b""


def no_view(ds: pydicom.Dataset) -> None:
    del ds.ViewCodeSequence
    del ds.ViewPosition


def no_laterality(ds: pydicom.Dataset) -> None:
    del ds.ImageLaterality


def wrong_modality(ds: pydicom.Dataset) -> None:
    ds.Modality = "CT"


def zero_size(ds: pydicom.Dataset) -> None:
    ds.Rows = 0


def blank(ds: pydicom.Dataset) -> None:
    ds.PixelData = bytes(len(ds.PixelData))


CASES: list[tuple[Callable[[pydicom.Dataset], None], set[str]]] = [
    (truncated_pixels, {"truncated"}),
    (corrupt_codestream, {"undecodable"}),
    (no_pixels, {"truncated", "undecodable"}),
    (no_view, {"view-unknown"}),
    (no_laterality, {"laterality-unknown"}),
    (wrong_modality, {"modality-not-mg"}),
    (zero_size, {"size-unexpected"}),
    (blank, {"blank-image"}),
]


def spoiled(files: list[Path], spoil: Callable[[pydicom.Dataset], None]) -> list[pydicom.Dataset]:
    """The exam as a new study, its first view spoiled."""
    study, read = generate_uid(), [pydicom.dcmread(file) for file in files]
    for ds in read:
        ds.StudyInstanceUID, ds.SOPInstanceUID = study, generate_uid()
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    spoil(read[0])
    return read


def store(service: Service, datasets: list[pydicom.Dataset]) -> list[int]:
    """Statuses of C-STORE from a sender that does not look at what it sends."""
    ae = AE("MODALITY")
    for syntax in {ds.file_meta.TransferSyntaxUID for ds in datasets}:
        ae.add_requested_context(MG, syntax)
    association = ae.associate("127.0.0.1", service.dicom_port, ae_title="TRIAGE")
    assert association.is_established
    statuses = [association.send_c_store(ds).Status for ds in datasets]
    association.release()
    return statuses


@pytest.mark.parametrize(("spoil", "codes"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_spoiled_view_is_named(
    service: Service, exams: list[list[Path]], spoil: Callable[[pydicom.Dataset], None], codes: set[str]
) -> None:
    datasets = spoiled(exams[3], spoil)
    assert store(service, datasets) == [0, 0, 0, 0]
    study = service.finished(str(datasets[0].StudyInstanceUID), revision=4)
    assert study["outcome"] == "not_evaluated"
    assert codes & {found["code"] for found in study["reasons"]}
    assert not any(image["flagged"] for image in study["images"])
    assert len(study["images"]) == 4
    assert service.delivered(str(datasets[0].StudyInstanceUID))
    assert service.get("health")["status"] == "ok"


def test_a_study_without_its_uid_is_kept_and_shown(service: Service, exams: list[list[Path]]) -> None:
    [ds, *_] = spoiled(exams[3], lambda _: None)
    del ds.StudyInstanceUID
    assert store(service, [ds]) == [0]

    def shown() -> bool:
        rows = service.get("worklist?limit=200")["studies"]
        return any(row["outcome"] == "not_evaluated" and "StudyInstanceUID" in str(row["reasons"]) for row in rows)

    service.until(shown, "the study without a UID to be shown")


def test_a_pacs_that_is_down_gets_its_report_later(service: Service, exams: list[list[Path]]) -> None:
    datasets = spoiled(exams[4], lambda _: None)
    uid = str(datasets[0].StudyInstanceUID)
    service.pacs.stop()
    store(service, datasets)
    study = service.finished(uid, revision=4)
    service.until(lambda: bool(service.get(f"studies/{uid}")["deliveries"][0]["last_error"]), "a failed attempt")
    assert service.get(f"studies/{uid}")["deliveries"][0]["state"] == "pending"
    service.pacs.start()
    assert len(service.delivered(uid)) == 1
    assert study["outcome"] in ("confidently_normal", "not_flagged")


def test_changed_bytes_under_the_same_uid_are_judged_again(service: Service, exams: list[list[Path]]) -> None:
    datasets = spoiled(exams[4], lambda _: None)
    uid = str(datasets[0].StudyInstanceUID)
    store(service, datasets)
    before = service.finished(uid, revision=4)
    datasets[0].BreastImplantPresent = "YES"
    assert store(service, datasets[:1]) == [0]
    after = service.finished(uid, revision=before["revision"] + 1)
    assert after["outcome"] == "not_evaluated"
    assert "implant" in {found["code"] for found in after["reasons"]}
    assert len(after["images"]) == 4
