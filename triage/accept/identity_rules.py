"""Accept: rules about what the image shows: which breast, which view, all of it. Input: `Header`."""

import re

from triage.accept.header import Header
from triage.accept.identity import HARMLESS_MODIFIERS, laterality, view
from triage.accept.rule import Rule

_STANDARD = ("CC", "MLO")
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName")
_BIOPSY = re.compile(r"STEREO|BIOPS")
_SPECIMEN = re.compile(r"SPECIMEN")


def _modality(header: Header) -> str | None:
    modality = header.upper("Modality")
    return None if modality == "MG" else f"Not a mammography image: Modality {modality or 'is absent'}."


def _body_part(header: Header) -> str | None:
    part = header.upper("BodyPartExamined")
    return None if part in ("", "BREAST") else f"Not a breast image: BodyPartExamined {part}."


def _stereotactic(header: Header) -> str | None:
    for keyword in ("ImageType", "DetectorMode", *_DESCRIPTIONS):
        if _BIOPSY.search(header.upper(keyword)):
            return f"Stereotactic biopsy view, not a screening view: {keyword} {header.text(keyword)}."
    return None


def _specimen(header: Header) -> str | None:
    if view(header).label == "SPECIMEN":
        return f"Specimen radiograph, not a breast view: {view(header).source} says so."
    if header.items("SpecimenDescriptionSequence"):
        return "Specimen radiograph, not a breast view: SpecimenDescriptionSequence is present."
    for keyword in ("ImageType", *_DESCRIPTIONS):
        if _SPECIMEN.search(header.upper(keyword)):
            return f"Specimen radiograph, not a breast view: {keyword} {header.text(keyword)}."
    return None


def _view_known(header: Header) -> str | None:
    return view(header).problem


def _view_standard(header: Header) -> str | None:
    label = view(header).label
    return None if label in (None, "SPECIMEN", *_STANDARD) else f"Not a CC or MLO view: {label}."


def _view_modifier(header: Header) -> str | None:
    objectionable = [name for name in view(header).modifiers if name not in HARMLESS_MODIFIERS]
    return f"The view is modified: {', '.join(objectionable)}." if objectionable else None


def _laterality_known(header: Header) -> str | None:
    side = laterality(header)
    if side.conflict:
        return None
    if side.source == "text":
        return f"Which breast this is stands only in a description ({side.value}), which is no evidence."
    if side.value in ("R", "L"):
        return None
    said = f"{side.source} says {header.text(side.source) or side.value}" if side.source else "no element names it"
    return f"Which breast this is is not known: {said}."


def _laterality_conflict(header: Header) -> str | None:
    return laterality(header).conflict


def _partial_view(header: Header) -> str | None:
    if header.items("PartialViewCodeSequence"):
        return "Partial view: PartialViewCodeSequence is present."
    partial = header.upper("PartialView")
    return None if partial in ("", "NO") else f"Partial view: PartialView {partial}."


def _implant(header: Header) -> str | None:
    implant = header.upper("BreastImplantPresent")
    return None if implant in ("", "NO") else f"Breast implant: BreastImplantPresent {implant}."


RULES: tuple[Rule[Header], ...] = (
    Rule("modality-not-mg", "Modality is MG", _modality),
    Rule("modality-not-mg", "BodyPartExamined, if present, is BREAST", _body_part),
    Rule("stereotactic", "ImageType, DetectorMode and descriptions tell of no stereotaxis or biopsy", _stereotactic),
    Rule("specimen", "view, descriptions and SpecimenDescriptionSequence tell of no specimen", _specimen),
    Rule("view-unknown", "ViewCodeSequence has one item of CID 4014, ViewPosition agrees", _view_known),
    Rule("view-not-standard", "the coded view is CC or MLO", _view_standard),
    Rule("view-modifier", "ViewModifierCodeSequence holds nothing but nipple in profile", _view_modifier),
    Rule("laterality-unknown", "ImageLaterality, Frame Laterality or Laterality says R or L", _laterality_known),
    Rule("laterality-conflict", "all elements that name a breast name the same", _laterality_conflict),
    Rule("partial-view", "PartialView is NO or absent, PartialViewCodeSequence empty", _partial_view),
    Rule("implant", "BreastImplantPresent is NO or absent (then the pixels are asked)", _implant),
)
