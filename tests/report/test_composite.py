"""What a report takes over from its source images, and its identifiers."""

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from mg_headers import four_views, mg_header
from pydicom.dataset import Dataset
from report_findings import NORMAL, PREDECESSOR, case, decided
from report_reading import assert_valid

from triage.report.codes import PRIVATE_CODES, SCHEME
from triage.report.identifiers import uid
from triage.report.structured_report import Device, structured_report, write


def test_identifying_attributes_are_copied_verbatim(device: Device) -> None:
    finding, datasets = case("flagged")
    ds, source = structured_report(finding, datasets, [], device), datasets[0]
    for keyword in ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        assert ds[keyword].value == source[keyword].value
    assert (ds.StudyInstanceUID, ds.StudyDate, ds.StudyTime) == (source.StudyInstanceUID, "20250314", "093000")
    assert (ds.ContentDate, ds.ContentTime) == ("20261121", "101530")
    assert (ds.Modality, ds.SpecificCharacterSet) == ("SR", "ISO_IR 192")


def test_content_time_follows_the_time_zone_of_the_study(device: Device) -> None:
    datasets = four_views(TimezoneOffsetFromUTC="-1130")
    ds = structured_report(decided(datasets, [NORMAL] * 4), datasets, [], device)
    assert (ds.TimezoneOffsetFromUTC, ds.ContentDate, ds.ContentTime) == ("-1130", "20261120", "224530")


@pytest.mark.parametrize(
    ("character_set", "encoded", "name"),
    [
        (["", "ISO 2022 IR 87"], b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        ("ISO_IR 100", b"M\xfcller^J\xf6rg", "Müller^Jörg"),
        ("ISO_IR 144", "Люкceмбypг".encode("iso8859-5"), "Люкceмбypг"),
    ],
)
def test_names_of_any_character_set_leave_as_utf_8(
    character_set: str | list[str], encoded: bytes, name: str, device: Device, tmp_path: Path
) -> None:
    ds = mg_header("RCC", SpecificCharacterSet=character_set)
    ds._dict[pydicom.tag.Tag("PatientName")] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag("PatientName"), "PN", len(encoded), encoded, 0, False, True
    )
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, ds, implicit_vr=False, little_endian=True)
    source = pydicom.dcmread(BytesIO(buffer.getvalue()), force=True)
    content = write(structured_report(decided([mg_header("RCC")]), [source], [], device))
    assert str(pydicom.dcmread(BytesIO(content)).PatientName) == name
    assert_valid(content, tmp_path)


def test_damaged_headers_do_not_keep_the_report_back(device: Device, tmp_path: Path) -> None:
    ds = mg_header("RCC")
    for keyword, vr, value in (("StudyID", "US", b"\x01"), ("PatientName", "SQ", b"\xff\xff"), ("Rows", "DS", b"x")):
        tag = pydicom.tag.Tag(keyword)
        ds._dict[tag] = pydicom.dataelem.RawDataElement(tag, vr, len(value), value, 0, False, True)
    report = structured_report(decided([mg_header("RCC")]), [ds], [], device)
    assert report.PatientID == "P-0001"
    assert_valid(write(report), tmp_path)


def test_issuers_are_copied(device: Device, tmp_path: Path) -> None:
    issuer = Dataset()
    issuer.UniversalEntityID, issuer.UniversalEntityIDType = "1.2.3.4", "ISO"
    ds = mg_header("RCC", IssuerOfPatientIDQualifiersSequence=[issuer], IssuerOfAccessionNumberSequence=[issuer])
    report = structured_report(decided([ds]), [ds], [], device)
    assert report.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == "1.2.3.4"
    assert report.IssuerOfAccessionNumberSequence[0].UniversalEntityIDType == "ISO"
    assert_valid(write(report), tmp_path)


def test_the_same_finding_gives_the_same_bytes(device: Device) -> None:
    finding, datasets = case("mixed")
    once = write(structured_report(finding, datasets, [PREDECESSOR], device))
    again = write(structured_report(finding, list(reversed(four_views())), [PREDECESSOR], device))
    assert once == again


def test_identifiers_follow_the_result(device: Device) -> None:
    datasets = four_views()
    made = [
        structured_report(decided(datasets, [NORMAL] * 4, **change), datasets, [], device)
        for change in ({}, {"decided_at": "2027-01-01T00:00:00+00:00"}, {"result_id": "result-2"})
    ]
    assert made[0].SOPInstanceUID == made[1].SOPInstanceUID != made[2].SOPInstanceUID
    assert made[0].SeriesInstanceUID == made[1].SeriesInstanceUID != made[2].SeriesInstanceUID
    assert made[0].SOPInstanceUID != made[0].SeriesInstanceUID


def test_identifiers_are_valid_and_frozen() -> None:
    assert uid("result-1", "structured report") == "2.25.168181619395085952323375116737207861584"
    assert all(pydicom.uid.UID(uid(str(n), "kind")).is_valid for n in range(100))


def test_the_private_scheme_is_well_formed() -> None:
    assert all(len(code.meaning) <= 64 and len(code.value) <= 16 for code in PRIVATE_CODES)
    assert (
        len({code.value for code in PRIVATE_CODES})
        == len({code.meaning for code in PRIVATE_CODES})
        == len(PRIVATE_CODES)
    )
    assert {code.scheme_designator for code in PRIVATE_CODES} == {SCHEME}
