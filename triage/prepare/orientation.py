"""Stage `prepare`: at which side of the image the chest wall is.

In: Patient Orientation (0020,0020), Image Laterality (0020,0062) and the mask of the breast. Out: `left` or `right`, or
a rejection where they clearly disagree. Field of View Horizontal Flip (0018,7034) and Rotation (0018,7032) tell what
was already done to the pixels and are never applied again.
"""

from typing import Literal

import numpy as np
from pydicom.dataset import Dataset

from triage.core.errors import Rejected
from triage.core.reasons import reason
from triage.core.study import BoolImage

Side = Literal["left", "right"]

CLEAR_EVIDENCE = 0.12
"""Contrast from which the pixels are taken to know the side of the chest wall."""


def header_side(ds: Dataset) -> Side | None:
    """Side of the chest wall by the first value of Patient Orientation, the direction of the rows (PS3.3 C.7.6.1.1.1).

    Rows that run to the front (A) start at the chest wall. None if the attribute is absent or empty.

    Raises:
        Rejected: `orientation-conflict` if the rows run neither to the front nor to the back.
    """
    value = ds.get("PatientOrientation")
    rows = str(value if isinstance(value, str) else value[0]).strip().upper() if value else ""
    if not rows:
        return None
    if rows[0] in "AP":
        return "left" if rows[0] == "A" else "right"
    text = f"PatientOrientation {rows}: the chest wall is neither at the left nor at the right edge of the image."
    raise Rejected(reason("orientation-conflict", text))


def check_breast_side(ds: Dataset, wall: Side) -> None:
    """Without Patient Orientation only the custom is left that a right breast has its chest wall at the right.

    Raises:
        Rejected: `orientation-conflict` if Image Laterality (0020,0062) and the side of the chest wall break it: the
            image is mirrored or its laterality is wrong, and nothing tells which.
    """
    laterality = str(ds.get("ImageLaterality") or "")
    if ds.get("PatientOrientation") or laterality not in ("R", "L"):
        return
    if wall != ("right" if laterality == "R" else "left"):
        text = f"No PatientOrientation, and the chest wall of the {laterality} breast is at the {wall} edge."
        raise Rejected(reason("orientation-conflict", text))


def pixel_evidence(mask: BoolImage) -> float:
    """What the pixels say of the chest wall's side: -1 surely right, 0 undecided, +1 surely left.

    A breast is tall at the chest wall and tapers towards the nipple, so the mean height of the mask over the first
    quarter of its width is compared with that over the last (contrast, (first - last) / (first + last)).
    """
    columns = np.flatnonzero(mask.any(axis=0))
    heights = mask[:, columns[0] : columns[-1] + 1].sum(axis=0, dtype=np.float64)
    quarter = max(len(heights) // 4, 1)
    first, last = heights[:quarter].mean(), heights[-quarter:].mean()
    return float((first - last) / (first + last))


def chest_wall_side(stated: Side | None, mask: BoolImage) -> tuple[Side, str]:
    """The side of the chest wall and a note on how it was found.

    Raises:
        Rejected: `orientation-conflict` if the pixels clearly contradict the header, or if the header is silent and the
            pixels are not clear.
    """
    evidence = pixel_evidence(mask)
    seen: Side = "left" if evidence > 0 else "right"
    clear = abs(evidence) >= CLEAR_EVIDENCE
    if stated is None:
        if not clear:
            text = "The header does not say at which side the chest wall is, and the pixels do not show it clearly."
            raise Rejected(reason("orientation-conflict", text))
        return seen, f"no PatientOrientation: chest wall seen at the {seen}"
    if clear and seen != stated:
        text = f"The header puts the chest wall at the {stated}, the pixels at the {seen} edge."
        raise Rejected(reason("orientation-conflict", text))
    return stated, f"chest wall at the {stated}" + ("" if clear else ", not clear from the pixels")
