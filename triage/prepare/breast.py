"""Stage `prepare`: where the breast is.

In: levels of the whole image (uint16, bright is dense). Out: a mask of the breast on a coarse grid and its box in
pixels of the image. Burned-in letters, tape and film borders are left out where they do not touch the breast.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from triage.core.errors import Rejected
from triage.core.reasons import reason
from triage.core.study import BoolImage, UInt16Image
from triage.prepare.resample import Box

SKIN_LEVEL = 0.15
"""Threshold between background (0) and Otsu's threshold (1). Otsu's own cuts off the dim skin: on 81 films of mini-MIAS
its Dice with the hand-made masks was 0.87, this one's 0.975."""
NOISE_WIDTHS = 3.0
"""The threshold lies at least this many mean deviations above the background: film is noisy, detectors are not."""
OPENING = 1 / 40
"""Diameter of the opening, in sides of the image: threads between the breast and a label are cut."""
SMALLEST_BREAST = 0.03
LARGEST_BREAST = 0.97
"""Share of the image that a breast covers."""
LARGEST_CLIPPED = 0.25
"""Share of the breast that may be displayed pure white, or pure black. The most in 321 real images: 0.025 and 0.017."""


@dataclass(frozen=True)
class Breast:
    """The breast in one image."""

    mask: BoolImage
    """On the coarse grid; one cell stands for `factor` x `factor` pixels."""
    factor: int
    box: Box
    """In pixels of the image; even numbers except at the far edges of the image."""

    @property
    def mask_in_box(self) -> BoolImage:
        """The mask cropped to the box."""
        top, bottom, left, right = self.box
        rows = slice(top // self.factor, max(bottom // self.factor, top // self.factor + 1))
        columns = slice(left // self.factor, max(right // self.factor, left // self.factor + 1))
        return self.mask[rows, columns]


def find_breast(overview: UInt16Image, factor: int, shape: tuple[int, int]) -> Breast:
    """Find the breast.

    Args:
        overview: block means of the image, see `resample.block_mean`.
        factor: pixels of the image in a side of a block; even unless 1.
        shape: rows and columns of the image.

    Raises:
        Rejected: `blank-image` if all values, or all but a few, are the same; `breast-not-found` if no component is a
            breast.
    """
    if overview.min() == overview.max():
        raise Rejected(reason("blank-image", f"All pixels have the same value ({int(overview.min())})."))
    mask = _largest_component(_foreground(overview))
    share = float(mask.mean())
    if not SMALLEST_BREAST <= share <= LARGEST_BREAST:
        text = f"No breast was found: the largest bright area covers {share:.1%} of the image."
        raise Rejected(reason("breast-not-found", text))
    return Breast(mask, factor, _box(mask, factor, shape))


def check_clipping(displayed: UInt16Image, mask: BoolImage) -> None:
    """Raise `Rejected` (`clipped-image`) if too much of the breast is pure white or pure black."""
    inside = displayed[mask]
    white, black = float(np.mean(inside == 65535)), float(np.mean(inside == 0))
    if max(white, black) > LARGEST_CLIPPED:
        raise Rejected(reason("clipped-image", f"{white:.0%} of the breast is pure white, {black:.0%} pure black."))


def _foreground(overview: UInt16Image) -> BoolImage:
    """Everything brighter than the background."""
    smooth = cv2.GaussianBlur(overview, (5, 5), 0)
    # Labels and tape are brighter than any tissue; they must not draw the threshold up.
    tamed = np.minimum(smooth, np.uint16(np.percentile(smooth, 99.5)))
    otsu, _ = cv2.threshold(tamed, 0, 65535, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    dark = tamed[tamed <= otsu]
    if not dark.size:  # Otsu finds no threshold among equal values
        raise Rejected(reason("blank-image", "All but a few pixels have the same value."))
    counts = np.bincount(dark >> 7)  # 512 bins over the range of uint16
    background = 128 * int(counts.argmax()) + 127
    # Only what is darker than the commonest value is noise for sure; above it the breast begins.
    deviation = background - float(np.median(dark[dark <= background]))
    threshold = background + max(SKIN_LEVEL * (otsu - background), NOISE_WIDTHS * deviation)
    return np.asarray(smooth > min(threshold, otsu))


def _largest_component(foreground: BoolImage) -> BoolImage:
    """The largest connected part after an opening, without holes."""
    size = max(3, round(max(foreground.shape) * OPENING)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    opened = cv2.morphologyEx(foreground.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        return np.zeros(foreground.shape, dtype=np.bool_)
    mask = (labels == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
    outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(mask, outline, -1, 1, cv2.FILLED) > 0)


def _box(mask: BoolImage, factor: int, shape: tuple[int, int]) -> Box:
    """Bounding box in pixels; a mask that reaches the last cell reaches the edge of the image."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    bottom = shape[0] if rows[-1] == mask.shape[0] - 1 else (int(rows[-1]) + 1) * factor
    right = shape[1] if columns[-1] == mask.shape[1] - 1 else (int(columns[-1]) + 1) * factor
    return int(rows[0]) * factor, bottom, int(columns[0]) * factor, right
