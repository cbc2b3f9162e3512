"""The study that a damaged file belongs to."""

from pathlib import Path

import pytest
from dicom_samples import mg_dataset, write
from mg_headers import STUDY
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from triage.receive.salvage import salvaged_study_uid

BROKEN = b"\x08\0\x05\0SQ\0\0\xff\xff\xff\xff" + b"\1" * 8
"""A sequence that cannot be read: pydicom gives up there."""
IMPLICIT = b"\x20\0\x0d\0\6\0\0\0"
EXPLICIT = b"\x20\0\x0d\0UI\6\0"


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_readable_file_of_any_transfer_syntax(tmp_path: Path, syntax: str) -> None:
    ds = mg_dataset(PixelData=None)
    ds.file_meta.TransferSyntaxUID = syntax
    assert salvaged_study_uid(write(ds, tmp_path)) == STUDY


def test_the_study_of_the_image_not_one_that_it_refers_to(tmp_path: Path) -> None:
    ds, other = mg_dataset(), Dataset()
    other.StudyInstanceUID = "1.2.3"
    ds.StudiesContainingOtherReferencedInstancesSequence = [other]
    content = write(ds, tmp_path).read_bytes()
    damaged = tmp_path / "damaged.dcm"
    damaged.write_bytes(content.replace(b"\x28\0\x10\0US", BROKEN))
    assert salvaged_study_uid(damaged) == STUDY


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (BROKEN + EXPLICIT + b"1.2.3\0", "1.2.3"),
        (BROKEN + IMPLICIT + b"1.2.3 ", "1.2.3"),
        (BROKEN + EXPLICIT + b"1.2.\7\0" + IMPLICIT + b"1.2.3\0", "1.2.3"),
        (BROKEN + EXPLICIT + b"1.2", ""),
        (BROKEN + EXPLICIT + b"a name", ""),
        (BROKEN + b"\x20\0\x0d\0UI\0\0", ""),
        (BROKEN, ""),
        (b"", ""),
    ],
)
def test_a_file_that_cannot_be_parsed_is_searched(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "damaged.dcm"
    path.write_bytes(content)
    assert salvaged_study_uid(path) == found
