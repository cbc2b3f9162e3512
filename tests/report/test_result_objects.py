"""Result objects of every kind: identifiers, references, and what they keep silent about."""

from dataclasses import replace

import pydicom
import pytest
from mg_headers import four_views
from report_findings import NORMAL, decided
from report_reading import groups, values
from result_objects import OUTPUTS, made, objects, results_of
from varied_findings import studies

from triage.core.errors import TriageError
from triage.report.composite import Device, write
from triage.report.kinds import KINDS
from triage.report.template_check import check_rows


def referenced(ds: pydicom.Dataset) -> set[str]:
    return {str(one.value) for one in ds.iterall() if one.keyword == "ReferencedSOPInstanceUID"}


def test_every_kind_has_a_series_and_identifiers_of_its_own(device: Device) -> None:
    made_ones = results_of("flagged", device)
    assert set(made_ones) == set(OUTPUTS)
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SOPClassUID"):
        assert len({str(ds[keyword].value) for ds in made_ones.values()}) == len(OUTPUTS)
    assert len({kind.name for kind in KINDS}) == len(OUTPUTS)
    assert {str(ds.StudyInstanceUID) for ds in made_ones.values()} == {studies()["flagged"][0].study_instance_uid}


def test_the_same_finding_gives_the_same_bytes(device: Device) -> None:
    finding, datasets = studies()["implant"]
    for output, ds in objects(finding, list(reversed(datasets)), device):
        assert write(ds) == write(results_of("implant", device)[output]), output


def test_another_result_gives_other_identifiers(device: Device) -> None:
    finding, datasets = studies()["flagged"]
    for output, ds in objects(replace(finding, result_id="result-2"), datasets, device):
        first = results_of("flagged", device)[output]
        assert ds.SOPInstanceUID != first.SOPInstanceUID
        assert ds.SeriesInstanceUID != first.SeriesInstanceUID


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_object_references_every_mammogram(output: str, device: Device) -> None:
    ds = results_of("flagged", device)[output]
    assert referenced(ds) == {str(one.SOPInstanceUID) for one in studies()["flagged"][1]}


@pytest.mark.parametrize("output", OUTPUTS)
def test_no_object_without_a_source(output: str, device: Device) -> None:
    with pytest.raises(TriageError, match="No source image"):
        made(studies()["flagged"][0], [], device, output)


@pytest.mark.parametrize("output", ["sr-88.33", "sr-88.22"])
def test_older_report_classes_hold_the_same_content(output: str, device: Device) -> None:
    for name in ("flagged", "implant", "exam-not-flagged"):
        old, new = results_of(name, device)[output], results_of(name, device)["sr"]
        assert old.ContentSequence == new.ContentSequence
        assert old.SOPClassUID.endswith(output.removeprefix("sr-"))


def test_an_exam_decided_by_its_least_score_reports_it(device: Device) -> None:
    exam = groups(results_of("exam-normal", device)["sr"])[-1]
    assert (values(exam, "TRI-013"), values(exam, "TRI-011")) == ([1.0], [0.5])
    assert values(exam, "TRI-001") == ["TRI-100"]
    assert "image threshold for comparison=1.250000" in values(exam, "111002")
    assert values(groups(results_of("flagged", device)["sr"])[-1], "TRI-013") == []
    assert values(groups(results_of("uncalibrated", device)["sr"])[-1], "TRI-013") == []


def test_key_objects_are_all_mammograms_whatever_the_outcome(device: Device) -> None:
    for name in ("flagged", "mixed", "implant"):
        ds = results_of(name, device)["kos"]
        images = [one for one in ds.ContentSequence if one.ValueType == "IMAGE"]
        assert len(images) == 4
        assert ds.ConceptNameCodeSequence[0].CodeValue == "113000"
    assert len(referenced(results_of("set-aside", device)["kos"])) == 4


def test_key_objects_say_outcome_and_coded_reasons(device: Device) -> None:
    ds = results_of("implant", device)["kos"]
    (said,) = [one.TextValue for one in ds.ContentSequence if one.get("TextValue") and "Not evaluated" in one.TextValue]
    assert "TRI-214" in said
    assert "Every exam is read by a radiologist" in said


def test_there_is_no_cad_report_of_an_exam_that_is_not_flagged(device: Device) -> None:
    for name in ("mixed", "close", "no-threshold", "exam-not-flagged"):
        assert "cad-sr" not in results_of(name, device)


@pytest.mark.parametrize(
    ("name", "summary", "analyses"), [("flagged", "111241", "111222"), ("implant", "111245", "111224")]
)
def test_a_cad_report_says_success_or_failure_and_nothing_of_findings(
    name: str, summary: str, analyses: str, device: Device
) -> None:
    ds = results_of(name, device)["cad-sr"]
    found = {one.ConceptNameCodeSequence[0].CodeValue: one for one in ds.ContentSequence}
    assert found["111017"].ConceptCodeSequence[0].CodeValue == summary
    assert "ContentSequence" not in found["111017"]
    assert found["111065"].ConceptCodeSequence[0].CodeValue == analyses
    assert found["111064"].ConceptCodeSequence[0].CodeValue == "111225"
    assert check_rows(ds) == []


def test_the_document_can_be_read_from_the_object(device: Device) -> None:
    ds = results_of("flagged", device)["pdf"]
    content = bytes(ds.EncapsulatedDocument)
    assert content.startswith(b"%PDF-")
    assert len(content) % 2 == 0
    assert content[: ds.EncapsulatedDocumentLength].rstrip().endswith(b"%%EOF")


def test_the_page_leads_back_to_images_only(device: Device) -> None:
    ds = results_of("set-aside", device)["sc"]
    classes = {one.ReferencedSOPClassUID for one in ds.SourceImageSequence}
    assert all("Image Storage" in pydicom.uid.UID(one).name for one in classes)
    assert (ds.Modality, ds.PhotometricInterpretation, ds.BitsAllocated) == ("OT", "MONOCHROME2", 8)
    assert len(ds.PixelData) == ds.Rows * ds.Columns


def test_damaged_headers_keep_no_object_back(device: Device) -> None:
    datasets = four_views(StudyTime=None, Rows=None, PatientOrientation=None)
    for ds in datasets[1:]:
        tag = pydicom.tag.Tag("StudyID")
        ds._dict[tag] = pydicom.dataelem.RawDataElement(tag, "US", 1, b"\x01", 0, False, True)
    found = dict(objects(decided(four_views(), [NORMAL] * 4), datasets, device))
    assert set(OUTPUTS) - set(found) == {"gsps"}
    assert all(write(ds) for ds in found.values())
