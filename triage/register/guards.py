"""Stage `register`: whether an alignment may be believed.

In: a candidate transform and the two breast masks. Out: overlap, and yes or no. These are gross guards: they catch an
empty mask, a mirrored or exploded transform and breasts that do not overlap. They cannot tell two different women apart
(measured: overlaps of wrong pairs reach those of true ones), which is why the header's patient identity is checked
elsewhere.
"""

import numpy as np
import numpy.typing as npt

from triage.core.errors import Rejected
from triage.core.reasons import reason
from triage.core.study import DUAL_VIEW_SHAPE, BoolImage, PreparedView

DETERMINANT_RANGE = (0.5, 2.0)
"""Ratio of areas that an alignment may make: the two breasts of a woman seldom differ by more than a half."""
DICE_FLOOR = 0.75
"""Least overlap of the aligned masks."""


def check_view(view: PreparedView) -> None:
    """Raise `Rejected` (`registration-failed`) unless the pixels and the mask have the type and shape they must have.

    NaN must not get this far: the optimiser would keep its start and call that success.
    """
    if not np.isfinite(view.dual_view).all():
        raise Rejected(reason("registration-failed", "The image to register holds values that are not finite."))
    for name, image, dtype in (("image", view.dual_view, np.uint16), ("mask", view.breast_mask, np.bool_)):
        if image.dtype != dtype or image.shape != DUAL_VIEW_SHAPE:
            text = f"The {name} to register is {image.dtype} of shape {image.shape}, expected {DUAL_VIEW_SHAPE}."
            raise Rejected(reason("registration-failed", text))


def plausible(matrix: npt.NDArray[np.float64]) -> bool:
    """A 2 x 3 affine matrix is finite and changes areas within the range."""
    if not np.isfinite(matrix).all():
        return False
    determinant = float(np.linalg.det(matrix[:, :2]))
    return DETERMINANT_RANGE[0] <= determinant <= DETERMINANT_RANGE[1]


def dice(first: BoolImage, second: BoolImage) -> float:
    """Overlap of two masks, 2 |A and B| / (|A| + |B|), 0..1; 0 if both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 2.0 * int((first & second).sum()) / total if total else 0.0
