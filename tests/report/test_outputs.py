"""Files that cannot be read do not keep the report of the others back."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from mg_headers import EXPLICIT, four_views
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian
from report_findings import NORMAL, decided

from triage.accept.header_rules import describe
from triage.core.finding import StudyFinding
from triage.report.key_objects import key_objects
from triage.report.kinds import COMPREHENSIVE_REPORT
from triage.report.outputs import Outputs
from triage.report.structured_report import Device
from triage.store.blobs import Blobs
from triage.store.records import Delivery, StoredInstance


def stored(ds: Dataset, path: Path, syntax: str = EXPLICIT) -> StoredInstance:
    header = describe(ds, syntax)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path, enforce_file_format=True)
    return StoredInstance(1, header, "0" * 64, str(path), datetime.now(UTC), None)


def deflated_garbage(path: Path) -> None:
    """A file whose deflated data set is no deflate stream: zlib.error."""
    content = path.read_bytes()
    path.write_bytes(content[:-40] + b"\xff" * 40 if len(content) < 400 else content[:400] + b"\xff" * 400)


def unknown_vr(path: Path) -> None:
    """The class UID gets a value representation that pydicom does not know: an error when it is first looked at."""
    path.write_bytes(path.read_bytes().replace(b"\x08\x00\x16\x00UI", b"\x08\x00\x16\x00QQ"))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:420])


@pytest.fixture
def outputs(tmp_path: Path, device: Device) -> Outputs:
    return Outputs(Blobs(tmp_path / "results"), {"pacs": ("sr",)}, device)


@pytest.mark.parametrize(
    ("damage", "syntax"),
    [
        (deflated_garbage, str(DeflatedExplicitVRLittleEndian)),
        (unknown_vr, EXPLICIT),
        (truncated, EXPLICIT),
        (Path.unlink, EXPLICIT),
        (lambda path: path.write_bytes(b"no DICOM"), EXPLICIT),
    ],
    ids=["deflate", "unknown-vr", "truncated", "absent", "no-dicom"],
)
def test_a_damaged_file_is_left_out(
    damage: object, syntax: str, outputs: Outputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    datasets = four_views(PatientName="Secret^Name")
    finding = decided(datasets, [NORMAL] * 4)
    broken = stored(datasets[0], tmp_path / "0.dcm", syntax)
    damage(Path(broken.path))  # type: ignore[operator]
    with caplog.at_level(logging.WARNING):
        assert outputs.plan(finding, [broken], []) == []
    assert "no readable image" in caplog.text
    assert "Secret" not in caplog.text
    intact = stored(datasets[1], tmp_path / "1.dcm")
    (planned,) = outputs.plan(finding, [broken, intact], [])
    assert pydicom.dcmread(planned.path).StudyInstanceUID == finding.study_instance_uid


EVERY = ("sr", "sr-88.33", "sr-88.22", "sc", "gsps", "kos", "pdf", "cad-sr")


def flagged(tmp_path: Path) -> tuple[StudyFinding, list[StoredInstance]]:
    datasets = four_views()
    finding = decided(datasets, [NORMAL] * 4)
    return finding, [stored(ds, tmp_path / f"{number}.dcm") for number, ds in enumerate(datasets)]


def test_each_destination_gets_what_it_wants_and_nothing_is_built_twice(tmp_path: Path, device: Device) -> None:
    wanted = {"pacs": EVERY, "archive": ("pdf", "sr", "sr"), "nobody": ()}
    finding, instances = flagged(tmp_path)
    planned = Outputs(Blobs(tmp_path / "results"), wanted, device).plan(finding, instances, [])
    assert [one.output for one in planned if one.destination == "pacs"] == list(EVERY)
    assert [one.output for one in planned if one.destination == "archive"] == ["pdf", "sr"]
    assert len({one.path for one in planned}) == len(EVERY)
    assert all(str(pydicom.dcmread(one.path).SOPInstanceUID) == one.sop_instance_uid for one in planned)
    again = Outputs(Blobs(tmp_path / "results"), wanted, device).plan(finding, instances, [])
    assert again == planned


def test_an_output_that_there_is_not_is_left_out(tmp_path: Path, device: Device) -> None:
    datasets = four_views()
    finding = decided(datasets, [NORMAL, -1.0, NORMAL, NORMAL])
    instances = [stored(ds, tmp_path / f"{number}.dcm") for number, ds in enumerate(datasets)]
    outputs = Outputs(Blobs(tmp_path / "results"), {"pacs": ("sr", "cad-sr")}, device)
    assert [one.output for one in outputs.plan(finding, instances, [])] == ["sr"]
    assert Outputs(Blobs(tmp_path / "results"), {"pacs": ("cad-sr",)}, device).plan(finding, instances, []) == []


def broken(*_: object) -> Dataset:
    raise ValueError("a fault of the builder")


def test_an_output_that_fails_does_not_keep_the_others(
    tmp_path: Path, device: Device, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("triage.report.outputs.OTHERS", {"sc": broken, "kos": key_objects})
    finding, instances = flagged(tmp_path)
    outputs = Outputs(Blobs(tmp_path / "results"), {"pacs": ("sc", "kos", "sr")}, device)
    assert [one.output for one in outputs.plan(finding, instances, [])] == ["kos", "sr"]
    assert "output sc cannot be made" in caplog.text
    alone = Outputs(Blobs(tmp_path / "results"), {"pacs": ("sc",)}, device)
    with pytest.raises(ValueError, match="a fault of the builder"):
        alone.plan(finding, instances, [])


def test_a_full_disk_is_no_fault_of_one_output(tmp_path: Path, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    finding, instances = flagged(tmp_path)
    outputs = Outputs(Blobs(tmp_path / "results"), {"pacs": ("sr", "sc")}, device)
    monkeypatch.setattr(Blobs, "add", full)
    with pytest.raises(OSError, match="No space"):
        outputs.plan(finding, instances, [])


def test_each_class_of_report_replaces_its_own(tmp_path: Path, device: Device) -> None:
    finding, instances = flagged(tmp_path)
    now = datetime.now(UTC)
    sent = Delivery(
        1, "result-0", finding.study_instance_uid, "pacs", "sr-88.33", "1.2", "x", "sent", 1, now, now, now, None
    )
    planned = Outputs(Blobs(tmp_path / "results"), {"pacs": ("sr", "sr-88.33")}, device).plan(
        finding, instances, [sent]
    )
    new, old = (pydicom.dcmread(one.path) for one in planned)
    assert "PredecessorDocumentsSequence" not in new
    (series,) = old.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    named = series.ReferencedSOPSequence[0]
    assert named.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.88.33"
    assert (named.ReferencedSOPInstanceUID, series.SeriesInstanceUID) == COMPREHENSIVE_REPORT.identify("result-0")
