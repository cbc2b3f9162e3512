"""Stage `prepare`: numbers that tell how an image looks, whatever it shows. Input: canonical view. Output: a vector.

They are the half of the out-of-distribution check that asks no model: another detector, another processing, another
kind of object shows in grey levels, sharpness and noise long before it shows in what an encoder makes of it.
"""

import cv2
import numpy as np
import numpy.typing as npt

from triage.core.study import BoolImage, UInt16Image

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
NAMES = (
    *(f"grey level, percentile {percentile}" for percentile in PERCENTILES),
    "grey level, standard deviation",
    "grey level, skewness",
    "noise (mean second difference)",
    "sharpness, fine",
    "sharpness, medium",
    "sharpness, coarse",
    "breast, share of the canvas",
    "breast, rows over columns",
    "saturated share",
)
"""What each number is; logarithms where a ratio is what counts."""

_SCALES = (1, 4, 16)
"""Pixels of the canvas in a side of a cell, between which sharpness is measured."""
_ROWS = 5
"""Every fifth row tells enough and costs a fifth."""
_LEVELS = 1024
_SMALLEST = 1e-6

Statistics = npt.NDArray[np.float32]


def pixel_statistics(displayed: UInt16Image, mask: BoolImage) -> Statistics:
    """The numbers of NAMES, shape (16,), of the breast pixels of one canonical view.

    Args:
        displayed: shape DUAL_VIEW_SHAPE, 0..65535, 0 outside the breast.
        mask: of the same shape; True in the breast, at least one pixel.
    """
    values = displayed[::_ROWS][mask[::_ROWS]]
    values = values if values.size else displayed[mask]
    # Moments and percentiles from 1024 grey levels: the numbers are compared, not measured.
    counts = np.bincount(values >> 6, minlength=_LEVELS) / values.size
    greys = (np.arange(_LEVELS) + 0.5) / _LEVELS
    mean = float(counts @ greys)
    deviation = max(float(np.sqrt(counts @ (greys - mean) ** 2)), _SMALLEST)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    found = [
        *greys[np.searchsorted(np.cumsum(counts), np.asarray(PERCENTILES) / 100)],
        deviation,
        float(counts @ ((greys - mean) / deviation) ** 3),
        *_texture(displayed, mask),
        float(mask.mean()),
        (rows[-1] - rows[0] + 1) / (columns[-1] - columns[0] + 1),
        float((values == 65535).mean()),
    ]
    return np.asarray(found, np.float32)


def _texture(displayed: UInt16Image, mask: BoolImage) -> list[float]:
    """Logarithms of the noise and of the differences between neighbouring means at three scales, along rows."""
    found = []
    for scale in _SCALES:
        size = (displayed.shape[1] // scale, displayed.shape[0] // scale)
        step = _ROWS if scale == 1 else 1
        cells = displayed if scale == 1 else cv2.resize(displayed, size, interpolation=cv2.INTER_AREA)
        inside = mask if scale == 1 else cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0
        line = cells[::step].astype(np.float32) / 65535
        three = inside[::step, :-2] & inside[::step, 1:-1] & inside[::step, 2:]
        if scale == 1:
            second = np.abs(line[:, :-2] - 2 * line[:, 1:-1] + line[:, 2:])[three]
            found.append(float(second.mean()) if second.size else 0.0)
        first = np.abs(line[:, 2:] - line[:, :-2])[three]
        found.append(float(first.mean()) if first.size else 0.0)
    return [float(np.log(max(value, _SMALLEST))) for value in found]
