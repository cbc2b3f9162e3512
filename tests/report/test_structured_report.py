"""The structured report: outside validators, highdicom's reader, and what a radiologist finds in it."""

import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import highdicom as hd
import pydicom
import pytest
from mg_headers import four_views, mg_header
from pydicom.dataset import Dataset
from report_findings import BUNDLE, POINT, decided

from triage.core.errors import TriageError
from triage.core.finding import ImageFinding, Outcome, StudyFinding
from triage.core.reasons import CODE_VALUES, reason
from triage.report.codes import PRIVATE_CODES, SCHEME
from triage.report.identifiers import uid
from triage.report.structured_report import Device, structured_report, write

NORMAL, SUSPICIOUS = 2.5, -0.75
SR_CLASS = "1.2.840.10008.5.1.4.1.1.88.34"
PREDECESSOR = (SR_CLASS, "1.2.3.1", "1.2.3.2", "1.2.3.3")

# What dciodvfy may complain of: private codes, which it cannot know, and what the source image left out or misspelt
ALLOWED_WARNING = re.compile(
    rf"Warning - (?:Unrecognized defined term <{SCHEME}> for value 1 of attribute <Coding Scheme Designator>$"
    "|Missing attribute or value that would be needed to build DICOMDIR - (?:Patient ID|Study (?:Date|Time|ID))$"
    "|Value dubious for this VR - .* - Retired Person Name form$)"
)


def real(data_dir: Path, name: str) -> Dataset:
    path = data_dir / "dicom-mg" / name
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return pydicom.dcmread(path, stop_before_pixels=True)


def ge(data_dir: Path) -> Dataset:
    return real(data_dir, "ge_senographe_rmlo_jpegll_GH133.dcm")


def siemens(data_dir: Path) -> Dataset:
    return real(data_dir, "siemens_inspiration_stereo_OutOfBoundsOverlay.dcm")


def implant() -> list[Dataset]:
    return [*four_views()[:3], mg_header("LMLO", BreastImplantPresent="YES")]


def with_set_aside() -> list[Dataset]:
    """A complete exam, a capture without orientation and spacing, and a report of another system."""
    capture = mg_header(
        "RCC", SOPInstanceUID="1.2.9.1", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", PatientOrientation=None
    )
    report = mg_header("RCC", SOPInstanceUID="1.2.9.2", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Rows=None)
    return [*four_views(), capture, report]


def bare() -> list[Dataset]:
    absent = ["StudyID", "AccessionNumber", "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate"]
    absent += [
        "StudyTime",
        "ReferringPhysicianName",
        "SpecificCharacterSet",
        "PatientOrientation",
        "ImagerPixelSpacing",
    ]
    absent += ["Rows", "Columns", "Modality", "ImageLaterality"]
    return [mg_header("RCC", **dict.fromkeys(absent))]


CASES = {
    "flagged": lambda _: (four_views(), [NORMAL] * 4),
    "mixed": lambda _: (four_views(), [NORMAL, SUSPICIOUS, NORMAL, NORMAL]),
    "close": lambda _: (four_views(), [NORMAL, 1.2501, NORMAL, NORMAL]),
    "implant": lambda _: (implant(), [NORMAL] * 4),
    "one-view": lambda _: ([mg_header("RMLO")], None),
    "set-aside": lambda _: (with_set_aside(), [NORMAL] * 6),
    "bare": lambda _: (bare(), None),
    "japanese": lambda _: (four_views(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう"), [NORMAL] * 4),
    "ge": lambda folder: ([ge(folder)], None),
    "siemens": lambda folder: ([siemens(folder)], None),
}


def case(name: str, data_dir: Path | None = None) -> tuple[StudyFinding, list[Dataset]]:
    datasets, scores = CASES[name](data_dir)
    return decided(datasets, scores), datasets


def lines(command: list[str]) -> tuple[int, list[str]]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed (apt: dicom3tools, dcmtk)")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, errors="replace")
    return done.returncode, (done.stdout + done.stderr).splitlines()


def assert_valid(content: bytes, folder: Path) -> None:
    path = folder / "report.dcm"
    path.write_bytes(content)
    status, said = lines(["dciodvfy", str(path)])
    complaints = [line for line in said if line.startswith(("Error", "Warning"))]
    assert not [line for line in complaints if not ALLOWED_WARNING.match(line)]
    assert status == 0
    status, said = lines(["dsrdump", str(path)])
    assert status == 0
    assert not [line for line in said if line.startswith(("E:", "F:", "W: Target content item"))]


def texts(ds: Dataset, concept: str = "121106") -> list[str]:
    """Every TEXT of one concept (121106 is Comment) anywhere in the report."""
    found = []
    for item in ds.get("ContentSequence", []):
        if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeValue == concept:
            found.append(item.TextValue)
        found += texts(item, concept)
    return found


def groups(ds: Dataset) -> list[Dataset]:
    (measurements,) = [item for item in ds.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "126010"]
    return list(measurements.ContentSequence)


def values(group: Dataset, concept: str) -> list[str | float]:
    """Values of one concept in a measurement group: numbers, code values or text."""
    found: list[str | float] = []
    for item in group.ContentSequence:
        if item.ConceptNameCodeSequence[0].CodeValue == concept:
            if item.ValueType == "NUM":
                found.append(float(item.MeasuredValueSequence[0].NumericValue))
            else:
                found.append(item.ConceptCodeSequence[0].CodeValue if item.ValueType == "CODE" else item.TextValue)
    return found


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("revision", [False, True], ids=["first", "revision"])
def test_outside_validators_find_no_error(
    name: str, revision: bool, device: Device, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    finding, datasets = case(name, request.getfixturevalue("data_dir") if name in ("ge", "siemens") else None)
    ds = structured_report(finding, datasets, [PREDECESSOR] if revision else [], device)
    assert_valid(write(ds), tmp_path)


def test_the_warning_list_would_not_hide_a_broken_report(device: Device, tmp_path: Path) -> None:
    finding, datasets = case("flagged")
    ds = structured_report(finding, datasets, [], device)
    del ds.CompletionFlag
    with pytest.raises(AssertionError):
        assert_valid(write(ds), tmp_path)


@pytest.mark.parametrize("name", ["flagged", "implant", "one-view", "set-aside", "bare"])
def test_highdicom_reads_it_back(name: str, device: Device, tmp_path: Path) -> None:
    finding, datasets = case(name)
    path = tmp_path / "report.dcm"
    path.write_bytes(write(structured_report(finding, datasets, [], device)))
    report = hd.sr.srread(path)
    assert isinstance(report, hd.sr.Comprehensive3DSR)
    found = report.content.get_image_measurement_groups()
    assert len(found) == len(finding.images) + 1
    assert found[-1].tracking_identifier == "exam"
    assert len(found[0].get_measurements()) == (0 if finding.outcome is Outcome.NOT_EVALUATED else 2)


def test_flagged_exam(device: Device) -> None:
    finding, datasets = case("flagged")
    *images, exam = groups(structured_report(finding, datasets, [], device))
    assert values(exam, "TRI-001") == ["TRI-100"]
    assert values(exam, "TRI-012") == []
    for image in images:
        assert values(image, "TRI-001") == ["TRI-110"]
        assert values(image, "TRI-010") == [NORMAL]
        assert values(image, "TRI-011") == [1.25]
    assert [values(image, "112039") for image in images] == [["RCC"], ["LCC"], ["RMLO"], ["LMLO"]]


def test_mixed_exam(device: Device) -> None:
    finding, datasets = case("mixed")
    *images, exam = groups(structured_report(finding, datasets, [], device))
    assert values(exam, "TRI-001") == ["TRI-101"]
    assert [values(image, "TRI-001") for image in images] == [["TRI-110"], ["TRI-111"], ["TRI-110"], ["TRI-110"]]


def test_an_exam_too_close_to_the_threshold_says_so(device: Device) -> None:
    finding, datasets = case("close")
    exam = groups(structured_report(finding, datasets, [], device))[-1]
    assert values(exam, "TRI-012") == [CODE_VALUES["within-tolerance-of-threshold"]]
    assert "LCC: The score lies too close to the threshold" in str(values(exam, "121106")[0])


def test_a_refusal_is_reported_too(device: Device) -> None:
    finding = decided([mg_header(view) for view in ("RCC", "LCC", "LMLO")], [NORMAL] * 3)
    *images, exam = groups(structured_report(finding, four_views()[:2], [], device))
    assert values(exam, "TRI-001") == ["TRI-900"]
    assert values(exam, "TRI-012") == [CODE_VALUES["views-missing"]]
    assert values(exam, "121106")[0] == "Not evaluated: read normally, because RMLO is missing."
    for image in images:  # a score beside a refusal would read as a promise
        assert values(image, "TRI-001") == ["TRI-900"]
        assert values(image, "TRI-010") == []


def test_an_image_reason_stands_with_the_image_and_the_exam(device: Device) -> None:
    finding, datasets = case("implant")
    *images, exam = groups(structured_report(finding, datasets, [], device))
    assert values(images[3], "TRI-012") == [CODE_VALUES["implant"]]
    assert values(images[3], "121106") == ["Not evaluated: breast implant: BreastImplantPresent YES."]
    assert set(values(exam, "TRI-012")) == {CODE_VALUES["implant"], CODE_VALUES["views-missing"]}
    assert "LMLO: Breast implant" in str(values(exam, "121106")[0])


def test_every_reason_of_the_catalogue_can_be_reported(device: Device, tmp_path: Path) -> None:
    reasons = tuple(reason(code) for code in CODE_VALUES)
    finding = decided(four_views(), reasons=reasons, outcome=Outcome.NOT_EVALUATED)
    ds = structured_report(finding, four_views(), [], device)
    assert values(groups(ds)[-1], "TRI-012") == list(CODE_VALUES.values())
    assert_valid(write(ds), tmp_path)


def test_what_the_report_always_says(device: Device) -> None:
    for name in ("flagged", "mixed", "one-view"):
        finding, datasets = case(name)
        ds = structured_report(finding, datasets, [], device)
        said = " ".join(texts(ds))
        assert "Every exam is read by a radiologist" in said
        assert "not for clinical use" in said
        assert (ds.PreliminaryFlag, ds.CompletionFlag, ds.VerificationFlag) == ("PRELIMINARY", "COMPLETE", "UNVERIFIED")
        assert "99MTRIAGE" in [item.CodingSchemeDesignator for item in ds.CodingSchemeIdentificationSequence]
        parameters = values(groups(ds)[-1], "111002")
        assert f"bundle sha256={BUNDLE.sha256}" in parameters
        assert f"operating point={POINT.id}" in parameters
        assert "threshold=1.250000" in parameters
        assert any("counts normal as positive" in str(parameter) for parameter in parameters)


def test_without_a_model_the_service_stands_for_the_algorithm(device: Device, tmp_path: Path) -> None:
    finding = decided([mg_header("RCC")], bundle=None, operating_point=None)
    ds = structured_report(finding, [mg_header("RCC")], [], device)
    assert values(groups(ds)[0], "111001") == [device.name]
    assert "not for clinical use" not in " ".join(texts(ds))
    assert_valid(write(ds), tmp_path)


def test_no_threshold_is_said_in_words(device: Device) -> None:
    point = POINT.__class__("op-none", "image", None)
    finding = decided(four_views(), [NORMAL] * 4, operating_point=point, outcome=Outcome.NOT_FLAGGED)
    group = groups(structured_report(finding, four_views(), [], device))[0]
    assert values(group, "TRI-010") == [NORMAL]
    assert values(group, "TRI-011") == []
    assert "threshold=none (nothing is flagged)" in values(group, "111002")


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


def test_the_evidence_lists_every_source_once(device: Device) -> None:
    finding, datasets = case("set-aside")
    ds = structured_report(finding, [*datasets, datasets[0]], [], device)
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    listed = [
        ref.ReferencedSOPInstanceUID for one in study.ReferencedSeriesSequence for ref in one.ReferencedSOPSequence
    ]
    assert sorted(listed) == sorted(one.SOPInstanceUID for one in datasets)
    assert study.StudyInstanceUID == finding.study_instance_uid


def test_images_without_a_header_are_listed_from_the_finding(device: Device, tmp_path: Path) -> None:
    finding, datasets = case("flagged")
    assert_valid(write(structured_report(finding, datasets[:1], [], device)), tmp_path)


def test_a_revision_names_what_it_replaces(device: Device) -> None:
    finding, datasets = case("flagged")
    ds = structured_report(finding, datasets, [PREDECESSOR], device)
    (study,) = ds.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (reference,) = series.ReferencedSOPSequence
    named = (reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID)
    assert (*named, series.SeriesInstanceUID, study.StudyInstanceUID) == PREDECESSOR


def test_a_report_does_not_replace_itself(device: Device) -> None:
    finding, datasets = case("flagged")
    first = structured_report(finding, datasets, [], device)
    itself = (SR_CLASS, str(first.SOPInstanceUID), str(first.SeriesInstanceUID), str(first.StudyInstanceUID))
    assert "PredecessorDocumentsSequence" not in structured_report(finding, datasets, [itself], device)


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


def test_nothing_to_report_on_is_an_error(device: Device) -> None:
    with pytest.raises(TriageError, match="No source image"):
        structured_report(decided([]), [], [], device)


def test_an_image_of_unknown_view_is_tracked_by_its_uid(device: Device, tmp_path: Path) -> None:
    image = ImageFinding("1.2.7", "1.2.840.10008.5.1.4.1.1.1.2", "1.2.8", None, None, False, (reason("undecodable"),))
    finding = decided([mg_header("RCC")], images=(image,))
    ds = structured_report(finding, [mg_header("RCC")], [], device)
    assert values(groups(ds)[0], "112039") == ["1.2.7"]
    assert_valid(write(ds), tmp_path)


def test_the_private_scheme_is_well_formed() -> None:
    assert all(len(code.meaning) <= 64 and len(code.value) <= 16 for code in PRIVATE_CODES)
    assert (
        len({code.value for code in PRIVATE_CODES})
        == len({code.meaning for code in PRIVATE_CODES})
        == len(PRIVATE_CODES)
    )
    assert {code.scheme_designator for code in PRIVATE_CODES} == {SCHEME}
