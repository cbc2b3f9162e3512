"""Report: reading the header of a source image, of any quality. Absent and damaged elements read as empty."""

import re

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_UID = re.compile(r"[0-9.]{1,64}")  # value representation UI, PS3.5 6.2


def text(source: Dataset, keyword: str) -> str:
    """The value as decoded text: a PersonName taken over as it is would carry its character set along."""
    try:
        value = source[keyword].value if keyword in source else None
        if isinstance(value, MultiValue):
            value = "\\".join(str(one) for one in value)
        return "" if value is None else str(value).replace("\0", "")
    except Exception:  # values are parsed and decoded on access; a damaged one raises whatever its parser met
        return ""


def values(source: Dataset, keyword: str, count: int) -> list[str]:
    """Exactly `count` values as text, or nothing."""
    try:
        element = source[keyword]
        found = [str(element.value)] if element.VM == 1 else [str(value) for value in element.value or ()]
    except Exception:  # as above; an absent element raises too
        return []
    return found if len(found) == count else []


def numbers(source: Dataset, keyword: str, count: int) -> list[float]:
    """Exactly `count` positive finite numbers, or nothing."""
    try:
        found = [float(value) for value in values(source, keyword, count)]
    except ValueError:
        return []
    return found if all(0 < number < 1e6 for number in found) else []


def is_uid(value: str) -> bool:
    """False for what could not even be written as a UID."""
    return bool(_UID.fullmatch(value))


def sop_reference(source: Dataset) -> tuple[str, str, str]:
    """SOP Class, SOP Instance and Series Instance UID."""
    return text(source, "SOPClassUID"), text(source, "SOPInstanceUID"), text(source, "SeriesInstanceUID")
