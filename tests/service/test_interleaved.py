"""Many studies at once, their images mixed over several associations: each ends in one current result."""

import os
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid
from pynetdicom import AE
from running_service import Service, require
from tiny_bundle import make_bundle

from training.phantom.study import write_exams
from triage.accept.header_rules import describe
from triage.core.strata import stratum_of

STUDIES = int(os.environ.get("TRIAGE_TEST_STUDIES", "12"))
"""100 show what the benchmark machines take; 12 show the same things in seconds."""
ASSOCIATIONS = 8
MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"


@dataclass(frozen=True)
class Sent:
    """One study: the images that it must end with, and the one among them that comes after its first result."""

    uid: str
    images: list[pydicom.Dataset]
    late: pydicom.Dataset | None


def tiny(ds: pydicom.Dataset) -> pydicom.Dataset:
    """Every second pixel: the least that is still taken for a mammogram."""
    pixels = np.ascontiguousarray(ds.pixel_array[::2, ::2])
    ds.PixelData, (ds.Rows, ds.Columns) = pixels.tobytes(), pixels.shape
    return ds


def copy_of(ds: pydicom.Dataset, study: str) -> pydicom.Dataset:
    """The image as one of another study."""
    made = deepcopy(ds)
    made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID = study, generate_uid(), generate_uid()
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> list[pydicom.Dataset]:
    """The four views of a phantom."""
    out = tmp_path_factory.mktemp("phantom")
    write_exams(out, 1, seed=4711)
    return [tiny(pydicom.dcmread(file)) for file in sorted(out.rglob("*.dcm"))]


@pytest.fixture(scope="module")
def studies(views: list[pydicom.Dataset]) -> list[Sent]:
    """Studies of four views; every third one gets a repeat of a view when its result is there already."""
    made = []
    for number in range(STUDIES):
        uid = str(generate_uid())
        images = [copy_of(ds, uid) for ds in views]
        late = copy_of(views[number % 4], uid) if number % 3 == 0 else None
        made.append(Sent(uid, [*images, *([late] if late else [])], late))
    return made


def send(port: int, part: list[pydicom.Dataset]) -> set[int]:
    """Statuses of C-STORE over one association.

    As a PACS does, what was not answered goes again on a new one: where threads wait for the processor, the requestor
    of pynetdicom (3.0) now and then takes an answer for an unexpected message and drops it.
    """
    ae = AE(f"MODALITY{port % 10}")
    ae.dimse_timeout = 10
    ae.add_requested_context(MAMMOGRAM, part[0].file_meta.TransferSyntaxUID)
    statuses, left = set(), list(part)
    for _ in range(5):
        association = ae.associate("127.0.0.1", port, ae_title="TRIAGE")
        assert association.is_established, "rejected" if association.is_rejected else "aborted"
        while left and association.is_established and "Status" in (answer := association.send_c_store(left[-1])):
            statuses.add(int(answer.Status))
            left.pop()
        if not left:
            association.release()
            return statuses
    raise AssertionError(f"{len(left)} images were never answered")


def send_mixed(port: int, images: list[pydicom.Dataset], chance: random.Random) -> None:
    """All images in random order over `ASSOCIATIONS` at once; each must be acknowledged."""
    chance.shuffle(images)
    parts = [images[one::ASSOCIATIONS] for one in range(ASSOCIATIONS) if images[one::ASSOCIATIONS]]
    with ThreadPoolExecutor(ASSOCIATIONS) as pool:
        assert set().union(*pool.map(lambda part: send(port, part), parts)) == {0}


@pytest.fixture(scope="module")
def answered(studies: list[Sent], views: list[pydicom.Dataset], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The service with all reports in its PACS, and what it says of each study before and after its late image."""
    require("storescp")
    folder, chance = tmp_path_factory.mktemp("interleaved"), random.Random(20261121)
    header = describe(views[0], str(views[0].file_meta.TransferSyntaxUID))
    bundle = make_bundle(folder / "bundle", strata=[stratum_of(header.attributes, "", "")])
    service = Service(folder, str(bundle))
    service.pacs.start()
    service.start()
    try:
        early = [ds for study in studies for ds in study.images if ds is not study.late]
        send_mixed(service.dicom_port, early + chance.sample(early, len(early) // 4), chance)
        first = {study.uid: service.finished(study.uid, revision=4) for study in studies}
        for study in studies:
            service.delivered(study.uid)
        duplicates = chance.sample(early, len(early) // 4)
        send_mixed(service.dicom_port, duplicates + [study.late for study in studies if study.late], chance)
        last = {study.uid: service.finished(study.uid, revision=5 if study.late else 4) for study in studies}
        for study in studies:
            current(service, study.uid)
        yield service, first, last
    finally:
        if service.process is not None:
            service.stop()
        service.pacs.stop()


def current(service: Service, uid: str) -> str:
    """The SOP Instance UID of the report in force, once the PACS has it."""

    def sent() -> list[str]:
        deliveries = service.get(f"studies/{uid}").get("deliveries", [])  # none if the pages were too busy to answer
        return [one["sop_instance_uid"] for one in deliveries if one["of_current_result"] and one["state"] == "sent"]

    newest: list[str] = []

    def found() -> bool:
        newest[:] = sent()
        return bool(newest)

    service.until(found, "the current report to be sent")
    [one] = newest
    return str(one)


def test_nothing_is_lost_and_nothing_is_doubled(answered: Any, studies: list[Sent]) -> None:
    service, _, last = answered
    for study in studies:
        assert {one["sop_instance_uid"] for one in last[study.uid]["images"]} == {
            str(ds.SOPInstanceUID) for ds in study.images
        }
        assert last[study.uid]["state"] == "done"
        assert last[study.uid]["revision"] == len(study.images), "a duplicate is no new revision"
    with sqlite3.connect(service.folder / "home" / "triage.db") as connection:
        rows = connection.execute("SELECT sop_instance_uid, path FROM instance WHERE NOT superseded").fetchall()
    assert sorted(uid for uid, _ in rows) == sorted(str(ds.SOPInstanceUID) for one in studies for ds in one.images)
    assert all(Path(path).is_file() for _, path in rows)
    assert len(service.get(f"worklist?limit={STUDIES + 10}")["studies"]) == STUDIES


def test_each_study_has_one_current_result(answered: Any, studies: list[Sent]) -> None:
    _, first, last = answered
    for study in studies:
        results = {one["result_id"] for one in last[study.uid]["deliveries"] if one["of_current_result"]}
        assert len(results) == 1
        # So many equal exams are no screening: at some point the charts may rightly suspend the calibration.
        reasons = {one["code"] for one in last[study.uid]["reasons"]}
        assert last[study.uid]["outcome"] == "not_flagged" or reasons == {"calibration-suspended"}, reasons
        earlier = {one["result_id"] for one in first[study.uid]["deliveries"] if one["of_current_result"]}
        assert (results != earlier) == (study.late is not None), "only another image makes another result"


def test_reports_name_what_they_replace(answered: Any, studies: list[Sent]) -> None:
    service, _, _ = answered
    for study in studies:
        reports = {str(ds.SOPInstanceUID): ds for ds in service.pacs.reports(study.uid)}
        replaced = [
            str(item.ReferencedSOPInstanceUID)
            for ds in reports.values()
            for named in ds.get("PredecessorDocumentsSequence", [])
            for series in named.ReferencedSeriesSequence
            for item in series.ReferencedSOPSequence
        ]
        assert len(replaced) == len(set(replaced)) == len(reports) - 1, "a chain, each link named once"
        assert set(reports) - set(replaced) == {current(service, study.uid)}
        assert len(reports) > 1 or study.late is None
