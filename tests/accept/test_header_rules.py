"""Every header rule with its element wrong and deleted, real files, and damaged headers."""

import random
import warnings
from pathlib import Path

import pydicom
import pytest
from mg_headers import EXPLICIT, MG, code, mg_header, mutate
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from triage.accept.attributes import STRATUM
from triage.accept.header_rules import ELIGIBILITY, RULES, describe
from triage.accept.rule import REFUSED
from triage.accept.set_aside import SET_ASIDE
from triage.core.reasons import CODE_VALUES
from triage.core.strata import stratum_of

CODES = {rule.code for rule in RULES}


def codes(ds: Dataset, transfer_syntax_uid: str = EXPLICIT) -> set[str]:
    return {found.code for found in describe(ds, transfer_syntax_uid).reasons}


def modified(value: str, scheme: str = "SCT") -> list[Dataset]:
    item = code("399162004", "SCT", "cranio-caudal")
    item.ViewModifierCodeSequence = [code(value, scheme, "modifier")]
    return [item]


WRONG = [
    ("modality-not-mg", {"Modality": "DX"}),
    ("modality-not-mg", {"BodyPartExamined": "CHEST"}),
    ("not-for-presentation", {"PresentationIntentType": "FOR PROCESSING"}),
    ("stereotactic", {"ImageType": ["DERIVED", "PRIMARY", "STEREO", "LEFT"]}),
    ("stereotactic", {"ProtocolName": "Biopsy"}),
    ("stereotactic", {"DetectorMode": "STEREO"}),
    ("specimen", {"ViewCodeSequence": [code("127457009", "SCT", "tissue specimen")]}),
    ("specimen", {"SpecimenDescriptionSequence": [Dataset()]}),
    ("specimen", {"SeriesDescription": "Specimen"}),
    ("synthetic-2d", {"ImageType": ["DERIVED", "SECONDARY"]}),
    ("contrast-enhanced", {"ImageType": ["DERIVED", "PRIMARY", "RECOMBINED"]}),
    ("contrast-enhanced", {"ImageType": ["DERIVED", "PRIMARY", "LOW_ENERGY"]}),
    ("contrast-enhanced", {"ImageType": ["DERIVED", "PRIMARY", "SUBTRACTION"]}),
    ("contrast-enhanced", {"SeriesDescription": "R CC (LE)"}),
    ("contrast-enhanced", {"SeriesDescription": "R CC (DES)"}),
    ("contrast-enhanced", {"ContrastBolusAgent": "Iohexol"}),
    ("contrast-enhanced", {"ContrastBolusAgentSequence": [code("1", "SCT", "agent")]}),
    ("view-unknown", {"ViewCodeSequence": [code("1234", "SCT", "something")]}),
    ("view-unknown", {"ViewPosition": "MLO"}),
    ("view-unknown", {"PatientOrientation": ["P", "FL"]}),
    ("view-not-standard", {"ViewCodeSequence": [code("399260004", "SCT", "medio-lateral")]}),
    ("view-modifier", {"ViewCodeSequence": modified("399055006")}),
    ("view-modifier", {"ViewCodeSequence": modified("R-102D5", "SRT")}),
    ("view-modifier", {"ViewCodeSequence": modified("12345")}),
    ("view-modifier", {"ViewModifierCodeSequence": [code("399163009", "SCT", "magnification")]}),
    ("laterality-unknown", {"ImageLaterality": "B"}),
    ("laterality-unknown", {"ImageLaterality": ["R", "L"]}),
    ("laterality-unknown", {"ImageLaterality": None, "SeriesDescription": "RCC"}),
    ("laterality-conflict", {"Laterality": "L"}),
    ("laterality-conflict", {"ImageLaterality": "L"}),
    ("laterality-conflict", {"PatientOrientation": ["P", "R"]}),
    ("laterality-conflict", {"PatientOrientation": ["A", "P"]}),
    ("partial-view", {"PartialView": "YES"}),
    ("partial-view", {"PartialViewCodeSequence": [code("1", "SCT", "x")]}),
    ("implant", {"BreastImplantPresent": "YES"}),
    ("implant", {"BreastImplantPresent": "UNKNOWN"}),
    ("magnification", {"EstimatedRadiographicMagnificationFactor": "1.8"}),
    ("magnification", {"EstimatedRadiographicMagnificationFactor": "0"}),
    ("magnification", {"DistanceSourceToDetector": "660", "DistanceSourceToPatient": "360"}),
    ("magnification", {"FocalSpots": "0.1"}),
    ("magnification", {"FocalSpots": ["0.1", "0.3"]}),
    ("magnification", {"FocalSpots": "0.15", "DistanceSourceToDetector": "660"}),
    ("lossy-compression", {"LossyImageCompression": "01"}),
    ("quality-control", {"QualityControlImage": "YES"}),
    ("quality-control", {"PatientName": "QC^Weekly"}),
    ("quality-control", {"PatientID": "PHANTOM_2"}),
    ("quality-control", {"PatientID": "phy12345Tomo"}),
    ("quality-control", {"ExposureStatus": "ABORTED"}),
    ("burned-in-annotation", {"BurnedInAnnotation": "YES"}),
    ("multi-frame", {"NumberOfFrames": 2}),
    ("not-monochrome", {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}),
    ("not-monochrome", {"PhotometricInterpretation": "PALETTE COLOR"}),
    ("undecodable", {"Rows": None}),
    ("size-unexpected", {"Rows": 0}),
    ("undecodable", {"SeriesInstanceUID": "no UID"}),
]

SET_ASIDE_CASES = [
    ("not-for-presentation", {"SOPClassUID": f"{MG}.1"}),
    ("tomosynthesis", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3", "NumberOfFrames": 50}),
    ("tomosynthesis", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.4"}),
    ("synthetic-2d", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.3", "NumberOfFrames": 1}),
    ("synthetic-2d", {"ImageType": ["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D"]}),
    ("synthetic-2d", {"SeriesDescription": "R CC C-View"}),
    ("modality-not-mg", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}),
    ("modality-not-mg", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1"}),
    ("modality-not-mg", {"SOPClassUID": None}),
]

# Elements without which an image cannot be shown to be eligible, and the reason that their absence gives
REQUIRED = {
    "SOPClassUID": "modality-not-mg",
    "SOPInstanceUID": "undecodable",
    "StudyInstanceUID": "undecodable",
    "SeriesInstanceUID": "undecodable",
    "Modality": "modality-not-mg",
    "ImageType": "synthetic-2d",
    "PresentationIntentType": "not-for-presentation",
    "ImageLaterality": "laterality-unknown",
    "ViewCodeSequence": "view-unknown",
    "BurnedInAnnotation": "burned-in-annotation",
    "SamplesPerPixel": "not-monochrome",
    "PhotometricInterpretation": "not-monochrome",
    "Rows": "undecodable",
    "Columns": "undecodable",
}
# Elements whose absence is legal in the class and common
OPTIONAL = (
    "LossyImageCompression",
    "SeriesDescription",
    "BodyPartExamined",
    "PatientOrientation",
    "SpecificCharacterSet",
)


def test_a_plain_view_is_eligible() -> None:
    found = describe(mg_header("LMLO"), EXPLICIT)
    assert (found.view, found.eligible, found.reasons) == ("LMLO", True, ())
    assert found.transfer_syntax_uid == EXPLICIT


@pytest.mark.parametrize(("expected", "changes"), WRONG, ids=[f"{c}-{n}" for n, (c, _) in enumerate(WRONG)])
def test_a_wrong_value_is_refused_by_its_rule_alone(expected: str, changes: dict[str, object]) -> None:
    found = describe(mg_header(**changes), EXPLICIT)
    assert found.analysable
    assert not found.eligible
    assert {one.code for one in found.reasons} == {expected}
    assert all(one.sop_instance_uid == found.sop_instance_uid for one in found.reasons)


def test_every_eligibility_rule_is_tried() -> None:
    assert {expected for expected, _ in WRONG} == {rule.code for rule in ELIGIBILITY}
    assert {expected for expected, _ in SET_ASIDE_CASES} == {rule.code for rule in SET_ASIDE}


@pytest.mark.parametrize(("expected", "changes"), SET_ASIDE_CASES)
def test_objects_set_aside(expected: str, changes: dict[str, object]) -> None:
    found = describe(mg_header(**changes), EXPLICIT)
    assert not found.analysable
    assert not found.eligible
    assert [one.code for one in found.reasons] == [expected]


@pytest.mark.parametrize(("keyword", "expected"), REQUIRED.items())
def test_a_required_element_deleted_or_emptied_refuses(keyword: str, expected: str) -> None:
    assert expected in codes(mg_header(**{keyword: None}))
    emptied = mg_header()
    emptied[keyword].value = [] if keyword == "ViewCodeSequence" else None
    assert expected in codes(emptied)


@pytest.mark.parametrize("keyword", OPTIONAL)
def test_an_optional_element_may_be_absent(keyword: str) -> None:
    assert describe(mg_header(**{keyword: None}), EXPLICIT).eligible


@pytest.mark.parametrize(
    "changes",
    [
        {"BreastImplantPresent": "NO"},
        {"PartialView": "NO"},
        {"QualityControlImage": "NO"},
        {"ContrastBolusAgent": ""},
        {"NumberOfFrames": 1},
        {"EstimatedRadiographicMagnificationFactor": "1.07"},
        {"EstimatedRadiographicMagnificationFactor": "1.07", "FocalSpots": "0.1"},
        {"DistanceSourceToDetector": "660", "DistanceSourceToPatient": "620", "FocalSpots": ["0.1", "0.3"]},
        {"FocalSpots": "0.3"},
        {"FocalSpots": "0"},
        {"PatientOrientation": ["A", "L"]},
        {"PatientOrientation": ["P"]},
        {"PatientOrientation": ["P", "A"]},
        {"ViewCodeSequence": modified("442581004")},
        {"Manufacturer": "PHANTOM-A", "SeriesDescription": "Phantom exam, 4 views"},
    ],
)
def test_harmless_values_stay_eligible(changes: dict[str, object]) -> None:
    assert describe(mg_header(**changes), EXPLICIT).eligible


@pytest.mark.parametrize("directions", [["P", "F"], ["P", "L"], ["P", "FL"], ["A", "FL"]])
def test_oblique_views_are_oriented_in_many_ways(directions: list[str]) -> None:
    assert describe(mg_header("RMLO", PatientOrientation=directions), EXPLICIT).eligible
    other = describe(mg_header("LMLO", PatientOrientation=directions), EXPLICIT)
    assert [found.code for found in other.reasons] == ["laterality-conflict"]


@pytest.mark.parametrize(
    ("syntax", "declared", "eligible"),
    [
        ("1.2.840.10008.1.2.4.70", None, True),
        ("1.2.840.10008.1.2.4.90", None, True),
        ("1.2.840.10008.1.2.4.91", "00", True),
        ("1.2.840.10008.1.2.4.91", None, False),
        ("1.2.840.10008.1.2.4.50", "00", False),
        ("1.2.840.10008.1.2.4.51", None, False),
        ("1.2.840.10008.1.2.4.81", "00", False),
        ("1.2.3.4", "00", False),
        ("", "00", False),
    ],
)
def test_transfer_syntax_tells_of_lossy_compression(syntax: str, declared: str | None, eligible: bool) -> None:
    assert (codes(mg_header(LossyImageCompression=declared), syntax) == set()) is eligible


def test_rules_can_be_listed() -> None:
    assert set(CODE_VALUES) >= CODES
    assert all(rule.says and len(rule.says) < 90 and rule.absence for rule in RULES)


def test_every_rule_says_what_absence_means_and_keeps_to_it() -> None:
    """A rule whose elements may be absent passes a header without them; one that refuses names what it misses."""
    lenient = {rule.code for rule in ELIGIBILITY if not rule.absence.startswith("refused")}
    refusing = {rule.code for rule in RULES if REFUSED in rule.absence}
    assert set(REQUIRED.values()) <= refusing
    bare = mg_header(**dict.fromkeys(OPTIONAL))
    assert codes(bare).isdisjoint(lenient)


def test_attributes_are_plain_json() -> None:
    ds = mg_header(PatientName="山田^太郎", ImagerPixelSpacing=["0.1", "0.2"], PatientID="A\0B")
    found = describe(ds, EXPLICIT).attributes
    assert found["PatientName"] == "山田^太郎"
    assert found["PatientID"] == "AB"
    assert (found["Rows"], found["ImagerPixelSpacing"]) == (2560, "0.1\\0.2")
    assert (found["LateralitySource"], found["ViewSource"]) == ("ImageLaterality", "ViewCodeSequence")
    assert found["BreastImplantPresent"] == ""
    assert all(type(value) in (str, int) for value in found.values())


def read(path: Path) -> Dataset:
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return pydicom.dcmread(path, stop_before_pixels=True)


@pytest.mark.parametrize(
    ("name", "view", "analysable", "expected"),
    [
        ("dicom-mg/ge_senographe_rmlo_jpegll_GH133.dcm", "RMLO", True, set()),
        ("dicom-mg/siemens_inspiration_stereo_OutOfBoundsOverlay.dcm", "LCC", True, {"stereotactic"}),
        ("dicom-headers/MG-Im-GE_Seno_1_ForPresentation.dcm", "LCC", True, {"stereotactic"}),
        ("dicom-headers/MG-Im-GE_Seno_1_ForProcessing.dcm", "LCC", False, {"not-for-presentation"}),
        ("dicom-headers/MG-Im-Hologic-PropProj.dcm", "RCC", False, {"modality-not-mg"}),
    ],
)
def test_real_files(data_dir: Path, name: str, view: str, analysable: bool, expected: set[str]) -> None:
    ds = read(data_dir / name)
    found = describe(ds, str(ds.file_meta.TransferSyntaxUID))
    assert (found.view, found.analysable) == (view, analysable)
    assert {one.code for one in found.reasons} == expected


def test_the_stereo_view_is_refused_by_its_image_type(data_dir: Path) -> None:
    ds = read(data_dir / "dicom-mg/siemens_inspiration_stereo_OutOfBoundsOverlay.dcm")
    (found,) = describe(ds, str(ds.file_meta.TransferSyntaxUID)).reasons
    assert "ImageType DERIVED\\PRIMARY\\STEREO\\LEFT" in found.text


@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("BreastImplantPresent", "OB", b"\xff\xfe"),
        ("PartialView", "SQ", b"\xff\xff\xff"),
        ("EstimatedRadiographicMagnificationFactor", "DS", b"one and a half"),
        ("FocalSpots", "DS", b"small"),
        ("PatientName", "US", b"\x01"),
        ("Rows", "FD", b"\x00\x00\x00\x00\x00\x00\xf8\x7f"),
    ],
)
def test_damage_to_an_element_is_not_its_absence(keyword: str, vr: str, value: bytes) -> None:
    ds = mg_header()
    tag = Tag(keyword)
    ds._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    found = describe(ds, EXPLICIT)
    assert not found.eligible
    assert any(one.code == "undecodable" and keyword in one.text for one in found.reasons)


@pytest.mark.parametrize(("vr", "value"), [("OB", b"\xff\xfe"), ("US", b"\x01"), ("SQ", b"\xff\xff"), ("FD", b"v1")])
@pytest.mark.parametrize("keyword", STRATUM)
def test_a_damaged_part_of_the_key_of_a_threshold_refuses(keyword: str, vr: str, value: bytes) -> None:
    ds = mg_header()
    tag = Tag(keyword)
    ds._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    found = describe(ds, EXPLICIT)
    assert found.analysable
    assert [one.code for one in found.reasons] == ["undecodable"]
    assert keyword in found.reasons[0].text


def test_every_part_of_the_key_that_an_image_gives_must_be_readable_and_nothing_else() -> None:
    values = {keyword: keyword for keyword in STRATUM}
    stratum = stratum_of(values | {"StationName": "other"}, "bundle", "1")
    told = (stratum.site, stratum.manufacturer, stratum.model, stratum.software_version, stratum.acquisition_type)
    assert told == STRATUM
    unnamed = mg_header(**dict.fromkeys(STRATUM, ""))
    assert describe(unnamed, EXPLICIT).eligible, "absence is judged where the key is used"
    ds = mg_header()
    tag = Tag("StationName")
    ds._dict[tag] = RawDataElement(tag, "OB", 2, b"\xff\xfe", 0, False, True)
    assert describe(ds, EXPLICIT).eligible


@pytest.mark.parametrize("seed", range(300))
def test_damaged_headers_never_raise_and_never_become_eligible(seed: int) -> None:
    chance = random.Random(seed)
    ds = mg_header(chance.choice(("RCC", "LMLO")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gone = mutate(ds, chance)
        found = describe(ds, EXPLICIT)
    if gone & set(REQUIRED):
        assert not found.eligible
    if found.eligible:
        trusted = ("Modality", "ImageLaterality", "PresentationIntentType", "BurnedInAnnotation", "ViewCodeSequence")
        assert all(ds[keyword].value == mg_header(str(found.view))[keyword].value for keyword in trusted)
    else:
        assert found.reasons
        assert {one.code for one in found.reasons} <= CODES
