"""Conformance: what is read of images, by which rules an exam is evaluated, what is written, in which codes.

Input: the rule tables of `accept`, the limits of `prepare`, kinds and codes of `report`. Output: sections.
"""

from collections.abc import Iterable
from typing import Any

from triage.accept.exam_rules import EXAM_RULES
from triage.accept.header_rules import ELIGIBILITY, describe
from triage.accept.rule import Rule
from triage.accept.set_aside import SET_ASIDE
from triage.conformance.markdown import bullets, section, table
from triage.core.reasons import CODE_VALUES, SENTENCES
from triage.prepare.breast import LARGEST_BREAST, LARGEST_CLIPPED, SMALLEST_BREAST
from triage.prepare.decode import LARGEST_SIDE, SMALLEST_SIDE
from triage.report.codes import PRIVATE_CODES, SCHEME

PIXEL_ATTRIBUTES = (
    "BitsAllocated", "BitsStored", "HighBit", "ImageLaterality", "ModalityLUTSequence", "NumberOfFrames",
    "PatientOrientation", "PhotometricInterpretation", "PixelData", "PixelPaddingRangeLimit", "PixelPaddingValue",
    "PixelRepresentation", "PresentationLUTShape", "RescaleIntercept", "RescaleSlope", "SamplesPerPixel",
    "VOILUTSequence", "WindowCenter", "WindowWidth",
)  # fmt: skip
"""What the pixels are prepared by."""
_PIXELS = {
    "size-unexpected": f"Rows and Columns are {SMALLEST_SIDE} to {LARGEST_SIDE}",
    "truncated": "pixel data is as long as Rows, Columns and BitsAllocated say, a codestream has its end",
    "undecodable": "the codestream can be decoded, its size is that of the header; 8 or 16 bits allocated",
    "breast-not-found": f"the breast covers {SMALLEST_BREAST:.0%} to {LARGEST_BREAST:.0%} of the image",
    "clipped-image": f"at most {LARGEST_CLIPPED:.0%} of the breast is saturated",
}
"""Limits by reason; of the others the sentence says enough."""


def content() -> str:
    """Attributes, rules, objects and codes."""
    return section("4 Objects", _read(), _rules(), _codes(), _written())


def _read() -> str:
    kept = describe({}, "").attributes  # of an empty header: the keys are what is kept of any
    return section(
        "4.1 Attributes that are read",
        "Besides those that the rules below name. Where several elements may say the same, all that are present must "
        "agree; which one was believed is kept.",
        bullets(
            (
                f"For worklist, strata and results: {', '.join(sorted(kept))}. `ClinicalContext`, `LateralitySource`, "
                "`ViewModifiers` and `ViewSource` are derived and no DICOM keywords.",
                f"For the pixels: {', '.join(PIXEL_ATTRIBUTES)}.",
                "For results: patient, study and issuer attributes are copied as they are, shortened where they break "
                "their value representation.",
            )
        ),
        level=3,
    )


def _rules() -> str:
    columns = ("reason", "code", "demanded", "if absent")
    tables: tuple[tuple[Rule[Any], ...], ...] = (SET_ASIDE, ELIGIBILITY, EXAM_RULES)
    asked = {rule.code for rules in tables for rule in rules}
    rest = [
        (code, value, _PIXELS.get(code, f"not so: {SENTENCES[code]}"))
        for code, value in CODE_VALUES.items()
        if value.startswith(("TRI-3", "TRI-4")) or code not in asked
    ]
    return section(
        "4.2 Rules",
        "An exam is evaluated if all rules on it and on each of its images hold. Otherwise its result is not_evaluated "
        "with every reason, and it is read as if there were no triage. Objects that are set aside neither count as "
        "views nor spoil an exam. An element that is absent never makes an image eligible; where it may be absent, the "
        "last column says why.",
        section("Objects that are kept and set aside", table(columns, _rows(SET_ASIDE)), level=4),
        section("Images", table(columns, _rows(ELIGIBILITY)), level=4),
        section("Exams", table(columns, _rows(EXAM_RULES)), level=4),
        section("Pixels, models and calibration", table(columns[:3], rest), level=4),
        level=3,
    )


def _rows(rules: Iterable[Rule[Any]]) -> list[tuple[str, str, str, str]]:
    return [(rule.code, CODE_VALUES[rule.code], rule.says, rule.absence) for rule in rules]


def _codes() -> str:
    rows = [(code.value, code.meaning) for code in sorted(PRIVATE_CODES, key=lambda code: code.value)]
    return section(
        "4.3 Private codes",
        f"Coding scheme {SCHEME}, declared in Coding Scheme Identification Sequence (0008,0110). A value is never "
        "reused for another meaning. There are no private attributes and no private SOP classes.",
        table(("code value", "code meaning"), rows),
        level=3,
    )


def _written() -> str:
    return section(
        "4.4 Objects that are written",
        bullets(
            (
                "All belong to the study of the images; patient and study attributes are copied, issuers included. "
                "Each kind has a series of its own.",
                "UIDs are derived from the result (2.25 and a UUID of version 5): the same result has the same UIDs.",
                "Structured reports follow TID 1500 with one measurement group (TID 1501) for each image, preliminary "
                "and unverified. A refusal is reported as fully as a result.",
                "The CAD report follows TID 4000 and is made only where it would not read as a clean result.",
                "No BI-RADS category is written, and (17621005, SCT, Normal) is not used: the service flags, a "
                "radiologist assesses.",
                "Character set: ISO_IR 192 (UTF-8) in what is written; any that PS3.3 C.12.1.1.2 defines in what is "
                "read.",
            )
        ),
        level=3,
    )
