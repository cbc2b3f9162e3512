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
from triage.report.outputs import Outputs
from triage.report.structured_report import Device
from triage.store.blobs import Blobs
from triage.store.records import StoredInstance


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
