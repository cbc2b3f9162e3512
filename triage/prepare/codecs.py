"""Stage `prepare`: one compressed frame becomes an array of stored values.

In: the bytes of one frame and its transfer syntax. Out: a 2-D integer array. imagecodecs does the work because it
releases the GIL (several views decode at once); where it fails, pydicom's own permissively licensed plugins are asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

StoredImage = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.int16]

# JPEG, JPEG-LS and JPEG 2000 codestreams all end with the marker FFD9 (EOI in the first two, EOC in the last).
END_OF_CODESTREAM = b"\xff\xd9"
# Plugins of pydicom that may be asked. `pylibjpeg` decodes JPEG with a GPL library, so it is never asked for JPEG.
FALLBACK_PLUGINS = ("gdcm", "pyjpegls", "pillow", "pydicom")


class FrameError(Exception):
    """A frame cannot be decoded; the message says why."""


class FrameTruncated(FrameError):
    """A frame ends before its codestream does."""


@dataclass(frozen=True)
class FrameLayout:
    """What the header says of one frame (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    pixel_representation: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Unsigned container of one stored value."""
        return np.dtype(np.uint8 if self.bits_allocated == 8 else np.uint16)


def _rle(frame: bytes, layout: FrameLayout) -> npt.NDArray[Any]:
    decoded = imagecodecs.dicomrle_decode(frame, layout.dtype)
    return np.frombuffer(decoded, dtype=layout.dtype).reshape(layout.rows, layout.columns)


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    """Rows and columns in the frame header of a JPEG or JPEG-LS codestream (T.81 B.2.2, T.87 C.2.2)."""
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker, length = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4], "big")
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        at += 2 + length
    raise FrameError("the codestream has no frame header")


def _jpeg_2000_size(frame: bytes) -> tuple[int, int]:
    """Rows and columns in the SIZ segment of a JPEG 2000 codestream (T.800 A.5.1)."""
    at = frame.find(b"\xff\x4f\xff\x51", 0, 512)
    if at < 0:
        raise FrameError("the codestream has no size segment")
    x1, y1, x0, y0 = (int.from_bytes(frame[at + 8 + 4 * k : at + 12 + 4 * k], "big") for k in range(4))
    return y1 - y0, x1 - x0


def _codestream(
    decode: Callable[[bytes], npt.NDArray[Any]], size: Callable[[bytes], tuple[int, int]]
) -> Callable[[bytes, FrameLayout], npt.NDArray[Any]]:
    """A decoder that first looks at the size and the end of a codestream.

    libjpeg and OpenJPH fill the missing part of a cut codestream with grey and report success, which would show a model
    half a breast. All of them allocate what the codestream asks for, which may be far more than Rows x Columns.
    """

    def checked(frame: bytes, layout: FrameLayout) -> npt.NDArray[Any]:
        if size(frame) != (layout.rows, layout.columns):
            text = "x".join(map(str, size(frame)))
            raise FrameError(f"the codestream holds {text} pixels, the header says {layout.rows}x{layout.columns}")
        if END_OF_CODESTREAM not in frame[-16:]:
            raise FrameTruncated("the compressed frame ends before its end-of-codestream marker")
        return decode(frame)

    return checked


_JPEG = _codestream(imagecodecs.jpeg_decode, _jpeg_size)
_JPEG_LS = _codestream(imagecodecs.jpegls_decode, _jpeg_size)
_JPEG_2000 = _codestream(imagecodecs.jpeg2k_decode, _jpeg_2000_size)
_HTJ2K = _codestream(imagecodecs.htj2k_decode, _jpeg_2000_size)

CODECS: Mapping[UID, Callable[[bytes, FrameLayout], npt.NDArray[Any]]] = MappingProxyType(
    {
        JPEGBaseline8Bit: _JPEG,
        JPEGExtended12Bit: _JPEG,
        JPEGLossless: _JPEG,
        JPEGLosslessSV1: _JPEG,
        JPEGLSLossless: _JPEG_LS,
        JPEGLSNearLossless: _JPEG_LS,
        JPEG2000Lossless: _JPEG_2000,
        JPEG2000: _JPEG_2000,
        HTJ2KLossless: _HTJ2K,
        HTJ2KLosslessRPCL: _HTJ2K,
        HTJ2K: _HTJ2K,
        RLELossless: _rle,
    }
)


def decode_frame(frame: bytes, transfer_syntax: UID, layout: FrameLayout) -> npt.NDArray[Any]:
    """Decode one frame into an integer array of shape (rows, columns); bits above BitsStored are left as they are.

    Raises:
        FrameTruncated: the codestream is cut off.
        FrameError: no decoder knows the transfer syntax, or all that do fail, or the shape is not the header's.
    """
    if transfer_syntax not in CODECS:
        raise FrameError(f"transfer syntax {transfer_syntax.name} ({transfer_syntax}) is not supported")
    try:
        pixels = CODECS[transfer_syntax](frame, layout)
    except FrameError:
        raise
    except Exception as error:  # every codec of imagecodecs has an error type of its own
        pixels = _fall_back(frame, transfer_syntax, layout, error)
    if pixels.shape != (layout.rows, layout.columns):
        raise FrameError(f"decoded shape {pixels.shape} is not Rows x Columns ({layout.rows}, {layout.columns})")
    if pixels.dtype.kind not in "iu" or pixels.dtype.itemsize > layout.dtype.itemsize:
        raise FrameError(f"decoded values of type {pixels.dtype} do not fit BitsAllocated {layout.bits_allocated}")
    return pixels


def _fall_back(frame: bytes, transfer_syntax: UID, layout: FrameLayout, first: Exception) -> npt.NDArray[Any]:
    """Ask pydicom's plugins in turn; the first error is the one reported, since it comes from the better decoder."""
    decoder = get_decoder(transfer_syntax)
    for plugin in FALLBACK_PLUGINS:
        if plugin not in decoder.available_plugins:
            continue
        try:
            pixels, _ = decoder.as_array(
                encapsulate([frame]),
                index=0,
                decoding_plugin=plugin,
                rows=layout.rows,
                columns=layout.columns,
                samples_per_pixel=1,
                number_of_frames=1,
                photometric_interpretation="MONOCHROME2",
                bits_allocated=layout.bits_allocated,
                bits_stored=layout.bits_stored,
                pixel_representation=layout.pixel_representation,
                pixel_keyword="PixelData",
            )
        except Exception:  # noqa: S112  a plugin may fail in any way; the next one, or the first error, speaks for it
            continue
        return np.asarray(pixels)
    raise FrameError(f"{transfer_syntax.name}: {type(first).__name__}: {first}") from first
