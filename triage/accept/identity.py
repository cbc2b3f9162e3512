"""Accept: which breast and which view an image shows, and by which element we know. Input: `Header`. Output: records.

Only coded elements count as evidence. Free text is read to fill the worklist and to notice contradictions, never to
make an image eligible.
"""

import re
from dataclasses import dataclass

from triage.accept.header import Header

# SNOMED CT is written SCT; older senders write SNOMED RT as SRT, SNM3 or 99SDM (PS3.16 8.1 and annex table 8-1)
_SNOMED_SCHEMES = frozenset({"SCT", "SRT", "SNM3", "99SDM"})

# PS3.16 CID 4014 View for Mammography: label, SNOMED CT, SNOMED RT
VIEW_CODES = (
    ("CC", "399162004", "R-10242"),
    ("MLO", "399368009", "R-10226"),
    ("ML", "399260004", "R-10224"),
    ("LM", "399352003", "R-10228"),
    ("LMO", "399099002", "R-10230"),
    ("FB", "399196006", "R-10244"),
    ("SIO", "399188001", "R-102D0"),
    ("ISO", "441555000", "R-40AAA"),
    ("XCCL", "399192008", "R-1024A"),
    ("XCCM", "399101009", "R-1024B"),
    ("SPECIMEN", "127457009", "G-8310"),
)

# PS3.16 CID 4015 View Modifier for Mammography: name, SNOMED CT, SNOMED RT
MODIFIER_CODES = (
    ("nipple in profile", "442581004", "R-40AB3"),
    ("implant displaced", "399209000", "R-102D5"),
    ("magnification", "399163009", "R-102D6"),
    ("spot compression", "399055006", "R-102D7"),
    ("cleavage", "399161006", "R-102D2"),
    ("axillary tail", "399011000", "R-102D1"),
    ("axillary tissue", "442580003", "R-40AB2"),
    ("tangential", "399110001", "R-102C2"),
    ("rolled lateral", "399197002", "R-102D3"),
    ("rolled medial", "399226006", "R-102D4"),
    ("rolled inferior", "414493004", "R-102CA"),
    ("rolled superior", "415670009", "R-102C9"),
    ("inframammary fold", "442593008", "R-40ABE"),
    ("anterior compression", "441752004", "P2-00161"),
)
HARMLESS_MODIFIERS = frozenset({"nipple in profile"})

_VIEWS = {code: label for label, *codes in VIEW_CODES for code in codes}
_VIEW_LABELS = frozenset(_VIEWS.values())
_MODIFIERS = {code: name for name, *codes in MODIFIER_CODES for code in codes}
_TEXT_KEYWORDS = ("SeriesDescription", "ProtocolName")
_LATERALITY_IN_TEXT = re.compile(r"\b(?:([LR])[\s_-]?(?:CC|MLO|ML|LM|XCCL|XCCM)|(L)EFT|(R)IGHT)\b")


@dataclass(frozen=True)
class Laterality:
    """Which breast: R, L, B (both), or None where nothing says so or the header contradicts itself."""

    value: str | None
    source: str
    """Keyword of the element that said so, `text` for a description, empty if none."""
    conflict: str | None = None
    """The contradiction in words, or None."""


@dataclass(frozen=True)
class ViewIdentity:
    """Which view, by the labels of CID 4014, or None."""

    label: str | None
    source: str
    """`ViewCodeSequence`, `ViewPosition` or empty."""
    problem: str | None
    """Why the coded view cannot be trusted, or None."""
    modifiers: tuple[str, ...] = ()


def laterality(header: Header) -> Laterality:
    """The breast shown, from the first source that names one; two sources that differ are a conflict.

    ImageLaterality (0020,0062), Frame Laterality (0020,9072) of enhanced objects, Laterality (0020,0060), then text.
    """
    said = {
        "ImageLaterality": header.upper("ImageLaterality"),
        "FrameLaterality": _frame_laterality(header),
        "Laterality": header.upper("Laterality"),
        "text": _laterality_in_text(header),
    }
    named = {source: value for source, value in said.items() if value}
    if not named:
        return Laterality(None, "")
    if len(set(named.values())) > 1:
        words = ", ".join(f"{source} says {value}" for source, value in named.items())
        return Laterality(None, "", f"The header contradicts itself about which breast this is: {words}.")
    source, value = next(iter(named.items()))
    return Laterality(value if value in ("R", "L", "B") else None, source)


def view(header: Header) -> ViewIdentity:
    """The view from View Code Sequence (0054,0220). View Position (0018,5101) is optional in MG and only advises."""
    position = header.upper("ViewPosition")
    coded = header.items("ViewCodeSequence")
    if len(coded) != 1:
        problem = "is absent" if not coded else f"has {len(coded)} items"
        return ViewIdentity(
            position if position in _VIEW_LABELS else None,
            "ViewPosition" if position in _VIEW_LABELS else "",
            f"The view is not known: ViewCodeSequence {problem}.",
            _modifiers(header),
        )
    modifiers = _modifiers(coded[0]) + _modifiers(header)
    label = _snomed(coded[0], _VIEWS)
    if label is None:
        problem = f"The view is not known: {_code_words(coded[0])} is no mammographic view code."
        return ViewIdentity(None, "", problem, modifiers)
    if position in _VIEW_LABELS and position != label:
        problem = f"The view is not known: ViewCodeSequence says {label}, ViewPosition says {position}."
        return ViewIdentity(None, "", problem, modifiers)
    return ViewIdentity(label, "ViewCodeSequence", None, modifiers)


def _frame_laterality(header: Header) -> str:
    """Frame Laterality of the shared functional groups, else of the first frame (PS3.3 C.7.6.16.2.8)."""
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in header.items(keyword)[:1]:
            for anatomy in group.items("FrameAnatomySequence")[:1]:
                return anatomy.upper("FrameLaterality")
    return ""


def _laterality_in_text(header: Header) -> str:
    """R or L if descriptions name exactly one breast; a description that names both belongs to the whole series."""
    text = " ".join(header.upper(keyword) for keyword in _TEXT_KEYWORDS)
    sides = {side for match in _LATERALITY_IN_TEXT.findall(text) for side in match if side}
    return sides.pop() if len(sides) == 1 else ""


def _modifiers(item: Header) -> tuple[str, ...]:
    """Names of the View Modifier Code Sequence (0054,0222) beneath an item; an unknown code is named as such."""
    return tuple(
        _snomed(modifier, _MODIFIERS) or f"unknown modifier {_code_words(modifier)}"
        for modifier in item.items("ViewModifierCodeSequence")
    )


def _snomed(item: Header, table: dict[str, str]) -> str | None:
    return table.get(_code_value(item)) if item.text("CodingSchemeDesignator") in _SNOMED_SCHEMES else None


def _code_value(item: Header) -> str:
    return item.text("CodeValue") or item.text("LongCodeValue")


def _code_words(item: Header) -> str:
    return f"({_code_value(item)}, {item.text('CodingSchemeDesignator')}, {item.text('CodeMeaning')})"
