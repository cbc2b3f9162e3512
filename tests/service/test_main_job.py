"""A PACS forwards a study and gets a structured report back."""

import subprocess
from pathlib import Path

import pydicom
import pytest
from dicom3tools import run_validator
from running_service import Service

from triage.core.reasons import CODE_VALUES

JPEG_LOSSLESS = "-xs"
"""Option of storescu: propose JPEG Lossless, in which the genuine files are."""


def study_of(files: list[Path]) -> str:
    return str(pydicom.dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)


def text_of(report: pydicom.Dataset) -> str:
    return str(report)


def test_four_views_come_back_as_one_report(service: Service, exams: list[list[Path]]) -> None:
    assert service.send(exams[0]).returncode == 0
    uid = study_of(exams[0])
    study = service.finished(uid)
    assert study["outcome"] in ("confidently_normal", "not_flagged")
    assert not study["reasons"] or study["reasons"][0]["code"] == "within-tolerance-of-threshold"
    assert sorted(image["laterality"] + image["view"] for image in study["images"]) == ["LCC", "LMLO", "RCC", "RMLO"]
    threshold = study["operating_point"]["threshold"]
    for image in study["images"]:
        assert image["eligible"]
        assert image["registration"]["accepted"]
        assert image["flagged"] == (image["logits"]["fused"] >= threshold)
    assert (study["outcome"] == "confidently_normal") == all(image["flagged"] for image in study["images"])
    [report] = service.delivered(uid)
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    assert report.AccessionNumber == study["accession_number"]
    [file] = [file for file in service.pacs.folder.glob("SR*") if pydicom.dcmread(file).StudyInstanceUID == uid]
    assert run_validator("dciodvfy", file) == ""
    assert [one["state"] for one in study["deliveries"]] in (["sent"], ["pending"])


def test_a_confidently_normal_exam_says_so_in_worklist_and_pacs(service: Service, flagged_exam: list[Path]) -> None:
    uid = study_of(flagged_exam)
    service.send(flagged_exam)
    study = service.finished(uid, revision=4)
    assert study["outcome"] == "confidently_normal"
    assert all(image["flagged"] for image in study["images"])
    [report] = service.delivered(uid)
    assert "TRI-100" in text_of(report)
    listed = [row for row in service.get("worklist?outcome=confidently_normal")["studies"]]
    assert uid in {row["study_instance_uid"] for row in listed}


def test_pictures_are_served(service: Service, exams: list[list[Path]]) -> None:
    service.send(exams[0])
    study = service.finished(study_of(exams[0]))
    image = study["images"][0]["sop_instance_uid"]
    for name in ("preview.png", "attention.png"):
        url = f"http://127.0.0.1:{service.http_port}/api/v1/studies/{study['study_instance_uid']}/images/{image}/{name}"
        head = subprocess.run(["curl", "-sf", url], capture_output=True, check=True).stdout[:8]
        assert head == b"\x89PNG\r\n\x1a\n"


def test_a_late_image_supersedes(service: Service, exams: list[list[Path]]) -> None:
    uid = study_of(exams[1])
    service.send(exams[1][:3])
    early = service.finished(uid)
    assert early["outcome"] == "not_evaluated"
    assert [found["code"] for found in early["reasons"]] == ["views-missing"]
    [first] = service.delivered(uid)
    service.send(exams[1][3:])
    late = service.finished(uid, revision=early["revision"] + 1)
    assert late["outcome"] in ("confidently_normal", "not_flagged")
    _, second = service.delivered(uid, 2)
    predecessor = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert predecessor.ReferencedSOPInstanceUID == first.SOPInstanceUID


def test_a_study_may_come_over_two_associations(service: Service, exams: list[list[Path]]) -> None:
    uid = study_of(exams[2])
    first, second = (
        subprocess.Popen(
            ["storescu", "-aec", "TRIAGE", "127.0.0.1", str(service.dicom_port), *map(str, files)],
        )
        for files in (exams[2][:2], exams[2][2:])
    )
    assert first.wait() == 0
    assert second.wait() == 0
    assert service.finished(uid, revision=4)["outcome"] in ("confidently_normal", "not_flagged")


def test_a_resent_study_changes_nothing(service: Service, exams: list[list[Path]]) -> None:
    uid = study_of(exams[0])
    service.send(exams[0])
    before = service.finished(uid)
    assert service.send(exams[0]).returncode == 0
    after = service.finished(uid)
    assert after["revision"] == before["revision"]
    assert len(service.pacs.reports(uid)) == 1


def test_an_extra_diagnostic_view_is_refused_in_the_pacs_too(service: Service, spot_exam: list[Path]) -> None:
    uid = study_of(spot_exam)
    service.send(spot_exam)
    study = service.finished(uid, revision=len(spot_exam))
    assert study["outcome"] == "not_evaluated"
    codes = {found["code"] for found in study["reasons"]}
    assert codes & {"view-modifier", "views-extra", "magnification"}
    assert not any(image["flagged"] for image in study["images"])
    report = service.delivered(uid)[-1]
    assert any(CODE_VALUES[code] in text_of(report) for code in codes)


def test_ge_is_an_image_but_not_an_exam(service: Service, data_dir: Path) -> None:
    [file] = (data_dir / "dicom-mg").glob("ge_*.dcm")
    uid = study_of([file])
    assert service.send([file], JPEG_LOSSLESS).returncode == 0
    study = service.finished(uid)
    assert study["outcome"] == "not_evaluated"
    [image] = study["images"]
    assert image["eligible"]
    assert (image["laterality"], image["view"]) == ("R", "MLO")
    assert image["logits"]["whole_image"] is not None
    texts = [found["text"] for found in study["reasons"] if found["code"] == "views-missing"]
    assert texts
    assert all(view in texts[0] for view in ("RCC", "LCC", "LMLO"))
    assert service.delivered(uid)


def test_siemens_stereo_is_refused(service: Service, data_dir: Path) -> None:
    [file] = (data_dir / "dicom-mg").glob("siemens_*.dcm")
    uid = study_of([file])
    assert service.send([file], JPEG_LOSSLESS).returncode == 0
    study = service.finished(uid)
    assert study["outcome"] == "not_evaluated"
    assert "stereotactic" in {found["code"] for found in study["images"][0]["reasons"]}
    assert service.delivered(uid)


def test_the_real_exam_is_analysed(service: Service, data_dir: Path, tmp_path: Path) -> None:
    from training.phantom.wrapper import wrap_png_exam

    files = wrap_png_exam(data_dir / "exam-4view-8bit", tmp_path)
    service.send(files)
    study = service.finished(study_of(files), revision=4)
    assert all(image["eligible"] for image in study["images"])
    assert all(image["logits"]["fused"] is not None for image in study["images"])
    assert all(image["registration"]["accepted"] for image in study["images"])


@pytest.mark.parametrize("route", ["worklist", "health"])
def test_rest_answers(service: Service, route: str) -> None:
    assert service.get(route)


def test_the_service_stops_within_seconds_and_comes_back(service: Service) -> None:
    assert service.stop() < 5
    service.start()
    assert service.get("worklist")
