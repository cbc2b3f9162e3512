"""Stage `prepare`: does an image show an implant, whatever its header says?

In: displayed pixels and mask of the breast on the canvas, chest wall at the left. Out: nothing, or a rejection. An
implant is a large, bright, even plateau with a smooth outline and a step down to the tissue around it. Tuned on drawn
phantoms only, for want of real implants: it cannot replace BreastImplantPresent (0028,1300). Saline, folded, partly
shown or muscle-covered implants may well pass. Measured: 32 of 32 images of phantom implants found; false alarms in
0 of 40 images of other phantoms, 0 of 84 real digital images and 1 of 239 films.
"""

import cv2
import numpy as np
import numpy.typing as npt

from triage.core.errors import Rejected
from triage.core.reasons import reason
from triage.core.study import BoolImage, UInt16Image

CELL = 8
"""Pixels of the canvas in a side of a cell of the reduced grid."""
BRIGHT = 0.6
"""Least brightness of a plateau, from 0 (5th percentile of the breast) to 1 (its 99th)."""
LARGEST_LOCAL_DEVIATION = 0.04
LARGEST_DEVIATION = 0.04
"""Of the brightness around a cell and over the whole plateau. Phantom implants: 0.001 to 0.01."""
SMALLEST_SHARE = 0.1
"""Of the breast that a plateau covers. Phantom implants: 0.17 and more."""
SMALLEST_SOLIDITY = 0.9
"""Area of a plateau over that of its convex hull."""
SMALLEST_STEP = 0.3
"""Mean brightness of a plateau above the tissue around it."""
CORNER = 4
"""Cells from the upper chest-wall corner of the breast; the plateau that begins there is the pectoral muscle."""

Brightness = npt.NDArray[np.float32]


def check_implant(displayed: UInt16Image, mask: BoolImage) -> None:
    """Raise `Rejected` (`implant-suspected`) if a plateau in the breast looks like an implant.

    Args:
        displayed: pixels of the breast on the canvas, 0 outside `mask`.
        mask: of the same shape.
    """
    size = (displayed.shape[1] // CELL, displayed.shape[0] // CELL)
    inside = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99
    if not inside.any():
        return
    cells = cv2.resize(displayed, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    low, high = np.percentile(cells[inside], (5, 99))
    cells = ((cells - low) / max(high - low, 1)).astype(np.float32)
    for plateau in _plateaus(cells, inside):
        share = float(plateau.sum() / inside.sum())
        if share >= SMALLEST_SHARE and _is_implant(plateau, cells, inside):
            text = f"A bright, even area with a smooth outline covers {share:.0%} of the breast, as an implant does."
            raise Rejected(reason("implant-suspected", text))


def _plateaus(cells: Brightness, inside: BoolImage) -> list[BoolImage]:
    """Connected bright and even areas without holes; not the one in the corner of the pectoral muscle."""
    mean, square = cv2.blur(cells, (5, 5)), cv2.blur(cells * cells, (5, 5))
    even = np.sqrt(np.maximum(square - mean * mean, 0)) < LARGEST_LOCAL_DEVIATION
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    bright = cv2.morphologyEx((even & inside & (mean > BRIGHT)).astype(np.uint8), cv2.MORPH_OPEN, kernel)
    top = int(np.flatnonzero(inside.any(axis=1))[0])
    outlines, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    boxes = [cv2.boundingRect(outline) for outline in outlines]
    return [
        _filled(outline, cells.shape)
        for outline, (left, upper, _, _) in zip(outlines, boxes, strict=True)
        if upper > top + CORNER or left > CORNER
    ]


def _is_implant(plateau: BoolImage, cells: Brightness, inside: BoolImage) -> bool:
    area = plateau.astype(np.uint8)
    (outline, *_), _ = cv2.findContours(area, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    solidity = plateau.sum() / _filled(cv2.convexHull(outline), plateau.shape).sum()
    # The plateau ends some cells short of its edge, because the local deviation rises there.
    near, far = (cv2.dilate(area, np.ones((size, size), np.uint8)) > 0 for size in (9, 15))
    around = far & ~near & inside
    step = cells[plateau].mean() - cells[around].mean() if around.any() else 0.0
    even = cells[plateau].std() <= LARGEST_DEVIATION
    return bool(even and solidity >= SMALLEST_SOLIDITY and step >= SMALLEST_STEP)


def _filled(outline: npt.NDArray[np.int32], shape: tuple[int, ...]) -> BoolImage:
    return np.asarray(cv2.drawContours(np.zeros(shape, np.uint8), [outline], -1, 1, cv2.FILLED) > 0)
