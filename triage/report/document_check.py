"""Report: what a structured report must hold true beyond single rows. Input: a data set. Output: problems.

References, code meanings and values for every report; for the reports of this service also that scores, thresholds,
categories and reasons say the same thing, and that nothing claims more than the service knows.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from triage.report import codes as triage
from triage.report.source import is_uid, text
from triage.report.template_check import ROOTS, Problem, check_rows, known_meanings
from triage.report.tree import Item, items_of, meaning_of, walk
from triage.report.triage_check import check_triage

_FORBIDDEN = {
    ("111047", "DCM"): "a probability of cancer",
    ("111005", "DCM"): "an assessment category",
    ("17621005", "SCT"): "normality",
    ("397138000", "SCT"): "BI-RADS category 0",
    ("397140005", "SCT"): "BI-RADS category 1",
    ("397141009", "SCT"): "BI-RADS category 2",
    ("397143007", "SCT"): "BI-RADS category 3",
    ("397144001", "SCT"): "BI-RADS category 4",
    ("397145000", "SCT"): "BI-RADS category 5",
}
_DATE, _TIME = re.compile(r"[0-9]{8}"), re.compile(r"[0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?")
_PRIVATE = {(code.value, code.scheme_designator): code.meaning for code in triage.PRIVATE_CODES}


def check_report(ds: Dataset) -> list[Problem]:
    """Every problem of a structured report: its rows, its references, its values, its claims."""
    problems = check_rows(ds)
    root = Item(ds, "1")
    items = list(walk(root))
    problems += _document(ds, root) + _references(ds, root, items)
    for item in items:
        problems += _value(item) + _codes(item)
    schemes = {scheme for item in items for _, scheme in filter(None, (item.concept, item.value))}
    if triage.SCHEME in schemes:
        problems += _declared(ds)
        problems += check_triage(root)
    return problems


def check_file(path: Path) -> list[Problem]:
    """Every problem of a file; one that is not DICOM has that problem."""
    try:
        ds = pydicom.dcmread(path, stop_before_pixels=True)
    except Exception as error:  # whatever the parser met; its text may quote the patient, so the type is all to say
        return [Problem("", "file", f"it cannot be read as DICOM: {type(error).__name__}")]
    return check_report(ds)


def _document(ds: Dataset, root: Item) -> list[Problem]:
    wrong = []
    if root.template not in ROOTS:
        wrong.append(Problem("1", "template", f"Content Template Sequence says {root.template or 'nothing'}"))
    if root.relationship:
        wrong.append(Problem("1", "root", "the root has a relationship type"))
    if "VerificationFlag" in ds and text(ds, "VerificationFlag") != "UNVERIFIED":
        wrong.append(Problem("", "verification", "the report says that a person verified it"))
    if root.template == "1500" and not {"126010", "126011", "C0034375"} & {
        child.concept[0] for child in root.children if child.concept
    }:
        wrong.append(Problem("1", "TID 1500 row 6 Imaging Measurements", "neither measurements nor evaluations"))
    observers = {child.value for child in root.of("121005")}
    if ("121007", "DCM") in observers and not root.of("121012"):
        wrong.append(Problem("1", "TID 1004 row 1 Device Observer UID", "the observer is a device without a UID"))
    if root.template == "1500" and not observers:
        wrong.append(Problem("1", "TID 1001 Observation Context", "nothing says who or what observed"))
    return wrong


def _references(ds: Dataset, root: Item, items: Sequence[Item]) -> list[Problem]:
    listed = {
        text(instance, "ReferencedSOPInstanceUID"): text(instance, "ReferencedSOPClassUID")
        for study in items_of(ds, "CurrentRequestedProcedureEvidenceSequence")
        for series in items_of(study, "ReferencedSeriesSequence")
        for instance in items_of(series, "ReferencedSOPSequence")
    }
    types, problems = {item.place: item.type for item in items}, []
    for item in items:
        if item.is_reference:
            path = text(item.ds, "ReferencedContentItemIdentifier").replace("\\", ".")
            if path not in types:
                problems.append(Problem(item.place, "reference", f"there is no item {path}"))
            elif root.template == "4000" and types[path] != "IMAGE":
                problems.append(Problem(item.place, "reference", f"item {path} is no image of the library"))
        for one in items_of(item.ds, "ReferencedSOPSequence"):
            name = text(one, "ReferencedSOPInstanceUID")
            if name not in listed:
                problems.append(Problem(item.place, "evidence", f"instance {name} is not in the evidence"))
            elif text(one, "ReferencedSOPClassUID") != listed[name]:
                problems.append(Problem(item.place, "evidence", f"instance {name} has another class in the evidence"))
    trackings = Counter(text(item.ds, "UID") for item in items if item.concept == ("112040", "DCM"))
    problems += [Problem("", "tracking", f"{name} is given {n} times") for name, n in trackings.items() if n > 1]
    return problems


def _value(item: Item) -> list[Problem]:
    """Every value type has its value."""
    if item.is_reference:
        return []
    wrong = ""
    match item.type:
        case "TEXT" if not text(item.ds, "TextValue").strip():
            wrong = "the text is empty"
        case "CODE" if item.value is None or not all(item.value):
            wrong = "the code is empty"
        case "NUM" if item.number is None or not math.isfinite(item.number):
            wrong = "no finite number"
        case "UIDREF" if not is_uid(text(item.ds, "UID")):
            wrong = "no UID"
        case "DATE" if not _DATE.fullmatch(text(item.ds, "Date")):
            wrong = "no date"
        case "TIME" if not _TIME.fullmatch(text(item.ds, "Time")):
            wrong = "no time"
        case "IMAGE" | "COMPOSITE" if len(items_of(item.ds, "ReferencedSOPSequence")) != 1:
            wrong = "not exactly one instance"
    return [Problem(item.place, f"value of {item.type}", wrong)] if wrong else []


def _codes(item: Item) -> list[Problem]:
    problems = []
    for keyword in ("ConceptNameCodeSequence", "ConceptCodeSequence"):
        count, meaning = len(items_of(item.ds, keyword)), meaning_of(item.ds, keyword)
        code = item.concept if keyword.startswith("ConceptName") else item.value
        if count > 1:
            problems.append(Problem(item.place, "code", f"{count} items in {keyword}"))
        if code is None:
            continue
        if code in _FORBIDDEN or code[1] == "BI":
            claim = _FORBIDDEN.get(code, "a BI-RADS term")
            problems.append(Problem(item.place, "claim", f"({code[0]}, {code[1]}) claims {claim}"))
        problems += [Problem(item.place, "code", one) for one in _wrong_code(code, meaning)]
    return problems


_MEANINGS = {code: meaning for code, meaning in known_meanings().items() if code[1] == "DCM"} | _PRIVATE


def _wrong_code(code: tuple[str, str], meaning: str) -> list[str]:
    """A code that is unknown to the private scheme, has no meaning, or the meaning of another one."""
    if code[1] == triage.SCHEME and code not in _PRIVATE:
        return [f"({code[0]}, {code[1]}) is not in the scheme"]
    if not meaning.strip():
        return [f"({code[0]}, {code[1]}) has no meaning"]
    if code in _MEANINGS and _letters(meaning) != _letters(_MEANINGS[code]):
        return [f"({code[0]}, {code[1]}) means {_MEANINGS[code]!r}, not {meaning!r}"]
    return []


def _letters(meaning: str) -> str:
    return "".join(one for one in meaning.casefold() if one.isalnum())


def _declared(ds: Dataset) -> list[Problem]:
    named = {text(one, "CodingSchemeDesignator") for one in items_of(ds, "CodingSchemeIdentificationSequence")}
    if triage.SCHEME in named:
        return []
    return [Problem("", "coding scheme", f"{triage.SCHEME} is used and not declared in (0008,0110)")]
