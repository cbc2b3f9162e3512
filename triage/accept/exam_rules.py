"""Accept: every reason against evaluating an exam as a whole. Input: the headers of one study. Output: reasons.

Demographic and identity rules stand here and not with the image rules: they are facts about the exam, and the same
image may be looked at for other ends.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from triage.accept.context import CLINICAL_CONTEXT
from triage.accept.rule import Rule
from triage.core.reasons import Reason, reason
from triage.core.study import InstanceHeader
from triage.core.views import STANDARD_VIEWS

AGES = (30, 90)
"""Years, both included. Our choice: wider than the invitation ages of European programmes (45 to 74) by what women who
attend out of turn need; outside it there are too few mammograms to validate anything."""

Headers = Sequence[InstanceHeader]
_SAME_ACQUISITION = (
    "StudyDate", "AcquisitionDate", "InstitutionName",
    "Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions", "DetectorType",
)  # fmt: skip
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}  # units of value representation AS, PS3.5 6.2


def _patient(headers: Headers) -> str | None:
    analysable = _analysable(headers)
    if not all(header.attributes.get("PatientID") for header in analysable):
        return "An image without PatientID: it cannot be told whose it is."
    for keyword in ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientName"):
        values = _values(headers, keyword)
        different = {_folded(value) for value in values} - {""} if keyword == "PatientName" else values
        if len(different) > 1:
            return f"The images of this study name different patients: {keyword} {' and '.join(values)}."
        if len({bool(_folded(str(header.attributes.get(keyword, "")))) for header in analysable}) > 1:
            return f"Not every image says whose it is: {keyword} is given on some images and missing on others."
    return None


def _folded(name: str) -> str:
    """Family and given name (PS3.5 6.2.1) without what devices spell differently: case, spaces, `^` and width."""
    family_and_given = name.strip("=").split("=")[0].split("^")[:2]
    return " ".join(unicodedata.normalize("NFKC", " ".join(family_and_given)).casefold().split())


def _acquisition(headers: Headers) -> str | None:
    analysable = _analysable(headers)
    if not all(header.attributes.get("StudyDate") for header in analysable):
        return "An image without StudyDate: it cannot be told whether the images belong together."
    for keyword in _SAME_ACQUISITION:
        values = _values(analysable, keyword)
        if len(values) > 1:
            return f"The images come from different days or devices: {keyword} {' and '.join(values)}."
    return None


def _views_missing(headers: Headers) -> str | None:
    analysable = _analysable(headers)
    shown = {header.view for header in analysable}
    usable = {header.view for header in analysable if header.eligible}
    missing = [view for view in STANDARD_VIEWS if view not in shown]
    refused = [view for view in STANDARD_VIEWS if view in shown - usable]
    parts = []
    if missing:
        parts.append(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    if refused:
        parts.append(f"{' and '.join(refused)} cannot be evaluated")
    return ", ".join(parts) or None


def _views_extra(headers: Headers) -> str | None:
    extra = [
        f"{header.laterality or ''}{header.view_position or ' view not known'}".strip()
        for header in _analysable(headers)
        if header.view is None
    ]
    return f"The exam holds views beyond the four standard ones: {', '.join(sorted(extra))}." if extra else None


def _screening(headers: Headers) -> str | None:
    """Objects that are set aside speak too: they come from the same request."""
    told = _values(headers, CLINICAL_CONTEXT)
    return f"Not a screening exam: {told[0].replace(':', ' tells of')}." if told else None


def _sex(headers: Headers) -> str | None:
    values = {str(header.attributes.get("PatientSex", "")).upper() for header in _subjects(headers)}
    if values <= {"F"}:
        return None
    other = sorted(value or "absent" for value in values - {"F"})
    return f"Patient sex is not recorded as female: PatientSex {', '.join(other)}."


def _age(headers: Headers) -> str | None:
    for header in _subjects(headers):
        age = age_years(header)
        if age is None:
            return "Patient age is not known: neither PatientBirthDate with StudyDate nor PatientAge can be read."
        if not AGES[0] <= age < AGES[1] + 1:
            return f"Patient age {int(age)} is outside the validated range of {AGES[0]} to {AGES[1]} years."
    return None


EXAM_RULES: tuple[Rule[Headers], ...] = (
    Rule(
        "patient-mismatch",
        "PatientID is present; it, its issuer, PatientBirthDate and PatientName agree",
        _patient,
        "PatientID refused; the others optional, type 2 or 3: absent on all images or on none",
    ),
    Rule(
        "different-acquisition",
        "study date, acquisition date, place and device are the same",
        _acquisition,
        "StudyDate refused; the others optional here: a device that is not named has no calibration",
    ),
    Rule("views-missing", "an eligible image of each of RCC, LCC, RMLO and LMLO", _views_missing),
    Rule("views-extra", "no image beyond those four views; repeats of a standard view are welcome", _views_extra),
    Rule(
        "not-screening",
        "request, history and descriptions tell of no symptoms, surgery, disease or diagnostic exam",
        _screening,
        "optional, type 3 free text: most requests for screening say nothing",
    ),
    Rule("sex-not-female", "PatientSex is F", _sex),
    Rule(
        "age-out-of-range",
        f"patient age is known and from {AGES[0]} to {AGES[1]} years",
        _age,
        "refused unless PatientBirthDate or PatientAge tells it",
    ),
)


def exam_reasons(headers: Headers) -> tuple[Reason, ...]:
    """What speaks against evaluating this exam: what concerns it as a whole, then each image's own reasons.

    Where no image counts toward the exam, the reasons of the objects that were set aside say why.
    """
    found = [reason(rule.code, text) for rule in EXAM_RULES if (text := rule.check(headers))]
    return (*found, *_own_reasons(_analysable(headers) or headers))


def age_years(header: InstanceHeader) -> float | None:
    """Age at the study in years, from the birth date, else from PatientAge (0010,1010); None if neither can be read."""
    born = _date(str(header.attributes.get("PatientBirthDate", "")))
    examined = _date(str(header.attributes.get("StudyDate", "")))
    if born and examined:
        return examined.year - born.year - ((examined.month, examined.day) < (born.month, born.day))
    stated = re.fullmatch(r"(\d{1,3})([DWMY])", str(header.attributes.get("PatientAge", "")))
    return int(stated[1]) * _YEARS[stated[2]] if stated else None


def _date(text: str) -> date | None:
    """A DA value; `00000000` and other placeholders of anonymisers are no dates."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if re.fullmatch(r"\d{8}", text) else None
    except ValueError:
        return None


def _analysable(headers: Headers) -> Headers:
    return tuple(header for header in headers if header.analysable)


def _subjects(headers: Headers) -> Headers:
    return _analysable(headers) or headers


def _values(headers: Headers, keyword: str) -> list[str]:
    """The different values given; an empty one contradicts nothing."""
    return sorted({str(value) for header in headers if (value := header.attributes.get(keyword))})


def _own_reasons(headers: Iterable[InstanceHeader]) -> Iterator[Reason]:
    for header in headers:
        for found in header.reasons:
            yield found.on(header.sop_instance_uid)
