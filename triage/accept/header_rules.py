"""Accept: what the header of one instance says, and every reason in it against analysis.

Input: a pydicom data set of any quality and its transfer syntax. Output: `InstanceHeader`. Missing evidence refuses: a
rule that cannot see what it needs objects, so that deleting an element never makes an image eligible. Elements whose
absence is common and legal (BreastImplantPresent, PartialView, EstimatedRadiographicMagnificationFactor,
QualityControlImage; none is type 1 in PS3.3 A.26) may be absent: `Rule.absence` says of each rule what that means.
"""

import re
from collections.abc import Iterator

from pydicom.dataset import Dataset

from triage.accept import acquisition_rules, identity_rules
from triage.accept.attributes import STRATUM, attributes
from triage.accept.context import CLINICAL_CONTEXT, context
from triage.accept.header import Header
from triage.accept.identity import laterality, view
from triage.accept.rule import Rule
from triage.accept.set_aside import SET_ASIDE
from triage.core.reasons import Reason, reason
from triage.core.study import InstanceHeader

_IDENTIFIERS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_UID = re.compile(r"[0-9.]{1,64}")  # value representation UI, PS3.5 6.2
_SIZE = ("Rows", "Columns")


def _required(header: Header) -> str | None:
    wrong = [keyword for keyword in _IDENTIFIERS if not _UID.fullmatch(header.text(keyword))]
    wrong += [keyword for keyword in _SIZE if header.number(keyword) is None]
    return f"The file cannot be used: {', '.join(wrong)} absent or wrong." if wrong else None


def _no_pixels(header: Header) -> str | None:
    empty = [keyword for keyword in _SIZE if header.number(keyword) == 0]
    return f"The image has no pixels: {' and '.join(empty)} is 0." if empty else None


ELIGIBILITY: tuple[Rule[Header], ...] = (
    Rule("undecodable", f"{', '.join(_IDENTIFIERS + _SIZE)} are well formed", _required),
    Rule("size-unexpected", "Rows and Columns are not 0", _no_pixels),
    *identity_rules.RULES,
    *acquisition_rules.RULES,
)
"""Rules for an image of the exam, the class Digital Mammography X-Ray Image Storage - For Presentation."""

RULES: tuple[Rule[Header], ...] = SET_ASIDE + ELIGIBILITY
"""Every header rule, for documentation."""


def describe(ds: Dataset, transfer_syntax_uid: str) -> InstanceHeader:
    """Read one header. Never raises: an element that cannot be read is itself a reason.

    Args:
        ds: the data set, with or without pixel data.
        transfer_syntax_uid: of the file or of the association that brought it; tells lossy compression.
    """
    header = Header(ds, str(transfer_syntax_uid))
    side, position, told = laterality(header), view(header), context(header)
    reasons = tuple(_objections(SET_ASIDE, header))
    analysable = not reasons
    if analysable:
        reasons = tuple(_objections(ELIGIBILITY, header))
        for keyword in STRATUM:
            header.text(keyword)  # no rule reads it, but damage must not pass for an empty part of a threshold's key
    if header.unreadable:  # last, when everything that must be readable was read
        words = ", ".join(sorted(header.unreadable))
        reasons += (reason("undecodable", f"The header is damaged: {words} cannot be read."),)
    sop_instance_uid = header.text("SOPInstanceUID")
    return InstanceHeader(
        sop_instance_uid=sop_instance_uid,
        sop_class_uid=header.text("SOPClassUID"),
        study_instance_uid=header.text("StudyInstanceUID"),
        series_instance_uid=header.text("SeriesInstanceUID"),
        transfer_syntax_uid=header.transfer_syntax_uid,
        laterality=side.value,
        view_position=position.label,
        analysable=analysable,
        reasons=tuple(one.on(sop_instance_uid) for one in reasons),
        attributes=attributes(ds, side.source, position) | {CLINICAL_CONTEXT: told},
    )


def _objections(rules: tuple[Rule[Header], ...], header: Header) -> Iterator[Reason]:
    for rule in rules:
        text = rule.check(header)
        if text:
            yield reason(rule.code, text)
