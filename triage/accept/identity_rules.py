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
    found = view(header)
    return found.problem or _orientation_of_other_view(header, found.label)


def _orientation_of_other_view(header: Header, label: str | None) -> str | None:
    """Whether Patient Orientation (0020,0020) speaks against a CC view, which looks along the body: neither foot nor
    head is in its plane. Oblique views are not held to anything: senders give their columns as L, F or FL."""
    directions = header.texts("PatientOrientation")
    if label != "CC" or len(directions) != 2 or not set("".join(directions).upper()) & {"F", "H"}:
        return None
    stated = "\\".join(directions)
    return f"The view is not known: ViewCodeSequence says CC, PatientOrientation {stated} is not that of a CC view."


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
    side = laterality(header)
    return side.conflict or _orientation_conflict(header, side.value)


def _orientation_conflict(header: Header, side: str | None) -> str | None:
    """Whether Patient Orientation (0020,0020) is that of the other breast (PS3.3 C.7.6.1.1.1).

    The lateral side is at the top of CC and MLO views, so the columns of a right breast run to the left and those of a
    left one to the right, mirrored or not. Where they say neither, rows that run from the chest wall of the other
    breast are doubt enough: a mirrored image or a wrong laterality, and nothing tells which.
    """
    directions = [value.upper() for value in header.texts("PatientOrientation")]
    if side not in ("R", "L") or len(directions) != 2:
        return None
    rows, columns = directions
    medial, front = ("L", "P") if side == "R" else ("R", "A")
    lateral = set(columns) & {"R", "L"}
    if lateral == {side} or (not lateral and rows[:1] in ("A", "P") and rows[:1] != front):
        stated = "\\".join(directions)
        return f"The breast is {side}, PatientOrientation {stated} is that of {medial}."
    return None


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
    Rule(
        "modality-not-mg",
        "BodyPartExamined, if present, is BREAST",
        _body_part,
        "optional, type 3: Modality MG and the SOP class say as much",
    ),
    Rule(
        "stereotactic",
        "ImageType, DetectorMode and descriptions tell of no stereotaxis or biopsy",
        _stereotactic,
        "ImageType refused; the others optional: free text and detector detail",
    ),
    Rule(
        "specimen",
        "view, descriptions and SpecimenDescriptionSequence tell of no specimen",
        _specimen,
        "the view refused; the others optional: sent only of specimens",
    ),
    Rule(
        "view-unknown",
        "ViewCodeSequence has one item of CID 4014, ViewPosition and PatientOrientation agree",
        _view_known,
        "ViewCodeSequence refused; the others optional, and only contradictions count",
    ),
    Rule("view-not-standard", "the coded view is CC or MLO", _view_standard),
    Rule(
        "view-modifier",
        "ViewModifierCodeSequence holds nothing but nipple in profile",
        _view_modifier,
        "type 2: empty says that the view is not modified; absent is taken for empty",
    ),
    Rule("laterality-unknown", "ImageLaterality, Frame Laterality or Laterality says R or L", _laterality_known),
    Rule(
        "laterality-conflict",
        "all elements that name a breast name the same, PatientOrientation included",
        _laterality_conflict,
        "PatientOrientation optional: the pixels must then show the chest wall where that breast has it",
    ),
    Rule(
        "partial-view",
        "PartialView is NO or absent, PartialViewCodeSequence empty",
        _partial_view,
        "optional, type 3: few senders know it",
    ),
    Rule(
        "implant",
        "BreastImplantPresent is NO or absent",
        _implant,
        "optional, type 3: the pixels are asked in any case",
    ),
)
