"""Stage: receive. The study that a damaged file belongs to, so that its exam is refused and not judged without it.

Input: a file that the header rules could not read. Output: its StudyInstanceUID, if that much is legible.
"""

import re
from pathlib import Path

from pydicom import dcmread

_SEARCHED = 1 << 16
"""Bytes: the header of a mammogram ends long before."""
_UID = re.compile(r"[0-9.]{1,64}")  # value representation UI, PS3.5 6.2
# (0020,000D) little endian and its length: with explicit and with implicit value representation, PS3.5 7.1
_STUDY = re.compile(rb"\x20\x00\x0d\x00(?:UI(..)|(..)\x00\x00)", re.DOTALL)
_SERIES = b"\x20\x00\x0e\x00"


def salvaged_study_uid(path: Path) -> str:
    """The UID, from the elements before the damage or else from a search of the bytes; empty if neither finds one.

    Errors:
        OSError: The file is gone or the disk is broken.
    """
    try:
        ds = dcmread(path, stop_before_pixels=True, force=True, specific_tags=["StudyInstanceUID"])
        stated = str(ds.get("StudyInstanceUID", ""))
    except Exception:  # pydicom raises whatever the damage made it meet; a broken disk is met again by the search
        stated = ""
    return stated if _UID.fullmatch(stated) else _searched(path)


def _searched(path: Path) -> str:
    """The first UID of a study in the bytes, rather that of the image itself than one that a sequence refers to.

    SeriesInstanceUID follows at once on the image's own, since elements are sorted; in a sequence it does not.
    """
    with path.open("rb") as file:
        head = file.read(_SEARCHED)
    found = []
    for match in _STUDY.finditer(head):
        end = match.end() + int.from_bytes(match[1] or match[2], "little")
        value = head[match.end() : end].decode("ascii", "replace")
        if len(value) == end - match.end() and _UID.fullmatch(uid := value.rstrip("\0 ")):
            found.append((head.startswith(_SERIES, end), uid))
    return max(found, key=lambda one: one[0], default=(False, ""))[1]
