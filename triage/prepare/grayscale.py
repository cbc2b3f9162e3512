"""Stage `prepare`: stored values become brightness, through one look-up table.

In: the header's grey-scale attributes. Out: a table of 65536 entries from *levels* to brightness. A level is a stored
value moved and stretched to the 16 bits that resizing works on, bright is dense: `levels` makes them. Modality LUT,
VOI LUT and inversion (PS3.3 C.11.1, C.11.2, PS3.4 N.2) are applied once, in the table, after resizing.
"""

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from triage.core.errors import Rejected
from triage.core.reasons import reason
from triage.core.study import BoolImage, UInt16Image
from triage.prepare.codecs import StoredImage

Float64 = npt.NDArray[np.float64]
LEVELS = 65536


@dataclass(frozen=True)
class Grayscale:
    """How stored values turn into brightness."""

    lowest: int
    """Smallest stored value that the pixel format can hold; the largest is lowest + 2**bits - 1."""
    bits: int
    inverted: bool
    """The smallest stored value is displayed white."""
    padding: tuple[int, int] | None
    """Stored values, both ends included, that stand for no picture at all."""
    table: UInt16Image
    """Shape (65536,): brightness 0..65535 of each level."""
    notes: tuple[str, ...] = ()


def plain(bits: int) -> Grayscale:
    """Grey scale of an image without a header: the full range of `bits`, bright is dense."""
    return Grayscale(0, bits, False, None, _quantised(_stored_values(0, bits, False), 0, 2**bits - 1))


def header_grayscale(ds: Dataset) -> Grayscale:
    """Grey scale as the header of an image gives it.

    Raises:
        Rejected: `undecodable` if an attribute of the grey scale has a value that the standard does not allow.
    """
    bits = int(ds.BitsStored)
    lowest = -(1 << (bits - 1)) if ds.get("PixelRepresentation") == 1 else 0
    # The two travel together, and both say the same thing: inverted once, never twice (PS3.3 C.8.11.7.1.5).
    inverted = ds.PhotometricInterpretation == "MONOCHROME1" or ds.get("PresentationLUTShape") == "INVERSE"
    stored = _stored_values(lowest, bits, inverted)
    try:
        values, modality_note = _modality(ds, stored, lowest < 0)
        brightness, voi_note = voi(ds, values, lowest, bits)
        padding = _padding(ds)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise Rejected(reason("undecodable", f"The grey scale of the header cannot be used: {error}.")) from error
    table = _quantised(1.0 - brightness if inverted else brightness, 0.0, 1.0)
    notes = (modality_note, voi_note, "inverted" if inverted else "")
    return Grayscale(lowest, bits, inverted, padding, table, tuple(note for note in notes if note))


def levels(pixels: StoredImage, scale: Grayscale) -> UInt16Image:
    """Stored values on the 16-bit scale of the table: bright is dense, padding 0; same shape.

    Inversion and padding come before resizing, so that a MONOCHROME1 image gives the same bits as its MONOCHROME2 twin
    and padding never bleeds into the skin line. The stretch to 16 bits keeps the fractions that averaging makes.
    """
    positive: npt.NDArray[Any] = pixels
    if scale.lowest:
        positive = (pixels.astype(np.int32) - scale.lowest).astype(np.uint16)
    padded = _padded(positive, scale)
    if scale.inverted:
        positive = positive.dtype.type(2**scale.bits - 1) - positive
    stretched: UInt16Image = np.left_shift(positive, np.uint16(16 - scale.bits), dtype=np.uint16)
    if padded is not None:
        stretched[padded] = 0
    return stretched


def _padded(positive: npt.NDArray[Any], scale: Grayscale) -> BoolImage | None:
    """Where the padding is, or None where none can be or it is 0 anyway."""
    if scale.padding is None:
        return None
    low = max(scale.padding[0] - scale.lowest, 0)
    high = min(scale.padding[1] - scale.lowest, 2**scale.bits - 1)
    if low > high or (high == 0 and not scale.inverted):
        return None
    return cast(BoolImage, cv2.inRange(positive, low, high).view(np.bool_))


def _stored_values(lowest: int, bits: int, inverted: bool) -> Float64:
    """Stored value (fractional between two) of each of the 65536 levels."""
    position = np.minimum(np.arange(LEVELS) / 2.0 ** (16 - bits), 2.0**bits - 1)
    return lowest + (2.0**bits - 1 - position if inverted else position)


def _quantised(values: Float64, low: float, high: float) -> UInt16Image:
    return np.rint(np.clip((values - low) / (high - low), 0.0, 1.0) * 65535.0).astype(np.uint16)


def _padding(ds: Dataset) -> tuple[int, int] | None:
    """Pixel Padding Value (0028,0120) and Range Limit (0028,0121), in order (PS3.3 C.7.5.1.1.2)."""
    value = ds.get("PixelPaddingValue")
    if value is None:
        return None
    limit = ds.get("PixelPaddingRangeLimit")
    ends = sorted((int(value), int(value if limit is None else limit)))
    return ends[0], ends[1]


def _modality(ds: Dataset, stored: Float64, signed: bool) -> tuple[Float64, str]:
    """Modality LUT (PS3.3 C.11.1). For mammograms it must be the identity, which is passed through untouched."""
    if ds.get("ModalityLUTSequence"):
        return _look_up(ds, ds.ModalityLUTSequence[0], stored, signed)[0], "modality LUT applied"
    slope, intercept = float(ds.get("RescaleSlope") or 1.0), float(ds.get("RescaleIntercept") or 0.0)
    if (slope, intercept) == (1.0, 0.0):
        return stored, ""
    return stored * slope + intercept, f"rescaled by {slope:g} x + {intercept:g}"


def voi(ds: Dataset, values: Float64, lowest: int, bits: int) -> tuple[Float64, str]:
    """Values of interest as brightness 0..1, and a note that names what was applied (PS3.3 C.11.2).

    The first VOI LUT is used, else the first window, else the full range of the pixel format.
    """
    if ds.get("VOILUTSequence"):
        item = ds.VOILUTSequence[0]
        entries, depth = _look_up(ds, item, values, lowest < 0)
        return entries / (2.0**depth - 1), f"VOI LUT {item.get('LUTExplanation') or 'without name'}"
    if ds.get("WindowCenter") is not None and ds.get("WindowWidth") is not None:
        function = str(ds.get("VOILUTFunction") or "LINEAR")
        center, width = _first(ds.WindowCenter), _first(ds.WindowWidth)
        return window(values, center, width, function), f"window {function} {center:g}/{width:g}"
    return (values - lowest) / (2.0**bits - 1), "no VOI LUT: full stored range"


def window(values: Float64, center: float, width: float, function: str) -> Float64:
    """Brightness 0..1 of a window (PS3.3 C.11.2.1.2.1 LINEAR, C.11.2.1.3.1 SIGMOID, C.11.2.1.3.2 LINEAR_EXACT).

    Raises:
        ValueError: unknown function, or a width that the function does not allow.
    """
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise ValueError(f"VOILUTFunction {function!r} is unknown")
    if not np.isfinite(center) or not width >= (1.0 if function == "LINEAR" else np.finfo(float).tiny):
        raise ValueError(f"WindowWidth {width:g} is not allowed for {function}")
    if function == "SIGMOID":
        # Beyond +-700 the exponential leaves the range of a float; the result is 0 or 1 long before.
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700.0, 700.0)))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)
    if width == 1.0:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0)


def _first(value: Any) -> float:
    """The first of one or several decimal strings."""
    return float(value if isinstance(value, str | int | float) else value[0])


def _look_up(ds: Dataset, item: Dataset, values: Float64, signed: bool) -> tuple[Float64, int]:
    """Entries of a LUT for the values, interpolated between stored values, and the LUT's depth in bits.

    LUT Descriptor (0028,3002), PS3.3 C.11.2.1.1: number of entries (0 means 65536), first stored value mapped, bits of
    an entry. Values outside take the first or the last entry.
    """
    count, first, depth = (int(part) for part in item.LUTDescriptor)
    if not 8 <= depth <= 16:
        raise ValueError(f"LUTDescriptor {count}\\{first}\\{depth} has a depth outside 8..16")
    count = count or LEVELS
    first = first - LEVELS if signed and first >= LEVELS // 2 else first
    entries = _entries(ds, item.LUTData, count)
    return np.interp(values, first + np.arange(count, dtype=np.float64), entries), depth


def _entries(ds: Dataset, data: Any, count: int) -> Float64:
    """LUT Data (0028,3006): numbers (US), or bytes (OW) of one or two a entry."""
    if isinstance(data, bytes):
        big = ds.original_encoding[1] is False
        wide = len(data) >= 2 * count
        entries = np.frombuffer(data, dtype=(">u2" if big else "<u2") if wide else "u1")
    else:
        entries = np.atleast_1d(np.asarray(data))
    if len(entries) < count:
        raise ValueError(f"LUT Data holds {len(entries)} entries, its descriptor says {count}")
    return entries[:count].astype(np.float64)
