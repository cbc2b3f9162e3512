"""Stage `prepare`: a DICOM file becomes the stored values of its only frame.

In: a path, or a data set with its file meta information. Out: a 2-D array of stored values, uint8, uint16 or int16,
whose unused bits are cleared (overlays may live there). Every defect is a `Rejected` with its own code.
"""

import sys
import zlib
from pathlib import Path
from struct import error as StructError
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRBigEndian

from triage.core.errors import Rejected
from triage.core.reasons import reason
from triage.prepare.codecs import FrameError, FrameLayout, FrameTruncated, StoredImage, decode_frame

SMALLEST_SIDE = 400
"""Pixels; below this a screening mammogram cannot show what the models read (0.5 mm a pixel over 20 cm)."""
LARGEST_SIDE = 8192
"""Pixels; above any detector on the market, and low enough that a forged header cannot exhaust the memory."""


def read(path: Path) -> Dataset:
    """Read a DICOM file, pixel data included.

    Raises:
        Rejected: `undecodable` if it is not a readable DICOM file, `truncated` if it ends within an element.
        OSError: the disk does not give the file, which says nothing of the image.
    """
    try:
        dataset = dcmread(path)
    except InvalidDicomError as error:
        raise Rejected(reason("undecodable", f"{path.name} is not a DICOM file.")) from error
    except EOFError as error:
        raise Rejected(reason("truncated", f"{path.name} ends within an element: {error}.")) from error
    except OSError as error:
        if error.errno is not None:
            raise  # the disk's fault, not the file's
        raise Rejected(reason("undecodable", f"{path.name} cannot be read: {error}.")) from error
    except (ValueError, KeyError, NotImplementedError, AttributeError, StructError, zlib.error) as error:
        raise Rejected(reason("undecodable", f"{path.name} cannot be read: {error}.")) from error
    if not len(dataset):
        # pydicom gives up the whole data set where compressed pixel data lacks its end.
        raise Rejected(reason("truncated", f"{path.name} ends before its data set or its pixel data is complete."))
    return cast(Dataset, dataset)


def stored_pixels(ds: Dataset) -> StoredImage:
    """Stored values of a single-frame grey-scale image, shape (Rows, Columns).

    Modality LUT, VOI LUT and inversion are not applied. Native data is a read-only view of `ds.PixelData`.

    Raises:
        Rejected: `multi-frame`, `not-monochrome`, `size-unexpected`, `truncated` or `undecodable`.
    """
    layout = _layout(ds)
    syntax = _transfer_syntax(ds)
    data = ds.get("PixelData")
    if not isinstance(data, bytes) or not data:
        # pydicom drops an element that the end of the file cuts off, so the two cases look alike.
        raise Rejected(reason("truncated", "The file holds no pixel data, or ends within it."))
    if not syntax.is_compressed or syntax.is_deflated:
        return _used_bits(_native(ds, syntax, layout), ds, layout)
    try:
        frame = next(generate_frames(data, number_of_frames=1))
        pixels = decode_frame(frame, syntax, layout)
    except FrameTruncated as error:
        raise Rejected(reason("truncated", f"Pixel data is incomplete: {error}.")) from error
    except FrameError as error:
        raise Rejected(reason("undecodable", f"Pixel data cannot be decoded: {error}.")) from error
    except (ValueError, StopIteration, StructError, EOFError) as error:
        raise Rejected(reason("undecodable", f"The encapsulated pixel data is malformed: {error}.")) from error
    return _used_bits(pixels.view(layout.dtype) if pixels.itemsize == layout.dtype.itemsize else pixels, ds, layout)


def _transfer_syntax(ds: Dataset) -> UID:
    syntax = getattr(ds, "file_meta", Dataset()).get("TransferSyntaxUID")
    if not syntax:
        raise Rejected(reason("undecodable", "The file does not name its transfer syntax."))
    uid = UID(syntax)
    if not uid.is_transfer_syntax or uid.is_private:
        raise Rejected(reason("undecodable", f"Transfer syntax {uid} is not supported."))
    return uid


def _layout(ds: Dataset) -> FrameLayout:
    """The frame's layout as the header gives it (PS3.3 C.7.6.3.1), checked."""
    frames = _integer(ds, "NumberOfFrames", 1)
    if frames != 1:
        raise Rejected(reason("multi-frame", f"The image has {frames} frames; only single images are analysed."))
    samples, photometric = _integer(ds, "SamplesPerPixel", 1), str(ds.get("PhotometricInterpretation", "absent"))
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise Rejected(reason("not-monochrome", f"Not a greyscale image: {photometric}, {samples} samples per pixel."))
    rows, columns = _integer(ds, "Rows", 0), _integer(ds, "Columns", 0)
    check_size(rows, columns)
    allocated, stored = _integer(ds, "BitsAllocated", 0), _integer(ds, "BitsStored", 0)
    high, sign = _integer(ds, "HighBit", stored - 1), _integer(ds, "PixelRepresentation", 0)
    bits_fit = allocated in (8, 16) and 1 < stored <= high + 1 <= allocated
    if not bits_fit or sign not in (0, 1):
        text = f"BitsAllocated {allocated}, BitsStored {stored}, HighBit {high}, PixelRepresentation {sign}"
        raise Rejected(reason("undecodable", f"Pixel format not supported: {text}."))
    return FrameLayout(rows, columns, allocated, stored, sign)


def check_size(rows: int, columns: int) -> None:
    """Raise `Rejected` (`size-unexpected`) unless both sides are within the accepted range."""
    if not (SMALLEST_SIDE <= rows <= LARGEST_SIDE and SMALLEST_SIDE <= columns <= LARGEST_SIDE):
        text = f"The image is {rows} x {columns} pixels; accepted are {SMALLEST_SIDE} to {LARGEST_SIDE} a side."
        raise Rejected(reason("size-unexpected", text))


def _integer(ds: Dataset, keyword: str, default: int) -> int:
    """An integer attribute; absent or empty gives the default, anything else is malformed."""
    try:
        value = ds.get(keyword)
        return default if value is None or value == "" else int(value)
    except (TypeError, ValueError) as error:
        raise Rejected(reason("undecodable", f"{keyword} is not a number: {error}.")) from error


def _native(ds: Dataset, syntax: UID, layout: FrameLayout) -> npt.NDArray[Any]:
    """A view of uncompressed pixel data in this machine's byte order; surplus bytes at the end are padding."""
    needed = layout.rows * layout.columns * layout.dtype.itemsize
    if len(ds.PixelData) < needed:
        text = f"Pixel data has {len(ds.PixelData)} bytes; {layout.rows} x {layout.columns} pixels need {needed}."
        raise Rejected(reason("truncated", text))
    big = syntax == ExplicitVRBigEndian
    count = layout.rows * layout.columns
    if big and layout.bits_allocated == 8 and ds["PixelData"].VR == "OW":
        # 8-bit pixels in 16-bit words are byte-swapped with the words (PS3.5 section 8.1.1 and Annex D).
        words = np.frombuffer(ds.PixelData, dtype=">u2", count=(count + 1) // 2)
        return words.astype("<u2").view(np.uint8)[:count].reshape(layout.rows, layout.columns)
    order = layout.dtype.newbyteorder(">" if big else "<")
    pixels = np.frombuffer(ds.PixelData, dtype=order, count=count).reshape(layout.rows, layout.columns)
    foreign = big == (sys.byteorder == "little")
    return pixels.astype(layout.dtype) if foreign and layout.bits_allocated == 16 else pixels


def _used_bits(pixels: npt.NDArray[Any], ds: Dataset, layout: FrameLayout) -> StoredImage:
    """Keep the BitsStored bits below HighBit and extend the sign (PS3.5 section 8.1.1).

    Retired overlays in the high bits, and whatever else a sender leaves there, do not belong to the pixel's value.
    """
    shift = _integer(ds, "HighBit", layout.bits_stored - 1) + 1 - layout.bits_stored
    if shift:
        pixels = pixels >> shift
    largest = (1 << layout.bits_stored) - 1
    if pixels.dtype.kind == "i":
        pixels = pixels.view(pixels.dtype.str.replace("i", "u"))
    if pixels.max() > largest:  # a read is cheaper than the copy that masking makes
        pixels = pixels & pixels.dtype.type(largest)
    if layout.pixel_representation == 0:
        return pixels
    sign = 1 << (layout.bits_stored - 1)
    return ((pixels.astype(np.int32) ^ sign) - sign).astype(np.int16)
