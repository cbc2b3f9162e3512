"""Accept: rules that set an object aside. Such objects are stored and named, but are no image of the exam.

Input: `Header`. A study holds raw twins, tomosynthesis, synthetic images, captures; they neither count as views nor
spoil an exam whose four digital mammograms are complete.
"""

import re

from triage.accept.header import Header
from triage.accept.rule import Rule

# PS3.4 table B.5-1
MAMMOGRAPHY_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
MAMMOGRAPHY_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
BREAST_TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
BREAST_PROJECTION_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.13.1.4"
BREAST_PROJECTION_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.13.1.5"

_RAW = (MAMMOGRAPHY_FOR_PROCESSING, BREAST_PROJECTION_FOR_PROCESSING)
_PROJECTIONS = (BREAST_PROJECTION_FOR_PRESENTATION, BREAST_PROJECTION_FOR_PROCESSING)
_BREAST_CLASSES = frozenset({MAMMOGRAPHY_FOR_PRESENTATION, BREAST_TOMOSYNTHESIS, *_RAW, *_PROJECTIONS})

# A synthetic 2D image has the SOP class of a real one. IHE DBT: DERIVED\PRIMARY\TOMO\GENERATED_2D; Series Description
# holds product names: C-View, Intelligent 2D (Hologic), V-Preview (GE), Insight 2D (Siemens), S-View (Fujifilm).
_SYNTHETIC_TYPE = re.compile(r"TOMO|GENERATED|SYNTH")
_SYNTHETIC_DESCRIPTION = re.compile(
    r"\bC-?VIEW\b|\bS-?VIEW\b|\bV-?PREVIEW\b|INTELLIGENT[ -]?2D|INSIGHT[ -]?2D|SYNTH|GENERATED|\bTOMO"
)


def _sop_class(header: Header) -> str | None:
    uid = header.text("SOPClassUID")
    return None if uid in _BREAST_CLASSES else f"Not a digital mammogram: SOP class {uid or 'is absent'}."


def _raw(header: Header) -> str | None:
    if header.text("SOPClassUID") not in _RAW:
        return None
    return "Raw image (SOP class For Processing); only FOR PRESENTATION images are analysed."


def _tomosynthesis(header: Header) -> str | None:
    uid = header.text("SOPClassUID")
    if uid in _PROJECTIONS:
        return "Breast projection image of a tomosynthesis; only full-field digital mammograms are analysed."
    if uid == BREAST_TOMOSYNTHESIS and header.text("NumberOfFrames") != "1":
        return "Breast tomosynthesis; only full-field digital mammograms are analysed."
    return None


def _synthetic(header: Header) -> str | None:
    if header.text("SOPClassUID") == BREAST_TOMOSYNTHESIS and header.text("NumberOfFrames") == "1":
        return "Synthetic 2D image: breast tomosynthesis object with one frame; not validated."
    if header.text("SOPClassUID") != MAMMOGRAPHY_FOR_PRESENTATION:
        return None
    if _SYNTHETIC_TYPE.search(header.upper("ImageType")):
        return f"Synthetic 2D image: ImageType {header.text('ImageType')}; not validated."
    if _SYNTHETIC_DESCRIPTION.search(header.upper("SeriesDescription")):
        return f"Synthetic 2D image: SeriesDescription {header.text('SeriesDescription')}; not validated."
    return None


_ASKED_ABOVE = "refused, by the rule on known SOP classes"

SET_ASIDE: tuple[Rule[Header], ...] = (
    Rule("modality-not-mg", "SOPClassUID is a mammography, tomosynthesis or breast projection class", _sop_class),
    Rule("not-for-presentation", "SOPClassUID is not a For Processing class", _raw, _ASKED_ABOVE),
    Rule("tomosynthesis", "SOPClassUID is not breast tomosynthesis or projection", _tomosynthesis, _ASKED_ABOVE),
    Rule(
        "synthetic-2d",
        "ImageType and SeriesDescription name no synthetic 2D image",
        _synthetic,
        "ImageType refused, by the rule on its second value; SeriesDescription optional: free text",
    ),
)
