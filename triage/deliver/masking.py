"""Deliver: what a receiver said, without the patient. Its words go into the log, the ledger and the audit trail.

Input: the object or message that was sent, the receiver's words. Output: one line of bounded length, where everything
that identifies the patient of that object is replaced: as it was sent, and as receivers spell it otherwise.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.dataelem import DataElement

LONGEST_WORDS = 300
"""Characters of a receiver's answer that are kept: enough for a sentence, too few to flood the log."""
HIDDEN = "***"

_NAMES = frozenset({"PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName"})
_IDENTIFIERS = ("PatientID", "OtherPatientIDs", "AccessionNumber")
_HL7_IDENTIFIERS = {"PID": (2, 3, 4, 18, 19, 20, 21), "OBR": (2, 3, 18, 19, 20, 21)}
"""Fields of HL7 v2.5.1 whose first component identifies; those of OBR are the ones that get the accession number."""
_HL7_NAMES, _HL7_BIRTH_DATE, _HL7_CONTACTS = (5, 6, 9), 7, (11, 13, 14)
"""Of PID: name, mother's maiden name, alias; birth date; address and telephones."""
_HL7_ESCAPE = re.compile(r"\\[EFRST]\\")
_BREAKS = re.compile(r"\r\n|\r|\n")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")
_RUNS = re.compile(r"[0-9A-Za-z]+|[^\x00-\x7f]+|[^0-9A-Za-z\x80-\U0010ffff]+")
_FOREIGN = r"(?:\\u[0-9a-f]{4}|\\x(?:[0-9a-f]{2})+\\(?!x)|\\x[0-9a-f]{2}|&#?\w{1,8};|%[0-9a-f]{2}|\?|[^\x00-\x7f])"
"""How a letter outside ASCII comes back: escaped for JSON, HL7, Python, HTML or a URL, wrongly decoded or replaced."""
_BETWEEN = r"(?:&#?\w{1,8};|%[0-9a-f]{2}|\\[a-z]\\|[^0-9a-z]){0,3}"
"""What stands between the letters of a value; also left out, or other than was sent."""
_ALONE = 3
"""Values of so few letters are no part of a longer word: the name Li is not in 'application'."""


@dataclass(frozen=True)
class PatientMask:
    """Hides one patient in what a receiver said."""

    _quoted: re.Pattern[str] | None

    def words(self, text: str) -> str:
        """The text on one line, without the patient, cut last so that no part of a name is left at the end."""
        line = _CONTROL.sub(" ", unicodedata.normalize("NFC", text.replace("\0", ""))).strip()
        line = self._quoted.sub(HIDDEN, line) if self._quoted else line
        return line if len(line) <= LONGEST_WORDS else f"{line[: LONGEST_WORDS - 3]}..."


def mask_of_object(ds: Dataset) -> PatientMask:
    """For a DICOM object. One whose own patient cannot be read lets no words of the receiver through."""
    try:
        values = frozenset(_of_object(ds))
    except Exception:  # values are parsed on access; a damaged one raises whatever its parser met
        return PatientMask(re.compile(r".+"))
    return _mask(values)


def mask_of_message(message: str) -> PatientMask:
    """For an HL7 v2 message of any quality."""
    return _mask(frozenset(_of_message(message)))


def hl7_field(message: str, segment: str, number: int) -> str:
    """A field of the first segment of that name, empty where a message of any quality has none.

    MSH-1 is the separator itself: for MSH, give one less than the number of the field.
    """
    separator = message[3:4]
    if not message.startswith("MSH") or not separator:
        return ""
    fields = next((found for line in _BREAKS.split(message) if (found := line.split(separator))[0] == segment), [])
    return fields[number].strip() if number < len(fields) else ""


def _of_message(message: str) -> Iterator[str]:
    for segment, numbers in _HL7_IDENTIFIERS.items():
        for number in numbers:
            repetitions = hl7_field(message, segment, number).split("~")
            yield from (_plain_text(re.split(r"[\^&]", one)[0]) for one in repetitions)
    for number in _HL7_NAMES:
        yield from _name(_plain_text(hl7_field(message, "PID", number)))
    yield from _date(hl7_field(message, "PID", _HL7_BIRTH_DATE))
    for number in _HL7_CONTACTS:
        parts = re.split(r"[\^~&]", hl7_field(message, "PID", number))
        yield from (_plain_text(part) for part in parts if len(part) > 2)  # shorter ones are codes of use and country


def _plain_text(value: str) -> str:
    """Any separator instead of an escape sequence (HL7 v2.5.1 section 2.7.1): a mask takes each for the other."""
    return _HL7_ESCAPE.sub("-", value)


def _of_object(ds: Dataset) -> Iterator[str]:
    for keyword in _NAMES:
        for name in _values(ds, keyword):
            yield from _name(name)
    for keyword in _IDENTIFIERS:
        yield from _values(ds, keyword)
    for item in ds.get("OtherPatientIDsSequence") or ():
        yield from _values(item, "PatientID")
    for birth in _values(ds, "PatientBirthDate"):
        yield from _date(birth)


def _values(ds: Dataset, keyword: str) -> list[str]:
    if keyword not in ds:
        return []
    element: DataElement = ds[keyword]
    several = element.value if element.VM > 1 else [element.value]
    return [str(value) for value in several if value]


def _name(name: str) -> list[str]:
    """Words of a name; a single ASCII letter is an initial, a single other one may be a whole family name."""
    parts = re.split(r"[\W_]+", unicodedata.normalize("NFC", name))
    return [part for part in parts if len(part) > 1 or not part.isascii()]


def _date(value: str) -> list[str]:
    """A date, in DICOM's and HL7's form, in the orders in which people write it; `_pattern` takes any separator."""
    digits = re.sub(r"\D", "", value)[:8]
    if len(digits) < 8:
        return [value]
    year, month, day = digits[:4], digits[4:6], digits[6:]
    return [f"{year}-{month}-{day}", f"{day}-{month}-{year}", f"{month}-{day}-{year}"]


def _mask(values: Iterable[str]) -> PatientMask:
    patterns = {_pattern(value) for value in values} - {""}
    ordered = sorted(patterns, key=lambda pattern: (-len(pattern), pattern))  # the longest of several is meant
    return PatientMask(re.compile("|".join(ordered), re.IGNORECASE) if ordered else None)


def _pattern(value: str) -> str:
    """A regular expression for a value however it is spelled; empty for one without letters and digits."""
    runs = _RUNS.findall(unicodedata.normalize("NFC", value))
    while runs and not _counts(runs[-1]):
        runs.pop()
    while runs and not _counts(runs[0]):
        runs.pop(0)
    pattern = "".join(_run(run) for run in runs)
    if sum(len(run) for run in runs if _counts(run)) > _ALONE:
        return pattern
    return f"(?<![0-9a-z])(?:{pattern})(?![0-9a-z])" if pattern else ""


def _counts(run: str) -> bool:
    return run[0].isalnum() or not run.isascii()


def _run(run: str) -> str:
    if not run.isascii():
        # Each letter is one to four bytes or signs; possessive, so that no answer makes the search slow
        plain = [_plain(letter) for letter in run]
        foreign = f"{_FOREIGN}{{{len(run)},{4 * len(run)}}}+"
        return f"(?:{foreign}|{''.join(plain)})" if all(plain) else foreign
    return re.escape(run) if run.isalnum() else _BETWEEN


def _plain(letter: str) -> str:
    """The letter without its marks, as in u or ue for ü; empty where there is none."""
    base = "".join(one for one in unicodedata.normalize("NFKD", letter.casefold()) if one.isascii())
    return f"{re.escape(base)}e?" if base else ""
