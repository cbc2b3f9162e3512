"""Frozen records that travel between the stages: what one image says of itself, and its canonical pixels."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from triage.core.reasons import Reason
from triage.core.views import View, standard_view

UInt16Image = npt.NDArray[np.uint16]
Float32Image = npt.NDArray[np.float32]
BoolImage = npt.NDArray[np.bool_]

DUAL_VIEW_SHAPE = (1008, 800)
"""Rows, columns of the dual-view model's input (Cao et al., SCP+SF)."""
WHOLE_IMAGE_SHAPE = (1152, 896)
"""Rows, columns of the whole-image model's input (Miller et al., SSL-MIP)."""

PREPROCESSING_VERSION = 1
"""Counts changes of what `prepare` and `register` make of a file; a bundle serves only with the one it learnt from."""


def model_input(image: UInt16Image) -> Float32Image:
    """Canonical pixels (0..65535) as a model reads them: float32, 0..1, shape (1, 1, rows, columns)."""
    return (image.astype(np.float32) / np.float32(65535.0))[None, None]


@dataclass(frozen=True)
class InstanceHeader:
    """What the header of one DICOM instance says, and what the header rules made of it.

    `attributes` keeps the identifying attributes that worklist, strata and reports need, by DICOM keyword.
    """

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    laterality: str | None
    view_position: str | None
    analysable: bool
    """A mammogram that counts toward the exam; False for objects that are stored and set aside."""
    reasons: tuple[Reason, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def eligible(self) -> bool:
        """May be analysed: nothing in the header speaks against it."""
        return self.analysable and not self.reasons

    @property
    def view(self) -> View | None:
        """The standard view, or None."""
        return standard_view(self.laterality, self.view_position)


@dataclass(frozen=True)
class PreparedView:
    """One view in canonical form: chest wall at the left, bright is dense, background exactly 0.

    Pixels are uint16, 0..65535 standing for 0..1 after VOI LUT: what training caches is what serving reads, to the bit.
    """

    dual_view: UInt16Image
    """Shape DUAL_VIEW_SHAPE."""
    whole_image: UInt16Image
    """Shape WHOLE_IMAGE_SHAPE."""
    breast_mask: BoolImage
    """Breast on the grid of `dual_view`."""
    flipped: bool
    """True if the stored image was mirrored to bring the chest wall to the left."""
    crop: tuple[int, int, int, int]
    """Top, bottom, left, right of the crop in stored pixels (before mirroring), half open."""
    stored_shape: tuple[int, int]
    """Rows, Columns of the stored image."""
    notes: tuple[str, ...] = ()
    statistics: Float32Image | None = None
    """How the image looks, in the numbers of `triage.prepare.statistics`."""


@dataclass(frozen=True)
class RegisteredPair:
    """The contralateral view warped onto the fixed one, both canonical, on the grid of `dual_view`."""

    moving: UInt16Image
    quality: float
    """Overlap (Dice) of the two breast masks after alignment, 0..1."""
    accepted: bool
    method: str
    """`affine`, or `moments` where the affine step did not hold."""
    milliseconds: float
