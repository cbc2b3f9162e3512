"""What speaks against an exam as a whole."""

from pathlib import Path

import pydicom
import pytest
from mg_headers import EXPLICIT, VIEWS, code, four_views, mg_header
from pydicom.dataset import Dataset

from triage.accept.exam_rules import EXAM_RULES, age_years, exam_reasons
from triage.accept.header_rules import describe
from triage.core.reasons import CODE_VALUES
from triage.core.study import InstanceHeader


def headers(datasets: list[Dataset]) -> list[InstanceHeader]:
    return [describe(ds, EXPLICIT) for ds in datasets]


def texts(datasets: list[Dataset]) -> dict[str, str]:
    return {found.code: found.text for found in exam_reasons(headers(datasets))}


def with_one(change: dict[str, object]) -> list[Dataset]:
    """A complete exam whose LMLO differs."""
    return [*(mg_header(view) for view in VIEWS[:3]), mg_header("LMLO", **change)]


def test_four_views_of_one_woman_pass() -> None:
    assert exam_reasons(headers(four_views())) == ()


@pytest.mark.parametrize(
    ("present", "sentence"),
    [
        (["RCC", "LCC", "LMLO"], "RMLO is missing"),
        (["RCC", "LCC"], "RMLO and LMLO are missing"),
        ([], "RCC and LCC and RMLO and LMLO are missing"),
    ],
)
def test_missing_views_are_named(present: list[str], sentence: str) -> None:
    assert texts([mg_header(view) for view in present])["views-missing"] == sentence


def test_an_ineligible_view_gives_its_own_reason_and_leaves_its_place_empty() -> None:
    found = exam_reasons(headers(with_one({"BreastImplantPresent": "YES"})))
    assert [one.code for one in found] == ["views-missing", "implant"]
    assert found[0].text == "LMLO cannot be evaluated"
    assert found[1].sop_instance_uid == mg_header("LMLO").SOPInstanceUID


def test_repeats_of_a_standard_view_are_welcome() -> None:
    assert exam_reasons(headers([*four_views(), mg_header("RCC", SOPInstanceUID="1.2.3")])) == ()


def test_one_good_repeat_fills_the_place_but_the_bad_one_still_objects() -> None:
    found = texts([*four_views(), mg_header("RCC", SOPInstanceUID="1.2.3", PartialView="YES")])
    assert set(found) == {"partial-view"}


def test_an_extra_diagnostic_view_is_named() -> None:
    extra = mg_header("LCC", SOPInstanceUID="1.2.3", ViewCodeSequence=[code("399260004", "SCT", "medio-lateral")])
    found = texts([*four_views(), extra])
    assert set(found) == {"views-extra", "view-not-standard"}
    assert found["views-extra"].endswith(": LML.")


def test_objects_set_aside_do_not_spoil_a_complete_exam() -> None:
    aside = [
        mg_header("RCC", SOPInstanceUID="1.2.3", SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2.1"),
        mg_header("LCC", SOPInstanceUID="1.2.4", ImageType=["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D"]),
        mg_header("LCC", SOPInstanceUID="1.2.5", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", PatientSex=""),
    ]
    assert exam_reasons(headers([*four_views(), *aside])) == ()


def test_an_exam_of_raw_images_alone_says_so() -> None:
    found = texts(four_views(SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2.1"))
    assert set(found) == {"views-missing", "not-for-presentation"}


@pytest.mark.parametrize(
    ("expected", "change", "named"),
    [
        ("patient-mismatch", {"PatientID": "P-0002"}, "P-0001 and P-0002"),
        ("patient-mismatch", {"IssuerOfPatientID": "ELSEWHERE"}, "ELSEWHERE and HOSPITAL"),
        ("patient-mismatch", {"PatientBirthDate": "19650102"}, "19650101 and 19650102"),
        ("patient-mismatch", {"PatientName": "Doe^Joan"}, "Doe^Jane and Doe^Joan"),
        ("patient-mismatch", {"PatientName": "Jane^Doe"}, "Doe^Jane and Jane^Doe"),
        ("patient-mismatch", {"PatientID": None}, "without PatientID"),
        ("patient-mismatch", {"PatientName": "^^"}, "PatientName is given on some images"),
        ("patient-mismatch", {"PatientBirthDate": ""}, "PatientBirthDate is given on some images"),
        ("patient-mismatch", {"IssuerOfPatientID": None}, "IssuerOfPatientID is given on some images"),
        ("different-acquisition", {"StudyDate": "20250315"}, "20250314 and 20250315"),
        ("different-acquisition", {"StudyDate": None}, "without StudyDate"),
        ("different-acquisition", {"AcquisitionDate": "20240101"}, "20240101 and 20250314"),
        ("different-acquisition", {"ManufacturerModelName": "Model B"}, "Model A and Model B"),
        ("different-acquisition", {"DeviceSerialNumber": "SN2"}, "SN1 and SN2"),
        ("different-acquisition", {"SoftwareVersions": "2.0"}, "1.0 and 2.0"),
        ("different-acquisition", {"InstitutionName": "Elsewhere"}, "Elsewhere and Test hospital"),
        ("sex-not-female", {"PatientSex": "M"}, "PatientSex M"),
        ("sex-not-female", {"PatientSex": None}, "PatientSex absent"),
    ],
)
def test_one_image_that_differs_refuses_the_exam(expected: str, change: dict[str, object], named: str) -> None:
    found = texts(with_one(change))
    assert set(found) == {expected}
    assert named in found[expected]


@pytest.mark.parametrize("name", ["DOE^JANE", "Doe^Jane^^Dr", " doe ^ jane^Mary", "Doe Jane", "Doe^Jane=山田^花子"])
def test_a_name_spelled_otherwise_is_the_same_patient(name: str) -> None:
    assert texts(with_one({"PatientName": name})) == {}


def test_what_no_image_says_of_the_patient_contradicts_nothing() -> None:
    anonymous = four_views(PatientName="", PatientBirthDate="", IssuerOfPatientID=None)
    capture = mg_header("RCC", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID="1.2.3")
    assert texts(anonymous) == {}, "the age stands in PatientAge"
    assert texts([*anonymous, capture]) == {}, "an object that is set aside may say more"


def test_an_age_that_no_element_tells_is_refused() -> None:
    found = texts(four_views(PatientBirthDate=None, PatientAge=None))
    assert set(found) == {"age-out-of-range"}
    assert "not known" in found["age-out-of-range"]


def test_a_captured_object_of_another_patient_refuses_too() -> None:
    capture = mg_header("RCC", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID="1.2.3", PatientID="P-0002")
    assert set(texts([*four_views(), capture])) == {"patient-mismatch"}


@pytest.mark.parametrize(
    ("born", "stated", "age"),
    [
        ("19650314", "", 60),
        ("19650315", "", 59),
        ("00000000", "061Y", 61),
        ("", "024M", 2),
        ("00000000", "000Y", 0),
        ("", "61", None),
        ("19659999", "", None),
    ],
)
def test_age(born: str, stated: str, age: float | None) -> None:
    ds = mg_header(PatientBirthDate=born, PatientAge=None)
    ds.add_new("PatientAge", "LO", stated)  # as LO: pydicom would not let an invalid age be set
    assert age_years(describe(ds, EXPLICIT)) == age


@pytest.mark.parametrize(
    ("born", "passes"), [("19950314", True), ("19950315", False), ("19340401", True), ("19340301", False)]
)
def test_age_limits(born: str, passes: bool) -> None:
    assert ("age-out-of-range" not in texts(four_views(PatientBirthDate=born))) is passes


def test_rules_can_be_listed() -> None:
    assert {rule.code for rule in EXAM_RULES} <= set(CODE_VALUES)
    assert all(rule.says and rule.absence for rule in EXAM_RULES)


def test_the_genuine_ge_image_makes_an_incomplete_exam(data_dir: Path) -> None:
    path = data_dir / "dicom-mg/ge_senographe_rmlo_jpegll_GH133.dcm"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    found = exam_reasons([describe(ds, str(ds.file_meta.TransferSyntaxUID))])
    assert found[0].code == "views-missing"
    assert found[0].text == "RCC and LCC and LMLO are missing"
    # anonymised: PatientSex O, birth date 00000000, age 000Y
    assert {one.code for one in found} == {"views-missing", "sex-not-female", "age-out-of-range"}
