"""Report: the private coding scheme 99MTRIAGE and the standard codes that the reports use.

No standard concept says "triage: confidently normal"; (17621005, SCT, Normal) would claim more than the service does.
Code values are never reused for another meaning. Meanings are at most 64 characters, the length of LO (PS3.5 6.2).
"""

from types import MappingProxyType

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from triage.core.reasons import CODE_VALUES

SCHEME = "99MTRIAGE"


def _private(value: str, meaning: str) -> Code:
    return Code(value, SCHEME, meaning)


TRIAGE_CATEGORY = _private("TRI-001", "Triage category")
PROCEDURE = _private("TRI-002", "Mammography triage")
NORMALITY_SCORE = _private("TRI-010", "Normality score (logit; higher is more surely normal)")
THRESHOLD = _private("TRI-011", "Operating point threshold of the normality score")
REASON = _private("TRI-012", "Reason")
EXAM_SCORE = _private("TRI-013", "Exam normality score (least logit of its images)")

CONFIDENTLY_NORMAL = _private("TRI-100", "Confidently normal")
NOT_FLAGGED = _private("TRI-101", "Not flagged")
IMAGE_FLAGGED = _private("TRI-110", "Image flagged as confidently normal")
IMAGE_NOT_FLAGGED = _private("TRI-111", "Image not flagged")
NOT_EVALUATED = _private("TRI-900", "Not evaluated")


def _reason_meaning(code: str) -> str:
    """`modality-not-mg` becomes `Modality not MG`."""
    words = [{"mg": "MG", "2d": "2D"}.get(word, word) for word in code.split("-")]
    return " ".join([words[0].capitalize(), *words[1:]])


REASONS = MappingProxyType({code: _private(value, _reason_meaning(code)) for code, value in CODE_VALUES.items()})
"""The coded value of every reason of the catalogue."""

PRIVATE_CODES = (
    TRIAGE_CATEGORY,
    PROCEDURE,
    NORMALITY_SCORE,
    THRESHOLD,
    REASON,
    EXAM_SCORE,
    CONFIDENTLY_NORMAL,
    NOT_FLAGGED,
    IMAGE_FLAGGED,
    IMAGE_NOT_FLAGGED,
    NOT_EVALUATED,
    *REASONS.values(),
)
"""The whole scheme, for the conformance statement."""

MAMMOGRAPHY = Code("71651007", "SCT", "Mammography")
BREAST = Code("76752008", "SCT", "Breast")
SIDES = MappingProxyType({"R": Code("24028007", "SCT", "Right"), "L": Code("7771000", "SCT", "Left")})
BREASTS = MappingProxyType(
    {"R": Code("73056007", "SCT", "Right breast"), "L": Code("80248007", "SCT", "Left breast")}
)  # CID 6022
SOURCE = Code("260753009", "SCT", "Source")
NO_UNITS = Code("1", "UCUM", "no units")


def scheme_identification() -> Dataset:
    """The item of Coding Scheme Identification Sequence (0008,0110) that declares the private scheme."""
    item = Dataset()
    item.CodingSchemeDesignator = SCHEME
    item.CodingSchemeName = "Mammography triage codes"
    item.CodingSchemeResponsibleOrganization = "Mammography triage project"
    return item
