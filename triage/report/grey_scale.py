"""Report: the grey scale of a source image as a presentation state must repeat it (PS3.4 N.2).

Input: a header. Output: copied transformations, or None. A presentation state replaces the grey scale of the image:
what it does not repeat is not applied, and a mammogram without its VOI transformation is unreadable.
"""

import math

import numpy as np
from pydicom.dataset import Dataset

from triage.report.source import numbers, text, values

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def is_inverted(header: Dataset) -> bool:
    """True if the least value is shown white; both signs of it travel together, so either is enough."""
    shape = text(header, "PresentationLUTShape") or "IDENTITY"
    return shape == "INVERSE" or text(header, "PhotometricInterpretation") == "MONOCHROME1"


def has_identity_modality_lut(header: Dataset) -> bool:
    """Mammograms for presentation have no other (PS3.3 C.8.11.7); a modality LUT is not repeated here."""
    if "ModalityLUTSequence" in header:
        return False
    slope, intercept = text(header, "RescaleSlope") or "1", text(header, "RescaleIntercept") or "0"
    try:
        return float(slope) == 1.0 and float(intercept) == 0.0
    except ValueError:
        return False


def voi_transformation(header: Dataset) -> Dataset | None:
    """An item with the VOI LUT or else the window of the image; empty if it has none; None if it is damaged.

    Of several it is the first, which is the one that viewers start with; a presentation state has room for one.
    """
    if "VOILUTSequence" in header:
        return _look_up_tables(header)
    if "WindowCenter" not in header and "WindowWidth" not in header:
        return Dataset()
    return _windows(header)


def _windows(header: Dataset) -> Dataset | None:
    try:
        centers = [float(value) for value in text(header, "WindowCenter").split("\\")]
        widths = [float(value) for value in text(header, "WindowWidth").split("\\")]
    except ValueError:
        return None
    function = text(header, "VOILUTFunction") or "LINEAR"
    least = 1 if function == "LINEAR" else 1e-6  # PS3.3 C.11.2.1.2
    if function not in _FUNCTIONS or not math.isfinite(centers[0]) or not least <= widths[0] < math.inf:
        return None
    item = Dataset()
    item.WindowCenter, item.WindowWidth = f"{centers[0]:.10g}", f"{widths[0]:.10g}"  # at most 16 characters, VR DS
    if function != "LINEAR":
        item.VOILUTFunction = function
    return item


def _look_up_tables(header: Dataset) -> Dataset | None:
    if header.original_encoding[1] is False:
        return None  # table bytes of a big-endian file stay as they are in the file
    try:
        table = _repeated(header.VOILUTSequence[0])
    except Exception:  # as in triage.report.source
        return None
    if table is None:
        return None
    item = Dataset()
    item.VOILUTSequence = [table]
    return item


def _repeated(table: Dataset) -> Dataset | None:
    """One VOI LUT, if its data is as long as its descriptor says (0 means 65536 entries, PS3.3 C.11.2.1.1).

    In a presentation state entries have 16 bits, in a mammogram 8 or 10 to 16: they are stretched, to the same greys.
    """
    entries, first, bits = (int(value) for value in table.LUTDescriptor)
    found = table.LUTData
    if isinstance(found, bytes) and len(found) == (entries or 65536) + entries % 2 and bits == 8:
        levels = np.frombuffer(found, "u1")[: entries or 65536]
    else:
        levels = np.frombuffer(found, "<u2") if isinstance(found, bytes) else np.asarray(found)
    most = 2**bits - 1
    if levels.size != (entries or 65536) or not 8 <= bits <= 16 or levels.min() < 0 or levels.max() > most:
        return None
    copy = Dataset()
    copy.add_new("LUTDescriptor", "SS" if first < 0 else "US", [entries, first, 16])
    if explanation := text(table, "LUTExplanation")[:64]:
        copy.LUTExplanation = explanation
    copy.add_new("LUTData", "OW", np.rint(levels * (65535 / most)).astype("<u2").tobytes())
    return copy


def size_of(header: Dataset) -> tuple[int, int] | None:
    """Rows and columns of one single frame, or None."""
    rows, columns = numbers(header, "Rows", 1), numbers(header, "Columns", 1)
    if not rows or not columns or text(header, "NumberOfFrames") not in ("", "0", "1"):
        return None
    return int(rows[0]), int(columns[0])


def spacing_of(header: Dataset) -> list[str] | None:
    """Row and column spacing in mm as the image gives it, at the detector if not at the patient."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if numbers(header, keyword, 2):
            return values(header, keyword, 2)
    return None
