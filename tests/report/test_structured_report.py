"""What a radiologist, and a program, finds in the structured report."""

from pathlib import Path

import pytest
from mg_headers import four_views, mg_header
from report_findings import BUNDLE, NORMAL, POINT, PREDECESSOR, SR_CLASS, case, decided
from report_reading import assert_valid, groups, texts, values

from triage.core.errors import TriageError
from triage.core.finding import ImageFinding, Outcome
from triage.core.reasons import CODE_VALUES, reason
from triage.report.structured_report import Device, structured_report, write


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


def test_the_evidence_lists_every_source_once(device: Device) -> None:
    finding, datasets = case("set-aside")
    ds = structured_report(finding, [*datasets, datasets[0]], [], device)
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    listed = [
        ref.ReferencedSOPInstanceUID for one in study.ReferencedSeriesSequence for ref in one.ReferencedSOPSequence
    ]
    assert sorted(listed) == sorted(one.SOPInstanceUID for one in datasets)
    assert study.StudyInstanceUID == finding.study_instance_uid


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


def test_nothing_to_report_on_is_an_error(device: Device) -> None:
    with pytest.raises(TriageError, match="No source image"):
        structured_report(decided([]), [], [], device)


def test_an_image_of_unknown_view_is_tracked_by_its_uid(device: Device, tmp_path: Path) -> None:
    image = ImageFinding("1.2.7", "1.2.840.10008.5.1.4.1.1.1.2", "1.2.8", None, None, False, (reason("undecodable"),))
    finding = decided([mg_header("RCC")], images=(image,))
    ds = structured_report(finding, [mg_header("RCC")], [], device)
    assert values(groups(ds)[0], "112039") == ["1.2.7"]
    assert_valid(write(ds), tmp_path)


def test_objects_set_aside_are_reported_beside_a_result(device: Device) -> None:
    finding, datasets = case("set-aside")
    assert finding.outcome is Outcome.CONFIDENTLY_NORMAL
    *images, exam = groups(structured_report(finding, datasets, [], device))
    assert [values(image, "TRI-001") for image in images] == [["TRI-110"]] * 4 + [["TRI-900"]] * 2
    assert values(exam, "TRI-001") == ["TRI-100"]
