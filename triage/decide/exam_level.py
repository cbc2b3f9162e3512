"""Decide: which rows of a set stand for a stratum, per image or per exam. Input: image rows. Output: those that count.

An exam is flagged only if all four views are, so what decides on it is the least of its four scores, and what it is
judged by is the worst of its BI-RADS categories.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from triage.decide.operating_point import CalibrationSet, Mask

KINDS = ("image", "exam_min")
VIEWS = 4
WORSE = (1, 2, 3, 0, 4, 5, 6)
"""BI-RADS from the mildest to the gravest; 0 (needs more imaging) stands between 3 and 4."""
FOLLOW_UP = ("no-cancer", "", "interval", "screen-detected")
"""What of an exam's rows wins, the last first: unknown beats none, and cancer that readers found counts as found."""


@dataclass(frozen=True)
class Units:
    """What the rates of a stratum are counted over."""

    data: CalibrationSet
    """Images or exams of the stratum, and abnormal ones of other strata if they are pooled."""
    local: Mask
    """Shape (n,), True for those of the stratum."""
    exams_left_out: int
    """Exams of the stratum without four images; 0 where images are counted."""


def units(data: CalibrationSet, stratum_id: str, kind: str, pool_abnormals: bool) -> Units:
    """The images (`image`) or exams (`exam_min`) that count for a stratum; patients become numbers.

    Normals are always the stratum's own: what share of them is flagged says nothing about another device.
    """
    left_out = 0
    if kind == "exam_min":
        own, left_out = exam_level(data.where(data.strata == stratum_id))
        data = exam_level(data)[0] if pool_abnormals else own
    local = np.asarray(data.strata == stratum_id)
    kept = local | ~data.normal if pool_abnormals else local
    chosen = data.where(kept)
    # Sorting keys of 64 characters for each of some thirty rates would take longer than everything else.
    return Units(replace(chosen, patients=np.unique(chosen.patients, return_inverse=True)[1]), local[kept], left_out)


def exam_level(data: CalibrationSet) -> tuple[CalibrationSet, int]:
    """One row an exam, and how many exams were left out because they have fewer than four images.

    The score is the least of the images', BI-RADS the worst; follow-up is joined as FOLLOW_UP says.
    """
    exams, index, images = np.unique(data.exams, return_inverse=True, return_counts=True)
    if not exams.size:
        return data, 0
    order = np.argsort(index, kind="stable")
    starts = np.cumsum(images) - images
    first = order[starts]
    gravity = np.argsort(WORSE)[data.birads][order]
    known = _ranked(data.follow_up)[order]
    joined = CalibrationSet(
        np.minimum.reduceat(data.scores[order], starts),
        np.asarray(WORSE)[np.maximum.reduceat(gravity, starts)],
        data.patients[first],
        exams,
        np.asarray(FOLLOW_UP)[np.maximum.reduceat(known, starts)],
        data.strata[first],
    )
    complete = images >= VIEWS
    return joined.where(complete), int((~complete).sum())


def _ranked(follow_up: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    return sum(
        (rank * (follow_up == one).astype(np.int64) for rank, one in enumerate(FOLLOW_UP)), np.zeros(1, np.int64)
    )
