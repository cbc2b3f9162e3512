"""Requests that tell of more than screening, in five languages, and those that only seem to."""

import pytest
from mg_headers import EXPLICIT, code, four_views, mg_header
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from triage.accept.context import CLINICAL_CONTEXT, READ, subject_of
from triage.accept.exam_rules import exam_reasons
from triage.accept.header_rules import describe

SYMPTOMS, DIAGNOSTIC = "symptoms", "a diagnostic examination"
SURGERY, CANCER = "breast surgery", "breast cancer or its treatment"

TOLD = {
    SYMPTOMS: (
        "Palpable lump left breast", "lump ?", "No lump, pain left", "no change in lump", "no lump: 3 cm",
        "previous: no lump: yes", "no pain left breast lump", "screening mammogram lump", "no significant lump",
        "no lump and pain since May", "Symptomatic", "bloody nipple discharge", "familial breast lump",
        "Knoten links", "Tastbefund rechts", "Beschwerden seit 2 Wochen", "knobbel rechter borst", "pijn links",
        "Douleur du sein gauche", "nodule palpable", "bulto en mama izquierda", "dolor mamario", "MASTALGIE",
    ),
    DIAGNOSTIC: (
        "Diagnostic mammography", "MAMMO DIAGNOSTIC BILATERAL", "Recall from screening", "6 month follow-up",
        "Kurative Mammographie", "Abklärung Screening", "diagnostisch mammogram", "mammographie diagnostique",
        "mamografía diagnóstica", "BI-RADS 4", "PUNCTIE BORST LINKS", "cilinderbiopsie", "negative biopsy 2019",
    ),
    SURGERY: (
        "s/p lumpectomy 2019", "S/P left mastectomy", "Status post surgery", "Z.n. Ablatio", "Zustand nach OP rechts",
        "brusterhaltende Therapie", "borstsparende operatie", "chirurgie mammaire", "mama operada", "breast implants",
        "no surgery pain left breast: surgery 2001", "post-op",
    ),
    CANCER: (
        "history of breast cancer", "Nachsorge entfällt; Mammakarzinom 2015", "status na mammacarcinoom",
        "cancer du sein traité 2018", "antécédents familiaux et personnels de cancer", "Mamma-Ca li.",
        "Brustkrebs 2010", "mother had breast cancer", "cancer free since 2012",
    ),
}  # fmt: skip

NOT_TOLD = (
    "", "Screening mammography, bilateral", "MAMMOSCREENING 1E LEZING", "No Views", "Routine screening, asymptomatic",
    "MAMMO SCREENING BILATERAL (3D/TOMO) W CAD", "Mammographie-Screening", "MASS SCREENING", "Operator training",
    "Encounter for screening mammogram for malignant neoplasm of breast", "Breast cancer screening programme",
    "screening mammogram for breast cancer", "Dépistage organisé du cancer du sein", "Brustkrebs-Früherkennung",
    "Bevolkingsonderzoek borstkanker", "Cribado de cáncer de mama", "no history of surgery", "No prior surgery",
    "No symptoms", "Denies pain", "no lump or pain", "No personal history of breast cancer", "Symptoms: none",
    "Lump: no", "Surgery: none; pain: no", "no breast implants", "Keine Beschwerden", "keine Voroperation",
    "symptomfrei", "geen klachten", "Geen knobbels", "pas de symptômes", "Pas d'antécédent de chirurgie",
    "sin síntomas", "Family history of breast cancer", "Antecedentes familiares de cáncer",
)  # fmt: skip


@pytest.mark.parametrize(("subject", "text"), [(name, text) for name, texts in TOLD.items() for text in texts])
def test_words_that_speak_against_screening(subject: str, text: str) -> None:
    found = subject_of(text)
    assert found is not None
    if ";" not in text and ":" not in text:  # of several subjects any may be named
        assert found == subject


@pytest.mark.parametrize("text", NOT_TOLD)
def test_words_that_do_not(text: str) -> None:
    assert subject_of(text) is None
    assert subject_of(text.upper()) is None


def request(**told: object) -> list[Dataset]:
    item = Dataset()
    for keyword, value in told.items():
        setattr(item, keyword, value)
    return [item]


@pytest.mark.parametrize(
    "told",
    [
        *({keyword: "palpable lump"} for keyword in READ if not keyword.endswith("Sequence")),
        *({keyword: [code("1", "L", "palpable lump")]} for keyword in READ if keyword.endswith("CodeSequence")),
        {"RequestAttributesSequence": request(ReasonForTheRequestedProcedure="palpable lump")},
        {"RequestAttributesSequence": request(RequestedProcedureDescription="palpable lump")},
        {"RequestAttributesSequence": request(RequestedProcedureCodeSequence=[code("1", "L", "palpable lump")])},
    ],
    ids=lambda told: next(iter(told)),
)
def test_every_element_is_heard_and_none_is_kept(told: dict[str, object]) -> None:
    headers = [describe(ds, EXPLICIT) for ds in [*four_views()[:3], mg_header("LMLO", **told)]]
    (found,) = exam_reasons(headers)
    assert found.code == "not-screening"
    assert "tells of symptoms" in found.text
    if "StudyDescription" not in told:  # the worklist shows that one
        assert "lump" not in str(headers[3].attributes)


def test_the_study_of_a_plain_request_says_nothing() -> None:
    headers = [describe(ds, EXPLICIT) for ds in four_views(ReasonForStudy="Routine", AdditionalPatientHistory="none")]
    assert exam_reasons(headers) == ()
    assert {header.attributes[CLINICAL_CONTEXT] for header in headers} == {""}


def test_a_captured_object_of_the_same_request_speaks_too() -> None:
    capture = mg_header("RCC", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID="1.2.3", ReasonForStudy="lump")
    found = exam_reasons([describe(ds, EXPLICIT) for ds in [*four_views(), capture]])
    assert [one.code for one in found] == ["not-screening"]


def test_a_damaged_reason_is_not_an_absent_one() -> None:
    ds, tag = mg_header(), Tag("ReasonForStudy")
    ds._dict[tag] = RawDataElement(tag, "SQ", 3, b"\xff\xff\xff", 0, False, True)
    found = describe(ds, EXPLICIT)
    assert [one.code for one in found.reasons] == ["undecodable"]
    assert "ReasonForStudy" in found.reasons[0].text
