"""Report: one value of a source header as its value representation allows it (PS3.5 6.2), or empty.

Input: a header of any quality and a keyword. Output: text that a strict peer accepts. What names the patient or the
study is shortened rather than dropped, and the log says which attribute, never its value.
"""

import logging
import re
from datetime import date, timedelta

from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from triage.report.source import text

log = logging.getLogger(__name__)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FORMS = {
    "PatientSex": re.compile(r"[MFO]"),
    "AS": re.compile(r"[0-9]{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9 _]{1,16}"),
    "DA": re.compile(r"[0-9]{8}"),
    "TM": re.compile(r"([01][0-9]|2[0-3])([0-5][0-9](([0-5][0-9]|60)(\.[0-9]{1,6})?)?)?"),
    "TimezoneOffsetFromUTC": re.compile(r"[+-][0-9]{4}"),
}
_LENGTHS = {"SH": 16, "LO": 64, "PN": 64, "UT": 1024}  # in characters; UT has no limit of its own
_LONGEST_OFFSET = timedelta(hours=14)


def conforming(source: Dataset, keyword: str) -> str:
    """The value of `keyword`, one value only; empty where it is absent or nothing of it can be sent."""
    found = text(source, keyword).strip()
    vr = dictionary_VR(keyword)
    form = _FORMS.get(keyword) or _FORMS.get(vr)
    if form is None:
        return _shortened(found, keyword, vr)
    if not form.fullmatch(found) or (vr == "DA" and not _is_date(found)):
        return ""
    return found if keyword != "TimezoneOffsetFromUTC" or offset(found) is not None else ""


def offset(text: str) -> timedelta | None:
    """A TimezoneOffsetFromUTC (0008,0201) as a duration; None if it is not one, or beyond any time zone."""
    if not _FORMS["TimezoneOffsetFromUTC"].fullmatch(text):
        return None
    found = timedelta(hours=int(text[1:3]), minutes=int(text[3:]))
    if int(text[3:]) > 59 or found > _LONGEST_OFFSET:
        return None
    return -found if text[0] == "-" else found


def _shortened(found: str, keyword: str, vr: str) -> str:
    """The first value without control characters, cut to its length; a person's name in each component group."""
    value = _CONTROL.sub("", found.split("\\", maxsplit=1)[0])
    length = _LENGTHS[vr]
    if vr == "PN":
        groups = ["^".join(group.split("^")[:5])[:length].strip() for group in value.split("=")[:3]]
        value = "=".join(groups).rstrip("=")
    else:
        value = value[:length].strip()
    if value != found:
        log.warning("%s of the source image is no valid %s: the report holds a part of it", keyword, vr)
    return value


def _is_date(text: str) -> bool:
    """An anonymiser's 00000000 is no date, and a peer may refuse the object for it."""
    try:
        return bool(date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}"))
    except ValueError:
        return False
